"""The OpenTelemetry SDK sends by both of its exporters to a server of its own process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpExporter
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider, UpDownCounter
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource

from tests.peers.conftest import free_port
from tests.serving import Served, wait_for

pytestmark = pytest.mark.slow
TEMPORALITY = {
    "cumulative": dict.fromkeys((Counter, Histogram, UpDownCounter), AggregationTemporality.CUMULATIVE),
    "delta": dict.fromkeys((Counter, Histogram), AggregationTemporality.DELTA),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, int]]:
    """A server with both listeners, and the port of gRPC."""
    port = free_port()
    # the SDK makes up a service.instance.id
    settings = {"AWRY_SERVER_OTLP_GRPC": f"127.0.0.1:{port}", "AWRY_OTLP_RESOURCE_ATTRIBUTES": "service.name"}
    folder = tmp_path_factory.mktemp("otel") / "data"
    with Served.start(folder, env=settings) as server:
        yield server, port


def samples(server: Served, key: str) -> list[float]:
    answer = server.get("/api/v1/samples", series=key, start=0, end=4_000_000_000_000)
    return list(answer.json()["value"]) if answer.status_code == 200 else []


@pytest.mark.parametrize("way", ["http", "gzip", "grpc"])
@pytest.mark.parametrize("temporality", ["cumulative", "delta"])
def test_the_sdk(served: tuple[Served, int], way: str, temporality: str) -> None:
    """Gauge, counters, histograms of both kinds; every export succeeds, and counts come as rates with their attributes."""
    server, port = served
    preferred: Any = TEMPORALITY[temporality]
    exporter: Any
    if way == "grpc":
        exporter = GrpcExporter(f"127.0.0.1:{port}", insecure=True, preferred_temporality=preferred, timeout=30)
    else:
        compression = Compression.Gzip if way == "gzip" else Compression.NoCompression
        url = f"{server.otlp}/v1/metrics"
        exporter = HttpExporter(url, compression=compression, preferred_temporality=preferred, timeout=30)
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
    name = f"{way}.{temporality}"
    view = View(instrument_name=f"{name}.exponential", aggregation=ExponentialBucketHistogramAggregation())
    resource = Resource({"service.name": name})
    provider = MeterProvider([reader], resource=resource, views=[view], shutdown_on_exit=False)
    try:
        meter = provider.get_meter("tests")
        gauge, counter = meter.create_gauge(f"{name}.gauge"), meter.create_counter(f"{name}.counter")
        queue = meter.create_up_down_counter(f"{name}.queue")
        histograms = [meter.create_histogram(f"{name}.{kind}", unit="ms") for kind in ("histogram", "exponential")]
        for step in range(3):
            gauge.set(1.5 + step, {"room": "a"})
            counter.add(10, {"code": 200})
            queue.add(-2)
            for histogram in histograms:
                for value in (30.0, 40.0, 45.0):
                    histogram.record(value)
            assert provider.force_flush(30_000)
    finally:
        provider.shutdown()
    label = f'service.name="{name}"'
    wait_for("the gauge", lambda: len(samples(server, f'{name}.gauge{{room="a",{label}}}')) >= 3)
    # its shutdown sends once more
    assert [1.5, 2.5, 3.5] == samples(server, f'{name}.gauge{{room="a",{label}}}')[:3]
    assert [-2.0, -4.0, -6.0] == samples(server, f"{name}.queue{{{label}}}")[:3]
    assert all(rate > 0 for rate in samples(server, f'{name}.counter{{code="200",{label}}}')[1:3])
    assert 3 <= len(samples(server, f'{name}.counter{{code="200",{label}}}'))
    for kind in ("histogram", "exponential"):
        medians = [m for m in samples(server, f'{name}.{kind}{{quantile="0.5",{label}}}') if m is not None]
        assert medians
        assert all(25 <= median <= 50 for median in medians)
    sources = {source["name"]: source["refused"] for source in server.get("/api/v1/status").json()["sources"]}
    assert {} == sources["otlp_grpc" if way == "grpc" else "otlp"]
