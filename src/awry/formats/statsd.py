"""StatsD and DogStatsD lines, `name:value|type|@rate|#tag:v,…`, gathered for a while and settled into samples; for the UDP door.

A counter becomes `NAME_rate` per second, a gauge NAME, a set `NAME_unique`, a timer (ms, h, d) `NAME_rate`, `_mean`, `_p50`,
`_p90`, `_p99` and `_max`. Tags are labels.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Batch
from awry.core.errors import InvalidSelector
from awry.core.raw_index import RawIndex
from awry.core.series_key import format_key
from awry.core.series_table import SeriesTable
from awry.formats import statsd_walk as walk
from awry.formats.decoded import Decoded, intern

PROTOCOL = "statsd"
LINE_BYTES = 8192
"""Longest line, in bytes without its line feed."""
MAX_METRICS = 100_000
"""Most names with tags gathered at a time."""
IDLE_SECONDS = 300
"""A counter or timer goes on with a rate of zero for so long after its last line."""
FORGET_SECONDS = 3600
"""A metric without a line for so long makes room for others; a gauge that then comes with a delta begins at zero."""
SUFFIXES = (("_rate",), ("",), ("_rate", "_mean", "_p50", "_p90", "_p99", "_max"), ("_unique",))
"""By kind, what the names of its series end in."""
_SPELLINGS = 2
_CHUNKS = 16_384
_MEMBERS = 1 << 18
_Column = NDArray[Any]
_Eight = tuple[_Column, _Column, _Column, _Column, _Column, _Column, _Column, _Column]


class StatsdWindow:
    """Gathers lines; `settle` tells what the metrics amounted to and begins anew. Memory is bounded by `most` metrics."""

    def __init__(self, *, most: int = MAX_METRICS, line_bytes: int = LINE_BYTES) -> None:
        self.most, self._line_bytes = most, line_bytes
        self._raw = RawIndex()
        self._spelt: list[tuple[bytes, int]] = []
        self._entries: dict[tuple[str, int], int] = {}
        self._window = 0
        self._pool = np.empty((_CHUNKS, walk.CHUNK))
        self._used = np.zeros(1, np.int64)
        self._sets = np.zeros(_MEMBERS, np.uint64)
        self._scratch = np.empty(2 * line_bytes + 16, np.uint8)
        self._keys = bytearray()
        self._rows: dict[str, NDArray[Any]] = {}
        self._span = np.zeros((0, walk.PARTS, 2), np.int64)
        self._make_room(1024)

    def __len__(self) -> int:
        return len(self._entries)

    def gather(self, data: NDArray[np.uint8], end: int, table: SeriesTable, now_ms: int) -> tuple[Decoded, tuple[()]]:
        """Add the lines of data[:end], which ends with a line feed and 16 readable bytes; no sample comes of it yet.

        received counts the lines that were refused.
        """
        refused: Counter[str] = Counter()
        counts = np.zeros(len(walk.REASONS), np.int64)
        at, given = 0, -1
        while at < end:
            at, raw, name = walk.gather(
                data, at, end, given, len(self._entries) < self.most, self._window, self._line_bytes, *self._raw.arrays,
                self._scratch, *self._columns, self._pool, self._used, self._sets, counts,
            )  # fmt: skip
            given = -1
            if raw:
                try:
                    given = self._admit(self._scratch[:raw].tobytes(), name)
                except InvalidSelector:
                    refused["bad_key"] += 1
                    given = -2
                except UnicodeDecodeError:
                    refused["not_utf8"] += 1
                    given = -2
        refused.update({reason: n for reason, n in zip(walk.REASONS, counts.tolist(), strict=True) if n})
        return Decoded(Batch.of([], [], []), refused.total(), refused), ()

    def settle(self, seconds: float, width_seconds: float) -> NDArray[np.float64]:
        """What each metric's series get (rows, PARTS), NaN for nothing, and begin the next window; any thread may run it.

        seconds: how long this window was. width_seconds: how long windows usually are.
        """
        rows = len(self._entries)
        out = np.empty((rows, walk.PARTS))
        idle = int(IDLE_SECONDS // width_seconds)
        walk.settle(rows, self._window, idle, seconds, *self._columns, self._pool, out)
        self._window += 1
        self._used[0] = 0
        self._sets[:] = 0
        return out

    def batch(self, out: NDArray[np.float64], table: SeriesTable, time_ms: int, refused: Counter[str]) -> Batch:
        """What was settled as samples of one time; new series are added to `table`."""
        row, part = np.nonzero(~np.isnan(out))
        cells = row * walk.PARTS + part
        value = out[row, part]
        slot = np.empty(len(cells), np.int32)
        keys = np.frombuffer(bytes(self._keys) + bytes(8), np.uint8)
        span = self._span.reshape(-1, 2)
        walk.look_up(cells, span, keys, *table.index(PROTOCOL).arrays, slot)
        for i in np.flatnonzero(slot < 0).tolist():
            if not np.isfinite(value[i]):
                refused["infinite"] += 1
                continue
            start, stop = span[cells[i]].tolist()
            raw = bytes(self._keys[start:stop])
            slot[i] = intern(table, PROTOCOL, raw, raw.decode(), counter=False)  # counters are rates already
            if slot[i] < 0:
                refused["series_limit"] += 1
        known = slot >= 0
        return Batch(slot[known], np.full(int(known.sum()), time_ms, np.int64), value[known])

    def forget(self, width_seconds: float) -> None:
        """Make room, where more than half of it is taken, by dropping metrics that have not come for long."""
        rows = len(self._entries)
        if rows * 2 <= self.most:
            return
        keep = self._window - self._rows["last"][:rows] <= FORGET_SECONDS / width_seconds
        if keep.sum() > rows * 3 // 4:
            return
        moved = np.where(keep, np.cumsum(keep) - 1, -1)
        for name, column in self._rows.items():
            self._rows[name][: keep.sum()] = column[:rows][keep]
        keys, span = self._keys, self._span[:rows][keep].copy()
        self._keys = bytearray()
        for row in span.reshape(-1, 2):
            start = len(self._keys)
            self._keys += keys[row[0] : row[1]]
            row[:] = start, len(self._keys)
        self._span[: len(span)] = span
        self._entries = {key: int(moved[entry]) for key, entry in self._entries.items() if moved[entry] >= 0}
        self._spelt = [(raw, int(moved[entry])) for raw, entry in self._spelt if moved[entry] >= 0]
        self._raw = RawIndex()
        for raw, entry in self._spelt:
            self._raw.add(raw, entry)

    def _admit(self, raw: bytes, name_bytes: int) -> int:
        """The row of a raw key that is not known, made if the metric is new. Raises InvalidSelector or UnicodeDecodeError."""
        kind = walk.LETTERS.index(raw[name_bytes + 1])
        keys = keys_of(raw[:name_bytes].decode(), kind, raw[name_bytes + 2 :].decode())
        entry = self._entries.get((keys[0], kind))
        if entry is None:
            entry = self._entries[keys[0], kind] = len(self._entries)
            if entry >= len(self._rows["kind"]):
                self._make_room(2 * entry)
            for column in self._rows.values():
                column[entry] = 0
            self._rows["kind"][entry], self._rows["last"][entry] = kind, self._window - 1
            if kind in (walk.COUNTER, walk.TIMER):
                self._rows["last"][entry] = -(1 << 30)  # no rate of zero before the first line
            self._span[entry] = 0
            for part, key in enumerate(keys):
                self._span[entry, part] = len(self._keys), len(self._keys) + len(key.encode())
                self._keys += key.encode()
        if len(self._spelt) < _SPELLINGS * self.most:
            self._spelt.append((raw, entry))
            self._raw.add(raw, entry)
        return entry

    @property
    def _columns(self) -> _Eight:
        """In the order of the kernels' arguments."""
        return cast(_Eight, tuple(self._rows.values()))

    def _make_room(self, rows: int) -> None:
        """Have columns for so many metrics; the order is that of the kernels' arguments."""
        shapes: dict[str, tuple[Any, ...]] = {
            "kind": (np.int8,), "last": (np.int32,), "total": (np.float64,), "count": (np.float64,), "seen": (np.int64,),
            "most": (np.float64,), "kept": (np.int32,), "chain": (np.int32, walk.CHAIN),
        }  # fmt: skip
        for name, (kind, *more) in shapes.items():
            column = np.zeros((rows, *more), kind)
            if name in self._rows:
                column[: len(self._rows[name])] = self._rows[name]
            self._rows[name] = column
        span = np.zeros((rows, walk.PARTS, 2), np.int64)
        span[: len(self._span)] = self._span
        self._span = span


def keys_of(name: str, kind: int, tags: str) -> list[str]:
    """Keys of a metric's series; a tag without a value is "true". Raises InvalidSelector."""
    pairs = []
    for tag in tags.split(",") if tags else ():
        label, colon, value = tag.partition(":")
        if label:
            pairs.append((label, value if colon else "true"))
    return [format_key(name + suffix, tuple(pairs)) for suffix in SUFFIXES[kind]]
