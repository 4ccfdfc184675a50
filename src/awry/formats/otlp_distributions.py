"""Histograms and summaries as series: count, sum and chosen quantiles of what came since the last point; for `otlp`.

What is remembered of a series until its next point is bounded in bytes: the series not heard of longest is forgotten first, and
its next point then counts as its first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from awry.core.errors import InvalidSelector, Overloaded
from awry.core.series_key import format_key
from awry.core.series_table import SeriesTable
from awry.formats import otlp_walk as wire
from awry.formats.histograms import Buckets, Reader, between, quantiles
from awry.formats.otlp_keys import Identity

STATE_BYTES = 64 * 1024 * 1024
"""Most bytes of remembered points."""
_ENTRY_BYTES = 300
_QUANTILES_KEPT = 64


class Last(NamedTuple):
    """The last point of a series; the buckets only of a cumulative one."""

    time_ns: int
    start_ns: int
    buckets: Buckets | None = None

    @property
    def nbytes(self) -> int:
        return _ENTRY_BYTES + (self.buckets.nbytes if self.buckets else 0)


class Memory:
    """Last points by series key. What a request changes is kept apart until it is in the engine's queue: it may be sent again."""

    def __init__(self, most_bytes: int = STATE_BYTES) -> None:
        self._most, self._bytes = most_bytes, 0
        self._last: dict[str, Last] = {}

    def __len__(self) -> int:
        return len(self._last)

    def get(self, key: str) -> Last | None:
        """The last point of a series, or None."""
        return self._last.get(key)

    def update(self, changed: dict[str, Last]) -> None:
        """Take over the last points of a request."""
        for key, last in changed.items():
            self._drop(key)
            self._last[key] = last
            self._bytes += last.nbytes
        while self._bytes > self._most:
            self._drop(next(iter(self._last)))

    def _drop(self, key: str) -> None:
        if (old := self._last.pop(key, None)) is not None:
            self._bytes -= old.nbytes


@dataclass(frozen=True, slots=True)
class Distribution:
    """A histogram or summary that is known, with the keys of its series."""

    identity: Identity
    count: str
    total: str
    quantiles: dict[float, str] = field(default_factory=dict)

    @staticmethod
    def of(identity: Identity) -> Distribution:
        """Of a point seen for the first time. Raises InvalidSelector."""
        name, labels = identity.name, identity.labels
        return Distribution(identity, format_key(name + "_count", labels), format_key(name + "_sum", labels))

    @property
    def cumulative(self) -> bool:
        """Whether its points count from a start that stays."""
        return self.identity.kind not in (wire.HISTOGRAM_DELTA, wire.EXPONENTIAL_DELTA)

    def quantile(self, level: float) -> str:
        """Key of the series of a quantile. Raises InvalidSelector."""
        key = self.quantiles.get(level)
        if key is None:
            key = format_key(self.identity.name, self.identity.labels | {"quantile": f"{level:g}"})
            if len(self.quantiles) < _QUANTILES_KEPT:
                self.quantiles[level] = key
        return key


class Point(NamedTuple):
    """Where a point is, and when."""

    begin: int
    stop: int
    time_ns: int
    start_ns: int
    empty: bool
    """Nothing was recorded."""


class Expander:
    """Turns distributions of one request into samples; `changed` is what the memory is to take over."""

    def __init__(self, table: SeriesTable, reader: Reader, wanted: tuple[float, ...], memory: Memory) -> None:
        self._table, self._reader, self._wanted, self._memory = table, reader, wanted, memory
        self.changed: dict[str, Last] = {}

    def last(self, key: str) -> Last | None:
        """The last point of a series, of this request or an earlier one."""
        return self.changed.get(key) or self._memory.get(key)

    def seconds(self, key: str, time_ns: int, start_ns: int) -> float:
        """How long the time of a delta was: from its start, or since the last point; NaN when neither is known."""
        if not 0 < start_ns < time_ns:
            last = self.last(key)
            start_ns = last.time_ns if last is not None else time_ns
            if last is None or last.time_ns < time_ns:
                self.changed[key] = Last(time_ns, 0)
        return (time_ns - start_ns) / 1e9 if start_ns < time_ns else math.nan

    def samples(self, known: Distribution, point: Point, data: NDArray[np.uint8]) -> list[tuple[int, float]] | str:
        """(slot, value) of each sample that a point makes, or why it is refused."""
        kind = known.identity.kind
        if point.empty:
            slots = [self._table.find(key) for key in (known.count, known.total, *known.quantiles.values())]
            return [(slot, math.nan) for slot in slots if slot >= 0]
        if kind == wire.SUMMARY:
            read = self._reader.summary(data, point.begin, point.stop)
            if isinstance(read, str):
                return read
            count, total, values = read
            levels = {level: value for level, value in values if 0 <= level <= 1}
            return self._counts(known, count, total, 1.0) + self._quantiles(known, levels)
        explicit = kind in (wire.HISTOGRAM, wire.HISTOGRAM_DELTA)
        found = (self._reader.histogram if explicit else self._reader.exponential)(data, point.begin, point.stop)
        if isinstance(found, str):
            return found
        count, total, buckets = found
        if known.cumulative:
            seconds = 1.0
            gained = self._gained(known.count, point, buckets)
        else:
            seconds = self.seconds(known.count, point.time_ns, point.start_ns)
            gained = buckets
        rows = self._counts(known, count, total, seconds)
        if gained is None or not (len(gained.positive) or len(gained.negative) or gained.zero):
            return rows
        return rows + self._quantiles(known, dict(zip(self._wanted, quantiles(gained, self._wanted), strict=True)))

    def _gained(self, key: str, point: Point, buckets: Buckets) -> Buckets | None:
        """What a cumulative point has more than the one before it; None for the first."""
        last = self.last(key)
        if last is not None and last.time_ns >= point.time_ns:
            return None  # it was sent before
        self.changed[key] = Last(point.time_ns, point.start_ns, buckets)
        if last is None or last.buckets is None:
            return None
        anew = point.start_ns > last.start_ns and point.start_ns > 0
        return buckets if anew else between(last.buckets, buckets) or buckets

    def _counts(self, known: Distribution, count: float, total: float, seconds: float) -> list[tuple[int, float]]:
        rows = [(self._slot(known.count, known.cumulative), count / seconds)]
        if not math.isnan(total):
            rows.append((self._slot(known.total, known.cumulative), total / seconds))
        return [row for row in rows if row[0] >= 0]

    def _quantiles(self, known: Distribution, values: dict[float, float]) -> list[tuple[int, float]]:
        rows = []
        for level, value in values.items():
            try:
                rows.append((self._slot(known.quantile(level), False), value))
            except InvalidSelector:
                continue  # the label makes the key too long, or too many; count and sum are kept
        return [row for row in rows if row[0] >= 0]

    def _slot(self, key: str, counter: bool) -> int:
        """Slot of a key, or -1 when a limit refuses it; the table counts that."""
        try:
            return self._table.intern(key, counter)
        except Overloaded:
            return -1
