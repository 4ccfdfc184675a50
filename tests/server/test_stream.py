"""POST /api/v1/samples with a stream of lines: committed as they arrive, whatever length it has and whatever is broken in it."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from awry.core.errors import StoreUnavailable
from awry.server.settings import LimitSection
from tests.server.live import Live
from tests.serving import wait_for

NOW = int(time.time() * 1000) - 3_600_000
LINES = {"Content-Type": "application/x-ndjson"}


def line(series: str, time: object, value: object = 1.0) -> bytes:
    return json.dumps({"series": series, "time": time, "value": value}).encode() + b"\n"


def values(live: Live, series: str) -> list[float]:
    answer = live.client.get("/api/v1/samples", params={"series": series, "start": NOW - 1, "end": NOW + 10**9})
    found: list[float] = answer.json().get("value", [])
    return found


def test_a_broken_line_costs_only_itself(live: Live) -> None:
    """Each with its index among the lines that are not blank, and a reason."""
    bad = [b"{\n", b"[]\n", b"\xff\xfe\n", b"x" * 70_000 + b"\n", line("s", "yesterday"), line("s{", NOW), line("s", NOW, "x")]
    body = b"\r\n" + line("s", NOW) + b"".join(bad) + b"\n" + line("s", NOW + 1000)[:-1]
    answer = live.client.post("/api/v1/samples", content=body, headers=LINES).json()
    reasons = ["malformed", "malformed", "malformed", "too_long", "bad_time", "bad_key", "bad_value"]
    assert (2, 7) == (answer["accepted"], answer["refused_total"])
    assert list(enumerate(reasons, 1)) == [(r["index"], r["reason"]) for r in answer["refused"]]
    assert [1.0, 1.0] == values(live, "s")


def test_lines_are_stored_while_the_stream_goes_on(live: Live) -> None:
    """A stream that waits is read from meanwhile; the answer comes at its end, and counts it all."""
    more = threading.Event()

    def body() -> Iterator[bytes]:
        yield line("slow", NOW)
        assert more.wait(30)
        yield line("slow", NOW + 1000) + line("slow", NOW + 2000)[:10]
        yield line("slow", NOW + 2000)[10:]

    answers: list[httpx.Response] = []
    sender = threading.Thread(
        target=lambda: answers.append(httpx.post(f"{live.url}/api/v1/samples", content=body(), headers=LINES, timeout=30))
    )
    sender.start()
    wait_for("the first line", lambda: values(live, "slow") == [1.0])
    more.set()
    sender.join(30)
    assert {"accepted": 3, "refused": [], "refused_total": 0} == answers[0].json()


def test_a_stream_beyond_the_limits_on_bodies(tmp_path: Path) -> None:
    """Its size does not matter, zipped or not; refused lines are listed up to a limit and counted beyond it."""
    limits = LimitSection(body_bytes=10_000, decompressed_bytes=20_000)
    with Live(tmp_path, limits=limits) as live:
        body = b"".join(line("long", NOW + i * 10) for i in range(12_000)) + b"{\n" * 1500
        answer = live.client.post("/api/v1/samples", content=body, headers=LINES).json()
        assert (12_000, 1000, 1500) == (answer["accepted"], len(answer["refused"]), answer["refused_total"])
        again = live.client.post(
            "/api/v1/samples", content=gzip.compress(body), headers=LINES | {"Content-Encoding": "gzip"}
        ).json()
        assert (0, 13_500) == (again["accepted"], again["refused_total"])
        source = next(s for s in live.client.get("/api/v1/status").json()["sources"] if s["name"] == "json")
        assert (27_000, 12_000) == (source["received"], source["accepted"])
        assert 27_000 - 12_000 == sum(source["refused"].values())


def test_errors_say_what_is_stored(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """Damaged gzip, an unknown encoding, a store that fails in the middle: the lines before are kept, and told."""
    good = b"".join(line("told", NOW + i * 10) for i in range(10_000))
    damaged = gzip.compress(good) + b"no gzip"
    answer = live.client.post("/api/v1/samples", content=damaged, headers=LINES | {"Content-Encoding": "gzip"})
    assert (400, True) == (answer.status_code, "10000 lines, of which 10000 are stored" in answer.json()["error"]["message"])
    assert 10_000 == len(values(live, "told"))
    assert 415 == live.client.post("/api/v1/samples", content=good, headers=LINES | {"Content-Encoding": "br"}).status_code

    def full(ticks: object) -> None:
        raise StoreUnavailable("cannot write to the database: disk full")

    with monkeypatch.context() as patch:
        patch.setattr(live.app.store, "commit", full)
        answer = live.client.post("/api/v1/samples", content=line("told", NOW + 10**6), headers=LINES)
        assert (503, "5") == (answer.status_code, answer.headers["retry-after"])
        assert "0 lines" in answer.json()["error"]["message"]
    # readiness may not have noticed yet: a line that is taken is the proof
    again = line("told_after", NOW)
    wait_for("recovery", lambda: live.client.post("/api/v1/samples", content=again, headers=LINES).status_code == 200)


def test_a_client_that_never_ends_its_line_is_let_go(tmp_path: Path) -> None:
    """Trickling bytes do not count as going on."""

    def trickle() -> Iterator[bytes]:
        for _ in range(100):
            yield b"x"
            time.sleep(0.05)

    with Live(tmp_path, limits=LimitSection(body_timeout_ms=300)) as live:
        try:
            status = live.client.post("/api/v1/samples", content=trickle(), headers=LINES).status_code
        except httpx.TransportError:  # the answer came and the connection ended while it still sent
            status = 408
        assert 408 == status
        assert 1 == live.send([("other", NOW, 1.0)])["accepted"]


def test_a_series_begins_with_a_sample_that_is_taken(live: Live) -> None:
    """By every door: what is refused for its time or value leaves no series behind, and uses up no limit."""
    before = len(live.app.table)
    year = 366 * 86_400_000
    bad = [("ghost_future", NOW + year, 1.0), ("ghost_old", 1000, 1.0), ("ghost_infinite", NOW, "inf")]
    assert ["future", "out_of_range", "infinite"] == [r["reason"] for r in live.send(bad)["refused"]]
    lines = b"".join(line(*row) for row in bad)
    assert 3 == live.client.post("/api/v1/samples", content=lines, headers=LINES).json()["refused_total"]
    assert before == len(live.app.table)
    assert [] == live.client.get("/api/v1/series", params={"match": '{__name__=~"ghost.*"}'}).json()["series"]


def test_a_stream_ends_when_the_server_stops(tmp_path: Path) -> None:
    """What it had sent is stored; it is told how much that was, and to send the rest again."""
    with Live(tmp_path) as live:
        host, port = live.url.removeprefix("http://").rsplit(":", 1)
        client = socket.create_connection((host, int(port)), 30)
        head = b"POST /api/v1/samples HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
        head += b"Content-Type: application/x-ndjson\r\n\r\n"
        chunk = line("kept", NOW)
        client.sendall(head + b"%x\r\n%b\r\n" % (len(chunk), chunk))
        wait_for("the line", lambda: values(live, "kept") == [1.0], seconds=20)
    answer = b""
    with client:
        while piece := client.recv(65_536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 503")
    assert b"after 1 lines, of which 1 are stored" in answer
    with Live(tmp_path) as live:
        assert [1.0] == values(live, "kept")
