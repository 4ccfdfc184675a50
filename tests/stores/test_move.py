"""An instance is exported at one moment while it is written to, and put into any empty database without losing a bit."""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import zstandard
from sqlalchemy import select

from awry.core.errors import AwryError, Conflict, InvalidInput, NotFound, StoreCorrupt, StoreError, StoreTooNew, StoreUnavailable
from awry.core.tick import Block
from awry.stores import SqlStore
from awry.stores.connect import Database, database_url
from awry.stores.container import Manifest, check_file
from awry.stores.export import export_state
from awry.stores.migrations import FIRST, STEPS
from awry.stores.restore import import_state
from awry.stores.schema import tables
from tests.stores.conftest import Opener
from tests.stores.old import make_old
from tests.stores.ticks import ALL, T0, change_of, expected_of, incident_of, same, tick_of, work_off

NEWEST = FIRST + len(STEPS)
TICKS = [tick_of(seq, positions={"tcp": f"é{seq}".encode()}) for seq in range(1, 21)]


class CrashError(BaseException):
    """The process dies here."""


def no_progress(done: int, total: int) -> None:
    """Nobody looks."""


def filled(store: SqlStore) -> SqlStore:
    """Sealed and unsealed samples, incidents, changes, positions, and blocks of several parts."""
    incident = incident_of(1, end=T0)
    store.commit([*TICKS[:9], tick_of(10, incidents=(incident,), changes=(change_of(1, incident),), positions={"tcp": b"\x00"})])
    noise = np.random.default_rng(1).random(600_000)
    store.save([Block("series", 0, 9, {"judge.a": noise}), Block("stages", 0, 9, {"json": np.zeros(3, np.uint8)})])
    store.compact(T0)
    store.commit([*TICKS[10:14], replace(TICKS[14], parked=((3, b"state of three"), (7, bytes(5000))))])
    return store


def written(path: Path, target: str | Path, *, history: bool = True) -> Path:
    """A file of what the database holds."""
    path.write_bytes(b"".join(export_state(database_url(target), history=history, awry="1.2", now_ms=T0)))
    return path


def put(path: Path, target: str | Path, **options: Any) -> Manifest:
    """Import it."""
    return import_state(path, database_url(target), checking=no_progress, writing=no_progress, **options)


def rows_of(target: str | Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, but for numbers that a database gives itself."""
    database = Database(database_url(target))
    try:
        with database.read("test") as connection:
            return {
                table.name: [
                    tuple(bytes(v) if isinstance(v, memoryview) else v for v in row)
                    for row in connection.execute(
                        select(*[c for c in table.columns if c.name != "id" or table.name != "chunks"]).order_by(
                            *table.primary_key.columns
                        )
                    )
                ]
                for table in tables.sorted_tables
            }
    finally:
        database.close()


@pytest.fixture
def file(tmp_path: Path, opened: Opener) -> Path:
    """An export of an SQLite store."""
    filled(opened(tmp_path / "from")).close()
    return written(tmp_path / "state.tar", tmp_path / "from")


@pytest.mark.parametrize("away", [True, False])
def test_between_databases(target: str, tmp_path: Path, opened: Opener, away: bool) -> None:
    """From SQLite to any database and back every row is equal, and the new store goes on: it seals, and numbers its chunks."""
    here, there = (str(tmp_path / "one"), target) if away else (target, str(tmp_path / "two"))
    store = filled(opened(here))
    manifest = put(written(tmp_path / "state.tar", here), there)
    assert all(rows_of(here).values())
    assert rows_of(here) == rows_of(there)
    assert (1, NEWEST, 15, True) == (manifest.format, manifest.schema, manifest.seq, manifest.history)
    moved = opened(there, seal_samples=10, seal_rows_each=0)
    for each in (store, moved):
        each.commit(TICKS[15:])
        work_off(each, T0)
    known = [*TICKS[:9], tick_of(10), *TICKS[10:]]
    for slot in (0, 101, 249):
        assert same(expected_of(known, slot), moved.samples(slot, *ALL))
        assert same(store.samples(slot, *ALL), moved.samples(slot, *ALL))
    assert dict(store.recover().positions) == dict(moved.recover().positions)


def test_one_moment(target: str, tmp_path: Path, opened: Opener) -> None:
    """What is committed, sealed and saved while an export is read is not in it: it is the store as it was when it began."""
    store = filled(opened(target, seal_samples=10, seal_rows_each=0))
    before = rows_of(target)
    pieces = export_state(database_url(target), history=True, awry="1", now_ms=T0)
    data, ticks = [next(pieces)], iter(TICKS[15:])
    for piece in pieces:
        data.append(piece)
        tick = next(ticks, None)
        if tick is not None:
            store.commit([tick])
            store.save([Block("series", 0, tick.seq, {"judge.a": np.zeros(9)})])
            work_off(store, T0)
    (tmp_path / "state.tar").write_bytes(b"".join(data))
    assert 20 == store.recover().last_seq
    put(tmp_path / "state.tar", tmp_path / "there")
    assert before == rows_of(tmp_path / "there")


def test_without_history(tmp_path: Path, opened: Opener) -> None:
    """Sealed samples stay behind; the journal, all state and the numbers of later ticks come along."""
    filled(opened(tmp_path / "from")).close()
    file = written(tmp_path / "state.tar", tmp_path / "from", history=False)
    assert not put(file, tmp_path / "there").history
    one, other = rows_of(tmp_path / "from"), rows_of(tmp_path / "there")
    assert [] == other.pop("chunks") != one.pop("chunks")
    assert one == other
    store = opened(tmp_path / "there")
    assert same(expected_of(TICKS[10:15], 7), store.samples(7, *ALL))
    assert 15 == store.recover().last_seq


def test_an_old_database_is_moved_and_upgraded(target: str, tmp_path: Path, opened: Opener) -> None:
    """A schema-1 database needs no start of this version before it is exported: it is upgraded where it comes to."""
    make_old(str(tmp_path / "old"))
    manifest = put(written(tmp_path / "state.tar", tmp_path / "old"), target)
    assert 1 == manifest.schema
    store = opened(target)
    assert 400 == len(store.samples(1, *ALL))
    store.close()
    assert ("schema", NEWEST) in rows_of(target)["meta"]


@pytest.mark.parametrize(("point", "at"), [("import.begin", 0), ("import.before", 0), ("import.before", 4), ("import.end", 0)])
def test_an_import_cut_short(target: str, file: Path, opened: Opener, point: str, at: int) -> None:
    """A server does not start on half of an instance and says what to do; the same import begins anew, and then all is there."""
    calls = 0

    def fault(name: str) -> None:
        nonlocal calls
        calls += name == point
        if name == point and calls == at + 1:
            raise CrashError

    with pytest.raises(CrashError):
        put(file, target, fault=fault)
    with pytest.raises(StoreCorrupt, match="an import into it was not finished") as caught:
        opened(target)
    assert "`awry state import` again" in caught.value.hint
    with pytest.raises(StoreCorrupt, match="not finished"):
        written(file.with_name("half.tar"), target)
    put(file, target)
    assert rows_of(file.with_name("from")) == rows_of(target)
    opened(target)


def test_a_target_that_holds_something(target: str, file: Path, opened: Opener) -> None:
    """Nothing is written over: not an instance, even one that only ever ran for a moment, and not while a server runs on it."""
    store = opened(target)
    with pytest.raises(AwryError, match="using it"):
        put(file, target)
    store.close()
    put(file, target)  # opened once and never written to: that is empty
    before = rows_of(target)
    with pytest.raises(Conflict, match="holds an instance of Awry already") as caught:
        put(file, target)
    assert "empty folder" in caught.value.hint
    assert before == rows_of(target)


def test_another_programs_file(tmp_path: Path, file: Path) -> None:
    """An SQLite file of other tables stays as it is."""
    database = Database(database_url(tmp_path / "x"))
    database.lock()
    with database.write("test") as connection:
        connection.exec_driver_sql("CREATE TABLE notes (text VARCHAR(9))")
    database.close()
    with pytest.raises(Conflict, match="another program's database"):
        put(file, tmp_path / "x")


def test_damage_is_found_before_anything_is_written(tmp_path: Path, file: Path) -> None:
    """A file cut anywhere, and one with a changed byte anywhere that matters, is refused in words; nothing is imported."""
    data = file.read_bytes()
    rng = np.random.default_rng(2)
    with tarfile.open(file) as tar:
        members = [(m.offset_data, m.offset_data + m.size) for m in tar.getmembers()]
    ends = [end for _, end in members]
    for cut in [0, 1, 511, 513, 3000, *ends[:-1], *rng.integers(1024, ends[-1] - 90, 12).tolist()]:
        (tmp_path / "cut.tar").write_bytes(data[:cut])
        with pytest.raises((StoreCorrupt, InvalidInput), match=r"cannot import .*cut\.tar: (the file is damaged|it is no file)"):
            put(tmp_path / "cut.tar", tmp_path / "there")
    for place in [int(rng.integers(start, end)) for start, end in members]:
        changed = bytearray(data)
        changed[place] ^= 0x40
        (tmp_path / "bad.tar").write_bytes(changed)
        with pytest.raises((StoreCorrupt, InvalidInput), match=r"cannot import .*bad\.tar: "):
            put(tmp_path / "bad.tar", tmp_path / "there")
    assert not (tmp_path / "there").exists()


def test_other_files(tmp_path: Path) -> None:
    """What is no export is told so: text, an empty file, another tar, a folder, nothing."""
    (tmp_path / "text").write_bytes(b"hello" * 1000)
    (tmp_path / "empty").touch()
    with tarfile.open(tmp_path / "tar", "w") as tar:
        tar.add(tmp_path / "text", "text")
    for name in ("text", "empty", "tar"):
        with pytest.raises(InvalidInput, match="no file of `awry state export`"):
            check_file(tmp_path / name, no_progress)
    with pytest.raises(InvalidInput, match="cannot read"):
        check_file(tmp_path, no_progress)
    with pytest.raises(InvalidInput, match="No such file"):
        check_file(tmp_path / "nothing", no_progress)
    with pytest.raises(NotFound):
        written(tmp_path / "x", tmp_path / "no database")


def test_a_database_that_is_away(file: Path) -> None:
    """Nothing is tried again by itself here: the database is to be started."""
    for act in (lambda where: put(file, where), lambda where: written(file.with_name("x"), where)):
        with pytest.raises(StoreUnavailable) as caught:
            act("postgresql://nobody@127.0.0.1:9/nothing")
        assert "start the database" in caught.value.hint


def test_rows_that_cannot_be(tmp_path: Path, file: Path) -> None:
    """A file that fits its checksum, but not itself: rows of other widths, of no table, too few, no MessagePack, far too large."""
    note = {"name": "positions", "columns": ["source", "position"], "rows": 1}
    bomb = zstandard.ZstdCompressor().compress(bytes(100))
    for rows, said in (
        ([("positions", [["a"]])], "does not say what the rows"),
        ([("positions", [["a", b""], ["b", b"", 3]])], "does not say what the rows"),
        ([("positions", [["a", b""]]), ("users", [["a"]])], "does not say what the rows of 'users'"),
        ([], "rows of the table positions are missing"),
        ([("positions", [["a", b""]] * 2)], "rows of the table positions are missing"),
        ([("positions", bomb[:-8] + b"12345678")], "cannot be unpacked"),
        ([("positions", b"nothing")], "cannot be unpacked"),
        ([("positions", zstandard.ZstdCompressor().compress(b"\xc1"))], "cannot be unpacked"),
        ([("positions", b"\x28\xb5\x2f\xfd\xe0" + (1 << 40).to_bytes(8, "little") + bytes(9))], "larger than any can be"),
    ):
        with pytest.raises(StoreCorrupt, match=said):
            put(_with_manifest(file, rows, tables=[note]), tmp_path / "there")
    assert not (tmp_path / "there").exists()


def _with_manifest(file: Path, rows: Sequence[tuple[str, Any]] = (), **changes: Any) -> Path:
    """The file with other words in its manifest, other rows or bytes, and a checksum that fits."""
    from awry.stores.container import Packer

    with tarfile.open(file) as tar:
        source = tar.extractfile("manifest.json")
        assert source is not None
        manifest = msgspec.json.decode(source.read()) | changes
        packer = Packer(msgspec.convert(manifest, Manifest))
        other = file.with_name("other.tar")
        pieces = [packer.begin()]
        for name, content in rows:
            pieces.append(packer._member(f"{name}/x.zst", content) if isinstance(content, bytes) else packer.rows(name, content))
        other.write_bytes(b"".join(pieces) + packer.end())
    return other


def test_newer_files(tmp_path: Path, file: Path) -> None:
    """A newer format and a newer schema are refused with both numbers; tables nobody knows as well."""
    with pytest.raises(StoreTooNew, match=r"newer version of Awry wrote it \(format 2, this version knows 1\)"):
        put(_with_manifest(file, format=2), tmp_path / "there")
    with pytest.raises(StoreTooNew, match=rf"\(schema {NEWEST + 1}, this version knows {NEWEST}\)"):
        put(_with_manifest(file, schema=NEWEST + 1, tables=[]), tmp_path / "there")
    with pytest.raises(StoreError, match="nothing is known of its table"):
        put(_with_manifest(file, tables=[{"name": "users", "columns": ["name"], "rows": 0}]), tmp_path / "there")
    assert not (tmp_path / "there").exists()
