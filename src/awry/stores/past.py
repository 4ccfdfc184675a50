"""Reads what a store still has of one series, at one moment, also while a server writes; for explaining an earlier sample."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, func, select
from sqlalchemy.engine import URL

from awry.core.batch import Batch, Scored, Values
from awry.core.errors import NotFound, StoreCorrupt
from awry.core.past import Past
from awry.core.tick import Block
from awry.stores.blobs import unpack_arrays
from awry.stores.connect import Database
from awry.stores.migrations import check_current
from awry.stores.options import GROUP_SLOTS
from awry.stores.pack import unpack_rows, unpack_sent, unpack_series
from awry.stores.parked import unpack_state
from awry.stores.schema import checkpoints, chunks, journal, parked, series
from awry.stores.state import unpack_extra

_PAGE = 16
"""Journal rows read at a time, of some MB each when there are very many series."""
_Part = tuple[Batch, Scored, NDArray[np.int64], Values]


def read_past(url: URL, key: str, block_slots: int) -> Past:
    """Everything about the series of this canonical key. block_slots: series of a checkpoint block. Raises NotFound, StoreError."""
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        raise NotFound(f"cannot read {url.database}: there is no such file")
    database = Database(url)
    try:
        with database.moment("read the database") as connection:
            check_current(connection, "read")
            c = series.c
            found = connection.execute(select(c.slot, c.seq).where(c.series_key == key.encode(), c.gone == 0)).first()
            if found is None:
                raise NotFound(
                    f"cannot find the series {key[:200]!r}", hint="`awry series list` lists the series of a running server"
                )
            slot, born = int(found.slot), int(found.seq)
            recent, commands = _journal(connection, slot, born)
            batch, scored, seq, sent = _once([recent, _sealed(connection, slot)])
            return Past(
                key=key, slot=slot, born=born, batch=batch, scored=scored, seq=seq, sent=sent,
                journal_from=int(connection.execute(select(func.min(journal.c.seq))).scalar() or 0),
                block=_block(connection, "series", slot // block_slots), stages=_block(connection, "stages", 0),
                parked=_parked(connection, slot), commands=commands,
            )  # fmt: skip
    finally:
        database.close()


def _journal(connection: Connection, slot: int, born: int) -> tuple[_Part, list[tuple[int, bytes]]]:
    c = journal.c
    parts: list[_Part] = []
    commands: list[tuple[int, bytes]] = []
    after = -1
    while True:
        query = select(c.seq, c.extra, c.data, c.sent).where(c.seq > after).order_by(c.seq).limit(_PAGE)
        rows = connection.execute(query).all()
        for row in rows:
            commands += [(int(row.seq), command) for command in unpack_extra(bytes(row.extra)).get("commands", ())]
            if row.seq >= born:
                part = _of_row(row, slot)
                if part is not None:
                    parts.append(part)
        if len(rows) < _PAGE:
            return _joined(parts), commands
        after = rows[-1].seq


def _of_row(row: Any, slot: int) -> _Part | None:
    batch, scored = unpack_rows(bytes(row.data))
    mine = np.flatnonzero(batch.slot == slot)
    if not mine.size:
        return None
    sent = np.full(len(batch), np.nan)
    kept = unpack_sent(None if row.sent is None else bytes(row.sent))
    if kept is not None:
        sent[kept.rows] = kept.value
    return batch.take(mine), scored.take(mine), np.full(mine.size, int(row.seq), np.int64), sent[mine]


def _sealed(connection: Connection, slot: int) -> _Part:
    c = chunks.c
    parts: list[_Part] = []
    for blob in connection.execute(select(c.data).where(c.grp == slot // GROUP_SLOTS).order_by(c.start)).scalars():
        found = unpack_series(bytes(blob), slot)
        if found is not None:
            rows = len(found[0])
            parts.append((*found, np.zeros(rows, np.int64), np.full(rows, np.nan)))
    return _joined(parts)


def _joined(parts: list[_Part]) -> _Part:
    return (
        Batch.concat([part[0] for part in parts]),
        Scored.concat([part[1] for part in parts]),
        np.concatenate([part[2] for part in parts]) if parts else np.zeros(0, np.int64),
        np.concatenate([part[3] for part in parts]) if parts else np.zeros(0),
    )


def _once(parts: list[_Part]) -> _Part:
    """In order of time; of two alike the first counts."""
    batch, scored, seq, sent = _joined(parts)
    _, rows = np.unique(batch.time, return_index=True)
    return batch.take(rows), scored.take(rows), seq[rows], sent[rows]


def _block(connection: Connection, name: str, index: int) -> Block | None:
    c = checkpoints.c
    query = select(c.seq, c.data).where(c.name == name, c.block == index).order_by(c.part)
    rows = connection.execute(query).all()
    return Block(name, index, int(rows[0].seq), unpack_arrays(b"".join(bytes(row.data) for row in rows))) if rows else None


def _parked(connection: Connection, slot: int) -> list[tuple[int, int | None, bytes]]:
    c = parked.c
    query = select(c.seq, c.back, c.data).where(c.slot == slot).order_by(c.seq)
    found: list[tuple[int, int | None, bytes]] = []
    for row in connection.execute(query):
        with suppress(StoreCorrupt):  # then from a checkpoint, or from the samples
            found.append((int(row.seq), None if row.back is None else int(row.back), unpack_state(bytes(row.data))))
    return found
