"""check-config, backup and compact: the commands that need no running server."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from awry.cli.main import main
from awry.stores import open_store

Capture = pytest.CaptureFixture[str]


def test_a_good_config(tmp_path: Path, capsys: Capture) -> None:
    """Nothing wrong: status 0."""
    file = tmp_path / "awry.toml"
    file.write_text('[server]\nhttp = "127.0.0.1:8080"\n')
    assert 0 == main(["check-config", str(file)])
    assert f"{file}: fine\n" == capsys.readouterr().out


def test_a_bad_config(tmp_path: Path, capsys: Capture) -> None:
    """Every mistake with its line: status 1."""
    file = tmp_path / "awry.toml"
    file.write_text('[server]\nhtp = "127.0.0.1:8080"\n\n[notifier.hook]\ntype = "pigeon"\n')
    assert 1 == main(["check-config", str(file)])
    lines = capsys.readouterr().out.splitlines()
    assert ["line 2", "line 5"] == [line.split(": ")[1] for line in lines]
    assert "webhook" in lines[1]


def test_backup_while_it_is_open(tmp_path: Path, capsys: Capture) -> None:
    """The copy is a sound database, and is not overwritten."""
    store = open_store(tmp_path / "data")
    try:
        copy = tmp_path / "copy.db"
        assert 0 == main(["backup", str(copy), "--data", str(tmp_path / "data")])
        with closing(sqlite3.connect(copy)) as database:
            assert [("ok",)] == database.execute("PRAGMA integrity_check").fetchall()
        assert 2 == main(["backup", str(copy), "--data", str(tmp_path / "data")])
        assert "it exists already" in capsys.readouterr().err
    finally:
        store.close()


def test_compact(tmp_path: Path, capsys: Capture) -> None:
    """Compacts a database nobody uses, and refuses one that a server holds."""
    store = open_store(tmp_path)
    assert 2 == main(["compact", "--data", str(tmp_path)])
    assert "is using it" in capsys.readouterr().err
    store.close()
    assert 0 == main(["compact", "--data", str(tmp_path)])
    assert "bytes before" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["backup", "compact"])
def test_a_mistyped_folder(name: str, tmp_path: Path, capsys: Capture) -> None:
    """A folder without a database is an error, and does not become a new database."""
    folder = tmp_path / "typo"
    assert 2 == main([name, *(["x.db"] if name == "backup" else []), "--data", str(folder)])
    assert "cannot find a database" in capsys.readouterr().err
    assert not folder.exists()
