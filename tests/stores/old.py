"""A database as the first schema left it, on any server; the samples in it are three series over 400 minutes."""

from __future__ import annotations

import gzip
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Column, MetaData, Table, insert

from awry.stores.connect import FILE_NAME, Database, database_url
from awry.stores.schema import tables

FILE = Path(__file__).with_name("schema1.sql.gz")
"""`sqlite3 .dump` of what the last version with schema 1 wrote; it stopped without a checkpoint of its last 150 minutes."""
SERIES = ('cpu{host="a"}', 'requests{host="a"}', 'requests{host="b"}')
MINUTES, MINUTE = 400, 60_000
T0 = 1_760_000_000_000 // MINUTE * MINUTE
NEW = {"series": ("kind",), "journal": ("sent",)}
"""What came with schema 2, beside the table `parked`."""
ADDED = ("parked",)


def make_old(target: str) -> None:
    """Put the old database there; nothing must be there yet."""
    url = database_url(target)
    if url.get_backend_name() == "sqlite":
        path = Path(target) / FILE_NAME
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(gzip.decompress(FILE.read_bytes()).decode())
        return
    old = MetaData()
    with _dump() as source, _database(target) as database, database.write("test") as connection:
        for table in tables.sorted_tables:
            if table.name in ADDED:
                continue
            columns = [_plain(c) for c in table.columns if c.name not in NEW.get(table.name, ())]
            made = Table(table.name, old, *columns, **dict(table.dialect_kwargs))
            made.create(connection)
            rows = [dict(row) for row in source.execute(f"SELECT * FROM {table.name}")]
            if rows:
                connection.execute(insert(made), rows)


def _plain(column: Column[Any]) -> Column[Any]:
    return Column(
        column.name, column.type, primary_key=column.primary_key, nullable=column.nullable, autoincrement=column.autoincrement
    )


@contextmanager
def _database(target: str) -> Iterator[Database]:
    database = Database(database_url(target))
    try:
        yield database
    finally:
        database.close()


@contextmanager
def _dump() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(gzip.decompress(FILE.read_bytes()).decode())
        connection.row_factory = sqlite3.Row
        yield connection
