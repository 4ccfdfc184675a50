"""Brings a database to the newest schema, forward only, or says why not; run when a store opens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Connection, inspect, select
from sqlalchemy.schema import CreateColumn

from awry.core.errors import StoreCorrupt, StoreTooNew
from awry.stores.connect import Database
from awry.stores.schema import journal, meta, parked, series, tables

FIRST = 1


def _kinds_and_parking(connection: Connection) -> None:
    """Schema 2: the kind of a series, values of counters as they were sent, and the state of parked series."""
    _add_column(connection, series.c.kind)
    _add_column(connection, journal.c.sent)
    parked.create(connection, checkfirst=True)


STEPS: tuple[Callable[[Connection], None], ...] = (_kinds_and_parking,)
"""Step i turns schema FIRST + i into FIRST + i + 1. A new database is made at the newest schema at once."""

UNFINISHED = "importing"
"""In `meta` while an import writes; the schema number comes with its last transaction."""
UNFINISHED_HINT = "run the same `awry state import` again: it begins anew"

_CHECK_BYTES = 64 << 20  # larger files are not read whole at every start; every packed block carries a checksum of its own


def migrate(database: Database, steps: Sequence[Callable[[Connection], None]] = STEPS) -> None:
    """Create or upgrade the tables, each step in a transaction of its own. Raises StoreTooNew or StoreCorrupt."""
    newest = FIRST + len(steps)
    with database.write("open the database") as connection:
        _check(database, connection)
        found = set(inspect(connection).get_table_names())
        if "meta" not in found:
            if database.sqlite and found:
                raise StoreCorrupt(
                    f"cannot open {database.path}: it is another program's database", hint="choose another file or data folder"
                )
            tables.create_all(connection)
            connection.execute(meta.insert(), {"name": "schema", "value": newest})
            return
        marks = dict(connection.execute(select(meta.c.name, meta.c.value).where(meta.c.name.in_(("schema", UNFINISHED)))).all())
    schema = marks.get("schema")
    if UNFINISHED in marks:
        raise StoreCorrupt("cannot open the database: an import into it was not finished", hint=UNFINISHED_HINT)
    if schema is None:
        raise StoreCorrupt("cannot open the database: its schema number is missing", hint="restore the database from a backup")
    if schema > newest:
        raise StoreTooNew(
            f"cannot open the database: a newer version of Awry wrote it (schema {schema}, this version knows {newest})",
            hint="install that version of Awry or a later one, or choose another data folder",
        )
    for number in range(schema, newest):
        with database.write(f"upgrade the database to schema {number + 1}") as connection:
            steps[number - FIRST](connection)
            connection.execute(meta.update().where(meta.c.name == "schema").values(value=number + 1))


def _add_column(connection: Connection, column: Column[Any]) -> None:
    """Give a table of an older schema a column, unless a step that was cut short did so already."""
    table = column.table.name
    if column.name not in {found["name"] for found in inspect(connection).get_columns(table)}:
        # the column's own definition, as a new database gets it; names and definitions are ours
        connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN {CreateColumn(column).compile(dialect=connection.dialect)}")


def _check(database: Database, connection: Connection) -> None:
    path = database.path
    if path is None or _size(path) > _CHECK_BYTES:
        return
    verdict = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    if verdict != "ok":
        raise StoreCorrupt(
            f"cannot open {path}: the file is damaged: {' '.join(str(verdict).split())}",
            hint="restore it from a backup (awry backup), or move it away to start anew",
        )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
