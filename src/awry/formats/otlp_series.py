"""What is known of OTLP's series: raw keys in parts, distributions, times of deltas; for `otlp`, one for each series table."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from awry.core.growth import grown
from awry.core.raw_index import RawIndex, mark_words
from awry.core.series_table import SPELLINGS, SeriesTable
from awry.formats.otlp_distributions import Distributions
from awry.formats.otlp_expand import Points
from awry.formats.otlp_lookup import KIND_BITS, ROOT, Index
from awry.formats.otlp_walk import DELTA

PROTOCOL = "otlp"
_FEW = 10_000
"""Stems that are not worth looking through."""


class Last(NamedTuple):
    """What the next points are to count from: points (rows) of distributions (touched), times of deltas by slot."""

    data: NDArray[np.uint8]
    points: Points
    touched: NDArray[np.int32]
    rows: NDArray[np.int32]
    slot: NDArray[np.int32]
    time_ns: NDArray[np.int64]


class OtlpSeries:
    """Numbers and distributions by raw key; see `otlp_lookup` for its parts. The thread that owns the table uses it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.distributions = Distributions()
        self._stems, self._numbers, self._leaves = RawIndex(), RawIndex(), RawIndex()
        self._stem = 0
        self._swept = 0
        self._last = np.zeros(0, np.int64)

    @staticmethod
    def of(table: SeriesTable) -> OtlpSeries:
        """That of a table."""
        return table.kept(PROTOCOL, lambda: OtlpSeries(SPELLINGS * table.limits.total))

    @property
    def indexes(self) -> tuple[Index, Index, Index]:
        """Of stems, of numbers, and of distributions: for `look_up`. To be read anew after anything was added."""
        return Index(*self._stems.arrays), Index(*self._numbers.arrays), Index(*self._leaves.arrays)

    @property
    def full(self) -> bool:
        """Whether no more raw keys are to be added: a series of another one is found anew each time it comes."""
        return len(self._numbers) + len(self._leaves) >= self._most

    @property
    def stems(self) -> int:
        """How many stems there are."""
        return len(self._stems)

    def last(self, slots: int) -> NDArray[np.int64]:
        """Unix ns of the last delta that did not say when it began, by slot, of at least so many slots; 0 if there was none."""
        self._last = grown(self._last, slots)
        return self._last

    def stem(self, shared: bytes, kind: int, name: bytes) -> int:
        """Number of a metric's stem, a new one at first sight."""
        resource = self._stem_of(ROOT, shared)
        return self._stem_of(resource << KIND_BITS | kind, name)

    def add(self, stem: int, kind: int, attributes: bytes, number: int) -> None:
        """These raw attributes below a metric's stem mean this slot, or this distribution."""
        (self._numbers if kind <= DELTA else self._leaves).add(_word(stem) + attributes, number)

    def keep(self, last: Last) -> None:
        """Remember what the next points are to count from."""
        self.distributions.keep(last.data, last.points, last.touched, last.rows)
        self._last[last.slot] = last.time_ns

    def forget(self, slots: NDArray[np.int32]) -> None:
        """The series of these slots are deleted."""
        self._numbers.forget(slots)
        gone = self.distributions.forget(slots)
        if gone.size:
            self._leaves.forget(gone)
        self._last[slots[slots < len(self._last)]] = 0
        if len(self._stems) > 2 * self._swept + _FEW:
            self._sweep()

    def _sweep(self) -> None:
        """Forget stems of which no series is left. Their numbers are not given again: what holds one never means another metric."""
        used = np.zeros(self._stem, np.bool_)
        for index in (self._numbers, self._leaves):
            mark_words(*index.arrays, used, 0)
        resources = np.zeros(self._stem, np.bool_)
        stems, _, _ = self.indexes
        mark_words(*_living(stems, used), resources, KIND_BITS)
        self._stems.forget(np.flatnonzero(~(used | resources)).astype(np.int32))
        self._swept = int(np.count_nonzero(used | resources))

    def _stem_of(self, word: int, raw: bytes) -> int:
        whole = _word(word) + raw
        found = self._stems.find(whole)
        if found < 0:
            found = self._stem
            self._stems.add(whole, found)
            self._stem += 1
        return found


def _word(number: int) -> bytes:
    return number.to_bytes(8, "little")


def _living(stems: Index, used: NDArray[np.bool_]) -> Index:
    """The stems that are used."""
    slots = stems.slots.copy()
    slots[(slots >= 0) & ~used[np.maximum(slots, 0)]] = -1
    return Index(stems.hashes, slots, stems.starts, stems.blob)
