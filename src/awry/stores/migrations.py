"""Brings a database to the newest schema, forward only, or says why not; run when a store opens."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Connection, inspect, select
from sqlalchemy.schema import CreateColumn

from awry.core.errors import StoreCorrupt, StoreError, StoreTooNew
from awry.stores.connect import Database
from awry.stores.schema import journal, meta, parked, series, tables

log = logging.getLogger("awry.store")
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
        log.info("the database is of schema %d now; versions of Awry before it refuse it", number + 1)


def check_readable(connection: Connection, doing: str) -> int:
    """The schema of a database that is only read. Raises StoreTooNew, and StoreCorrupt for one not ours or half imported."""
    there = inspect(connection).has_table(meta.name)
    marks = dict(connection.execute(select(meta.c.name, meta.c.value)).all()) if there else {}
    newest = FIRST + len(STEPS)
    if UNFINISHED in marks:
        raise StoreCorrupt(f"cannot {doing} the database: an import into it was not finished", hint=UNFINISHED_HINT)
    if "schema" not in marks:
        raise StoreCorrupt(f"cannot {doing} the database: its schema number is missing", hint="is it a database of Awry?")
    schema = int(marks["schema"])
    if schema > newest:
        raise StoreTooNew(
            f"cannot {doing} the database: a newer version of Awry wrote it (schema {schema}, this version knows {newest})",
            hint="do it with that version",
        )
    return schema


def check_current(connection: Connection, doing: str) -> None:
    """As `check_readable`, and also raise StoreError for an older schema."""
    schema, newest = check_readable(connection, doing), FIRST + len(STEPS)
    if schema < newest:
        raise StoreError(
            f"cannot {doing} the database: an older version of Awry wrote it (schema {schema}, this version needs {newest})",
            hint="start the server on it once: that brings it up to date",
        )


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
