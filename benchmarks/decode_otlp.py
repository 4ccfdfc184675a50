"""OTLP requests for `decode`: ours beside opentelemetry-proto's own classes and a Python walk over them, on the same bytes."""

from __future__ import annotations

import random
from collections.abc import Callable

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from awry.core.series_table import SeriesTable
from awry.formats.otlp import OtlpDecoder
from tests.formats.otlp_requests import CUMULATIVE, SECOND, T0, attributes, labels_of, point

Best = Callable[[Callable[[], object], int], float]


def body(resources: int, points: int) -> bytes:
    """Gauges of that many resources with as many points each, ten a metric, of four attributes."""
    rng, made = random.Random(5), ExportMetricsServiceRequest()
    for i in range(resources):
        one = made.resource_metrics.add()
        told = {"service.name": "checkout", "service.instance.id": f"instance-{i:05d}", "host.name": f"node-{i:04d}"}
        attributes(one.resource.attributes, {**told, "process.runtime.name": "cpython", "telemetry.sdk.language": "python"})
        scope = one.scope_metrics.add()
        for j in range(points // 10):
            gauge = scope.metrics.add(name=f"http.server.rate.{j}", unit="1/s", description="Requests a second").gauge
            for k in range(10):
                labels = {"http.method": "GET", "http.route": f"/api/v1/item/{k}", "http.status": "200", "zone": "eu-1"}
                point(gauge, T0, labels, as_double=rng.random(), start_time_unix_nano=T0 - SECOND)
    packed: bytes = made.SerializeToString()
    return packed


def numbers(best: Best, resources: int, points: int) -> tuple[float, float]:
    """(ours, Python's) of gauges."""
    packed, count = body(resources, points), resources * points
    decoder, table = OtlpDecoder(), SeriesTable()
    known: dict[tuple[object, ...], int] = {}

    def python() -> list[tuple[int, int, float]]:
        rows = []
        for resource in ExportMetricsServiceRequest.FromString(packed).resource_metrics:
            shared = tuple((pair.key, pair.value.string_value) for pair in resource.resource.attributes)
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for one in metric.gauge.data_points:
                        key = (metric.name, shared, tuple((pair.key, pair.value.string_value) for pair in one.attributes))
                        slot = known.setdefault(key, len(known))
                        rows.append((slot, one.time_unix_nano // 1_000_000, one.as_double))
        return rows

    return best(lambda: decoder.decode(packed, table), count), best(python, count)


def histograms(best: Best) -> tuple[float, float]:
    """(ours, Python's without its quantiles) of 1,000 cumulative histograms of 16 buckets; ours makes 5 samples of each."""
    requests = []
    for step in range(2):
        made = ExportMetricsServiceRequest()
        data = made.resource_metrics.add().scope_metrics.add().metrics.add(name="latency").histogram
        data.aggregation_temporality = CUMULATIVE
        for i in range(1000):
            one = point(data, T0 + step * SECOND, {"route": f"/item/{i}", "method": "GET"}, count=32 * (step + 1), sum=float(step))
            one.bucket_counts.extend([2 * (step + 1)] * 16)
            one.explicit_bounds.extend(range(15))
        requests.append(made.SerializeToString())
    decoder, table = OtlpDecoder(), SeriesTable()
    decoder.keep(decoder.decode(requests[0], table))  # what the second counts from; it is never kept itself
    known: dict[tuple[object, ...], int] = {}

    def python() -> list[tuple[int, int, float]]:
        rows = []
        for one in (
            ExportMetricsServiceRequest.FromString(requests[1])
            .resource_metrics[0]
            .scope_metrics[0]
            .metrics[0]
            .histogram.data_points
        ):
            key = tuple(labels_of(one.attributes).items())
            slots = [known.setdefault((name, *key), len(known)) for name in ("count", "sum")]
            ms, _ = one.time_unix_nano // 1_000_000, (list(one.bucket_counts), list(one.explicit_bounds))
            rows += [(slots[0], ms, float(one.count)), (slots[1], ms, one.sum)]
        return rows

    return best(lambda: decoder.decode(requests[1], table), 1000), best(python, 1000)
