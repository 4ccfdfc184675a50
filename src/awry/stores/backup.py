"""A consistent copy of an SQLite store while it is written to; for `awry backup` and the API."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import URL

from awry.core.errors import Conflict, InvalidInput, NotFound
from awry.stores.connect import guarded

_TOOLS = {"postgresql": "pg_dump", "mysql": "mysqldump or mariadb-dump"}


def copy_database(url: URL, path: Path) -> None:
    """Copy the store at `url` (see connect.database_url) to the new file `path`; another process may be writing it."""
    backend = url.get_backend_name()
    if backend != "sqlite":
        raise InvalidInput(f"cannot back up a {backend} database from here", hint=f"use {_TOOLS.get(backend, 'its own tool')}")
    source = Path(url.database or "")
    if not source.exists():
        raise NotFound(f"cannot back up {source}: there is no such file")
    if path.exists():
        raise Conflict(f"cannot write {path}: it exists already", hint="choose another name, or move the old copy away")
    part = path.with_name(path.name + ".part")
    with guarded(f"back up to {path}"):
        try:
            with closing(sqlite3.connect(source)) as from_, closing(sqlite3.connect(part)) as to:
                from_.backup(to)  # in one step: a reader's view in WAL mode, which holds up no writer
                to.execute("PRAGMA journal_mode=DELETE")
            with part.open("rb+") as handle:
                os.fsync(handle.fileno())
            part.rename(path)
        finally:
            part.unlink(missing_ok=True)
