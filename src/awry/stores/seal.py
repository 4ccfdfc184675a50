"""Moves the head's samples into chunks by groups of GROUP_SLOTS slots, in small slices beside the hot path.

A round takes all samples up to one seq, in order of (slot, time). Each slice is one transaction that inserts chunks and moves a
cursor (seq, slot, time) kept in `meta`; a crash anywhere leaves each sample either before the cursor, in a chunk, or after it, in
the journal. A round that was cut short goes on with the same seq after the restart.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, insert, select

from awry.core.batch import Batch, Scored
from awry.core.kernel import kernel
from awry.stores.commit import set_meta
from awry.stores.connect import Database, guarded
from awry.stores.options import GROUP_SLOTS, Fault, StoreOptions
from awry.stores.pack import pack_chunk
from awry.stores.schema import chunks, meta
from awry.stores.state import State

_PIECE_ROWS = 5_000  # most samples of a chunk: what packs within a slice
_SORTED_AT_ONCE = 500_000  # rows sorted in a slice


class Sealer:
    """One round after the other; the writer's thread only."""

    def __init__(self, database: Database, state: State, options: StoreOptions, fault: Fault) -> None:
        self._database, self._state, self._options, self._fault = database, state, options, fault
        self._seq = 0
        self._rows = 0
        self._sorter: Sorter | None = None
        self._order: NDArray[np.int64] | None = None
        self._next = 0
        self._aim: tuple[int, dict[str, int]] = 0, {}
        sorter = Sorter(np.zeros(1, np.int32))  # compiled or read from its cache now, not in the first slice
        while sorter.go_on(1):
            pass
        if state.round is not None:
            self._begin(*state.round)

    @property
    def active(self) -> bool:
        """A round is under way."""
        return self._order is not None or self._sorter is not None

    @property
    def waiting(self) -> bool:
        """There are samples in no chunk."""
        return len(self._state.head) > 0

    def due(self, now_ms: int) -> bool:
        """Enough samples wait, or for long enough."""
        head, options = self._state.head, self._options
        many = max(options.seal_samples, options.seal_rows_each * self._state.slots)
        old = head.since is not None and now_ms - head.since >= options.seal_age_ms
        return len(head) >= many or old

    def begin(self) -> None:
        """Start a round over all samples of the head."""
        self._begin(self._state.last_seq, self._state.head.mark())

    def slice(self) -> None:
        """Sort or seal for a few milliseconds; the last slice of a round drops its samples from the head."""
        if self._sorter is not None:
            self._sort(self._sorter)
            return
        assert self._order is not None
        batch, scored = self._state.head.view()
        deadline = time.monotonic() + self._options.slice_ms / 1000
        made: list[dict[str, object]] = []
        at = self._next
        while at < self._order.shape[0] and (not made or time.monotonic() < deadline):
            rows = self._piece(batch, at)
            made.append(chunk_row(batch.take(rows), scored.take(rows)))
            at += rows.shape[0]
        self._aim = at, self._marks(batch, at)
        with guarded("seal samples"):
            with self._database.write("seal samples") as connection:
                if made:
                    connection.execute(insert(chunks), made)
                    self._fault("seal.insert")
                set_meta(connection, self._aim[1])
                self._fault("seal.before")
            self._fault("seal.after")
            self._reach(at)
            state = self._state
            state.chunk_count += len(made)
            state.chunk_rows += sum(int(str(row["sample_rows"])) for row in made)
            state.chunk_bytes += sum(int(str(row["size"])) for row in made)

    def settle(self, connection: Connection) -> None:
        """After an error: if the last slice was written all the same, go on behind it."""
        at, marks = self._aim
        if self._order is None or at <= self._next:
            return
        stored = dict(connection.execute(select(meta.c.name, meta.c.value)).all())
        if all(stored.get(name) == value for name, value in marks.items()):
            self._reach(at)

    def _marks(self, batch: Batch, at: int) -> dict[str, int]:
        assert self._order is not None
        if at == self._order.shape[0]:
            return {"sealed": self._seq, "round_seq": self._seq}
        last = self._order[at - 1]
        return {"round_seq": self._seq, "round_slot": int(batch.slot[last]), "round_time": int(batch.time[last])}

    def _reach(self, at: int) -> None:
        assert self._order is not None
        self._next = at
        if at == self._order.shape[0]:
            self._state.sealed, self._order = self._seq, None
            self._state.head.drop(self._rows)

    def _begin(self, seq: int, rows: int) -> None:
        batch, _ = self._state.head.view()
        self._seq, self._rows, self._next, self._aim = seq, rows, 0, (0, {})
        self._sorter = Sorter(batch.slot[:rows])

    def _sort(self, sorter: Sorter) -> None:
        if sorter.go_on(_SORTED_AT_ONCE):
            return
        slot, order = sorter.slot, sorter.order
        gone = np.fromiter(self._state.gone, np.int32)
        if gone.size:
            order = order[~np.isin(slot[order], gone)]
        self._sorter, self._order = None, order

    def _piece(self, batch: Batch, at: int) -> NDArray[np.int64]:
        assert self._order is not None
        rows = self._order[at : at + _PIECE_ROWS]
        groups = batch.slot[rows] // GROUP_SLOTS
        return rows[: int(np.searchsorted(groups, groups[0], side="right"))]


def chunk_row(batch: Batch, scored: Scored) -> dict[str, object]:
    """A row of `chunks` from samples of one group, sorted by (slot, time)."""
    data = pack_chunk(batch, scored)
    return {
        "grp": int(batch.slot[0]) // GROUP_SLOTS,
        "start": int(batch.time.min()),
        "stop": int(batch.time.max()),
        "sample_rows": len(batch),
        "size": len(data),
        "data": data,
    }


class Sorter:
    """Rows in order of slot, equal slots in order of row: a counting sort in pieces, for many millions of rows take a while."""

    def __init__(self, slot: NDArray[np.int32]) -> None:
        self.slot = slot
        """int32 (n,)."""
        self.order = np.empty(slot.shape[0], np.int64)
        """Rows; known when `go_on` says that nothing is left."""
        self._place = np.zeros(int(slot.max()) + 2 if slot.shape[0] else 1, np.int64)
        self._counted = self._placed = 0

    def go_on(self, rows: int) -> bool:
        """Do a piece of so many rows; whether something is left."""
        n = len(self.slot)
        if self._counted < n:
            stop = min(n, self._counted + rows)
            count_slots(self.slot[self._counted : stop], self._place)
            self._counted = stop
            if stop == n:
                np.cumsum(self._place, out=self._place)
        else:
            stop = min(n, self._placed + rows)
            place_rows(self.slot[self._placed : stop], self._placed, self._place, self.order)
            self._placed = stop
        return self._placed < n


@kernel
def count_slots(slot: NDArray[np.int32], place: NDArray[np.int64]) -> None:
    """Count rows of each slot (n,) into place[slot + 1]."""
    for i in range(slot.shape[0]):
        place[slot[i] + 1] += 1


@kernel
def place_rows(slot: NDArray[np.int32], first: int, place: NDArray[np.int64], order: NDArray[np.int64]) -> None:
    """Put rows first, first + 1, … with these slots (n,) into `order`, each at place[slot], which moves on."""
    for i in range(slot.shape[0]):
        order[place[slot[i]]] = first + i
        place[slot[i]] += 1
