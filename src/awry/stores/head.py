"""Columns in memory of the journal's samples that are in no chunk yet, so that reading a series unpacks no journal row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Batch, Scored
from awry.core.growth import grown

_DTYPES = (np.int32, np.int64, np.float64, *(np.float32,) * 6, np.uint8)
_START = 4096

Columns = tuple[NDArray[np.generic], ...]


class Head:
    """Samples in order of seq. One thread appends and drops; any thread reads the view it takes.

    A view stays valid: rows are written behind the published length, and dropping makes new arrays. Growing copies nothing where
    there are many rows (see `core.growth`).
    """

    def __init__(self) -> None:
        self._state: tuple[Columns, int] = _room(_START), 0
        self.since: int | None = None
        """Tick (Unix ms) of the oldest sample here; None when empty."""
        self._fresh: int | None = None

    def __len__(self) -> int:
        return self._state[1]

    def append(self, batch: Batch, scored: Scored, tick: int) -> None:
        """Add the samples of one tick."""
        rows = len(batch)
        if not rows:
            return
        columns, length = self._state
        if length + rows > columns[0].shape[0]:
            columns = tuple(grown(column, length + rows) for column in columns)
        for column, part in zip(columns, _split(batch, scored), strict=True):
            column[length : length + rows] = part
        self._state = columns, length + rows
        if self.since is None:
            self.since = tick
        if self._fresh is None:
            self._fresh = tick

    def mark(self) -> int:
        """How many samples there are, remembered: the next `drop` is about these."""
        self._fresh = None
        return len(self)

    def view(self) -> tuple[Batch, Scored]:
        """All samples, as they are now."""
        return self._cut(0)

    def drop(self, rows: int) -> None:
        """Forget the first `rows` samples: those marked before, or all."""
        batch, scored = self._cut(rows)
        columns = tuple(grown(column, len(batch)) for column in _room(_START))
        for column, part in zip(columns, _split(batch, scored), strict=True):
            column[: len(batch)] = part
        self._state = columns, len(batch)
        self.since = self._fresh if len(batch) else None

    def _cut(self, start: int) -> tuple[Batch, Scored]:
        columns, length = self._state
        cut = [column[start:length] for column in columns]
        return Batch(cut[0], cut[1], cut[2]), Scored(cut[3], cut[4], cut[5], cut[6], cut[7], cut[8], cut[9])  # type: ignore[arg-type]  # Columns has no types of its own


def _split(batch: Batch, scored: Scored) -> Columns:
    s = scored
    return batch.slot, batch.time, batch.value, s.raw, s.score, s.segment, s.expected, s.low, s.high, s.part


def _room(rows: int) -> Columns:
    return tuple(np.zeros(rows, dtype) for dtype in _DTYPES)
