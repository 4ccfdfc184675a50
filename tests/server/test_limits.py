"""What a hostile or broken client cannot do."""

from __future__ import annotations

import gzip
import socket
import time
from collections.abc import Iterator

import cramjam
import pytest

from awry.server.settings import LimitSection
from tests.server.live import Live

LIMITS = LimitSection(
    body_bytes=100_000, decompressed_bytes=200_000, body_timeout_ms=500, connections=8, series=50, new_series_per_minute=40
)
NOW = int(time.time() * 1000)


@pytest.fixture(scope="module")
def tight(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server with narrow limits."""
    with Live(tmp_path_factory.mktemp("tight"), limits=LIMITS) as server:
        yield server


def raw(live: Live, data: bytes, seconds: float = 60) -> bytes:
    """What comes back on a plain connection until it is closed or `seconds` pass."""
    host, port = live.url.removeprefix("http://").rsplit(":", 1)
    with socket.create_connection((host, int(port)), seconds) as connection:
        connection.sendall(data)
        answer = b""
        try:
            while piece := connection.recv(65_536):
                answer += piece
        except ConnectionResetError:
            pass
        return answer


def test_a_large_body_is_413(tight: Live) -> None:
    """By its announced length and, without one, by what comes."""
    announced = tight.client.post("/api/v1/samples", content=b" " * 100_001)
    chunked = tight.client.post("/api/v1/samples", content=(b" " * 1000 for _ in range(101)))
    assert [413, 413] == [announced.status_code, chunked.status_code]
    assert "body_bytes" in announced.json()["error"]["hint"]


def test_bombs_are_413(tight: Live) -> None:
    """gzip and snappy bodies that unpack to more than allowed."""
    zeros = bytes(50_000_000)
    bomb = tight.client.post("/api/v1/samples", content=gzip.compress(zeros), headers={"Content-Encoding": "gzip"})
    headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
    packed = bytes(cramjam.snappy.compress_raw(bytes(1_500_000)))
    assert len(packed) < 100_000
    snappy = tight.client.post("/api/v1/write", content=packed, headers=headers)
    lying = tight.client.post("/api/v1/write", content=b"\xff\xff\xff\xff\x0f" + b"abc", headers=headers)
    assert [413, 413, 413] == [bomb.status_code, snappy.status_code, lying.status_code]


@pytest.mark.parametrize(
    ("path", "content", "headers", "status"),
    [
        ("/api/v1/samples", b"{", {}, 400),
        ("/api/v1/samples", b"\xff\xfe", {}, 400),
        ("/api/v1/samples", b"[" * 50_000, {}, 400),
        ("/api/v1/samples", b'{"samples": [], "x": NaN}', {}, 200),
        ("/api/v1/samples", gzip.compress(b"{}" * 1000, mtime=0)[:20], {"Content-Encoding": "gzip"}, 400),
        ("/api/v1/samples", b"{}", {"Content-Encoding": "br"}, 415),
        ("/api/v1/write", b"\x05abc", {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}, 400),
        ("/api/v1/write", b"", {"Content-Encoding": "snappy", "Content-Type": "text/plain"}, 415),
        ("/api/v1/rules", b"[]", {}, 400),
        ("/api/v1/silences", b"null", {}, 400),
    ],
)
def test_damaged_bodies(tight: Live, path: str, content: bytes, headers: dict[str, str], status: int) -> None:
    """Refused with a reason, never a 500."""
    answer = tight.client.post(path, content=content, headers=headers)
    assert status == answer.status_code, answer.text


def test_a_slow_body_is_let_go(tight: Live) -> None:
    """A client that announces a body and does not send it is answered 408 and disconnected."""
    answer = raw(tight, b"POST /api/v1/samples HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{")
    assert answer.startswith(b"HTTP/1.1 408")


def test_slow_headers_are_let_go(tight: Live) -> None:
    """A client that never ends its headers is disconnected without an answer."""
    assert b"" == raw(tight, b"GET /healthz HTTP/1.1\r\nHost: loc")


def test_silent_connections_do_not_keep_others_out(tight: Live) -> None:
    """With more idle connections than allowed, a new client is still answered."""
    host, port = tight.url.removeprefix("http://").rsplit(":", 1)
    idle = [socket.create_connection((host, int(port))) for _ in range(20)]
    try:
        assert b"200 OK" in raw(tight, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    finally:
        for connection in idle:
            connection.close()


def test_new_series_have_a_limit(tight: Live) -> None:
    """Series beyond the limit are refused, counted and shown in the status; known ones go on."""
    answer = tight.send([(f"many_{i}", NOW, 1.0) for i in range(60)])
    refused = {r["reason"] for r in answer["refused"]}
    assert ({"series_limit"}, 60) == (refused, answer["accepted"] + len(answer["refused"]))
    assert answer["accepted"] <= 40
    assert 1 == tight.send([("many_0", NOW + 1000, 1.0)])["accepted"]
    status = tight.client.get("/api/v1/status").json()
    assert len(answer["refused"]) == status["series"]["refused_by_limit"]
    assert len(answer["refused"]) == next(s for s in status["sources"] if s["name"] == "json")["refused"]["series_limit"]
