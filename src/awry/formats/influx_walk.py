"""The kernel that walks lines of the Influx line protocol, `measurement,tag=v field=1,other=2i time`; for `formats.influx`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from awry.core.hashing import probe
from awry.core.kernel import kernel
from awry.formats.numbers import (
    CUT,
    EXACT,
    INFINITE,
    MAX_TIME_MS,
    MIN_TIME_MS,
    NAN,
    NOT_A_NUMBER,
    exact_float,
    line_end,
    scan_number,
    word_end,
)

REASONS = ("malformed", "too_long", "out_of_range", "text_field")
"""What `walk` counts, in this order. A malformed or too long line counts once, an odd time counts each field."""
_NOTHING, _YES, _NO = -1, 1, 0
_MOST_UNIT = np.uint64(922_337_203_685_477_580)


@kernel
def _truth(data: NDArray[np.uint8], at: int) -> Any:
    """(1, 0 or -1 for no such word, after) of t, T, true, True, TRUE and the same of false."""
    first = data[at]
    yes = (first | 32) == 116
    if not yes and (first | 32) != 102:
        return _NOTHING, at
    after, capital = data[at + 1], first < 97
    if after <= 32 or after == 44:
        return (_YES if yes else _NO), at + 1
    case = 0 if after >= 97 else 32
    if case and not capital:
        return _NOTHING, at
    if yes:
        if data[at + 1] == 114 - case and data[at + 2] == 117 - case and data[at + 3] == 101 - case:
            return _YES, at + 4
    elif data[at + 1] == 97 - case and data[at + 2] == 108 - case and data[at + 3] == 115 - case and data[at + 4] == 101 - case:
        return _NO, at + 5
    return _NOTHING, at


@kernel
def _whole(data: NDArray[np.uint8], at: int, stop: int) -> bool:
    """Whether data[at:stop] is digits behind an optional sign."""
    if data[at] == 45 or data[at] == 43:
        at += 1
    good = at < stop
    while at < stop:
        good = good and 48 <= data[at] <= 57
        at += 1
    return good


@kernel
def _when(data: NDArray[np.uint8], at: int, times: int, parts: int) -> Any:
    """(whether it is a whole number, whether it fits, Unix ms, after) of a time whose unit is times / parts milliseconds."""
    negative = data[at] == 45
    if negative:
        at += 1
    begin, number, fits = at, np.uint64(0), True
    while 48 <= data[at] <= 57:
        if number >= _MOST_UNIT:
            fits = False
        else:
            number = number * np.uint64(10) + np.uint64(data[at] - 48)
        at += 1
    if at == begin:
        return False, False, 0, at
    signed = -np.int64(number) if negative else np.int64(number)
    if not fits or (times > 1 and (signed > MAX_TIME_MS // times or signed < -(MAX_TIME_MS // times))):
        return True, False, 0, at
    ms = signed * times // parts
    return True, MIN_TIME_MS <= ms <= MAX_TIME_MS, ms, at


@kernel
def _copy(data: NDArray[np.uint8], start: int, stop: int, scratch: NDArray[np.uint8], to: int) -> int:
    for i in range(start, stop):
        scratch[to + i - start] = data[i]
    return to + stop - start


@kernel
def walk(
    data: NDArray[np.uint8], at: int, end: int, now_ms: int, times: int, parts: int, limit: int, hashes: NDArray[np.uint64],
    slots: NDArray[np.int32], starts: NDArray[np.int64], blob: NDArray[np.uint8], scratch: NDArray[np.uint8],
    slot: NDArray[np.int32], time: NDArray[np.int64], value: NDArray[np.float64], name: NDArray[np.int64],
    digits: NDArray[np.int64], counts: NDArray[np.int64],
) -> tuple[int, int, int]:  # fmt: skip
    """Decode the lines of data[at:end], which ends with a line feed and 16 readable bytes behind it, until the columns are full.

    Tells (rows, rows whose value Python must read, where it stopped). A row's raw key is `measurement,tags field`.

    times / parts: milliseconds in the unit of times. slot, time, value: (room,) filled, room > limit / 4; slot -1 = not in the
    table. name: (room, 4): start and end of `measurement,tags`, start and end of the field's name. digits: (room, 3): row, start
    and end of values that need `float()`. scratch: (limit + 16,) for a raw key. counts: (4,) by REASONS.
    """
    row = unsure = 0
    while at < end:
        line, first, first_unsure, texts = at, row, unsure, 0
        while data[at] == 32 or data[at] == 9:
            at += 1
        if data[at] == 10 or (data[at] == 13 and data[at + 1] == 10) or data[at] == 35:
            at = line_end(data, at) + 1
            continue
        begin = at
        at = word_end(data, at)
        while data[at] == 32 and data[at - 1] == 92:
            at = word_end(data, at + 1)
        stop = at
        good = data[at] == 32 and data[begin] != 44
        while data[at] == 32:
            at += 1
        copied, too_long = 0, stop - line > limit
        while good and not too_long:
            field = at
            while True:
                c = data[at]
                if c == 61 and data[at - 1] != 92:
                    break
                if c < 32 or ((c == 32 or c == 44) and data[at - 1] != 92):
                    good = False
                    break
                at += 1
            after_name = at
            if not good or after_name == field:
                good = False
                break
            if at - line > limit:
                too_long = True
                break
            at += 1
            if data[at] == 34:
                at += 1
                while at < end and data[at] != 34:
                    at += 2 if data[at] == 92 else 1
                if at >= end:
                    good = False
                    break
                at += 1
                texts += 1
            else:
                if row == slot.shape[0]:  # no line alone fills the columns
                    return first, first_unsure, line
                truth, after = _truth(data, at)
                if truth != _NOTHING:
                    value[row] = truth
                    at = after
                else:
                    number = at
                    kind, negative, mantissa, power, at = scan_number(data, at)
                    if kind == NOT_A_NUMBER:
                        good = False
                        break
                    number_end = at
                    if data[at] == 105 or data[at] == 117:
                        good = _whole(data, number, at) and not (data[at] == 117 and negative)
                        at += 1
                    if kind == NAN:
                        value[row] = np.nan
                    elif kind == INFINITE:
                        value[row] = -np.inf if negative else np.inf
                    else:
                        sure = False
                        if kind == EXACT:
                            sure, value[row] = exact_float(negative, mantissa, power)
                        if not sure or kind == CUT:
                            digits[unsure, 0], digits[unsure, 1], digits[unsure, 2] = row, number, number_end
                            unsure += 1
                if field == stop + 1:
                    found = probe(hashes, slots, starts, blob, data, begin, after_name)
                else:
                    if copied == 0:
                        copied = _copy(data, begin, stop, scratch, 0)
                        scratch[copied] = 32
                        copied += 1
                    whole = _copy(data, field, after_name, scratch, copied)
                    found = probe(hashes, slots, starts, blob, scratch, 0, whole)
                slot[row] = found
                name[row, 0], name[row, 1], name[row, 2], name[row, 3] = begin, stop, field, after_name
                row += 1
            if data[at] != 44:
                break
            at += 1
        fits, ms = True, now_ms
        if good and not too_long:
            good = data[at] == 32 or data[at] == 10 or data[at] == 13
            while data[at] == 32:
                at += 1
            if good and data[at] != 10 and data[at] != 13:
                good, fits, ms, at = _when(data, at, times, parts)
                while data[at] == 32:
                    at += 1
            if data[at] == 13:
                at += 1
            good = good and data[at] == 10
            too_long = good and at - line > limit
        if not good or too_long:
            if too_long:
                counts[1] += 1
            else:
                counts[0] += 1
            # a text field may hold line feeds: where it was read to its end, the line ends behind it
            at = line_end(data, at if too_long else line) + 1
            row, unsure = first, first_unsure
            continue
        at += 1
        counts[3] += texts
        if not fits:
            counts[2] += row - first
            row, unsure = first, first_unsure
            continue
        for i in range(first, row):
            time[i] = ms
    return row, unsure, at
