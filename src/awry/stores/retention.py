"""Deletes what is too old or too much, a few rows at a time: journal rows, chunks, changes, incidents; the writer's thread only."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, and_, select

from awry.stores.commit import set_meta
from awry.stores.connect import Database
from awry.stores.options import Fault, StoreOptions
from awry.stores.parked import trim_parked
from awry.stores.schema import changes, chunks, incidents, journal
from awry.stores.state import State

_ROWS = 200  # deleted at once, each of some ten KB
_SLACK_PAGES = 512  # free pages of SQLite kept for reuse
_VACUUM_PAGES = 512


class Keeper:
    """Each method does one small slice and tells whether it did anything."""

    def __init__(self, database: Database, state: State, options: StoreOptions, fault: Fault) -> None:
        self._database, self._state, self._options, self._fault = database, state, options, fault

    def trim_journal(self, now_ms: int, *, keep_ms: int | None = None) -> bool:
        """Journal rows that are sealed, part of every checkpoint block, and old enough (`keep_ms` instead of the option)."""
        last = min(self._state.sealed, self._state.replayed_from)
        if last == 0:
            return False
        c = journal.c
        old = and_(c.seq <= last, c.tick < now_ms - (self._options.journal_keep_ms if keep_ms is None else keep_ms))
        with self._database.write("trim the journal") as connection:
            rows = connection.execute(select(c.seq).where(old).order_by(c.seq).limit(_ROWS)).scalars().all()
            if rows:
                connection.execute(journal.delete().where(c.seq <= rows[-1]))
                set_meta(connection, {"last_seq": self._state.last_seq, "last_tick": self._state.last_tick})
                self._fault("trim.before")
        return bool(rows)

    def trim_parked(self) -> bool:
        """State of series that were back before every checkpoint block."""
        if self._state.replayed_from == 0:
            return False
        with self._database.write("forget parked state") as connection:
            some = trim_parked(connection, self._state.replayed_from)
            self._fault("unpark.before")
        return some

    def expire(self, now_ms: int) -> bool:
        """Chunks, changes and resolved incidents older than the retention."""
        if self._options.retention_ms is None:
            return False
        cutoff = now_ms - self._options.retention_ms
        c, i = chunks.c, incidents.c
        if self._delete_chunks(select(c.id, c.sample_rows, c.size).where(c.stop < cutoff).order_by(c.stop).limit(_ROWS)):
            return True
        with self._database.write("delete old incidents") as connection:
            numbers = select(changes.c.number).where(changes.c.tick < cutoff).order_by(changes.c.tick).limit(_ROWS)
            old = connection.execute(numbers).scalars().all()
            if old:
                connection.execute(changes.delete().where(changes.c.number.in_(old)))
            ids = connection.execute(select(i.id).where(i.state == "resolved", i.stop < cutoff).limit(_ROWS)).scalars().all()
            if ids:
                connection.execute(incidents.delete().where(i.id.in_(ids)))
            self._fault("expire.before")
        return bool(old) or bool(ids)

    def shrink(self, now_ms: int) -> bool:
        """While the database is over its limit: first the journal that is in chunks as well, then the oldest chunks."""
        limit = self._options.max_bytes
        if limit is None or self.used_bytes() <= limit:
            return False
        if self._database.sqlite and self.trim_journal(now_ms, keep_ms=0):
            return True
        c = chunks.c
        return self._delete_chunks(select(c.id, c.sample_rows, c.size).order_by(c.stop).limit(_ROWS // 10))

    def vacuum(self) -> bool:
        """Give free pages of an SQLite file back to the file system."""
        if not self._database.sqlite or self._pragma("freelist_count") <= _SLACK_PAGES:
            return False
        with self._database.write("give space back") as connection:
            raw = connection.connection.driver_connection
            assert raw is not None
            raw.execute(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})").fetchall()  # frees a page a step: it must be read to its end
        return True

    def used_bytes(self) -> int:
        """Bytes of the database that hold something: SQLite's used pages, elsewhere the packed chunks."""
        if not self._database.sqlite:
            return self._state.chunk_bytes
        return (self._pragma("page_count") - self._pragma("freelist_count")) * self._pragma("page_size")

    def _pragma(self, name: str) -> int:
        with self._database.read("measure the database") as connection:
            return int(connection.exec_driver_sql(f"PRAGMA {name}").scalar() or 0)

    def _delete_chunks(self, query: Select[Any]) -> bool:
        with self._database.write("delete old samples") as connection:
            rows = connection.execute(query).all()
            if rows:
                connection.execute(chunks.delete().where(chunks.c.id.in_([row.id for row in rows])))
                self._fault("expire.before")
        self._state.chunk_count -= len(rows)
        self._state.chunk_rows -= sum(row.sample_rows for row in rows)
        self._state.chunk_bytes -= sum(row.size for row in rows)
        return bool(rows)
