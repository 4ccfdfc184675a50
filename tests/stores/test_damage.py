"""What is wrong with a file, a folder or a disk is said clearly, and what can recover does."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from awry.core.errors import (
    Conflict,
    InvalidConfig,
    InvalidInput,
    NotFound,
    StoreCorrupt,
    StoreError,
    StoreInUse,
    StoreTooNew,
    StoreUnavailable,
)
from awry.stores import migrations
from awry.stores.backup import copy_database
from awry.stores.connect import Database, database_url
from awry.stores.lock import FolderLock
from tests.stores.conftest import Opener
from tests.stores.ticks import ALL, expected_of, same, tick_of


def _filled(path: Path, opened: Opener) -> Path:
    store = opened(path)
    store.commit([tick_of(seq, 2000) for seq in range(1, 6)])
    store.compact(0)
    store.close()
    return path / "awry.db"


def test_not_a_database(tmp_path: Path, opened: Opener) -> None:
    """A file of other content is StoreCorrupt, and is left as it is."""
    (tmp_path / "awry.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreCorrupt, match="not a database") as caught:
        opened(tmp_path)
    assert "backup" in caught.value.hint
    assert b"not a database at all" * 100 == (tmp_path / "awry.db").read_bytes()


def test_a_short_file_is_no_empty_database(tmp_path: Path, opened: Opener) -> None:
    """A few bytes of anything, which SQLite would take over, stay as they are; an empty file may become a database."""
    file = tmp_path / "notes.txt"
    file.write_bytes(b"dear diary")
    with pytest.raises(StoreCorrupt, match="not a database"):
        opened(file)
    assert b"dear diary" == file.read_bytes()
    (tmp_path / "awry.db").touch()
    opened(tmp_path)


def test_damaged_pages(tmp_path: Path, opened: Opener) -> None:
    """Overwritten pages in the middle are found at open."""
    file = _filled(tmp_path, opened)
    data = bytearray(file.read_bytes())
    data[8192 : 8192 * 6] = b"\xa5" * (8192 * 5)
    file.write_bytes(data)
    with pytest.raises(StoreCorrupt, match="cannot"):
        opened(tmp_path)


def test_another_programs_database(tmp_path: Path, opened: Opener) -> None:
    """An SQLite file without our tables is refused, not adopted."""
    connection = sqlite3.connect(tmp_path / "awry.db")
    connection.execute("CREATE TABLE notes (text)")
    connection.close()
    with pytest.raises(StoreCorrupt, match="another program's database"):
        opened(tmp_path)


def test_newer_version(target: str, opened: Opener) -> None:
    """A database of a newer version is refused with both numbers and a hint."""
    opened(target).close()
    database = Database(database_url(target))
    with database.write("test") as connection:
        connection.exec_driver_sql("UPDATE meta SET value = 99 WHERE name = 'schema'")
    database.close()
    with pytest.raises(StoreTooNew, match=rf"schema 99, this version knows {migrations.FIRST + len(migrations.STEPS)}\b") as caught:
        opened(target)
    assert "install" in caught.value.hint


def test_steps_forward(target: str, opened: Opener) -> None:
    """Each migration runs once, in order, and a new database needs none."""
    ran: list[str] = []
    opened(target).close()
    database = Database(database_url(target))
    steps = [*migrations.STEPS, lambda _: ran.append("next"), lambda _: ran.append("last")]
    migrations.migrate(database, steps)
    migrations.migrate(database, steps)
    database.close()
    assert ["next", "last"] == ran


def test_folder_in_use(tmp_path: Path, opened: Opener) -> None:
    """The second server on a folder is told the first one's pid."""
    opened(tmp_path)
    with pytest.raises(StoreInUse, match=f"process {os.getpid()} is using it"):
        opened(tmp_path)


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """A read-only data folder is named, with the cause and what to do."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o555)
    if os.geteuid() == 0:  # nothing is read-only to root but what cannot be a folder
        folder = Path("/proc/awry-data")
    with pytest.raises(StoreError, match=f"cannot write in the data folder {folder}") as caught:
        FolderLock(folder / "awry.db").acquire()
    assert "--data" in caught.value.hint


def test_disk_full(tmp_path: Path, opened: Opener) -> None:
    """When the disk is full nothing is written, StoreUnavailable says so, and writing goes on once there is room."""
    ticks = [tick_of(seq, 5000) for seq in range(1, 4)]
    store = opened(tmp_path)
    store.commit(ticks[:1])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "awry.db-wal").stat().st_size + 20_000, hard))
    try:
        with pytest.raises(StoreUnavailable):
            store.commit(ticks[1:])
        with pytest.raises(StoreUnavailable):
            store.commit(ticks[1:])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert 5000 == store.stats()["samples"]
    store.commit(ticks[1:])
    assert same(expected_of(ticks, 77), store.samples(77, *ALL))


def test_backup(tmp_path: Path, opened: Opener) -> None:
    """A backup of a store that is open and written to is a store of its own; it replaces nothing."""
    store = opened(tmp_path / "data")
    ticks = [tick_of(seq) for seq in range(1, 4)]
    store.commit(ticks[:2])
    store.backup(tmp_path / "copy.db")
    store.commit(ticks[2:])
    assert same(expected_of(ticks[:2], 5), opened(tmp_path / "copy.db").samples(5, *ALL))
    with pytest.raises(Conflict, match="exists already"):
        store.backup(tmp_path / "copy.db")
    with pytest.raises(StoreUnavailable):
        store.backup(tmp_path / "nowhere" / "copy.db")
    with pytest.raises(NotFound):
        copy_database(database_url(tmp_path / "other.db"), tmp_path / "copy2.db")
    with pytest.raises(InvalidInput) as caught:
        copy_database(database_url("postgresql://localhost/x"), tmp_path / "copy2.db")
    assert "pg_dump" in caught.value.hint


def test_where_a_path_leads(tmp_path: Path) -> None:
    """A file is itself; a folder, there or not, with a dot in its name or not, holds awry.db; servers get their drivers."""
    (tmp_path / "old").write_bytes(b"")
    places = ["old", "data", "data.v2", "x.db"]
    assert [str(tmp_path / p) for p in ("old", "data/awry.db", "data.v2/awry.db", "x.db")] == [
        database_url(tmp_path / place).database for place in places
    ]
    assert "postgresql+psycopg" == database_url("postgresql://h/x").drivername
    assert "mysql+pymysql" == database_url("mariadb://h/x").drivername


@pytest.mark.parametrize("url", ["oracle://host/x", "://", "postgresql://host:port/x"])
def test_urls_refused(url: str) -> None:
    """A URL that cannot be one of ours is a mistake in the settings."""
    with pytest.raises(InvalidConfig):
        database_url(url)


_WRITER = """
import sys
sys.path.insert(0, {root!r})
from awry.stores import open_store
from tests.stores.ticks import tick_of
store = open_store({path!r}, seal_samples=2000, seal_rows_each=0, slice_ms=0)
seq = store.recover().last_seq
while True:
    seq += 1
    tick = tick_of(seq)
    store.commit([tick])
    print(seq, flush=True)
    store.upkeep(tick.time)
"""


@pytest.mark.slow
def test_kill(tmp_path: Path, opened: Opener) -> None:
    """After kill -9 at any moment every acknowledged tick is there, every sample once, and the next process goes on."""
    root = str(Path(__file__).parents[2])
    acknowledged = 0
    for lines in (3, 17, 41):
        command = [sys.executable, "-c", _WRITER.format(root=root, path=str(tmp_path))]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(lines):
                acknowledged = int(process.stdout.readline())
            process.kill()
        store = opened(tmp_path)
        last = store.recover().last_seq
        assert last >= acknowledged
        ticks = [tick_of(seq) for seq in range(1, last + 1)]
        assert all(same(expected_of(ticks, slot), store.samples(slot, *ALL)) for slot in (0, 101, 249))
        assert 250 * last == store.stats()["samples"]
        store.close()
