"""The OTLP doors as clients see them: formats, errors in OTLP's words, partial success, overload, tokens, their own listener."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import grpc
import httpx
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest, ExportMetricsServiceResponse

from awry.core.clock import SystemClock
from awry.core.errors import Overloaded, StoreUnavailable
from awry.core.series_table import SeriesTable
from awry.formats.otlp import warm_up
from awry.server.exposure import exposure_problems
from awry.server.otlp_grpc import SERVICE
from awry.server.settings import AuthSection, LimitSection, OtlpSection, ServerSection
from tests.formats.otlp_requests import request
from tests.server.live import READ, TOKENS, WRITE, Live

PROTOBUF, JSON = {"Content-Type": "application/x-protobuf"}, {"Content-Type": "application/json"}


def started(folder: Path, **sections: Any) -> Live:
    """A server with both listeners, its kernels compiled before anybody waits."""
    warm_up(SeriesTable(), 1_700_000_000_000)
    doors = dict.fromkeys(("http", "otlp_http", "otlp_grpc"), "127.0.0.1:0")
    server = ServerSection(data=str(folder), graphite="off", graphite_pickle="off", statsd="off", **doors)
    return Live(folder, server=server, **sections)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """Small limits."""
    limits = LimitSection(body_bytes=20_000, decompressed_bytes=100_000, series=50)
    with started(tmp_path_factory.mktemp("otlp"), limits=limits, otlp=OtlpSection(resource_attributes=("a",))) as server:
        yield server


def gauges(*points: tuple[str, int, float]) -> Any:
    """Points of (name, seconds before now, value)."""
    made, scope = request()
    now = SystemClock().now_ms() * 1_000_000
    for name, ago, value in points:
        scope.metrics.add(name=name).gauge.data_points.add(time_unix_nano=now - ago * 10**9, as_double=value)
    return made


def post(server: Live, body: bytes, url: str = "", **headers: str) -> httpx.Response:
    return httpx.post(
        (url or server.otlp) + "/v1/metrics", content=body, headers={**PROTOBUF, **headers}, trust_env=False, timeout=30
    )


def call(server: Live, body: bytes, compression: grpc.Compression | None = None, **metadata: str) -> ExportMetricsServiceResponse:
    with grpc.insecure_channel("{}:{}".format(*server.app.otlp_grpc.address)) as channel:
        export = channel.unary_unary(f"/{SERVICE}/Export", response_deserializer=ExportMetricsServiceResponse.FromString)
        return export(body, timeout=30, compression=compression, metadata=tuple(metadata.items()))


def values(server: Live, key: str) -> list[float]:
    answer = server.client.get("/api/v1/samples", params={"series": key, "start": 0, "end": 4_000_000_000_000})
    found: list[float] = answer.json()["value"]
    return found


def test_every_way_in(both: Live) -> None:
    """Both ports, both formats, gzip, gRPC with and without compression: stored when the answer comes, which says nothing more."""
    for i, send in enumerate((
        lambda body: post(both, body).content,
        lambda body: post(both, body, both.url).content,
        lambda body: post(both, gzip.compress(body), **{"Content-Encoding": "gzip"}).content,
        lambda body: call(both, body).SerializeToString(),
        lambda body: call(both, body, grpc.Compression.Gzip).SerializeToString(),
    )):  # fmt: skip
        assert b"" == send(gauges((f"way{i}", 0, 1.5)).SerializeToString())
        assert [1.5] == values(both, f"way{i}")
    body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "json", "gauge": {"dataPoints": [
        {"timeUnixNano": str(SystemClock().now_ms() * 10**6), "asInt": "4"}]}}]}]}]}  # fmt: skip
    answer = post(both, json.dumps(body).encode(), **{"Content-Type": "application/json; charset=utf-8"})
    assert (200, {}, "application/json") == (answer.status_code, answer.json(), answer.headers["content-type"])
    assert [4.0] == values(both, "json")


def test_partial_success(both: Live) -> None:
    """Tells how many points were refused and why; what was good is stored; a repeated send is no fault."""
    made = gauges(("part", 10, 1.0), ("", 0, 1.0), ("part", 20, 2.0), ("part", 5, float("inf")), ("part", 0, 3.0))
    expected = "data points refused: 1 infinite, 1 late, 1 missing_name"
    told = ExportMetricsServiceResponse.FromString(post(both, made.SerializeToString()).content).partial_success
    assert (3, expected) == (told.rejected_data_points, told.error_message)
    assert [1.0, 3.0] == values(both, "part")
    told = call(both, made.SerializeToString()).partial_success
    assert 3 == told.rejected_data_points  # duplicates are not among them
    late = gauges(("part", 60, 1.0))
    text = json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "part", "gauge": {"dataPoints": [
        {"timeUnixNano": late.resource_metrics[0].scope_metrics[0].metrics[0].gauge.data_points[0].time_unix_nano, "asDouble": 1}
    ]}}]}]}]})  # fmt: skip
    answer = post(both, text.encode(), **JSON)
    assert {"partialSuccess": {"rejectedDataPoints": "1", "errorMessage": "data points refused: 1 late"}} == answer.json()


@pytest.mark.parametrize(
    ("body", "headers", "status", "words"),
    [
        (b"\xff", {}, 400, "no OTLP metrics request"),
        (b"{", JSON, 400, "no OTLP metrics request in JSON"),
        (b"x", {"Content-Encoding": "gzip"}, 400, "cannot decompress"),
        (b"", {"Content-Encoding": "zstd"}, 415, "content encoding"),
        (b"", {"Content-Type": "text/plain"}, 415, "content type"),
        (b"\x00" * 20_001, {}, 413, "20000 bytes"),
        (gzip.compress(b"\x00" * 100_001, mtime=0), {"Content-Encoding": "gzip"}, 413, "100000 bytes"),
        (gzip.compress(b"\x00" * 15_000_000, mtime=0), {"Content-Encoding": "gzip"}, 413, "100000 bytes"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_errors_have_the_body_of_otlp(both: Live, body: bytes, headers: dict[str, str], status: int, words: str) -> None:
    """A google.rpc.Status in the request's format; the refusal is counted."""
    answer = post(both, body, **headers)
    assert status == answer.status_code
    text = answer.json()["message"] if headers == JSON else Status.FromString(answer.content).message
    assert words in text


def test_overload_says_when_to_come_back(both: Live) -> None:
    """429 and 503 with Retry-After; over gRPC UNAVAILABLE with a RetryInfo; nothing is stored or remembered."""
    body = gauges(("over", 0, 1.0)).SerializeToString()
    for error, status, seconds in ((Overloaded("full", after_seconds=2.5), 429, 3), (StoreUnavailable("disk full"), 503, 5)):
        with patch.object(both.app.engine, "put_nowait", side_effect=error):
            answer = post(both, body)
            assert (status, str(seconds)) == (answer.status_code, answer.headers["retry-after"])
            with pytest.raises(grpc.RpcError) as caught:
                call(both, body)
        assert grpc.StatusCode.UNAVAILABLE == caught.value.code()
        told = Status.FromString(dict(caught.value.trailing_metadata())["grpc-status-details-bin"])
        info = RetryInfo()
        assert told.details[0].Unpack(info)
        assert (14, seconds) == (told.code, info.retry_delay.seconds)
    assert b"" == post(both, body).content


def test_grpc_errors(both: Live) -> None:
    """What is wrong is INVALID_ARGUMENT, what is too large or unknown is told, and a defect is no text of ours."""
    bomb = b"\x00" * 100_001
    for body, code in ((b"\xff", "INVALID_ARGUMENT"), (bomb, "RESOURCE_EXHAUSTED")):
        for compression in (None, grpc.Compression.Gzip):
            with pytest.raises(grpc.RpcError) as caught:
                call(both, body, compression)
            assert code == caught.value.code().name
    with patch.object(both.app.otlp, "steps", side_effect=ZeroDivisionError("secret")), pytest.raises(grpc.RpcError) as caught:
        call(both, b"")
    assert (grpc.StatusCode.INTERNAL, False) == (caught.value.code(), "secret" in caught.value.details())


def test_the_listener_knows_one_address(both: Live) -> None:
    """Traces, pages and the API are not there; other methods are refused."""
    for path in ("/", "/v1/traces", "/api/v1/status", "/metrics"):
        assert 404 == httpx.get(both.otlp + path, trust_env=False).status_code
    assert 405 == httpx.get(both.otlp + "/v1/metrics", trust_env=False).status_code
    assert 421 == post(both, b"", Host="evil.example").status_code


def test_tokens(tmp_path: Path) -> None:
    """Only the write token may send, over HTTP and gRPC."""
    with started(tmp_path, auth=TOKENS) as server:
        for token, status, code in (("", 401, "UNAUTHENTICATED"), (READ, 403, "PERMISSION_DENIED"), (WRITE, 200, "")):
            shown = {"Authorization": f"Bearer {token}"} if token else {}
            assert status == post(server, b"", **shown).status_code
            if code:
                with pytest.raises(grpc.RpcError) as caught:
                    call(server, b"", **{k.lower(): v for k, v in shown.items()})
                assert code == caught.value.code().name
            else:
                assert not call(server, b"", authorization=f"Bearer {token}").HasField("partial_success")


def test_no_door_to_other_machines_without_a_token() -> None:
    """Neither listener opens beyond loopback without one."""
    server = ServerSection(otlp_http="0.0.0.0:4318", otlp_grpc=":4317")
    assert ["otlp_http", "otlp_grpc"] == [key for _, key, _ in exposure_problems(server, AuthSection())]
    assert [] == exposure_problems(server, TOKENS)


def test_counts(both: Live) -> None:
    """Each door counts under its own name, whole refusals too."""
    body = ExportMetricsServiceRequest().SerializeToString()
    post(both, b"\xff")
    assert b"" == post(both, body).content
    for i in range(2):
        call(both, gauges((f"counted{i}", 0, 1.0)).SerializeToString())
    sources = {s["name"]: s for s in both.client.get("/api/v1/status").json()["sources"]}
    assert sources["otlp"]["refused"]["invalid_input"] >= 1
    assert sources["otlp_grpc"]["accepted"] >= 2
