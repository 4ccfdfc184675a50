"""Scores of a table -> the stretches a rule would have opened for, worst first; for `awry detect` and its report."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Batch, Floats, Scored, Slots
from awry.core.kernel import allocating


@dataclass(frozen=True, slots=True)
class Episodes:
    """Rows of a table; all arrays have one entry per episode, the worst first."""

    slot: NDArray[np.int64]
    start: NDArray[np.int64]
    """Row whose score reached the threshold."""
    end: NDArray[np.int64]
    """Last row, inside."""
    peak: NDArray[np.int64]
    """Row of the highest score; among equals, of the highest raw strength."""

    def __len__(self) -> int:
        return len(self.slot)


def intervals(batch: Batch, series: int) -> NDArray[np.float64]:
    """Median distance between samples of each series, in ms; NaN for fewer than two. Rows are ordered by slot and time."""
    starts = np.searchsorted(batch.slot, np.arange(series + 1))
    out = np.full(series, np.nan)
    for slot in range(series):
        time = batch.time[starts[slot] : min(starts[slot + 1], starts[slot] + 10_000)]
        if len(time) > 1:
            out[slot] = np.median(np.diff(time))
    return out


def find_episodes(batch: Batch, scored: Scored, threshold: NDArray[np.float64], clear: NDArray[np.float64]) -> Episodes:
    """Stretches that begin where score >= threshold and hold while segment >= clear; both by slot."""
    rows = _episodes(batch.slot, scored.score, scored.segment, scored.raw, threshold, clear)
    start, end, peak = rows[:, 0], rows[:, 1], rows[:, 2]
    order = np.lexsort((start, -scored.raw[peak], -scored.score[peak]))
    return Episodes(batch.slot[start][order].astype(np.int64), start[order], end[order], peak[order])


@allocating
def _episodes(
    slot: Slots, score: Floats, segment: Floats, raw: Floats, threshold: NDArray[np.float64], clear: NDArray[np.float64]
) -> NDArray[np.int64]:
    """(episodes, 3): first, last and peak row; slot, score, segment, raw: (n,); threshold, clear: (slots,)."""
    n = slot.shape[0]
    count = 0
    for i in range(n):
        if score[i] >= threshold[slot[i]]:
            count += 1
    out = np.empty((count, 3), np.int64)
    found, opened = 0, False
    for i in range(n):
        s = slot[i]
        if opened and (s != slot[out[found, 0]] or (segment[i] < clear[s] and not score[i] >= threshold[s])):
            found += 1
            opened = False
        if not opened and score[i] >= threshold[s]:
            out[found, 0] = out[found, 1] = out[found, 2] = i
            opened = True
        elif opened and segment[i] >= clear[s]:
            out[found, 1] = i
            peak = out[found, 2]
            if score[i] > score[peak] or (score[i] == score[peak] and raw[i] > raw[peak]):
                out[found, 2] = i
    return out[: found + 1] if opened else out[:found]


def thin(values: NDArray[np.float64], marks: Floats, start: int, stop: int, points: int) -> NDArray[np.int64]:
    """At most `points` rows of [start, stop) that keep each stretch's least, greatest and most marked row."""
    rows = stop - start
    if rows <= points:
        return np.arange(start, stop)
    value, mark = values[start:stop], np.nan_to_num(marks[start:stop], nan=-1.0)
    low, high = np.nan_to_num(value, nan=np.inf), np.nan_to_num(value, nan=-np.inf)
    edges = np.linspace(0, rows, max(points // 3, 1) + 1).astype(np.int64)
    chosen = [
        a + f(part[a:b])
        for a, b in pairwise(edges.tolist())
        for f, part in ((np.argmin, low), (np.argmax, high), (np.argmax, mark))
    ]
    return start + np.unique(np.array(chosen, np.int64))
