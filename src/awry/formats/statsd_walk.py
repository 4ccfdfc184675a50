"""The kernels that gather StatsD lines into one row a metric, and settle the rows when the window ends; for `formats.statsd`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from awry.core.hashing import hash_bytes, probe
from awry.core.kernel import allocating, copy, kernel
from awry.formats.numbers import CUT, EXACT, FAR, exact_float, line_end, scan_number

COUNTER, GAUGE, TIMER, SET = 0, 1, 2, 3
LETTERS = b"cgts"
"""What stands for each kind in a raw key; ms, h and d are one kind."""
REASONS = ("malformed", "too_long", "event", "service_check", "unknown_type", "series_limit", "set_limit")
CHUNK = 64
CHAIN = 16
KEPT = CHUNK * CHAIN
"""Values of a timer that are kept in one window; beyond them a sample of so many, drawn as evenly as a hash can."""
PARTS = 6
QUANTILES = (0.5, 0.9, 0.99)
_UNKNOWN, _NONE = -1, -2
_TENTH = np.uint64(10**18)


@kernel
def _mix(a: int, b: int) -> np.uint64:
    """A well spread 64-bit number of two (the finisher of SplitMix64, Steele et al. 2014, doi 10.1145/2714064.2660195)."""
    z = np.uint64(a) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(b)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.uint64(z ^ (z >> np.uint64(31)))


@kernel
def _value(data: NDArray[np.uint8], at: int) -> Any:
    """(whether it is a finite number, value, after). Digits beyond the 19th may cost the last bit."""
    kind, negative, mantissa, power, at = scan_number(data, at)
    if kind != EXACT and kind != CUT:
        return False, 0.0, at
    while power > FAR and mantissa < _TENTH:
        mantissa, power = mantissa * np.uint64(10), power - 1
    sure, value = exact_float(negative, mantissa, power)
    if not sure:
        far = min(max(power, -FAR), FAR)
        value = np.float64(mantissa) * 10.0 ** float(far) * 10.0 ** float(min(max(power - far, -FAR), FAR))
        value = -value if negative else value
    return math.isfinite(value), value, at


@kernel
def _find(data: NDArray[np.uint8], at: int, stop: int, byte: int) -> int:
    while at < stop and data[at] != byte:
        at += 1
    return at


@kernel
def _keep(entry: int, value: float, seen: int, kept: NDArray[np.int32], chain: NDArray[np.int32], pool: NDArray[np.float64],
          used: NDArray[np.int64]) -> None:  # fmt: skip
    """Remember a timer's value, its `seen`th of the window: all while there is room, then a fair sample.

    Algorithm R of Vitter 1985, doi 10.1145/3147.3165, with a hash in place of chance.
    """
    place = kept[entry]
    if place < KEPT and place % CHUNK == 0 and used[0] < pool.shape[0]:
        chain[entry, place // CHUNK] = used[0]
        used[0] += 1
    elif place == KEPT or place % CHUNK == 0:
        if place == 0:
            return
        drawn = np.int64(_mix(entry, seen) % np.uint64(seen))
        if drawn < place:
            pool[chain[entry, drawn // CHUNK], drawn % CHUNK] = value
        return
    pool[chain[entry, place // CHUNK], place % CHUNK] = value
    kept[entry] = place + 1


@kernel
def _insert(sets: NDArray[np.uint64], mark: np.uint64) -> int:
    """1 when the mark is new, 0 when it is there, -1 when there is no room for it. sets: (power of two,), 0 = free."""
    mask = sets.shape[0] - 1
    place = np.int64(mark & np.uint64(mask))
    for _ in range(64):
        if sets[place] == mark:
            return 0
        if sets[place] == 0:
            sets[place] = mark
            return 1
        place = (place + 1) & mask
    return -1


@kernel
def gather(
    data: NDArray[np.uint8], at: int, end: int, given: int, room: bool, window: int, line_bytes: int, hashes: NDArray[np.uint64],
    slots: NDArray[np.int32], starts: NDArray[np.int64], blob: NDArray[np.uint8], scratch: NDArray[np.uint8],
    kind: NDArray[np.int8], last: NDArray[np.int32], total: NDArray[np.float64], count: NDArray[np.float64],
    seen: NDArray[np.int64], most: NDArray[np.float64], kept: NDArray[np.int32], chain: NDArray[np.int32],
    pool: NDArray[np.float64], used: NDArray[np.int64], sets: NDArray[np.uint64], counts: NDArray[np.int64],
) -> tuple[int, int, int]:  # fmt: skip
    """Add the lines of data[at:end], which ends with a line feed, to the rows of their metrics, up to the first unknown metric.

    Tells (where it stopped, bytes of the unknown metric's raw key in `scratch` or 0, bytes of its name in front of that).

    given: the row of the first line's metric, when the caller has just made it; -2: that line is to be passed over. room: whether
    there may be new rows. window: number of this window. kind .. kept: (rows,) each metric's kind, the window it was last in,
    sum, weighted count, count, maximum, values kept. chain: (rows, CHAIN) where those are in pool: (chunks, CHUNK), of which
    used[0] are taken. sets: marks of set members seen in this window. counts: (7,) by REASONS.
    """
    while at < end:
        line, stop = at, line_end(data, at)
        after = stop + 1
        if stop > line and data[stop - 1] == 13:
            stop -= 1
        if stop == line:
            at = after
            continue
        if given == _NONE:
            given, at = _UNKNOWN, after
            continue
        if stop - line > line_bytes:
            counts[1] += 1
            at = after
            continue
        if data[line] == 95:
            if data[line + 1] == 101 and data[line + 2] == 123:
                counts[2] += 1
                at = after
                continue
            if data[line + 1] == 115 and data[line + 2] == 99 and data[line + 3] == 124:
                counts[3] += 1
                at = after
                continue
        name_end = _find(data, line, stop, 58)
        values_end = _find(data, name_end, stop, 124)
        type_end = _find(data, values_end + 1, stop, 124)
        if values_end >= stop or name_end == line or _find(data, line, name_end, 124) < name_end:
            counts[0] += 1
            at = after
            continue
        letter, size = data[values_end + 1], type_end - values_end - 1
        which = -1
        if size == 1 and letter == 99:
            which = COUNTER
        elif size == 1 and letter == 103:
            which = GAUGE
        elif size == 1 and letter == 115:
            which = SET
        elif (size == 1 and (letter == 104 or letter == 100)) or (size == 2 and letter == 109 and data[values_end + 2] == 115):
            which = TIMER
        if which < 0:
            counts[4] += 1
            at = after
            continue
        rate, good, tags, tags_end = 1.0, True, 0, 0
        section = type_end
        while section < stop:
            ends = _find(data, section + 1, stop, 124)
            if data[section + 1] == 64:
                good, rate, number_end = _value(data, section + 2)
                good = good and number_end == ends and 0.0 < rate <= 1.0
                if not good:
                    break
            elif data[section + 1] == 35:
                tags, tags_end = section + 2, ends
            section = ends
        if not good:
            counts[0] += 1
            at = after
            continue
        if which == SET:
            good = name_end + 1 < values_end
        else:
            good, _, number_end = _value(data, name_end + 1)
            good = good and (number_end == values_end or (data[number_end] == 58 and number_end + 1 < values_end))
        if not good:
            counts[0] += 1
            at = after
            continue
        size = name_end - line
        copy(data, line, name_end, scratch, 0)
        scratch[size] = 124
        scratch[size + 1] = LETTERS[which]
        raw = size + 2
        copy(data, tags, tags_end, scratch, raw)
        raw += tags_end - tags
        entry = given if given >= 0 else probe(hashes, slots, starts, blob, scratch, 0, raw)
        given = _UNKNOWN
        if entry < 0:
            if room:
                return line, raw, size
            counts[5] += 1
            at = after
            continue
        if last[entry] != window:
            last[entry], count[entry], seen[entry], kept[entry], most[entry] = window, 0.0, 0, 0, -math.inf
            if which != GAUGE:
                total[entry] = 0.0
        place = name_end + 1
        if which == SET:
            mark = _mix(entry, int(hash_bytes(data, place, values_end)))
            fresh = _insert(sets, mark if mark != 0 else np.uint64(1))
            if fresh < 0:
                counts[6] += 1
            else:
                count[entry] += fresh
            at = after
            continue
        while place < values_end:
            delta = data[place] == 43 or data[place] == 45
            good, value, number_end = _value(data, place)
            if not good or (number_end != values_end and data[number_end] != 58) or number_end + 1 == values_end:
                counts[0] += 1
                break
            if which == COUNTER:
                total[entry] += value / rate
            elif which == GAUGE:
                total[entry] = total[entry] + value if delta else value
            else:
                total[entry] += value
                count[entry] += 1.0 / rate
                seen[entry] += 1
                most[entry] = max(most[entry], value)
                _keep(entry, value, seen[entry], kept, chain, pool, used)
            place = number_end + 1
        at = after
    return at, 0, 0


@allocating
def settle(
    rows: int, window: int, idle: int, seconds: float, kind: NDArray[np.int8], last: NDArray[np.int32],
    total: NDArray[np.float64], count: NDArray[np.float64], seen: NDArray[np.int64], most: NDArray[np.float64],
    kept: NDArray[np.int32], chain: NDArray[np.int32], pool: NDArray[np.float64], out: NDArray[np.float64],
) -> None:  # fmt: skip
    """Fill out: (rows, PARTS) with what each metric's series get at the end of the window; NaN is nothing.

    A counter or timer that was silent for at most `idle` windows has a rate of zero. Quantiles lie on the line between two values.
    """
    values = np.empty(KEPT)
    for row in range(rows):
        out[row, :] = np.nan
        if last[row] != window:
            if (kind[row] == COUNTER or kind[row] == TIMER) and window - last[row] <= idle:
                out[row, 0] = 0.0
        elif kind[row] == COUNTER:
            out[row, 0] = total[row] / seconds
        elif kind[row] == GAUGE:
            out[row, 0] = total[row]
        elif kind[row] == SET:
            out[row, 0] = count[row]
        elif seen[row] > 0:
            out[row, 0] = count[row] / seconds
            out[row, 1] = total[row] / seen[row]
            out[row, 5] = most[row]
            n = kept[row]
            if n > 0:
                for i in range(n):
                    values[i] = pool[chain[row, i // CHUNK], i % CHUNK]
                ordered = np.sort(values[:n])
                for i in range(3):
                    at = QUANTILES[i] * (n - 1)
                    low = int(at)
                    high = min(low + 1, n - 1)
                    out[row, 2 + i] = ordered[low] + (ordered[high] - ordered[low]) * (at - low)


@kernel
def look_up(
    cells: NDArray[np.int64], span: NDArray[np.int64], keys: NDArray[np.uint8], hashes: NDArray[np.uint64],
    slots: NDArray[np.int32], starts: NDArray[np.int64], blob: NDArray[np.uint8], out: NDArray[np.int32],
) -> None:  # fmt: skip
    """out[i] becomes the slot of the series key keys[span[cells[i], 0]:span[cells[i], 1]], or -1."""
    for i in range(cells.shape[0]):
        out[i] = probe(hashes, slots, starts, blob, keys, span[cells[i], 0], span[cells[i], 1])
