"""Reading back what a restart needs: keys, checkpoint blocks, positions, and the journal streamed row by row."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby

from sqlalchemy import Connection, func, select

from awry.core.errors import StoreCorrupt
from awry.core.kind import COUNTER
from awry.core.tick import Block, Recovery, Tick
from awry.stores.blobs import unpack_arrays
from awry.stores.connect import Database
from awry.stores.pack import unpack_rows, unpack_sent
from awry.stores.parked import between
from awry.stores.schema import changes, checkpoints, incidents, journal, positions, series
from awry.stores.state import State, unpack_extra

_PAGE = 128
_UNPACKERS = 2


def recover(database: Database, state: State) -> Recovery:
    """Everything but the ticks at once; the ticks one page of rows at a time."""
    with database.read("read the database") as connection:
        keys, kinds = _series(connection, state.replayed_from)
        return Recovery(
            keys=keys,
            kinds=kinds,
            blocks=_blocks(database),
            ticks=_ticks(database, state.replayed_from),
            last_seq=state.last_seq,
            last_tick=state.last_tick,
            positions={name: bytes(value) for name, value in connection.execute(select(positions.c.source, positions.c.position))},
            last_change=int(connection.execute(select(func.max(changes.c.number))).scalar() or 0),
            last_incident=_last_incident(connection),
        )


def _last_incident(connection: Connection) -> int:
    """Ids are "i1", "i2"…: of the longest ones the last in order."""
    c = incidents.c
    newest = connection.execute(select(c.id).order_by(func.length(c.id).desc(), c.id.desc()).limit(1)).scalar() or ""
    return int(newest[1:]) if newest[1:].isdecimal() else 0


def _series(connection: Connection, after: int) -> tuple[list[str], bytes]:
    keys: list[str] = []
    kinds = bytearray()
    for slot, key, kind in connection.execute(select(series.c.slot, series.c.series_key, series.c.kind).order_by(series.c.slot)):
        if slot != len(keys):
            raise StoreCorrupt(f"cannot read the series: slot {len(keys)} is missing", hint="restore the database from a backup")
        keys.append(bytes(key).decode())
        kinds.append(kind)
    deleting = select(journal.c.extra).where(journal.c.seq > after, journal.c.extra != b"").order_by(journal.c.seq)
    for extra in connection.execute(deleting).scalars():
        for slot, key in unpack_extra(bytes(extra)).get("keys", {}).items():
            keys[slot] = keys[slot] or key  # a second deletion of a slot finds no key any more
    return keys, bytes(kinds)


def _blocks(database: Database) -> Iterator[Block]:
    """Every block, unpacked a few ahead: with a million series all of them together would take the memory twice."""
    waiting: deque[Future[Block]] = deque()
    with ThreadPoolExecutor(_UNPACKERS, "awry-unpack") as pool:
        for name, index, seq, data in _packed(database):
            waiting.append(pool.submit(_unpack, name, index, seq, data))
            if len(waiting) > 2 * _UNPACKERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _unpack(name: str, index: int, seq: int, data: bytes) -> Block:
    return Block(name, index, seq, unpack_arrays(data))


def _packed(database: Database) -> Iterator[tuple[str, int, int, bytes]]:
    """Blocks as they are stored, in order of name and index, their parts put together."""
    c = checkpoints.c
    query = select(c.name, c.block, c.seq, c.data).order_by(c.name, c.block, c.part)
    with database.read("read the checkpoint") as connection:
        rows = connection.execution_options(yield_per=_UNPACKERS).execute(query)
        for (name, index, seq), parts in groupby(rows, key=lambda row: (row.name, row.block, row.seq)):
            yield name, index, seq, b"".join(bytes(part.data) for part in parts)


def _ticks(database: Database, after: int) -> Iterator[Tick]:
    while True:
        with database.read("read the journal") as connection:
            rows = connection.execute(select(journal).where(journal.c.seq > after).order_by(journal.c.seq).limit(_PAGE)).all()
            new: dict[int, list[tuple[int, str]]] = {}
            counters: dict[int, list[int]] = {}
            if rows:
                first_seen = series.c.seq.between(rows[0].seq, rows[-1].seq)
                c = series.c
                query = select(c.seq, c.slot, c.series_key, c.kind).where(first_seen).order_by(c.slot)
                for seq, slot, key, kind in connection.execute(query):
                    new.setdefault(seq, []).append((slot, bytes(key).decode()))
                    if kind == COUNTER:
                        counters.setdefault(seq, []).append(slot)
                away, back = between(connection, rows[0].seq, rows[-1].seq)
        for row in rows:
            batch, scored = unpack_rows(bytes(row.data))
            extra = unpack_extra(bytes(row.extra))
            sending = set(batch.slot.tolist()) if row.seq in back else set()
            yield Tick(
                seq=row.seq,
                time=row.tick,
                batch=batch,
                scored=scored,
                series=tuple(new.get(row.seq, ())),
                counters=tuple(counters.get(row.seq, ())),
                sent=unpack_sent(None if row.sent is None else bytes(row.sent)),
                commands=tuple(extra.get("commands", ())),
                deleted=tuple(extra.get("deleted", ())),
                parked=tuple((slot, b"") for slot in away.get(row.seq, ())),
                back=tuple(slot for slot in back.get(row.seq, ()) if slot in sending),
            )
        if len(rows) < _PAGE:
            return
        after = rows[-1].seq
