"""Samples of the histograms and summaries of a request, all in one kernel: count, sum and quantiles of each; for `otlp`.

Nothing is changed but what is marked as pending and put back: a request may be sent again, and is expanded once more when some of
its series were not known. `remember` then stores what the next points are to count from.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from awry.core.kernel import allocating, kernel
from awry.formats.histograms import Buckets, Floats, between, quantile
from awry.formats.otlp_buckets import MAX_BUCKETS, read_explicit, read_exponential, read_summary
from awry.formats.otlp_walk import EXPONENTIAL_DELTA, HISTOGRAM, HISTOGRAM_DELTA, SUMMARY

COUNT, SUM = -1.0, -2.0
"""Instead of a quantile: the other series of a distribution."""
HEAD = 8
"""Words of a stored state before its bounds and counts."""


class Points(NamedTuple):
    """Columns with a row per point of a known distribution: its number, kind, times, place in the body; if nothing was recorded."""

    distribution: NDArray[np.int32]
    kind: NDArray[np.uint8]
    time_ns: NDArray[np.int64]
    start_ns: NDArray[np.int64]
    begin: NDArray[np.int64]
    stop: NDArray[np.int64]
    empty: NDArray[np.bool_]


class Known(NamedTuple):
    """Columns with a row per distribution.

    counts, totals: slots of these series, -1 if there is none yet. at, levels: its run in `level` (sorted quantiles) and `slot` of
    their series. state, room: its words in `words`, state -1 if there are none; time_ns, start_ns: of that point. pending: -1, or
    while a request is expanded the point that comes to be stored.
    """

    counts: NDArray[np.int32]
    totals: NDArray[np.int32]
    at: NDArray[np.int64]
    levels: NDArray[np.int32]
    level: Floats
    slot: NDArray[np.int32]
    state: NDArray[np.int64]
    room: NDArray[np.int64]
    time_ns: NDArray[np.int64]
    start_ns: NDArray[np.int64]
    pending: NDArray[np.int32]
    words: Floats


class Made(NamedTuple):
    """Columns with a row per sample: slot (-1 if the series is not known), value, its point, its distribution and quantile."""

    slot: NDArray[np.int32]
    value: Floats
    point: NDArray[np.int32]
    distribution: NDArray[np.int32]
    level: Floats


def made_of(room: int) -> Made:
    """Empty columns for so many samples."""
    return Made(np.empty(room, np.int32), np.empty(room), np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room))


class Undo(NamedTuple):
    """Columns with room for a row per point: times of last deltas that were changed, by slot: what they were, what they became."""

    slot: NDArray[np.int32]
    before: NDArray[np.int64]
    after: NDArray[np.int64]


def undo_of(room: int) -> Undo:
    """Empty columns for so many changes."""
    return Undo(np.empty(room, np.int32), np.empty(room, np.int64), np.empty(room, np.int64))


@kernel
def _span(last: NDArray[np.int64], slot: int, time: int, start: int, undo: Undo, n: int) -> tuple[float, int]:
    """(seconds that a delta counts: from its start, or since the last one; NaN when neither is known; changes noted)."""
    if 0 < start < time:
        return (time - start) / 1e9, n
    before = last[slot]
    if before < time:
        undo.slot[n], undo.before[n] = slot, before
        last[slot] = time
        n += 1
    return (time - before) / 1e9 if 0 < before < time else math.nan, n


@kernel
def _put_back(last: NDArray[np.int64], undo: Undo, n: int) -> None:
    for i in range(n):
        undo.after[i] = last[undo.slot[i]]
    for i in range(n - 1, -1, -1):
        last[undo.slot[i]] = undo.before[i]


@kernel
def spans(
    slots: NDArray[np.int32],
    time: NDArray[np.int64],
    start: NDArray[np.int64],
    last: NDArray[np.int64],
    undo: Undo,
    seconds: Floats,
) -> int:
    """Fill seconds (rows,) of deltas; tells how many changes are noted in `undo`, of which `last` (by slot) keeps none."""
    n = 0
    for i in range(slots.shape[0]):
        seconds[i], n = _span(last, slots[i], time[i], start[i], undo, n)
    _put_back(last, undo, n)
    return n


@kernel
def _find(level: Floats, at: int, n: int, wanted: float) -> int:
    """Place of a quantile in a run of sorted ones, or -1."""
    low, high = at, at + n
    while low < high:
        middle = (low + high) // 2
        if level[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low if low < at + n and level[low] == wanted else -1


@allocating
def _read(data: NDArray[np.uint8], kind: int, begin: int, stop: int, head: Floats, one: Floats, two: Floats) -> Any:
    """Fault and buckets of a point of this kind."""
    if kind in (HISTOGRAM, HISTOGRAM_DELTA):
        return read_explicit(data, begin, stop, head, one, two)
    return read_exponential(data, begin, stop, head, one, two)


@kernel
def _holds(buckets: Buckets) -> bool:
    """Whether there are buckets to tell quantiles of."""
    return buckets.positive.shape[0] > 0 or buckets.negative.shape[0] > 0 or buckets.zero != 0


@allocating
def _stored(words: Floats, at: int) -> Buckets:
    """The buckets of a state."""
    start = at + HEAD
    bounds, up, down = int(words[at + 5]), int(words[at + 6]), int(words[at + 7])
    middle, high = start + bounds, start + bounds + up
    return Buckets(
        int(words[at]), words[start:middle], words[at + 1], words[at + 2], int(words[at + 3]), words[middle:high],
        int(words[at + 4]), words[high : high + down],
    )  # fmt: skip


@allocating
def expand(
    data: NDArray[np.uint8], points: Points, known: Known, last: NDArray[np.int64], wanted: Floats, made: Made,
    fault: NDArray[np.int8], touched: NDArray[np.int32], rows: NDArray[np.int32], undo: Undo,
) -> Any:  # fmt: skip
    """Fill a row per sample; tells (samples, or -1 when there is no room; states to be stored; changes noted in `undo`).

    fault (points,): 0, or why the point is refused. touched, rows (points,): distributions to be stored, and the point of each.
    last: Unix ns of the last delta by slot.
    """
    numbers, kinds, times, starts, begins, stops, empty = points
    slots, values, owners, distributions, levels = made
    counts, totals, places, runs, level, level_slot, states, _, state_times, state_starts, pending, words = known
    head, one, two = np.empty(6), np.empty(MAX_BUCKETS + 1), np.empty(MAX_BUCKETS + 1)
    former, three, four = np.empty(6), np.empty(MAX_BUCKETS + 1), np.empty(MAX_BUCKETS + 1)
    stamp = np.full(MAX_BUCKETS, -1, np.int64)  # by quantile of a distribution: the last sample made of it
    n = stored = noted = 0
    room = slots.shape[0]
    for i in range(numbers.shape[0]):
        d, kind, time, start = numbers[i], kinds[i], times[i], starts[i]
        fault[i] = 0
        begun = n
        at, run = places[d], runs[d]
        if n + 2 + run + max(MAX_BUCKETS if kind == SUMMARY else 0, wanted.shape[0]) > room:
            n = -1
            break
        if empty[i]:
            slots[n], levels[n] = counts[d], COUNT
            slots[n + 1], levels[n + 1] = totals[d], SUM
            n += 1 if totals[d] < 0 else 2
            for k in range(at, at + run):
                if level_slot[k] >= 0:
                    slots[n], levels[n] = level_slot[k], level[k]
                    n += 1
            values[begun:n] = math.nan
            owners[begun:n], distributions[begun:n] = i, d
            continue
        seconds = 1.0
        if kind == SUMMARY:
            found = read_summary(data, begins[i], stops[i], head, one, two)
            if found < 0:
                fault[i] = found
                continue
        else:
            wrong, buckets = _read(data, kind, begins[i], stops[i], head, one, two)
            if wrong < 0:
                fault[i] = wrong
                continue
            some = _holds(buckets)
            if kind in (HISTOGRAM_DELTA, EXPONENTIAL_DELTA):
                seconds, noted = _span(last, counts[d], time, start, undo, noted)
            else:
                before = pending[d]
                if before >= 0:
                    before_time, before_start = times[before], starts[before]
                else:
                    before_time, before_start = state_times[d], state_starts[d]
                first = before < 0 and states[d] < 0
                if not first and before_time >= time:
                    some = False  # it was sent before
                else:
                    if before < 0:
                        touched[stored] = d
                        stored += 1
                    pending[d] = i
                    if first:
                        some = False
                    elif some and not (start > before_start and start > 0):
                        if before >= 0:
                            _, old = _read(data, kinds[before], begins[before], stops[before], former, three, four)
                        else:
                            old = _stored(words, states[d])
                        _, buckets = between(old, buckets)
                        some = _holds(buckets)
        slots[n], values[n], levels[n] = counts[d], head[0] / seconds, COUNT
        n += 1
        if not math.isnan(head[1]):
            slots[n], values[n], levels[n] = totals[d], head[1] / seconds, SUM
            n += 1
        if kind == SUMMARY:
            if run > stamp.shape[0]:
                stamp = np.full(2 * run, -1, np.int64)
            for k in range(found):
                if not 0.0 <= one[k] <= 1.0:
                    continue
                place = _find(level, at, run, one[k])
                if place >= 0 and stamp[place - at] >= begun:  # the same quantile twice: the last one counts
                    values[stamp[place - at]] = two[k]
                    continue
                if place >= 0:
                    stamp[place - at] = n
                slots[n], values[n], levels[n] = level_slot[place] if place >= 0 else -1, two[k], one[k]
                n += 1
        elif some:
            for k in range(wanted.shape[0]):
                place = _find(level, at, run, wanted[k])
                slots[n], values[n] = level_slot[place] if place >= 0 else -1, quantile(buckets, wanted[k])
                levels[n] = wanted[k]
                n += 1
        owners[begun:n], distributions[begun:n] = i, d
    for k in range(stored):
        rows[k] = pending[touched[k]]
        pending[touched[k]] = -1
    _put_back(last, undo, noted)
    return n, stored, noted


@allocating
def remember(
    data: NDArray[np.uint8],
    points: Points,
    touched: NDArray[np.int32],
    rows: NDArray[np.int32],
    begin: int,
    known: Known,
    used: int,
) -> tuple[int, int, int]:
    """Store the points `rows` of the distributions `touched`, from the one at `begin` on.

    Tells (how many are stored now, words used, words of the one for which there is no room).
    """
    head, one, two = np.empty(6), np.empty(MAX_BUCKETS + 1), np.empty(MAX_BUCKETS + 1)
    words = known.words
    for i in range(begin, touched.shape[0]):
        d, row = touched[i], rows[i]
        _, b = _read(data, points.kind[row], points.begin[row], points.stop[row], head, one, two)
        bounds, up, down = b.bounds.shape[0], b.positive.shape[0], b.negative.shape[0]
        size = HEAD + bounds + up + down
        if known.state[d] < 0 or known.room[d] < size:
            if used + size > words.shape[0]:
                return i, used, size
            known.state[d], known.room[d] = used, size
            used += size
        at = known.state[d]
        words[at], words[at + 1], words[at + 2], words[at + 3] = b.scale, b.zero, b.threshold, b.offset
        words[at + 4], words[at + 5], words[at + 6], words[at + 7] = b.negative_offset, bounds, up, down
        at += HEAD
        words[at : at + bounds] = b.bounds
        words[at + bounds : at + bounds + up] = b.positive
        words[at + bounds + up : at + bounds + up + down] = b.negative
        known.time_ns[d], known.start_ns[d] = points.time_ns[row], points.start_ns[row]
    return touched.shape[0], used, 0


@kernel
def compact(order: NDArray[np.int64], known: Known) -> int:
    """Move the states of distributions, in order of their places, together; tells the words used."""
    used = 0
    for d in order:
        at, size = known.state[d], known.room[d]
        for k in range(size):
            known.words[used + k] = known.words[at + k]
        known.state[d] = used
        used += size
    return used
