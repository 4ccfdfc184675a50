"""Bodies of OTLP metrics requests to columns; for the doors on HTTP and gRPC.

A gauge or sum becomes one sample, a histogram or summary several. A series that cannot be kept costs only itself; a body that is
no protobuf message is refused whole. Deltas become rates per second; cumulative sums that only rise go on as counters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Batch
from awry.core.errors import InvalidInput, TooLarge
from awry.core.raw_index import RawIndex
from awry.core.series_table import NEW_AT_ONCE, SeriesTable
from awry.formats import otlp_walk as wire
from awry.formats.otlp_admission import REFUSED, Admission
from awry.formats.otlp_buckets import BAD_BUCKETS, DAMAGED, TOO_MANY
from awry.formats.otlp_expand import Made, Points, Undo, expand, made_of, spans, undo_of
from awry.formats.otlp_keys import SCOPE_LABEL
from awry.formats.otlp_lookup import Keep, look_up
from awry.formats.otlp_series import Last, OtlpSeries
from awry.formats.otlp_settings import QUANTILES, RESOURCE_ATTRIBUTES
from awry.formats.protobuf import fixed, message, number

MAX_POINTS = 1_000_000
"""Most data points of a request."""
_USUAL_SAMPLES = 8192
_REFUSALS = {
    wire.TOO_LONG: "too_long",
    wire.NO_VALUE: "no_value",
    wire.OUT_OF_RANGE: "out_of_range",
    wire.TEMPORALITY: "no_temporality",
}
_FAULTS = {TOO_MANY: "too_long", DAMAGED: "malformed", BAD_BUCKETS: "bad_buckets"}


@dataclass(frozen=True, slots=True)
class OtlpRequest:
    """Samples of one request. point: (rows,), which data point a sample comes from. refused: reason -> how many points."""

    batch: Batch
    point: NDArray[np.int32]
    points: int
    refused: Mapping[str, int]
    known: OtlpSeries = field(repr=False)
    last: Last = field(repr=False)

    @property
    def received(self) -> int:
        """Samples, and points that were refused before they became some."""
        return len(self.batch) + sum(self.refused.values())


class OtlpDecoder:
    """Decodes requests; one for all doors. What it remembers, from one point to the next too, it keeps with the series table."""

    def __init__(
        self, *, resource_attributes: tuple[str, ...] = RESOURCE_ATTRIBUTES, quantiles: tuple[float, ...] = QUANTILES
    ) -> None:  # fmt: skip
        self._names = RawIndex(64)
        for name in dict.fromkeys(resource_attributes):
            self._names.add(name.encode(), 0)
        self._every, self._scope = "*" in resource_attributes, SCOPE_LABEL in resource_attributes
        self._keep = Keep(*self._names.arrays, self._every, self._scope)
        self._key = np.empty(wire.MAX_RAW_BYTES, np.uint8)
        self._wanted = tuple(sorted(set(quantiles)))

    def decode(self, body: bytes, table: SeriesTable, *, max_points: int = MAX_POINTS) -> OtlpRequest:
        """Decode an ExportMetricsServiceRequest; new series are added to `table`. `keep` what came once it is queued.

        Raises TooLarge over a limit and InvalidInput when the body does not parse; nothing of it is to be stored then.
        """
        steps = self.steps(walk(body, max_points), table)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                request: OtlpRequest = end.value
                return request

    def steps(self, walked: wire.Walked, table: SeriesTable) -> Generator[None, None, OtlpRequest]:
        """Decode in steps of NEW_AT_ONCE new series; between them others may have their turn, and change the table.

        The last step ends with the request, which is to be queued and kept before anybody has a turn.
        """
        known = OtlpSeries.of(table)
        admission = Admission(walked, self._keep, known, table, self._wanted)
        slots = np.empty(walked.points, np.int32)
        complete, version = False, table.forgotten
        while True:
            if version != table.forgotten:
                admission.forget_slots()
                complete, version = False, table.forgotten
            look_up(walked.data, walked.rows, walked.metrics, self._keep, *known.indexes, self._key, slots)
            asked = np.flatnonzero(slots == wire.UNKNOWN)
            slots[asked] = admission.answers[asked]
            unknown = np.flatnonzero(slots == wire.UNKNOWN)
            if unknown.size:
                for at in range(0, len(unknown), NEW_AT_ONCE):
                    if at:
                        yield
                    admission.admit(unknown[at : at + NEW_AT_ONCE])
                continue
            request, made = self._samples(walked, slots, known, table, admission)
            missing = np.flatnonzero(made.slot < 0)
            if complete or not missing.size:
                return request
            for at in range(0, len(missing), NEW_AT_ONCE):
                if at:
                    yield
                    if version != table.forgotten:  # a number may be another distribution's by now
                        break
                piece = missing[at : at + NEW_AT_ONCE]
                admission.complete(made.distribution[piece], made.level[piece])
            complete = True

    def keep(self, request: OtlpRequest) -> None:
        """The request is in the queue: what comes next counts from here."""
        request.known.keep(request.last)

    def _samples(
        self, walked: wire.Walked, slots: NDArray[np.int32], known: OtlpSeries, table: SeriesTable, admission: Admission
    ) -> tuple[OtlpRequest, Made]:
        """The request as far as its series are known, and all samples of distributions, those of unknown series among them."""
        rows, good = walked.rows, slots >= 0
        refused: Counter[str] = Counter()
        for code, n in zip(*(column.tolist() for column in np.unique(slots[~good], return_counts=True)), strict=True):
            refused[_REFUSALS[code] if code > REFUSED else admission.reasons[REFUSED - code]] += n
        numbers, time, value = rows.kind <= wire.DELTA, rows.time_ns // 1_000_000, rows.value
        last = known.last(len(table.keys))
        deltas = np.flatnonzero(good & (rows.kind == wire.DELTA))
        undo, noted = undo_of(len(deltas)), 0
        if deltas.size:
            seconds, value = np.empty(len(deltas)), value.copy()
            noted = spans(slots[deltas], rows.time_ns[deltas], rows.start_ns[deltas], last, undo, seconds)
            value[deltas] /= seconds
        point = np.flatnonzero(numbers & good)
        batch = Batch(slots[point], time[point], value[point])
        which = np.flatnonzero(~numbers & good)
        points = Points(
            slots[which], rows.kind[which], rows.time_ns[which], rows.start_ns[which], rows.begin[which], rows.stop[which],
            np.isnan(rows.value[which]),
        )  # fmt: skip
        made, fault, touched, own, also = self._expand(walked.data, points, known, last)
        for code, n in zip(*(column.tolist() for column in np.unique(fault[fault < 0], return_counts=True)), strict=True):
            refused[_FAULTS[code]] += n
        if len(made.slot):
            there = np.flatnonzero(made.slot >= 0)
            of = which[made.point[there]]
            batch = Batch.concat([batch, Batch(made.slot[there], time[of], made.value[there])])
            point = np.concatenate([point, of])
        slot = np.concatenate([undo.slot[:noted], also.slot])
        last_points = Last(walked.data, points, touched, own, slot, np.concatenate([undo.after[:noted], also.after]))
        return OtlpRequest(batch, point.astype(np.int32), walked.points, refused, known, last_points), made

    def _expand(
        self, data: NDArray[np.uint8], points: Points, known: OtlpSeries, last: NDArray[np.int64]
    ) -> tuple[Made, NDArray[np.int8], NDArray[np.int32], NDArray[np.int32], Undo]:
        """Samples, faults, states to be stored and the points of these, times of deltas."""
        n = len(points.kind)
        fault, touched, own, undo = np.zeros(n, np.int8), np.empty(n, np.int32), np.empty(n, np.int32), undo_of(n)
        room = n * (2 + len(self._wanted)) + _USUAL_SAMPLES if n else 0
        wanted = np.array(self._wanted, np.float64)
        while True:
            made = made_of(room)
            count, stored, noted = expand(
                data, points, known.distributions.columns, last, wanted, made, fault, touched, own, undo
            )  # fmt: skip
            if count >= 0:
                cut = Undo(undo.slot[:noted], undo.before[:noted], undo.after[:noted])
                return Made._make(column[:count] for column in made), fault, touched[:stored], own[:stored], cut
            room *= 2


def walk(body: bytes, max_points: int = MAX_POINTS) -> wire.Walked:
    """Find the points of a body, for `OtlpDecoder.steps`; in any thread. Raises InvalidInput or TooLarge."""
    walked = wire.walk(body, max_points)
    if walked.points < 0:
        raise TooLarge(f"cannot take more than {max_points} data points in one request", hint="send smaller requests")
    if walked.broken >= 0:
        raise InvalidInput(f"cannot read the body: no OTLP metrics request at byte {walked.broken} of {len(body)}")
    return walked


def warm_up(table: SeriesTable, now_ms: int) -> None:
    """Run every kernel, on two points of each kind."""
    decoder = OtlpDecoder()
    for later in range(3):  # a series is unknown once, and has no former point
        time = fixed(3, (now_ms + later) * 1_000_000)
        kinds = ((5, b""), (7, number(2, 1)), (9, number(2, 2)), (10, number(2, 2)), (10, number(2, 1)), (11, b""))
        metrics = b"".join(message(2, message(1, b"x") + message(kind, message(1, time) + end)) for kind, end in kinds)
        decoder.keep(decoder.decode(message(1, message(2, metrics)), table))
