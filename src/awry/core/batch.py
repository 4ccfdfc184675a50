"""Columns of samples in order of arrival, and the columns a detector answers with; for every layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from awry.core.growth import grown

Arrays = dict[str, NDArray[np.generic]]
"""Named arrays whose first axis is the slot: what a detector dumps and loads."""

Slots = NDArray[np.int32]
Times = NDArray[np.int64]
Values = NDArray[np.float64]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples as columns, in order of arrival; one series may occur many times, its times strictly rising.

    slot: int32 (n,), the series' row in every state array. time: int64 (n,), Unix milliseconds.
    value: float64 (n,), NaN means "no observation".
    """

    slot: Slots
    time: Times
    value: Values

    def __len__(self) -> int:
        return int(self.slot.shape[0])

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Batch:
        """The chosen rows (indices, a mask or a slice), in that order."""
        return Batch(self.slot[rows], self.time[rows], self.value[rows])

    @staticmethod
    def of(slot: Sequence[int] | Slots, time: Sequence[int] | Times, value: Sequence[float] | Values) -> Batch:
        """A batch from anything array-like, converted to the column types and made contiguous."""
        return Batch(
            np.ascontiguousarray(slot, dtype=np.int32),
            np.ascontiguousarray(time, dtype=np.int64),
            np.ascontiguousarray(value, dtype=np.float64),
        )

    @staticmethod
    def empty() -> Batch:
        """A batch of no samples."""
        return Batch.of([], [], [])

    @staticmethod
    def concat(batches: Sequence[Batch]) -> Batch:
        """One batch of all rows, in the order given."""
        if len(batches) == 1:
            return batches[0]
        if not batches:
            return Batch.empty()
        return Batch(
            np.concatenate([b.slot for b in batches]),
            np.concatenate([b.time for b in batches]),
            np.concatenate([b.value for b in batches]),
        )


@dataclass(frozen=True, slots=True)
class Raw:
    """What a detector says of each row before calibration.

    strength: float32 (n, heads), higher = stranger, not comparable between series; NaN while warming up or for a NaN value.
    expected, low, high: float32 (n,), the value it thought would come and its band; NaN when it does not know yet.
    part: uint8 (n,), index into the detector's `parts` of the component that spoke loudest.
    """

    strength: Floats
    expected: Floats
    low: Floats
    high: Floats
    part: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Scored:
    """What the engine stores beside each sample; all arrays have one row per sample of the batch.

    raw: float32, combined strength. score, segment: float32 in [0, 1], multiples of 0.0001, NaN while warming up.
    expected, low, high: float32, NaN when unknown. part: uint8, which component spoke (index into `Scorer.parts`).
    """

    raw: Floats
    score: Floats
    segment: Floats
    expected: Floats
    low: Floats
    high: Floats
    part: NDArray[np.uint8]

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Scored:
        """The chosen rows (indices, a mask or a slice), in that order."""
        return Scored(
            self.raw[rows],
            self.score[rows],
            self.segment[rows],
            self.expected[rows],
            self.low[rows],
            self.high[rows],
            self.part[rows],
        )

    def put(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice, part: Scored) -> None:
        """Write the rows of another table over the chosen ones, in that order; what `take` took goes back."""
        for name in ("raw", "score", "segment", "expected", "low", "high", "part"):
            getattr(self, name)[rows] = getattr(part, name)

    def grown(self, rows: int) -> Scored:
        """At least so many rows, new ones zero, in place of these (see `core.growth`)."""
        return Scored(
            grown(self.raw, rows),
            grown(self.score, rows),
            grown(self.segment, rows),
            grown(self.expected, rows),
            grown(self.low, rows),
            grown(self.high, rows),
            grown(self.part, rows),
        )

    @staticmethod
    def blank(n: int) -> Scored:
        """n rows of NaN: "not judged"."""

        def nan() -> Floats:
            return np.full(n, np.nan, dtype=np.float32)

        return Scored(nan(), nan(), nan(), nan(), nan(), nan(), np.zeros(n, dtype=np.uint8))

    @staticmethod
    def concat(parts: Sequence[Scored]) -> Scored:
        """One table of all rows, in the order given."""
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return Scored.blank(0)
        return Scored(
            np.concatenate([p.raw for p in parts]),
            np.concatenate([p.score for p in parts]),
            np.concatenate([p.segment for p in parts]),
            np.concatenate([p.expected for p in parts]),
            np.concatenate([p.low for p in parts]),
            np.concatenate([p.high for p in parts]),
            np.concatenate([p.part for p in parts]),
        )
