"""Reading samples, incidents and changes while the writer writes; the readers' half of the SQL store."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import and_, bindparam, func, or_, select

from awry.core.batch import Batch, Scored
from awry.core.errors import InvalidInput
from awry.core.incident import Change, Incident
from awry.core.tick import Samples
from awry.stores.blobs import unpack_json
from awry.stores.connect import Database
from awry.stores.options import GROUP_SLOTS
from awry.stores.pack import unpack_series
from awry.stores.schema import changes, chunks, incidents, journal
from awry.stores.state import State

_SIZE = {
    "postgresql": "SELECT COALESCE(SUM(pg_total_relation_size(c.oid)), 0) FROM pg_class c "
    "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema() AND c.relkind = 'r'",
    "mysql": "SELECT COALESCE(SUM(data_length + index_length), 0) FROM information_schema.tables WHERE table_schema = DATABASE()",
}


_CHUNKS = (
    select(chunks.c.data)
    .where(chunks.c.grp == bindparam("group"), chunks.c.stop >= bindparam("first"), chunks.c.start < bindparam("end"))
    .order_by(chunks.c.start)
    .execution_options(yield_per=16)
)
"""One after the other: all chunks of a long range together hold far more than the one series."""


def read_samples(database: Database, state: State, slot: int, start: int, end: int) -> Samples:
    """Samples of one series from the head and the chunks, each once."""
    parts: list[tuple[Batch, Scored]] = []
    if slot not in state.gone and end > start:
        head = _from_head(state, slot)  # before the chunks: what is sealed meanwhile is then seen twice rather than never
        wanted = {"group": slot // GROUP_SLOTS, "first": start, "end": end}
        with database.read("read samples") as connection:
            blobs = connection.execute(_CHUNKS, wanted).scalars()
            found = (unpack_series(bytes(blob), slot) for blob in blobs)
            parts = [part for part in found if part is not None]
        if len(head[0]):
            parts.append(head)
    batch = Batch.concat([part[0] for part in parts])
    scored = Scored.concat([part[1] for part in parts])
    time = batch.time
    if len(parts) > 1 and not np.all(np.diff(time) > 0):
        time, rows = np.unique(time, return_index=True)
        batch, scored = batch.take(rows), scored.take(rows)
    low, high = np.searchsorted(time, [start, end])
    return Samples(batch.time[low:high], batch.value[low:high], scored.take(slice(low, high)))


def _from_head(state: State, slot: int) -> tuple[Batch, Scored]:
    batch, scored = state.head.view()
    rows = np.flatnonzero(batch.slot == slot)
    return batch.take(rows), scored.take(rows)


def find_recent(state: State, batch: Batch, by_time: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which rows equal a sample of the head (NaN equals NaN); of those `by_time` the time alone is compared."""
    head, _ = state.head.view()
    head = head.take(np.isin(head.slot, batch.slot))
    both = Batch.concat([head, batch])
    # Head rows sort before equal rows of the batch, so the last head row before each is the one to compare with.
    asked = np.arange(len(both)) >= len(head)
    order = np.lexsort((asked, both.time, both.slot))
    before = np.maximum.accumulate(np.where(asked[order], -1, np.arange(len(both))))
    rows = np.flatnonzero(asked[order] & (before >= 0))
    mine, theirs = order[rows], order[before[rows]]
    same = (both.slot[mine] == both.slot[theirs]) & (both.time[mine] == both.time[theirs])
    a, b = both.value[mine], both.value[theirs]
    found, asking = np.zeros(len(batch), np.bool_), mine - len(head)
    found[asking[same & ((a == b) | (np.isnan(a) & np.isnan(b)) | by_time[asking])]] = True
    return found


def read_incidents(
    database: Database, *, state: str, start: int | None, end: int | None, limit: int, after: str
) -> tuple[list[Incident], str | None]:
    """A page of incidents, newest start first."""
    c = incidents.c
    query = select(c.start, c.id, c.payload).order_by(c.start.desc(), c.id.desc()).limit(limit + 1)
    if state != "all":
        query = query.where(c.state == state)
    if end is not None:
        query = query.where(c.start < end)
    if start is not None:
        query = query.where(or_(c.stop.is_(None), c.stop >= start))
    if after:
        moment, id = _mark(after)
        query = query.where(or_(c.start < moment, and_(c.start == moment, c.id < id)))
    with database.read("read incidents") as connection:
        rows = connection.execute(query).all()
    page = [unpack_json(bytes(row.payload), Incident) for row in rows[:limit]]
    return page, f"{rows[limit - 1].start}.{rows[limit - 1].id}" if len(rows) > limit else None


def _mark(after: str) -> tuple[int, str]:
    moment, dot, id = after.partition(".")
    try:
        start = int(moment)
        if not dot or abs(start) >= 2**63:
            raise ValueError("no mark of a page")
        return start, id
    except ValueError as error:
        raise InvalidInput(
            f"cannot continue after {after[:80]!r}: not a mark of a page", hint="pass `next` of the former page"
        ) from error


def read_incident(database: Database, id: str) -> Incident | None:
    """One incident, or None."""
    with database.read("read an incident") as connection:
        payload = connection.execute(select(incidents.c.payload).where(incidents.c.id == id)).scalar()
    return None if payload is None else unpack_json(bytes(payload), Incident)


def read_changes(database: Database, incident_id: str, *, after: int, limit: int) -> list[Change]:
    """Changes in order of number."""
    c = changes.c
    query = select(c.payload).where(c.number > after).order_by(c.number).limit(limit)
    if incident_id:
        query = query.where(c.incident == incident_id)
    with database.read("read changes") as connection:
        return [unpack_json(bytes(payload), Change) for payload in connection.execute(query).scalars()]


def read_stats(database: Database, state: State) -> dict[str, int]:
    """Sizes and ages of what is stored."""
    batch, _ = state.head.view()
    with database.read("measure the database") as connection:
        oldest = connection.execute(select(chunks.c.start).order_by(chunks.c.stop).limit(1)).scalar()
        newest = connection.execute(select(func.max(chunks.c.stop))).scalar()
        first, last = connection.execute(select(func.min(journal.c.seq), func.max(journal.c.seq))).one()
        journal_rows = 0 if first is None else int(last) - int(first) + 1  # seq rises by one
        size = state.chunk_bytes
        if database.dialect in _SIZE:
            size = int(connection.exec_driver_sql(_SIZE[database.dialect]).scalar() or 0)
    if database.path is not None:
        files = [database.path, database.path.with_name(database.path.name + "-wal")]
        size = sum(file.stat().st_size for file in files if file.exists())
    times = [int(t) for t in (oldest, newest) if t is not None]
    if len(batch):
        times += [int(batch.time.min()), int(batch.time.max())]
    return {
        "bytes": size,
        "samples": state.chunk_rows + len(batch),
        "chunks": state.chunk_count,
        "journal_rows": journal_rows,
        "oldest": min(times, default=0),
        "newest": max(times, default=0),
    }
