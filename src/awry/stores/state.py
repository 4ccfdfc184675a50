"""What an open store knows by heart: its head, how far it is sealed, who was deleted; shared by the parts of the store."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, TypedDict

import msgspec
from sqlalchemy import Connection, func, select

from awry.core.errors import StoreCorrupt
from awry.core.tick import Tick
from awry.stores.head import Head
from awry.stores.pack import unpack_rows
from awry.stores.schema import checkpoints, chunks, journal, meta, series

_PAGE = 256


class Extra(TypedDict, total=False):
    """What a journal row holds beside samples."""

    commands: list[bytes]
    deleted: list[int]
    keys: dict[int, str]
    """Keys of the deleted slots: a replay from before the deletion judges their samples by them."""


class Cursor(NamedTuple):
    """How far a sealing round has come: samples up to seq whose (slot, time) is not after this one are in chunks."""

    seq: int
    slot: int
    time: int


@dataclass(slots=True)
class State:
    """Written by the writer's thread only; readers take the head's view and look up `gone`."""

    head: Head = field(default_factory=Head)
    last_seq: int = 0
    last_tick: int = 0
    """Time of the tick of that seq, Unix ms."""
    sealed: int = 0
    """All samples up to this seq are in chunks."""
    round: tuple[int, int] | None = None
    """A sealing round a crash cut short: its seq, and how many rows of the head it still has to seal."""
    gone: dict[int, int] = field(default_factory=dict)
    """Deleted slots: 1 while chunks still hold samples of it, 2 afterwards."""
    buried: dict[int, int] = field(default_factory=dict)
    """Deleted slots that nobody was told of as reusable, with the seq of the deletion; 0: before all that is read again."""
    reusable: list[int] = field(default_factory=list)
    """Deleted slots of which no sample, journal row to be replayed or state is left."""
    blocks: dict[tuple[str, int], int] = field(default_factory=dict)
    """Checkpoint block -> its seq."""
    slots: int = 0
    chunk_rows: int = 0
    chunk_bytes: int = 0
    chunk_count: int = 0

    @property
    def replayed_from(self) -> int:
        """Journal rows up to this seq are part of every checkpoint block."""
        return min(self.blocks.values(), default=0)

    def settle(self, tick: Tick) -> None:
        """Know which series a committed tick brought and deleted."""
        for slot, _ in tick.series:
            self.gone.pop(slot, None)
        self.slots = max([self.slots, *(slot + 1 for slot, _ in tick.series)])
        self.gone.update(dict.fromkeys(tick.deleted, 1))
        self.buried.update(dict.fromkeys(tick.deleted, tick.seq))

    def find_reusable(self) -> None:
        """Move slots from `buried` to `reusable`: purged from all chunks, and deleted at a tick that nothing is read from again."""
        if not self.buried:
            return
        upto = min(self.replayed_from, self.sealed) if len(self.head) else self.replayed_from
        found = [slot for slot, seq in self.buried.items() if seq <= upto and self.gone.get(slot) == 2]
        for slot in found:
            del self.buried[slot]
        self.reusable += sorted(found)


def load_state(connection: Connection) -> State:
    """Read the state back, the head from the journal."""
    state = State()
    values = dict(connection.execute(select(meta.c.name, meta.c.value)).all())
    state.sealed = values.get("sealed", 0)
    newest = connection.execute(select(func.max(journal.c.seq))).scalar() or 0
    state.last_seq = max(values.get("last_seq", 0), newest)
    tick = connection.execute(select(journal.c.tick).where(journal.c.seq == newest)).scalar()
    state.last_tick = values.get("last_tick", 0) if tick is None else tick
    state.gone = dict(connection.execute(select(series.c.slot, series.c.gone).where(series.c.gone > 0)).all())
    first = checkpoints.c.part == 0
    for name, block, seq in connection.execute(select(checkpoints.c.name, checkpoints.c.block, checkpoints.c.seq).where(first)):
        state.blocks[name, block] = seq
    state.buried = _buried(connection, state)
    state.slots = int(connection.execute(select(func.count()).select_from(series)).scalar() or 0)
    count_chunks(state, connection)
    _fill(state, connection, Cursor(values.get("round_seq", 0), values.get("round_slot", -1), values.get("round_time", 0)))
    state.find_reusable()
    return state


def _buried(connection: Connection, state: State) -> dict[int, int]:
    found = dict.fromkeys(state.gone, 0)
    later = journal.c.seq > min(state.sealed, state.replayed_from)
    query = select(journal.c.seq, journal.c.extra).where(later, journal.c.extra != b"").order_by(journal.c.seq)
    for seq, extra in connection.execute(query):
        found |= {slot: seq for slot in unpack_extra(bytes(extra)).get("deleted", ()) if slot in found}
    return found


def count_chunks(state: State, connection: Connection) -> None:
    """Totals of the chunks from the database; at open, and after an error left it open what was written."""
    totals = select(func.count(), func.coalesce(func.sum(chunks.c.sample_rows), 0), func.coalesce(func.sum(chunks.c.size), 0))
    count, rows, size = connection.execute(totals.select_from(chunks)).one()
    state.chunk_count, state.chunk_rows, state.chunk_bytes = int(count), int(rows), int(size)


def _fill(state: State, connection: Connection, cursor: Cursor) -> None:
    after, waiting = state.sealed, 0
    while True:
        query = (
            select(journal.c.seq, journal.c.tick, journal.c.data).where(journal.c.seq > after).order_by(journal.c.seq).limit(_PAGE)
        )
        rows = connection.execute(query).all()
        for seq, tick, data in rows:
            batch, scored = unpack_rows(bytes(data))
            if seq <= cursor.seq:
                waits = (batch.slot > cursor.slot) | ((batch.slot == cursor.slot) & (batch.time > cursor.time))
                batch, scored = batch.take(waits), scored.take(waits)
                waiting += len(batch)
            state.head.append(batch, scored, tick)
        if len(rows) < _PAGE:
            break
        after = rows[-1][0]
    if cursor.seq > state.sealed:
        state.round = cursor.seq, waiting


def unpack_extra(data: bytes) -> Extra:
    """Commands and deleted slots of a journal row."""
    if not data:
        return {}
    try:
        return msgspec.json.decode(data, type=Extra)
    except msgspec.MsgspecError as error:
        raise StoreCorrupt(f"cannot read a journal row: {error}", hint="restore the database from a backup") from error
