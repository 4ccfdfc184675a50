"""Everything in a store as one stream of bytes, as it stood at one moment, while the writer goes on; for moving an instance."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Connection, Table, and_, func, inspect, or_, select
from sqlalchemy.engine import URL

from awry.core.errors import NotFound
from awry.stores.commit import newest_seq
from awry.stores.connect import Database
from awry.stores.container import FORMAT, Manifest, Packer, Rows, TableNote
from awry.stores.migrations import check_readable
from awry.stores.schema import chunks, tables

PIECE_BYTES = 4 << 20
"""About how much of a table is read at once; what a piece of the stream holds before it is compressed."""
_ROWS_FIRST, _ROWS_MOST = 1, 20_000


def export_state(url: URL, *, history: bool, awry: str, now_ms: int) -> Generator[bytes, None, None]:
    """The pieces of a file (see `container`); the first one holds the manifest. Another process may be writing the store.

    history: with sealed samples; without them what is not sealed yet and all state comes along. awry: version of this program.
    Closing the generator ends it. Raises NotFound, StoreCorrupt, StoreTooNew and what reading a database raises.
    """
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        raise NotFound(f"cannot export {url.database}: there is no such file")
    database = Database(url)
    try:
        with database.moment("export the database") as connection:
            schema = check_readable(connection, "export")
            found = _found(connection)
            without = () if history else (chunks.name,)
            notes = [
                TableNote(
                    str(table.name),
                    [str(c.name) for c in _carried(columns)],
                    0 if table.name in without else _count(connection, table),
                )
                for table, columns in found
            ]
            packer = Packer(
                Manifest(
                    format=FORMAT, awry=awry, schema=schema, made=now_ms, seq=newest_seq(connection), history=history,
                    database=database.dialect, tables=notes,
                )
            )  # fmt: skip
            yield packer.begin()
            for table, columns in found:
                if table.name not in without:
                    for rows in _pages(connection, table, columns):
                        yield packer.rows(table.name, rows)
            yield packer.end()
    finally:
        database.close()


def _found(connection: Connection) -> list[tuple[Table, list[Column[Any]]]]:
    """Our tables and columns that are there: an older schema lacks some."""
    looked = inspect(connection)
    names = set(looked.get_table_names())
    return [
        (table, [c for c in table.columns if c.name in {found["name"] for found in looked.get_columns(table.name)}])
        for table in tables.sorted_tables
        if table.name in names
    ]


def _carried(columns: Sequence[Column[Any]]) -> list[Column[Any]]:
    """Columns that mean something elsewhere too: numbers that the database gives itself are given anew."""
    return [column for column in columns if column.autoincrement is not True]


def _count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar() or 0)


def _pages(connection: Connection, table: Table, columns: Sequence[Column[Any]]) -> Iterator[Rows]:
    """All rows in order of the primary key, about PIECE_BYTES at a time: no cursor stays open at a database while nobody reads."""
    keys, carried = list(table.primary_key.columns), _carried(columns)
    query = select(*carried, *keys).order_by(*keys)
    after: Sequence[Any] | None = None
    limit = _ROWS_FIRST
    while True:
        found = connection.execute((query if after is None else query.where(_behind(keys, after))).limit(limit)).all()
        rows = [[bytes(v) if isinstance(v, memoryview | bytearray) else v for v in row[: len(carried)]] for row in found]
        if rows:
            yield rows
        if len(rows) < limit:
            return
        after = found[-1][len(carried) :]
        size = sum(len(v) if isinstance(v, bytes | str) else 8 for row in rows for v in row)
        limit = max(1, min(2 * limit, _ROWS_MOST, limit * PIECE_BYTES // max(size, 1)))


def _behind(keys: Sequence[Column[Any]], after: Sequence[Any]) -> Any:
    """Rows after this one, in the form that every database finds by its index."""
    first = keys[0]
    if len(keys) == 1:
        return first > after[0]
    return and_(first >= after[0], or_(first > after[0], _behind(keys[1:], after[1:])))
