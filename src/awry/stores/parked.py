"""The state of parked series in the store: a row for each time that a series was parked, until no replay can ask for it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, insert, select, tuple_

from awry.core.errors import StoreCorrupt
from awry.core.tick import Tick
from awry.stores.connect import Database
from awry.stores.pack import compress, decompress
from awry.stores.schema import parked

log = logging.getLogger("awry.store")

_LEVEL = 1
_ASKED = 500  # parameters of one query
_ROWS = 200
_LEFT = parked.update().where(parked.c.slot == bindparam("at"), parked.c.back.is_(None)).values(back=bindparam("tick"))


def write_parked(connection: Connection, ticks: Sequence[Tick]) -> None:
    """What these ticks parked, and which series came back or were deleted."""
    for tick in ticks:
        if tick.parked:
            rows = [{"slot": slot, "seq": tick.seq, "back": None, "data": pack_state(data)} for slot, data in tick.parked]
            connection.execute(insert(parked), rows)
        ended = [{"at": slot, "tick": tick.seq} for slot in (*tick.back, *tick.deleted)]
        if ended:
            connection.execute(_LEFT, ended)


def read_parked(database: Database, slots: Sequence[int], seq: int) -> dict[int, bytes]:
    """Of these slots, the state that was parked last before tick seq; those whose row is damaged are left out."""
    c = parked.c
    found: dict[int, bytes] = {}
    with database.read("read the state of parked series") as connection:
        for at in range(0, len(slots), _ASKED):
            mine = c.slot.in_(slots[at : at + _ASKED])
            query = select(c.slot, c.data).where(mine, c.seq < seq).order_by(c.seq)
            found |= {slot: bytes(data) for slot, data in connection.execute(query)}
    whole: dict[int, bytes] = {}
    for slot, data in found.items():
        try:
            whole[slot] = unpack_state(data)
        except StoreCorrupt as error:  # one series is learned anew, which is no reason to stop the others
            log.warning("cannot read the state of series %d: %s", slot, error.message)
    return whole


def between(connection: Connection, first: int, last: int) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    """By seq from first to last: slots parked at that tick; and those parked earlier that came back or were deleted at it."""
    c = parked.c
    away: dict[int, list[int]] = {}
    back: dict[int, list[int]] = {}
    for seq, slot in connection.execute(select(c.seq, c.slot).where(c.seq.between(first, last)).order_by(c.slot)):
        away.setdefault(seq, []).append(slot)
    for seq, slot in connection.execute(select(c.back, c.slot).where(c.back.between(first, last)).order_by(c.slot)):
        back.setdefault(seq, []).append(slot)
    return away, back


def trim_parked(connection: Connection, upto: int) -> bool:
    """Delete some rows of series that were back at tick `upto` or before; False when there are none."""
    c = parked.c
    old = [tuple(row) for row in connection.execute(select(c.slot, c.seq).where(c.back <= upto).limit(_ROWS))]
    if old:
        connection.execute(parked.delete().where(tuple_(c.slot, c.seq).in_(old)))
    return bool(old)


def pack_state(data: bytes) -> bytes:
    """As a row holds it: with a checksum, and a quarter of the size."""
    return compress(data, _LEVEL)


def unpack_state(data: bytes) -> bytes:
    """What `pack_state` packed. Raises StoreCorrupt."""
    return decompress(data)
