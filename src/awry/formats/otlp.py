"""Bodies of OTLP metrics requests to columns; for the doors on HTTP and gRPC.

A gauge or sum becomes one sample, a histogram or summary several. A series that cannot be kept costs only itself; a body that is
no protobuf message is refused whole. Deltas become rates per second; cumulative sums that only rise go on as counters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Batch
from awry.core.errors import InvalidInput, InvalidSelector, TooLarge
from awry.core.raw_index import RawIndex
from awry.core.series_key import format_key
from awry.core.series_table import SeriesTable
from awry.core.tick import REASONS
from awry.formats import otlp_walk as wire
from awry.formats.decoded import intern
from awry.formats.histograms import Reader, explicit_quantile, exponential_quantile
from awry.formats.otlp_distributions import Distribution, Expander, Last, Memory, Point
from awry.formats.otlp_keys import SCOPE_LABEL, Refusal, identify
from awry.formats.otlp_settings import QUANTILES, RESOURCE_ATTRIBUTES
from awry.formats.protobuf import fixed, message, number

PROTOCOL, DISTRIBUTIONS = "otlp", "otlp_distributions"
MAX_POINTS = 1_000_000
"""Most data points of a request."""
_USUAL_POINT_BYTES = 48
_KEY_BYTES = 1 << 20
_REFUSALS = {
    wire.TOO_LONG: "too_long",
    wire.NO_VALUE: "no_value",
    wire.OUT_OF_RANGE: "out_of_range",
    wire.TEMPORALITY: "no_temporality",
}


@dataclass(frozen=True, slots=True)
class OtlpRequest:
    """Samples of one request. point: (rows,), which data point a sample comes from. refused: reason -> how many points."""

    batch: Batch
    point: NDArray[np.int32]
    points: int
    refused: Mapping[str, int]
    changed: dict[str, Last] = field(repr=False)

    @property
    def received(self) -> int:
        """Samples, and points that were refused before they became some."""
        return len(self.batch) + sum(self.refused.values())


class OtlpDecoder:
    """Decodes requests; one for all doors, for it remembers histograms from one point to the next. One thread uses it."""

    def __init__(
        self,
        *,
        resource_attributes: tuple[str, ...] = RESOURCE_ATTRIBUTES,
        quantiles: tuple[float, ...] = QUANTILES,
        memory: Memory | None = None,
    ) -> None:
        names = RawIndex(64)
        for name in dict.fromkeys(resource_attributes):
            names.add(name.encode(), 0)
        self._names = names
        self._keep = wire.Keep(*names.arrays, "*" in resource_attributes, SCOPE_LABEL in resource_attributes)
        self._wanted = tuple(sorted(set(quantiles)))
        self._memory = memory or Memory()
        self._reader = Reader()
        self._known: dict[tuple[int, int], Distribution] = {}
        """By slot of the series that counts, and kind: a sender may change between kinds under one name."""

    def decode(self, body: bytes, table: SeriesTable, *, max_points: int = MAX_POINTS) -> OtlpRequest:
        """Decode an ExportMetricsServiceRequest; new series are added to `table`. `keep` what came once it is queued.

        Raises TooLarge over a limit and InvalidInput when the body does not parse; nothing of it is to be stored then.
        """
        data = np.frombuffer(body, np.uint8)
        rows, metrics, count = self._walk(data, table, max_points)
        refused: Counter[str] = Counter()
        slot, value = rows.slot[:count], rows.value[:count]
        time = rows.time_ns[:count] // 1_000_000
        expander = Expander(table, self._reader, self._wanted, self._memory)
        unknown = np.flatnonzero(slot == wire.UNKNOWN)
        if unknown.size:
            self._resolve(data, table, rows, metrics, unknown, time, refused)
        for code, reason in _REFUSALS.items():
            if n := int(np.count_nonzero(slot == code)):
                refused[reason] = n
        numbers = rows.kind[:count] <= wire.DELTA
        good = slot >= 0
        deltas = np.flatnonzero(good & (rows.kind[:count] == wire.DELTA))
        if deltas.size:
            _per_second(rows, deltas, table, expander)
        point = np.flatnonzero(numbers & good)
        batch = Batch(slot[point], time[point], value[point])
        others = np.flatnonzero(~numbers & good)
        if others.size:
            made, of = self._expand(data, rows, others, expander, refused)
            batch, point = Batch.concat([batch, made]), np.concatenate([point, of])
        return OtlpRequest(batch, point.astype(np.int32), count, refused, expander.changed)

    def keep(self, request: OtlpRequest) -> None:
        """The request is in the queue: what came next counts from here."""
        self._memory.update(request.changed)

    def _walk(self, data: NDArray[np.uint8], table: SeriesTable, max_points: int) -> tuple[wire.Rows, wire.Metrics, int]:
        end = len(data)
        room = min(end // _USUAL_POINT_BYTES + 64, max_points)
        series, distributions = (wire.Index(*table.index(name).arrays) for name in (PROTOCOL, DISTRIBUTIONS))
        while True:
            rows, metrics = wire.rows_of(room), wire.metrics_of(room)
            count, broken = wire.walk(data, end, self._keep, series, distributions, rows, metrics)
            if broken >= 0 and count >= 0:
                raise InvalidInput(f"cannot read the body: no OTLP metrics request at byte {broken} of {end}")
            if count >= 0:
                return rows, metrics, count
            if room >= max_points:
                raise TooLarge(f"cannot take more than {max_points} data points in one request", hint="send smaller requests")
            room = min(end // 2 + 1, max_points)

    def _resolve(
        self, data: NDArray[np.uint8], table: SeriesTable, rows: wire.Rows, metrics: wire.Metrics, unknown: NDArray[np.int64],
        time: NDArray[np.int64], refused: Counter[str],
    ) -> None:  # fmt: skip
        """Give each row of an unknown series its slot, or count why it is refused."""
        codes = table.inadmissible(time[unknown], rows.value[unknown])
        for code, n in enumerate(np.bincount(codes, minlength=len(REASONS)).tolist()):
            if code and n:
                refused[REASONS[code]] += n
        rows.slot[unknown[codes > 0]] = -100
        unknown = unknown[codes == 0]
        seen: dict[bytes, int | str] = {}
        buffer, ends = np.empty(_KEY_BYTES, np.uint8), np.empty(1 << 14, np.int64)
        while unknown.size:
            done = wire.keys_of(data, unknown, self._keep, rows, metrics, buffer, ends)
            starts = [0, *ends[: done - 1].tolist()]
            for row, start, end in zip(unknown[:done].tolist(), starts, ends[:done].tolist(), strict=True):
                raw = buffer[start:end].tobytes()
                answer = seen.get(raw)
                if answer is None:
                    answer = seen[raw] = self._admit(table, raw)
                if isinstance(answer, str):
                    refused[answer] += 1
                    answer = -100
                rows.slot[row] = answer
            unknown = unknown[done:]

    def _admit(self, table: SeriesTable, raw: bytes) -> int | str:
        """Slot of a raw key seen for the first time (of a distribution: of the series that counts), or why it is refused."""
        try:
            identity = identify(raw)
            if identity.kind <= wire.DELTA:
                key = format_key(identity.name, identity.labels)
                slot = intern(table, PROTOCOL, raw, key, identity.kind == wire.COUNTER)
            else:
                known = Distribution.of(identity)
                slot = intern(table, DISTRIBUTIONS, raw, known.count, known.cumulative)
                self._known[slot, identity.kind] = known
        except Refusal as refusal:
            return str(refusal)
        except InvalidSelector:
            return "bad_key"
        return slot if slot >= 0 else "series_limit"

    def _expand(
        self, data: NDArray[np.uint8], rows: wire.Rows, which: NDArray[np.int64], expander: Expander, refused: Counter[str]
    ) -> tuple[Batch, NDArray[np.int64]]:
        """The samples of histograms and summaries, and the point that each comes from."""
        slots: list[int] = []
        values: list[float] = []
        times: list[int] = []
        of: list[int] = []
        columns = (rows.slot, rows.kind, rows.begin, rows.stop, rows.time_ns, rows.start_ns)
        empty = np.isnan(rows.value[which]).tolist()
        for row, none, slot, kind, *where in zip(which.tolist(), empty, *(c[which].tolist() for c in columns), strict=True):
            point = Point(where[0], where[1], where[2], where[3], none)
            found = expander.samples(self._known[slot, kind], point, data)
            if isinstance(found, str):
                refused[found] += 1
                continue
            slots += [of_row for of_row, _ in found]
            values += [value for _, value in found]
            times += [point.time_ns // 1_000_000] * len(found)
            of += [row] * len(found)
        return Batch.of(slots, times, values), np.array(of, np.int64)


def _per_second(rows: wire.Rows, deltas: NDArray[np.int64], table: SeriesTable, expander: Expander) -> None:
    """Make rates of deltas; most say when they began."""
    time, start = rows.time_ns[deltas], rows.start_ns[deltas]
    told = (start > 0) & (start < time)
    seconds = np.where(told, time - start, 0) / 1e9
    for i in np.flatnonzero(~told).tolist():
        seconds[i] = expander.seconds(table.keys[rows.slot[deltas[i]]], int(time[i]), int(start[i]))
    rows.value[deltas] /= seconds


def warm_up(table: SeriesTable, now_ms: int) -> None:
    """Run every kernel once, on a point of each kind."""
    time = fixed(3, now_ms * 1_000_000)
    kinds = ((5, b""), (9, number(2, 2)), (10, number(2, 1)), (11, b""))
    metrics = b"".join(message(2, message(1, b"x") + message(kind, message(1, time) + end)) for kind, end in kinds)
    decoder = OtlpDecoder()
    for _ in range(2):  # a series is unknown once
        decoder.decode(message(1, message(2, metrics)), table)
    none = np.zeros(1)
    explicit_quantile(none, np.zeros(2), 0.5)
    exponential_quantile(0, 0.0, 0.0, 0, none, 0, none, 0.5)
