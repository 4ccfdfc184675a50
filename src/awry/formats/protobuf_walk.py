"""Walks the wire format of Prometheus remote-write 1.0 and 2.0 messages without building them; for `remote_write`.

Fields nobody asked for are skipped, whatever their number. Sources: protobuf.dev, "Encoding"; prometheus.io, Remote-Write 1.0, 2.0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from awry.core.hashing import load8, probe
from awry.core.kernel import allocating, kernel
from awry.formats.numbers import MAX_TIME_MS, MIN_TIME_MS

MAX_REFS = 128
"""Most label references of one series (two a label)."""
MAX_RAW_BYTES = 8192
"""Longest labels of one series on the wire."""
UNKNOWN, TOO_LONG, MALFORMED, SCATTERED = -1, -2, -3, -4
"""Instead of a slot: never seen; too many or too long labels; references to nowhere; labels not in one piece (to be read whole)."""
HISTOGRAMS, EXEMPLARS, STALE, OUT_OF_RANGE = 0, 1, 2, 3
"""Places in the counts."""
STALE_MARK = np.uint64(0x7FF0000000000002)
"""The NaN by which Prometheus says that a series went away."""
_NAN = np.uint64(0x7FF8000000000000)


@kernel
def varint(data: NDArray[np.uint8], at: int, end: int) -> Any:
    """(value, after); after is -1 when it does not end before `end` or is over ten bytes."""
    if at < end and data[at] < 128:
        return np.uint64(data[at]), at + 1
    value, shift = np.uint64(0), np.uint64(0)
    while at < end and shift < 70:
        byte = np.uint64(data[at])
        at += 1
        if shift < 64:
            value |= (byte & np.uint64(127)) << shift
        if byte < 128:
            return value, at
        shift += np.uint64(7)
    return value, -1


@kernel
def field(data: NDArray[np.uint8], at: int, end: int) -> Any:
    """(tag, start of the content, after the field); after is -1 when the field does not fit. A varint's content is read again."""
    tag, at = varint(data, at, end)
    if at < 0 or tag < 8 or tag > np.uint64(0xFFFFFFFF):
        return np.int64(0), at, -1
    wire = tag & np.uint64(7)
    if wire == 2:
        size, at = varint(data, at, end)
        if at < 0 or size > np.uint64(end - at):
            return np.int64(0), at, -1
        return np.int64(tag), at, at + np.int64(size)
    if wire == 0:
        start = at
        _, at = varint(data, at, end)
        return np.int64(tag), start, at
    if wire == 1:
        return np.int64(tag), at, at + 8 if at + 8 <= end else -1
    if wire == 5:
        return np.int64(tag), at, at + 4 if at + 4 <= end else -1
    return np.int64(0), at, -1


@kernel
def symbols(data: NDArray[np.uint8], end: int, places: NDArray[np.int64]) -> Any:
    """Find the symbols (field 4) of a 2.0 request: (how many, -1 or where it does not parse). places: (room, 2)."""
    at = count = 0
    while at < end:
        tag, start, after = field(data, at, end)
        if after < 0:
            return count, at
        if tag == 34:
            if count < places.shape[0]:
                places[count, 0], places[count, 1] = start, after
            count += 1
        at = after
    return count, -1


@kernel
def _sample(data: NDArray[np.uint8], at: int, end: int) -> Any:
    """(bits of the value, Unix ms, whether it parses)."""
    bits, ms = np.uint64(0), np.uint64(0)
    while at < end:
        tag, start, after = field(data, at, end)
        if after < 0:
            return bits, np.int64(0), False
        if tag == 9:
            bits = load8(data, start)
        elif tag == 16:
            ms, _ = varint(data, start, end)
        at = after
    return bits, np.int64(ms), True


@kernel
def put_size(out: NDArray[np.uint8], at: int, size: int) -> int:
    while size >= 128:
        out[at] = (size & 127) | 128
        size >>= 7
        at += 1
    out[at] = size
    return at + 1


@kernel
def _blob(
    data: NDArray[np.uint8], places: NDArray[np.int64], known: int, refs: NDArray[np.int64], count: int, out: NDArray[np.uint8]
) -> int:
    """Write the labels as 1.0 encodes them; tells the bytes used, or TOO_LONG or MALFORMED."""
    if count % 2:
        return MALFORMED
    used = 0
    for i in range(0, count, 2):
        if refs[i] >= known or refs[i + 1] >= known:
            return MALFORMED
        name, name_to = places[refs[i], 0], places[refs[i], 1]
        value, value_to = places[refs[i + 1], 0], places[refs[i + 1], 1]
        size, value_size = name_to - name, value_to - value
        if used + size + value_size + 16 > MAX_RAW_BYTES:
            return TOO_LONG
        out[used] = 10
        inner = 2 + size + value_size + (1 if size < 128 else 2) + (1 if value_size < 128 else 2)
        used = put_size(out, used + 1, inner)
        out[used] = 10
        used = put_size(out, used + 1, size)
        for k in range(size):
            out[used + k] = data[name + k]
        used += size
        out[used] = 18
        used = put_size(out, used + 1, value_size)
        for k in range(value_size):
            out[used + k] = data[value + k]
        used += value_size
    return used


@allocating
def walk(
    data: NDArray[np.uint8], end: int, version: int, places: NDArray[np.int64], hashes: NDArray[np.uint64],
    slots: NDArray[np.int32], starts: NDArray[np.int64], blob: NDArray[np.uint8], slot: NDArray[np.int32],
    time: NDArray[np.int64], bits: NDArray[np.uint64], owner: NDArray[np.int32], span: NDArray[np.int64],
    first: NDArray[np.int64], counts: NDArray[np.int64],
) -> Any:  # fmt: skip
    """Fill a row per sample; tells (rows, series with samples, -1 or where it does not parse; rows is -1 when there is no room).

    places: (symbols, 2). slot, time, bits: (room,), slot negative as above. owner: (room,) row -> series. span: (room, 2) place of
    the labels in 1.0, of the whole series in 2.0 or when SCATTERED. first: (room,) first row of a series. counts: (4,).
    """
    series_tag = 10 if version == 1 else 42
    exemplar_tag, histogram_tag = (26, 34) if version == 1 else (34, 26)
    refs = np.empty(MAX_REFS, np.int64)
    scratch = np.empty(MAX_RAW_BYTES, np.uint8)
    at = row = series = 0
    while at < end:
        tag, at, stop = field(data, at, end)
        if stop < 0:
            return row, series, at
        if tag != series_tag:
            at = stop
            continue
        begin, begin_row = at, row
        labels, labels_to, scattered, ref_count = -1, -1, False, 0
        while at < stop:
            opening = at
            tag, inner, after = field(data, at, stop)
            if after < 0:
                return row, series, at
            at = after
            if tag == 18:
                value, ms, good = _sample(data, inner, after)
                if not good:
                    return row, series, inner
                if ms < MIN_TIME_MS or ms > MAX_TIME_MS:
                    counts[OUT_OF_RANGE] += 1
                    continue
                if row >= slot.shape[0]:
                    return -1, series, inner
                if value == STALE_MARK:
                    counts[STALE] += 1
                    value = _NAN
                time[row], bits[row], owner[row] = ms, value, series
                row += 1
            elif tag == 10 and version == 1:
                if labels < 0:
                    labels = opening
                elif labels_to != opening:
                    scattered = True
                labels_to = after
            elif version == 2 and (tag == 10 or tag == 8):
                while inner < after:
                    ref, inner = varint(data, inner, after)
                    if inner < 0:
                        return row, series, opening
                    if ref_count < MAX_REFS:
                        refs[ref_count] = np.int64(min(ref, np.uint64(0xFFFFFFFF)))
                    ref_count += 1
            elif tag == exemplar_tag:
                counts[EXEMPLARS] += 1
            elif tag == histogram_tag:
                counts[HISTOGRAMS] += 1
        if row == begin_row:
            continue
        span[series, 0], span[series, 1] = begin, stop
        first[series] = begin_row
        if version == 2:
            size = TOO_LONG if ref_count > MAX_REFS else _blob(data, places, places.shape[0], refs, ref_count, scratch)
            found = size if size < 0 else probe(hashes, slots, starts, blob, scratch, 0, size)
        elif scattered:
            found = SCATTERED
        elif labels_to - labels > MAX_RAW_BYTES:
            found = TOO_LONG
        else:
            labels = max(labels, begin)
            labels_to = max(labels_to, labels)
            span[series, 0], span[series, 1] = labels, labels_to
            found = probe(hashes, slots, starts, blob, data, labels, labels_to)
        for i in range(begin_row, row):
            slot[i] = found
        series += 1
    return row, series, -1
