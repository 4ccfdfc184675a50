"""The worst segment score of every series in each ten minutes of the last day: what the heat map shows without a query."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Arrays, Batch, Scored
from awry.core.growth import grown
from awry.core.kernel import kernel

COLUMNS = 144
COLUMN_MS = 600_000
NONE = 255
"""Cell without a judged sample."""


@kernel
def paint(
    cells: NDArray[np.uint8],
    slot: NDArray[np.int32],
    time: NDArray[np.int64],
    segment: NDArray[np.float32],
    oldest: int,
    newest: int,
) -> None:
    """Raise cells (capacity, columns) to round(segment * 254); columns outside [oldest, newest] are left alone."""
    for i in range(slot.shape[0]):
        column = time[i] // COLUMN_MS
        if column < oldest or column > newest or np.isnan(segment[i]):
            continue
        shade = np.uint8(min(254.0, np.round(segment[i] * 254.0)))
        place = column % COLUMNS
        if cells[slot[i], place] == NONE or cells[slot[i], place] < shade:
            cells[slot[i], place] = shade


class Heat:
    """Cells by slot and column; the newest column is the tick's."""

    def __init__(self) -> None:
        self.cells: NDArray[np.uint8] = np.zeros((0, COLUMNS), np.uint8)
        self.newest = 0
        self._slots = 0

    def grow(self, slots: int) -> None:
        """Have cells for this many slots."""
        if slots > self._slots:
            self.cells = grown(self.cells, slots)
            self.cells[self._slots : slots] = NONE
            self._slots = slots

    def advance(self, now: int) -> None:
        """Open the column of the tick, clearing those that fell out of the day."""
        newest = now // COLUMN_MS
        for column in range(max(self.newest + 1, newest - COLUMNS + 1), newest + 1):
            self.cells[: self._slots, column % COLUMNS] = NONE
        self.newest = max(self.newest, newest)

    def update(self, batch: Batch, scored: Scored, now: int) -> None:
        """Paint the batch of a tick; a sample ahead of the tick's column has none yet, also when a replay knows later columns."""
        paint(self.cells, batch.slot, batch.time, scored.segment, self.newest - COLUMNS + 1, min(self.newest, now // COLUMN_MS))

    def wipe(self, slots: NDArray[Any]) -> None:
        """Forget deleted series."""
        self.cells[slots] = NONE

    def dump(self, start: int, stop: int) -> Arrays:
        """Copy of the cells of slots [start, stop), with the newest column's number."""
        return {"cells": self.cells[start:stop].T.copy(), "newest": np.array([self.newest], np.int64)}

    def load(self, state: Arrays, start: int) -> None:
        """Take over dumped cells from slot `start` on."""
        cells = state["cells"]
        stop, newest = start + cells.shape[1], int(state["newest"][0])
        self.grow(stop)
        self.advance(newest * COLUMN_MS)
        self.cells[start:stop] = cells.T
        # Columns opened after this block was saved hold yesterday's cells in it.
        for column in range(max(newest + 1, self.newest - COLUMNS + 1), self.newest + 1):
            self.cells[start:stop, column % COLUMNS] = NONE
