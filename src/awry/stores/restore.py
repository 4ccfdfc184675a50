"""Puts an exported instance into an empty database of any kind; an import cut short is refused at a start and can be begun anew."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, insert, inspect, select
from sqlalchemy.engine import URL

from awry.core.errors import Conflict, StoreCorrupt, StoreTooNew
from awry.stores.connect import Database, once
from awry.stores.container import Manifest, Progress, check_file, rows_of
from awry.stores.migrations import FIRST, STEPS, UNFINISHED
from awry.stores.options import Fault, no_fault
from awry.stores.schema import meta, tables


def import_state(path: Path, url: URL, *, checking: Progress, writing: Progress, fault: Fault = no_fault) -> Manifest:
    """Read the file once to check it and once to write it, each piece in a transaction of its own, the schema number last.

    Until that number is there, the database is no store: a start refuses it, and another import begins anew. Raises InvalidInput,
    StoreTooNew and StoreCorrupt for the file, Conflict for a database that holds something, and what opening a database raises.
    """
    manifest = check_file(path, checking)
    _check_tables(path, manifest)
    database = Database(url)
    with once(), closing(database):
        database.lock()
        with database.write("prepare the database") as connection:
            _prepare(database, connection)
        columns = {table.name: table.columns for table in manifest.tables}
        kept: list[dict[str, Any]] = []
        for name, rows in rows_of(path, writing):
            found = [dict(zip(columns[name], row, strict=True)) for row in rows]
            if name == meta.name:
                kept += found
                continue
            fault("import.begin")
            with database.write("write the imported rows") as connection:
                connection.execute(insert(tables.tables[name]), found)
                fault("import.before")
        with database.write("end the import") as connection:
            _end(connection, [row for row in kept if row["name"] != "schema"], manifest.schema)
            fault("import.end")
    return manifest


def _check_tables(path: Path, manifest: Manifest) -> None:
    newest = FIRST + len(STEPS)
    if manifest.schema > newest:
        raise StoreTooNew(
            f"cannot import {path}: a newer version of Awry wrote it (schema {manifest.schema}, this version knows {newest})",
            hint="install that version of Awry or a later one",
        )
    for note in manifest.tables:
        known = tables.tables.get(note.name)
        if known is None or not set(note.columns) <= set(known.columns.keys()):
            raise StoreCorrupt(f"cannot import {path}: nothing is known of its table {note.name[:80]!r}", hint="export again")


def _prepare(database: Database, connection: Connection) -> None:
    """Empty tables and the mark of an import that is not finished. Raises Conflict when there is something."""
    found = set(inspect(connection).get_table_names())
    where = database.path or database.url.render_as_string(hide_password=True)
    empty = "choose an empty folder or database, or move the old one away"
    if database.sqlite and found and meta.name not in found:
        raise Conflict(f"cannot import into {where}: it is another program's database", hint=empty)
    mine = [table for table in tables.sorted_tables if table.name in found]
    marks = set(connection.execute(select(meta.c.name)).scalars()) if meta in mine else set()
    if UNFINISHED not in marks and (marks - {"schema"} or any(_holds(connection, t) for t in mine if t is not meta)):
        raise Conflict(f"cannot import into {where}: it holds an instance of Awry already", hint=empty)
    if meta in mine:  # an import that was cut short, or a store that was opened and never written to
        tables.drop_all(connection, tables=mine)
    tables.create_all(connection)
    connection.execute(meta.insert(), {"name": UNFINISHED, "value": 1})


def _holds(connection: Connection, table: Table) -> bool:
    return connection.execute(select(*table.primary_key.columns).limit(1)).first() is not None


def _end(connection: Connection, numbers: list[dict[str, Any]], schema: int) -> None:
    """What makes it a store; an older schema is brought up to date when the store is opened, as its own database would be."""
    connection.execute(meta.delete().where(meta.c.name == UNFINISHED))
    connection.execute(insert(meta), [*numbers, {"name": "schema", "value": schema}])
