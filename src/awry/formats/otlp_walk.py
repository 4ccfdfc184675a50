"""Walks OTLP metrics requests in protobuf without building them: where every point is, and its number; for `otlp`.

Nothing here knows which series there are, so that a large body can be walked in any thread; `otlp_lookup` finds the series.
Sources: opentelemetry.io, "OTLP Specification 1.9"; its metrics.proto; protobuf.dev, "Encoding".
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from awry.core.hashing import load8
from awry.core.kernel import kernel
from awry.formats.protobuf_walk import field, varint

MAX_RAW_BYTES = 8192
"""Longest of each part of a raw key: what is kept of the resource, the name, the attributes of a point."""
UNKNOWN, TOO_LONG, NO_VALUE, OUT_OF_RANGE, TEMPORALITY = -1, -2, -3, -4, -5
"""Instead of a slot: never seen; key too long; neither value nor flag; no such time; neither cumulative nor a delta."""
GAUGE, COUNTER, DELTA, HISTOGRAM, HISTOGRAM_DELTA, EXPONENTIAL, EXPONENTIAL_DELTA, SUMMARY = range(8)
"""Kinds of points. A cumulative sum that may fall is a gauge."""
_DAMAGED = -9
_LATEST_NS = np.uint64(2**63 - 1)
_USUAL_POINT_BYTES = 48


class Rows(NamedTuple):
    """Columns with a row per point.

    fault: 0, or why it is refused (negative, as above). value: of a distribution 0, or NaN if nothing was recorded; bits: the same
    memory. time_ns, start_ns: Unix, start not positive if not told. begin, stop: place of the point. own, own_stop: place of its
    attributes, one field behind the other; own is -1 when something stands between them. metric: row of Metrics.
    """

    fault: NDArray[np.int8]
    kind: NDArray[np.uint8]
    value: NDArray[np.float64]
    bits: NDArray[np.uint64]
    time_ns: NDArray[np.int64]
    start_ns: NDArray[np.int64]
    begin: NDArray[np.int64]
    stop: NDArray[np.int64]
    own: NDArray[np.int64]
    own_stop: NDArray[np.int64]
    metric: NDArray[np.int32]


class Metrics(NamedTuple):
    """int64 (room, 2): from where to where in the body a metric's name lies, and its ScopeMetrics and ResourceMetrics."""

    name: NDArray[np.int64]
    scope: NDArray[np.int64]
    resource: NDArray[np.int64]


class Walked(NamedTuple):
    """A body with the places of its points; the first `points` rows are filled."""

    data: NDArray[np.uint8]
    rows: Rows
    metrics: Metrics
    points: int
    broken: int
    """Where it does not parse, or -1; points is -1 when there are more than was asked for."""


def walk(body: bytes, most: int) -> Walked:
    """Find all points of a body, up to `most`."""
    data = np.frombuffer(body, np.uint8)
    room = min(len(data) // _USUAL_POINT_BYTES + 64, most)
    while True:
        rows, metrics = _rows(room), Metrics(*(np.empty((room, 2), np.int64) for _ in range(3)))
        count, broken = find_points(data, len(data), rows, metrics)
        if count >= 0 or room >= most:
            cut = slice(0, max(count, 0))
            return Walked(data, Rows._make(column[cut] for column in rows), metrics, count, broken)
        room = min(len(data) // 2 + 1, most)


def _rows(room: int) -> Rows:
    value, places = np.empty(room), [np.empty(room, np.int64) for _ in range(6)]
    return Rows(
        np.empty(room, np.int8), np.empty(room, np.uint8), value, value.view(np.uint64),
        places[0], places[1], places[2], places[3], places[4], places[5], np.empty(room, np.int32),
    )  # fmt: skip


@kernel
def _parses(data: NDArray[np.uint8], at: int, end: int) -> bool:
    """Whether a ResourceMetrics or ScopeMetrics is a run of fields, and so its Resource or scope (field 1)."""
    while at < end:
        tag, inner, after = field(data, at, end)
        if after < 0:
            return False
        at = after
        while tag == 10 and inner < after:
            _, _, inner = field(data, inner, after)
            if inner < 0:
                return False
    return True


@kernel
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


@kernel
def attributes_tag(kind: int) -> int:
    """Tag of the attributes of a point of a kind."""
    if kind in (EXPONENTIAL, EXPONENTIAL_DELTA):
        return 10
    return 74 if kind in (HISTOGRAM, HISTOGRAM_DELTA) else 58


@kernel
def find_points(data: NDArray[np.uint8], end: int, rows: Rows, metrics: Metrics) -> Any:
    """Fill a row per point and per metric; tells (points, -1 or where it does not parse); points is -1 when there is no room."""
    # Columns by their own names: each access through a tuple would count references.
    faults, kinds, values, bits, times, since, begins, stops, owns, own_stops, owners = rows
    name_places, scope_places, resource_places = metrics
    at = row = met = 0
    while at < end:
        tag, place, stop = field(data, at, end)
        if stop < 0:
            return row, at
        at = stop
        if tag != 10:
            continue
        resource = place
        if not _parses(data, place, stop):
            return row, place
        while place < stop:
            tag, within, scope_end = field(data, place, stop)
            place = scope_end
            if tag != 18:
                continue
            scope = within
            if not _parses(data, within, scope_end):
                return row, within
            while within < scope_end:
                tag, inner, metric_end = field(data, within, scope_end)
                within = metric_end
                if tag != 18:
                    continue
                kind_field, run, name, name_end, kind = _metric(data, inner, metric_end)
                if kind == _DAMAGED:
                    return row, inner
                begun = row
                number = kind_field == 5 or kind_field == 7
                attributes = 10 if kind_field == 10 else 74 if kind_field == 9 else 58
                flags_tag = 64 if number or kind_field == 11 else 80
                while kind_field and run < metric_end:
                    tag, point, run_end = field(data, run, metric_end)
                    run = run_end
                    if tag >> 3 != kind_field or tag & 7 != 2:
                        continue
                    while point < run_end:
                        tag, start, after = field(data, point, run_end)
                        point = after
                        if tag != 10:
                            continue
                        if row >= faults.shape[0]:
                            return -1, point
                        time, began, flags = np.uint64(0), np.uint64(0), np.uint64(0)
                        own = own_stop = 0
                        has_value, value = not number, 0.0
                        spot = start
                        while spot < after:
                            opening, byte = spot, np.int64(data[spot])
                            # Nearly every field has a tag of one byte, and a length of one byte or eight bytes of content.
                            if byte == attributes and spot + 1 < after and data[spot + 1] < 128:
                                content, spot = spot + 2, spot + 2 + np.int64(data[spot + 1])
                            elif byte < 128 and byte & 7 == 1 and byte >= 8:
                                content, spot = spot + 1, spot + 9
                            else:
                                byte, content, spot = field(data, spot, after)
                            if spot < 0 or spot > after:
                                return row, start
                            if byte == attributes:
                                if own_stop == 0:
                                    own = opening
                                elif own_stop != opening:
                                    own = -1
                                own_stop = spot
                            elif byte == 25:
                                time = load8(data, content)
                            elif byte == 17:
                                began = load8(data, content)
                            elif number and byte == 33:
                                bits[row] = load8(data, content)
                                value = values[row]
                                has_value = True
                            elif number and byte == 49:
                                value = float(np.int64(load8(data, content)))
                                has_value = True
                            elif byte == flags_tag:
                                flags, _ = varint(data, content, spot)
                        fault = 0
                        if flags & np.uint64(1) or (has_value and np.isnan(value)):
                            value = np.nan
                        elif not has_value:
                            fault = NO_VALUE
                        elif own_stop - own > MAX_RAW_BYTES and own >= 0:
                            fault = TOO_LONG
                        if time > _LATEST_NS:
                            fault = OUT_OF_RANGE
                        if kind < 0:
                            fault = kind
                        faults[row], kinds[row], values[row] = fault, max(kind, 0), value
                        times[row], since[row] = np.int64(time), np.int64(began)
                        begins[row], stops[row], owns[row], own_stops[row] = start, after, own, own_stop
                        owners[row] = met
                        row += 1
                if row > begun:
                    name_places[met, 0], name_places[met, 1] = name, name_end
                    scope_places[met, 0], scope_places[met, 1] = scope, scope_end
                    resource_places[met, 0], resource_places[met, 1] = resource, stop
                    met += 1
    return row, -1
