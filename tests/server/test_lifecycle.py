"""Starting, stopping and failing: signals, ports, folders, sources that break, a store that cannot write, a full queue."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx
import pytest

from awry.core.batch import Batch, Scored
from awry.core.errors import CannotListen, InvalidConfig, Retry, StoreInUse, StoreUnavailable
from awry.core.series_table import SeriesTable
from awry.core.tick import Rows
from awry.detection.scorer import Scorer
from awry.server.app import AppOptions, private_config
from awry.server.run import running
from awry.server.settings import EngineSection, ServerSection
from tests.server.live import Live
from tests.serving import Served, wait_for

NOW = int(time.time() * 1000) - 60_000


@dataclass
class Wobbly:
    """A source that fails in every way before it works."""

    name: str = "wobbly"
    troubles: list[Exception] = field(default_factory=lambda: [Retry("away", after_seconds=0), ValueError("a defect")])
    committed: list[bytes] = field(default_factory=list)
    entered: int = 0

    async def __aenter__(self) -> Self:
        self.entered += 1
        if self.entered == 1:
            raise OSError("not there yet")
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.entered += 0

    async def rows(self, series: SeriesTable, resume: bytes | None) -> AsyncIterator[Rows]:
        if self.troubles:
            raise self.troubles.pop(0)
        slot = series.intern("wobbly")
        for i in range(3):
            yield Rows(Batch.of([slot], [NOW + i * 1000], [float(i)]), position=str(i).encode())

    async def commit(self, position: bytes) -> None:
        self.committed.append(position)


def test_a_broken_source_is_begun_anew_and_ends_nobody(tmp_path: Path) -> None:
    """Failing to enter, Retry and a defect are survived; then its rows are stored and its position is told after the commit."""
    source = Wobbly()
    with Live(tmp_path, AppOptions(sources=[source])) as live:
        wait_for("the rows", lambda: source.committed == [b"0", b"1", b"2"], seconds=30)
        status = next(s for s in live.client.get("/api/v1/status").json()["sources"] if s["name"] == "wobbly")
        assert (3, 3, "") == (status["received"], status["accepted"], status["error"])
        assert status["restarts"] >= 2


def test_a_port_in_use_is_said(tmp_path: Path) -> None:
    """For HTTP, Graphite and OTLP the error names the address and the cause."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for which in ({"http": address}, *({"http": "127.0.0.1:0", door: address} for door in ("graphite", "otlp_http"))):
            server = ServerSection(data=str(tmp_path), **{"graphite": "off", "otlp_http": "off", **which})

            async def start(server: ServerSection = server) -> None:
                async with running(private_config(tmp_path, server=server)):
                    pass

            with pytest.raises(CannotListen, match="port in use"):
                asyncio.run(start())


def test_two_servers_on_one_folder(tmp_path: Path) -> None:
    """The second one is refused, the first goes on."""
    with Live(tmp_path) as live:

        async def second() -> None:
            async with running(private_config(tmp_path)):
                pass

        with pytest.raises(StoreInUse):
            asyncio.run(second())
        assert 1 == live.send([("a", NOW, 1.0)])["accepted"]


def test_a_store_that_cannot_write_is_503_and_recovers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is acknowledged meanwhile, readiness says so, and afterwards everything goes on by itself."""
    with Live(tmp_path) as live:
        live.send([("a", NOW, 1.0)])
        full = True
        real = live.app.store.commit

        def commit(ticks: object) -> None:
            if full:
                raise StoreUnavailable("cannot write to the database: disk full")
            real(ticks)  # type: ignore[arg-type]

        monkeypatch.setattr(live.app.store, "commit", commit)
        body = {"samples": [{"series": "a", "time": NOW + 1000, "value": 2.0}]}
        answers = [live.client.post("/api/v1/samples", json=body) for _ in range(2)]
        assert [503, 503] == [a.status_code for a in answers]
        assert all(int(a.headers["retry-after"]) > 0 for a in answers)
        wait_for("unreadiness", lambda: live.client.get("/readyz").status_code == 503)
        full = False
        wait_for("recovery", lambda: live.client.post("/api/v1/samples", json=body).status_code == 200)
        assert [1.0, 2.0] == live.client.get("/api/v1/samples", params={"series": "a"}).json()["value"]
        wait_for("readiness", lambda: live.client.get("/readyz").status_code == 200)


def test_a_full_queue_is_429(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With Retry-After, and nothing of the body is kept."""
    with Live(tmp_path, engine=EngineSection(queue_samples=1000)) as live:
        monkeypatch.setattr(live.app.engine, "_uncommitted", 1000)
        answer = live.client.post("/api/v1/samples", json={"samples": [{"series": "a", "time": NOW, "value": 2.0}]})
        assert (429, "1") == (answer.status_code, answer.headers["retry-after"])
        monkeypatch.setattr(live.app.engine, "_uncommitted", 0)
        assert 1 == live.send([("a", NOW, 2.0)])["accepted"]


def test_a_restart_knows_everything(tmp_path: Path) -> None:
    """Series, samples, rules and silences are there again; a restart leaves no second copy of anything."""
    with Live(tmp_path) as live:
        live.send([("kept", NOW + i * 1000, float(i)) for i in range(10)])
        live.client.post("/api/v1/rules", json={"name": "mine", "threshold": 0.7})
        live.client.put("/api/v1/rules/default", json={"threshold": 0.9})
        silence = live.client.post("/api/v1/silences", json={"selector": "kept", "duration": "1h"}).json()
    with Live(tmp_path) as live:
        found = live.client.get("/api/v1/samples", params={"series": "kept"}).json()
        assert [float(i) for i in range(10)] == found["value"]
        assert {"default": 0.9, "mine": 0.7} == {
            r["name"]: r["threshold"] for r in live.client.get("/api/v1/rules").json()["rules"]
        }
        assert 409 == live.client.delete("/api/v1/rules/default").status_code
        assert [silence] == live.client.get("/api/v1/silences").json()["silences"]
        assert [(0, "duplicate")] == [(r["index"], r["reason"]) for r in live.send([("kept", NOW, 0.0)])["refused"]]


def test_two_sources_of_one_name_are_refused(tmp_path: Path) -> None:
    """Names are unique, for counters and positions go by them."""
    for sources in ([Wobbly(), Wobbly()], [Wobbly(name="json")]):

        async def start(options: AppOptions) -> None:
            async with running(private_config(tmp_path), options):
                pass

        with pytest.raises(InvalidConfig, match="cannot have two sources"):
            asyncio.run(start(AppOptions(sources=sources)))


@pytest.mark.slow
def test_more_slow_clients_than_open_files(tmp_path: Path) -> None:
    """With a limit of 100 open files, 150 clients that say nothing and 150 that stop in mid-request keep nobody out for long."""
    limit = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100)); "
        "import awry.cli.main as m; raise SystemExit(m.main())"
    )
    with Served.start(tmp_path / "data", env={"AWRY_LIMITS_BODY_TIMEOUT": "2s"}, program=["-c", limit]) as served:
        host, port = served.url.removeprefix("http://").rsplit(":", 1)
        addresses = [(host, int(port)), served.graphite]
        clients = []
        try:
            for i in range(300):
                client = socket.create_connection(addresses[i % 2], 30)
                client.setblocking(False)
                clients.append(client)
                if i % 3:
                    with contextlib.suppress(OSError):
                        client.send(
                            b"POST /api/v1/samples HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"
                            if i % 2 == 0
                            else b"a.b 1"
                        )
            wait_for("an answer", lambda: _accepted(served))
        finally:
            for client in clients:
                client.close()
        wait_for("an answer", lambda: _accepted(served))
        assert 0 == served.stop()


def _accepted(served: Served) -> bool:
    body = {"samples": [{"series": "a", "time": int(time.time() * 1000), "value": 1.0}]}
    try:
        return httpx.post(f"{served.url}/api/v1/samples", json=body, timeout=5, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.slow
def test_sigterm_commits_and_ends_with_status_0(tmp_path: Path) -> None:
    """Also with a page that listens for live updates and a client in the middle of a request; within ten seconds."""
    with Served.start(tmp_path / "data") as served:
        host, port = served.url.removeprefix("http://").rsplit(":", 1)
        with socket.create_connection((host, int(port))) as events, socket.create_connection((host, int(port))) as slow:
            events.sendall(b"GET /events?page=overview HTTP/1.1\r\nHost: localhost\r\n\r\n")
            slow.sendall(b"POST /api/v1/samples HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{")
            assert events.recv(15)
            with socket.create_connection(served.graphite) as tcp:
                tcp.sendall(f"last.words 1 {NOW // 1000}\n".encode())
            wait_for("the line", lambda: served.keys("last.words") == ["last.words"])
            begun = time.monotonic()
            assert 0 == served.stop(seconds=15)
            assert time.monotonic() - begun < 10
    with Served.start(tmp_path / "data") as served:
        assert [1.0] == served.get("/api/v1/samples", series="last.words").json()["value"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_defect_that_ends_the_engine_fails_the_probes(tmp_path: Path) -> None:
    """After it, samples are refused and both probes say so: a supervisor restarts the process."""

    class Defective(Scorer):
        def step(self, batch: Batch) -> Scored:
            if len(batch):
                raise ZeroDivisionError("a defect")
            return super().step(batch)

    with Live(tmp_path, AppOptions(judge=Defective)) as live:
        assert [200, 200] == [live.client.get(path).status_code for path in ("/healthz", "/readyz")]
        body = {"samples": [{"series": "a", "time": live.app.clock.now_ms(), "value": 1.0}]}
        assert 503 == live.client.post("/api/v1/samples", json=body).status_code
        assert [503, 503] == [live.client.get(path).status_code for path in ("/healthz", "/readyz")]
        assert "a defect" in live.client.get("/healthz").json()["error"]["message"]
