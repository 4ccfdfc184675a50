"""`awry serve` that cannot start says why and what to do in two lines at most, with status 2 and no traceback."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from awry.stores.sql import open_store


@pytest.fixture(scope="module")
def taken() -> Iterator[str]:
    """An address that another program listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield f"127.0.0.1:{other.getsockname()[1]}"


def database(folder: Path) -> Path:
    open_store(folder).close()
    return folder / "awry.db"


def newer(folder: Path) -> None:
    connection = sqlite3.connect(database(folder))
    connection.execute("UPDATE meta SET value = 99 WHERE name = 'schema'")
    connection.commit()
    connection.close()


def damaged(folder: Path) -> None:
    file = database(folder)
    data = bytearray(file.read_bytes())
    data[8192:40_000] = b"\xa5" * (40_000 - 8192)
    file.write_bytes(data)


def serve(folder: Path, *arguments: str) -> tuple[int, list[str]]:
    """Status and lines of standard error, those about compiling left out."""
    command = [sys.executable, "-m", "awry.cli.main", "serve", "--data", str(folder), "--http", "127.0.0.1:0", "--graphite", "off"]
    ended = subprocess.run(
        [*command, *arguments], capture_output=True, text=True, timeout=200,
        env={**os.environ, "AWRY_HOST_ENABLED": "false", "AWRY_SERVER_OTLP_HTTP": "127.0.0.1:0",
             "AWRY_SERVER_GRAPHITE_PICKLE": "off", "AWRY_SERVER_STATSD": "off"},
    )  # fmt: skip
    return ended.returncode, [line for line in ended.stderr.splitlines() if "compiling, this once" not in line]


@pytest.mark.slow
def test_what_keeps_it_from_starting(tmp_path: Path, taken: str) -> None:
    """Ports in use, no folder, a folder in use, and databases that are damaged, newer, another program's or none."""
    for make in (newer, damaged):
        make(tmp_path / make.__name__)
    (tmp_path / "garbage").mkdir()
    (tmp_path / "garbage" / "awry.db").write_bytes(b"garbage" * 1000)
    (tmp_path / "notes.txt").write_text("dear diary")
    other = open_store(tmp_path / "busy")
    cases = {
        ("free", "--http", taken): f"cannot listen on {taken}: port in use",
        ("free", "--graphite", taken): f"cannot listen on {taken}: port in use",
        ("free", "--http", "0.0.0.0:0"): "without a token",
        ("notes.txt",): "not a database",
        ("notes.txt/data",): "cannot write in the data folder",
        ("garbage",): "not a database",
        ("damaged",): "damaged",
        ("newer",): "a newer version of Awry wrote it",
        ("busy",): f"process {os.getpid()} is using it",
    }
    try:
        with ThreadPoolExecutor(2) as pool:
            answers = pool.map(lambda case: serve(tmp_path / case[0], *case[1:]), cases)
            for (case, words), (status, lines) in zip(cases.items(), answers, strict=True):
                assert 2 == status, (case, lines)
                assert words in " ".join(lines), (case, lines)
                assert len(lines) <= 2, (case, lines)
                assert lines[0].startswith("awry: cannot "), (case, lines)
    finally:
        other.close()
    assert "dear diary" == (tmp_path / "notes.txt").read_text()
