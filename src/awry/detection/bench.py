"""One judge whose rows are given to series as they come, so that a series costs only the state of the judge it has; for Router."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, Self
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Arrays, Batch, Scored
from awry.core.growth import grown
from awry.core.protocols import Judge
from awry.detection.calendar import Calendar, give_calendar
from awry.detection.parts import part_numbers


class Gate:
    """Many may be inside at once, or one alone: judges may be stepped by several threads, but grow with nobody in them."""

    def __init__(self) -> None:
        self._free = threading.Condition()
        self._inside = 0

    def __enter__(self) -> Self:
        with self._free:
            self._inside += 1
        return self

    def __exit__(self, *exc: object) -> None:
        with self._free:
            self._inside -= 1
            if self._inside == 0:
                self._free.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until nobody is inside, and let nobody in meanwhile. Not to be asked for from inside."""
        with self._free:
            self._free.wait_for(lambda: self._inside == 0)
            yield


class Bench:
    """A judge and its rows, of which some are free. zone: 0 or the calendar entry of the series that gets a row.

    A freed row goes only to a series of the same zone and group, because the detector remembers those of a row.
    grouped: its detector compares the series of a group with each other, and is told of each row which group that is.
    """

    def __init__(self, name: str, judge: Judge, calendar: Calendar | None = None) -> None:
        self.name, self.judge = name, judge
        self.numbers = part_numbers(judge.parts)
        self.used = 0
        self._free: dict[tuple[int, int], list[int]] = {}
        self._zone = np.zeros(0, np.uint16)
        self._group = np.zeros(0, np.int64)
        detector: Any = getattr(judge, "detector", judge)
        self.grouped = hasattr(detector, "group_of")
        if self.grouped:
            detector.group_of = self._group_of
        self._blank = judge.dump(0, 0)
        layout = sorted((key, a.dtype.str, a.shape[1:]) for key, a in self._blank.items())
        self.id = crc32(repr((name, layout)).encode())
        """Stands for the name and the layout of a row, in dumps."""
        self._sizes = [a.dtype.itemsize * int(np.prod(a.shape[1:])) for _, a in sorted(self._blank.items())]
        self.row_bytes = sum(self._sizes)
        if calendar is not None:
            give_calendar(detector, calendar, self._zone_of)

    def take(self, count: int, zone: int = 0, group: int = -1) -> NDArray[np.int32]:
        """Rows for so many series of a zone and group, as if never used; nobody steps meanwhile."""
        free = self._free.get((zone, group), [])
        again = [free.pop() for _ in range(min(count, len(free)))]
        new = np.arange(self.used, self.used + count - len(again), dtype=np.int32)
        self.used += len(new)
        self._zone, self._group = grown(self._zone, self.used), grown(self._group, self.used)
        self._zone[new], self._group[new] = zone, group
        self.judge.grow(self.used)
        return np.concatenate([np.array(again, np.int32), new])

    def free(self, rows: NDArray[np.int32]) -> None:
        """Take rows back and make them blank; nobody steps meanwhile."""
        rows = np.sort(rows)
        for start, stop, _ in _runs(rows):
            self.judge.load({key: np.zeros((stop - start, *a.shape[1:]), a.dtype) for key, a in self._blank.items()}, start)
        homes = zip(self._zone[rows].tolist(), self._group[rows].tolist(), rows.tolist(), strict=True)
        for zone, group, row in homes:
            self._free.setdefault((zone, group), []).append(row)

    def step(self, row: NDArray[np.int32], batch: Batch) -> Scored:
        """Judge the batch with these rows in place of its slots; the parts are numbered as in PARTS."""
        return self.numbered(self.judge.step(Batch(row, batch.time, batch.value)))

    def numbered(self, scored: Scored) -> Scored:
        """The same with parts numbered as in PARTS."""
        if self.numbers is None:
            return scored
        part = self.numbers[scored.part]
        return Scored(scored.raw, scored.score, scored.segment, scored.expected, scored.low, scored.high, part)

    def pack(self, rows: NDArray[np.int32]) -> bytes:
        """The state of these rows: each array in order of its name, row after row."""
        runs = [self.judge.dump(start, stop) for start, stop, _ in _runs(rows)]
        return b"".join(np.concatenate([run[key] for run in runs]).tobytes() for key in sorted(self._blank)) if runs else b""

    def unpack(self, rows: NDArray[np.int32], data: NDArray[np.uint8], wanted: NDArray[np.intp], count: int) -> None:
        """Load into `rows` the `wanted` ones of `count` packed rows."""
        state: Arrays = {}
        at = 0
        for key in sorted(self._blank):
            like = self._blank[key]
            size = like.dtype.itemsize * int(np.prod(like.shape[1:])) * count
            state[key] = data[at : at + size].copy().view(like.dtype).reshape(count, *like.shape[1:])[wanted]
            at += size
        for start, _, at_rows in _runs(rows):
            self.judge.load({key: a[at_rows] for key, a in state.items()}, start)

    def row_by_row(self, data: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
        """What `pack` gave for `count` rows, as one line of bytes each: (count, row_bytes)."""
        ends = np.cumsum([size * count for size in self._sizes])[:-1]
        return np.concatenate([part.reshape(count, -1) for part in np.split(data, ends)], axis=1)

    def key_by_key(self, lines: NDArray[np.uint8]) -> bytes:
        """The inverse of `row_by_row`."""
        return b"".join(part.tobytes() for part in np.split(lines, np.cumsum(self._sizes)[:-1], axis=1))

    def _zone_of(self, row: int) -> int:
        return int(self._zone[row])

    def _group_of(self, row: int) -> int:
        return int(self._group[row])


def _runs(rows: NDArray[np.int32]) -> Iterator[tuple[int, int, slice]]:
    """Stretches of rows that follow each other: (first row, one past the last, where in `rows`)."""
    if not rows.size:
        return
    cuts = [0, *(np.flatnonzero(np.diff(rows) != 1) + 1).tolist(), len(rows)]
    for begin, end in pairwise(cuts):
        yield int(rows[begin]), int(rows[begin]) + end - begin, slice(begin, end)
