"""Walks OTLP metrics requests in the wire format of protobuf without building them; for `otlp`.

Every data point becomes one row. A raw key says which series it is of: a little message of its own, made from what tells series
apart (field 1: a kept resource attribute, 2: the metric's name, 3: the kind, 5: the scope's name, 4: an attribute of the point).
Sources: opentelemetry.io, "OTLP Specification 1.9"; its metrics.proto; protobuf.dev, "Encoding".
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit, types, uint64
from numba.extending import intrinsic
from numpy.typing import NDArray

from awry.core.hashing import load8, probe
from awry.formats.protobuf_walk import field, put_size, varint

MAX_RAW_BYTES = 8192
"""Longest raw key."""
UNKNOWN, TOO_LONG, NO_VALUE, OUT_OF_RANGE, TEMPORALITY = -1, -2, -3, -4, -5
"""Instead of a slot: never seen; key too long; neither value nor flag; no such time; neither cumulative nor a delta."""
GAUGE, COUNTER, DELTA, HISTOGRAM, HISTOGRAM_DELTA, EXPONENTIAL, EXPONENTIAL_DELTA, SUMMARY = range(8)
"""Kinds of points. A cumulative sum that may fall is a gauge."""
RESOURCE_TAG, NAME_TAG, KIND_TAG, ATTRIBUTE_TAG, SCOPE_TAG = 10, 18, 24, 34, 42
"""Tags of a raw key."""
_DAMAGED = -9
_LATEST_NS = np.uint64(2**63 - 1)


class Rows(NamedTuple):
    """Columns with a row per point.

    slot: of the series, or the number of the distribution; negative as above. value: of a distribution 0, or NaN if nothing was
    recorded; bits: the same memory. time_ns, start_ns: Unix, start not positive if not told. begin, stop: place of the point.
    metric: row of Metrics.
    """

    slot: NDArray[np.int32]
    kind: NDArray[np.uint8]
    value: NDArray[np.float64]
    bits: NDArray[np.uint64]
    time_ns: NDArray[np.int64]
    start_ns: NDArray[np.int64]
    begin: NDArray[np.int64]
    stop: NDArray[np.int64]
    metric: NDArray[np.int32]


class Metrics(NamedTuple):
    """int64 (room, 2): from where to where in the body the metric lies, and its ScopeMetrics and ResourceMetrics."""

    metric: NDArray[np.int64]
    scope: NDArray[np.int64]
    resource: NDArray[np.int64]


class Keep(NamedTuple):
    """Which resource attributes are part of a key: the arrays of a RawIndex of their names, or `every`; if the scope's name is."""

    hashes: NDArray[np.uint64]
    slots: NDArray[np.int32]
    starts: NDArray[np.int64]
    blob: NDArray[np.uint8]
    every: bool
    scope: bool


def rows_of(room: int) -> Rows:
    """Empty columns for so many points."""
    value, places = np.empty(room), [np.empty(room, np.int64) for _ in range(4)]
    return Rows(
        np.empty(room, np.int32), np.empty(room, np.uint8), value, value.view(np.uint64),
        places[0], places[1], places[2], places[3], np.empty(room, np.int32),
    )  # fmt: skip


def metrics_of(room: int) -> Metrics:
    """Empty places for so many metrics."""
    return Metrics(*(np.empty((room, 2), np.int64) for _ in range(3)))


class Index(NamedTuple):
    """The four arrays of a RawIndex, see `core.hashing.probe`."""

    hashes: NDArray[np.uint64]
    slots: NDArray[np.int32]
    starts: NDArray[np.int64]
    blob: NDArray[np.uint8]


@intrinsic
def _store8(typingctx: Any, data: Any, at: Any, word: Any) -> Any:
    """Write a little-endian word into a uint8 array from index `at`; the caller keeps within bounds."""
    from llvmlite import ir

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, args[0])
        place = builder.bitcast(builder.gep(array.data, [args[1]]), ir.IntType(64).as_pointer())
        builder.store(args[2], place).align = 1
        return context.get_dummy_value()

    return types.void(data, types.int64, uint64), codegen


store8: Any = _store8


@njit(cache=True, nogil=True)
def _append(data: NDArray[np.uint8], start: int, end: int, tag: int, key: NDArray[np.uint8], size: int) -> int:
    """Add data[start:end] to a raw key as a field; its new size, or TOO_LONG."""
    length = end - start
    if size < 0 or size + length + 12 > MAX_RAW_BYTES:
        return TOO_LONG
    key[size] = tag
    size = put_size(key, size + 1, length)
    i = 0
    while i + 8 <= length:
        store8(key, size + i, load8(data, start + i))
        i += 8
    while i < length:
        key[size + i] = data[start + i]
        i += 1
    return size + length


@njit(cache=True, nogil=True)
def _resource(data: NDArray[np.uint8], start: int, end: int, keep: Keep, key: NDArray[np.uint8]) -> int:
    """Begin a raw key with the kept attributes of a ResourceMetrics; its size, TOO_LONG or _DAMAGED."""
    size, at = 0, start
    while at < end:
        tag, inner, after = field(data, at, end)
        if after < 0:
            return _DAMAGED
        at = after
        if tag != 10:
            continue
        while inner < after:
            tag, pair, pair_end = field(data, inner, after)
            if pair_end < 0:
                return _DAMAGED
            inner = pair_end
            if tag == 10 and (keep.every or _kept(data, pair, pair_end, keep)):
                size = _append(data, pair, pair_end, RESOURCE_TAG, key, size)
    return size


@njit(cache=True, nogil=True)
def _kept(data: NDArray[np.uint8], at: int, end: int, keep: Keep) -> bool:
    """Whether a KeyValue's key is among the kept ones; its last one counts."""
    start, stop = at, at
    while at < end:
        tag, inner, after = field(data, at, end)
        if after < 0:
            return False
        if tag == 10:
            start, stop = inner, after
        at = after
    return bool(probe(keep.hashes, keep.slots, keep.starts, keep.blob, data, start, stop) >= 0)


@njit(cache=True, nogil=True)
def _scope(data: NDArray[np.uint8], start: int, end: int, keep: Keep, key: NDArray[np.uint8], size: int) -> int:
    """Add the name of the scope of a ScopeMetrics if it is kept; the key's new size, TOO_LONG or _DAMAGED."""
    at, name, name_end = start, 0, 0
    while at < end:
        tag, inner, after = field(data, at, end)
        if after < 0:
            return _DAMAGED
        at = after
        if tag != 10:
            continue
        while inner < after:
            tag, word, word_end = field(data, inner, after)
            if word_end < 0:
                return _DAMAGED
            inner = word_end
            if tag == 10:
                name, name_end = word, word_end
    return _append(data, name, name_end, SCOPE_TAG, key, size) if keep.scope and name_end > name else size


@njit(cache=True, nogil=True)
def _metric(data: NDArray[np.uint8], at: int, end: int) -> Any:
    """(field number of the data or 0, where its last run of fields begins, name's start, its end, kind); kind is _DAMAGED if so."""
    kind_field, run, name, name_end = 0, at, at, at
    while at < end:
        tag, inner, after = field(data, at, end)
        if after < 0:
            return 0, at, 0, 0, _DAMAGED
        if tag == 10:
            name, name_end = inner, after
        elif (tag == 42 or tag == 58 or tag == 74 or tag == 82 or tag == 90) and tag >> 3 != kind_field:
            kind_field, run = tag >> 3, at  # a `oneof`: an earlier field of another kind does not count
        at = after
    temporality, monotonic, at = np.uint64(0), np.uint64(0), run
    while at < end and kind_field:
        tag, inner, after = field(data, at, end)
        at = after
        if tag >> 3 != kind_field or tag & 7 != 2:
            continue
        while inner < after:
            tag, content, content_end = field(data, inner, after)
            if content_end < 0:
                return 0, inner, 0, 0, _DAMAGED
            if tag == 16:
                temporality, _ = varint(data, content, content_end)
            elif tag == 24:
                monotonic, _ = varint(data, content, content_end)
            inner = content_end
    kind = GAUGE if kind_field == 5 else SUMMARY
    if kind_field == 7 or kind_field == 9 or kind_field == 10:
        if temporality != 1 and temporality != 2:
            kind = TEMPORALITY
        elif kind_field == 7:
            kind = DELTA if temporality == 1 else COUNTER if monotonic != 0 else GAUGE
        else:
            kind = (HISTOGRAM if kind_field == 9 else EXPONENTIAL) + (1 if temporality == 1 else 0)
    return kind_field, run, name, name_end, kind


@njit(cache=True, nogil=True)
def _point(
    data: NDArray[np.uint8],
    at: int,
    end: int,
    kind_field: int,
    key: NDArray[np.uint8],
    size: int,
    values: NDArray[np.float64],
    bits: NDArray[np.uint64],
    row: int,
) -> Any:
    """Write the value of a point; (size of the key with attributes, TOO_LONG or _DAMAGED; has it a value; time, start in ns)."""
    number = kind_field == 5 or kind_field == 7
    attributes = 10 if kind_field == 10 else 74 if kind_field == 9 else 58
    flags_tag = 64 if number or kind_field == 11 else 80
    time, start, flags = np.uint64(0), np.uint64(0), np.uint64(0)
    has_value = not number
    values[row] = 0.0
    while at < end:
        tag, inner, after = field(data, at, end)
        if after < 0:
            return _DAMAGED, False, time, start
        if tag == attributes:
            size = _append(data, inner, after, ATTRIBUTE_TAG, key, size)
        elif tag == 25:
            time = load8(data, inner)
        elif tag == 17:
            start = load8(data, inner)
        elif number and tag == 33:
            bits[row] = load8(data, inner)
            has_value = True
        elif number and tag == 49:
            values[row] = float(np.int64(load8(data, inner)))
            has_value = True
        elif tag == flags_tag:
            flags, _ = varint(data, inner, after)
        at = after
    if flags & np.uint64(1) or (has_value and np.isnan(values[row])):
        values[row] = np.nan
        has_value = True
    return size, has_value, time, start


@njit(cache=True, nogil=True)
def walk(data: NDArray[np.uint8], end: int, keep: Keep, series: Index, distributions: Index, rows: Rows, metrics: Metrics) -> Any:
    """Fill a row per point and per metric; tells (points, -1 or where it does not parse); points is -1 when there is no room."""
    # Columns by their own names: each access through a tuple would count references.
    slots, kinds, values, bits, times, since, begins, stops, owners = rows
    metric_places, scope_places, resource_places = metrics
    hashes, known, starts, blob = series
    hashes_2, known_2, starts_2, blob_2 = distributions
    key = np.empty(MAX_RAW_BYTES, np.uint8)
    at = row = met = 0
    while at < end:
        tag, place, stop = field(data, at, end)
        if stop < 0:
            return row, at
        at = stop
        if tag != 10:
            continue
        resource, base = place, _resource(data, place, stop, keep, key)
        if base == _DAMAGED:
            return row, place
        while place < stop:
            tag, within, scope_end = field(data, place, stop)
            place = scope_end
            if tag != 18:
                continue
            scope, scoped = within, _scope(data, within, scope_end, keep, key, base)
            if scoped == _DAMAGED:
                return row, within
            while within < scope_end:
                tag, inner, metric_end = field(data, within, scope_end)
                within = metric_end
                if tag != 18:
                    continue
                kind_field, run, name, name_end, kind = _metric(data, inner, metric_end)
                if kind == _DAMAGED:
                    return row, inner
                if not kind_field:
                    continue
                size = _append(data, name, name_end, NAME_TAG, key, scoped)
                if size >= 0:
                    key[size], key[size + 1] = KIND_TAG, max(kind, 0)
                    size += 2
                begun = row
                while run < metric_end:
                    tag, point, run_end = field(data, run, metric_end)
                    run = run_end
                    if tag >> 3 != kind_field or tag & 7 != 2:
                        continue
                    while point < run_end:
                        tag, start, after = field(data, point, run_end)
                        point = after
                        if tag != 10:
                            continue
                        if row >= slots.shape[0]:
                            return -1, point
                        whole, has_value, time, begun_ns = _point(data, start, after, kind_field, key, size, values, bits, row)
                        if whole == _DAMAGED:
                            return row, start
                        kinds[row], owners[row], begins[row], stops[row] = max(kind, 0), met, start, after
                        times[row], since[row] = np.int64(time), np.int64(begun_ns)
                        if kind < 0:
                            slots[row] = kind
                        elif time > _LATEST_NS:
                            slots[row] = OUT_OF_RANGE
                        elif not has_value:
                            slots[row] = NO_VALUE
                        elif whole < 0:
                            slots[row] = TOO_LONG
                        elif kind <= DELTA:
                            slots[row] = probe(hashes, known, starts, blob, key, 0, whole)
                        else:
                            slots[row] = probe(hashes_2, known_2, starts_2, blob_2, key, 0, whole)
                        row += 1
                if row > begun:
                    metric_places[met, 0], metric_places[met, 1] = inner, metric_end
                    scope_places[met, 0], scope_places[met, 1] = scope, scope_end
                    resource_places[met, 0], resource_places[met, 1] = resource, stop
                    met += 1
    return row, -1


@njit(cache=True, nogil=True)
def _head(data: NDArray[np.uint8], met: int, scoped: int, metrics: Metrics, key: NDArray[np.uint8]) -> tuple[int, int]:
    """Add a metric's name and kind to a raw key of `scoped` bytes; (its new size or TOO_LONG, the tag of a point's attributes)."""
    kind_field, _, name, name_end, kind = _metric(data, metrics.metric[met, 0], metrics.metric[met, 1])
    size = _append(data, name, name_end, NAME_TAG, key, scoped)
    if size >= 0:
        key[size], key[size + 1] = KIND_TAG, max(kind, 0)
        size += 2
    return size, 10 if kind_field == 10 else 74 if kind_field == 9 else 58


@njit(cache=True, nogil=True)
def keys_of(
    data: NDArray[np.uint8], which: NDArray[np.int64], keep: Keep, rows: Rows, metrics: Metrics, out: NDArray[np.uint8],
    ends: NDArray[np.int64],
) -> int:  # fmt: skip
    """Write the raw keys of filled rows behind each other into `out`, where each ends into `ends`; tells how many fitted."""
    key = np.empty(MAX_RAW_BYTES, np.uint8)
    # What neighbours share is written once: to read a metric again for each of its points takes the square of their number.
    met = scope = resource = -1
    base = scoped = head = attributes = 0
    done = used = 0
    while done < which.shape[0] and done < ends.shape[0] and used + MAX_RAW_BYTES <= out.shape[0]:
        row = which[done]
        if rows.metric[row] != met:
            met = int(rows.metric[row])
            if metrics.resource[met, 0] != resource:
                resource, scope = int(metrics.resource[met, 0]), -1
                base = int(_resource(data, resource, metrics.resource[met, 1], keep, key))
            if metrics.scope[met, 0] != scope:
                scope = int(metrics.scope[met, 0])
                scoped = int(_scope(data, scope, metrics.scope[met, 1], keep, key, base))
            head, attributes = _head(data, met, scoped, metrics, key)
        size, at, end = head, rows.begin[row], rows.stop[row]
        while at < end:
            tag, inner, after = field(data, at, end)
            if tag == attributes:
                size = int(_append(data, inner, after, ATTRIBUTE_TAG, key, size))
            at = after
        for i in range(size):
            out[used + i] = key[i]
        used += max(size, 0)
        ends[done] = used
        done += 1
    return done
