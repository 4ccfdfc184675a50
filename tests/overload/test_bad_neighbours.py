"""Slow readers, huge questions, idle crowds and a notifier that hangs: samples are taken in and judged all the same."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.notifiers.receiver import Receiver
from tests.overload.load import BEGAN, CONFIG, Asker, body, connections, http_address, source
from tests.serving import Served, wait_for

pytestmark = pytest.mark.slow
HISTORY = 20_000


@pytest.fixture(scope="module")
def hook() -> Iterator[Receiver]:
    """A webhook that takes the connection and never answers in time."""
    with Receiver(delay_seconds=30) as receiver:
        yield receiver


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, hook: Receiver) -> Iterator[Served]:
    """One server with a long series and that webhook."""
    notifier = f'[notifier.hook]\ntype = "webhook"\nurl = "http://{hook.address}/"\n'
    with Served.start(tmp_path_factory.mktemp("neighbours") / "data", config=CONFIG + notifier) as server:
        with httpx.Client(trust_env=False, timeout=120) as client:
            rows = {
                "series": "long",
                "time": [BEGAN + 1000 * i for i in range(HISTORY)],
                "value": [i % 97 + 0.5 for i in range(HISTORY)],
            }
            assert client.post(f"{server.url}/api/v1/samples", json=rows).json()["accepted"] == HISTORY
        yield server


def taken(served: Served, name: str, steps: int = 20) -> list[float]:
    """Seconds that each of some posts took until it was committed."""
    seconds = []
    with httpx.Client(trust_env=False, timeout=60) as client:
        for step in range(steps):
            began = time.monotonic()
            answer = client.post(f"{served.url}/api/v1/samples", json=body(name, step, 50))
            assert (200, 50) == (answer.status_code, answer.json()["accepted"])
            seconds.append(time.monotonic() - began)
    return seconds


def test_slow_readers(served: Served) -> None:
    """Twenty clients that read a large answer at 1 KB/s and twenty subscribers that never read hold up nobody."""
    question = b"GET /api/v1/samples?series=long&start=0 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    listening = b"GET /events?page=overview HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with connections(http_address(served), 20) as readers, connections(http_address(served), 20) as subscribers:
        for one in [*readers, *subscribers]:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for one in readers:
            one.sendall(question)
        for one in subscribers:
            one.sendall(listening)
        for second in range(3):
            assert all(one.recv(1024) for one in readers)
            assert max(taken(served, f"slow_readers{second}", 5)) < 10
        assert 200 == served.get("/api/v1/status").status_code


@pytest.mark.parametrize(
    ("path", "params", "words"),
    [
        ("/api/v1/samples", {"series": "long", "points": 10**9}, "points"),
        ("/api/v1/samples", {"series": "long", "start": 0, "end": 10**18}, "end"),
        ("/api/v1/series", {"limit": 10**6}, "limit"),
        ("/api/v1/incidents", {"limit": 10**6}, "limit"),
        ("/api/v1/series", {"match": "{" + ",".join(f'l{i}="x"' for i in range(1000)) + "}"}, "4096"),
        ("/api/v1/series", {"match": '{a=~"' + "(x{1000}){1000}" + '"}'}, "expression"),
        ("/api/v1/forecast", {"series": "long", "step": "1ms", "horizon": "7d"}, "points"),
    ],
)
def test_huge_questions(served: Served, path: str, params: dict[str, str | int], words: str) -> None:
    """A question that would cost too much is refused at once, and the answer says which limit it is."""
    began = time.monotonic()
    answer = served.get(path, **params)
    assert 400 == answer.status_code, answer.text[:300]
    assert words in json.dumps(answer.json()), answer.text
    assert time.monotonic() - began < 10


def test_a_hammered_api(served: Served) -> None:
    """Eight clients that ask for everything all the time slow ingest down at most; they refuse nobody."""
    paths = ["/api/v1/samples?series=long&start=0", "/", "/api/v1/series?order=score&limit=1000", "/api/v1/status"]
    askers = [Asker(served.url, path) for path in paths * 2]
    for asker in askers:
        asker.__enter__()
    seconds = taken(served, "hammered")
    for asker in askers:
        asker.__exit__()
    assert {200} == set().union(*(asker.codes for asker in askers))
    assert sorted(seconds)[len(seconds) // 2] < 5


def test_five_hundred_idle_connections(served: Served) -> None:
    """Half over HTTP and half over Graphite, while a sender goes on over a connection of its own."""
    before = source(served, "graphite_tcp")["accepted"]
    with connections(http_address(served), 250), connections(served.graphite, 250):
        with socket.create_connection(served.graphite, timeout=30) as sender:
            for second in range(50):
                sender.sendall(b"".join(b"idle.crowd.%d %d %d\n" % (i, second, BEGAN // 1000 + second) for i in range(100)))
        wait_for("every line", lambda: source(served, "graphite_tcp")["accepted"] == before + 5000)
        assert max(taken(served, "idle_crowd", 5)) < 10


def test_a_notifier_that_hangs(served: Served, hook: Receiver) -> None:
    """An incident opens and is told of; while the webhook does not answer, samples are committed as ever."""
    rule = {"name": "hang", "selector": '{__name__=~"hang.*"}', "threshold": 0.1, "notify": ["hook"]}
    with httpx.Client(trust_env=False, timeout=60) as client:
        assert client.put(f"{served.url}/api/v1/rules/hang", json=rule).status_code in (200, 201)
        for series in ("hang_a", "hang_b"):
            now = int(time.time() * 1000)
            values = [float(i % 3) for i in range(300)] + [500.0] * 5
            times = [now - 10_000 * (len(values) - i) for i in range(len(values))]
            assert (
                client.post(f"{served.url}/api/v1/samples", json={"series": series, "time": times, "value": values}).status_code
                == 200
            )
    wait_for("an attempt to deliver", lambda: len(hook.requests) > 0)
    assert max(taken(served, "beside_the_notifier")) < 10
    assert served.get("/api/v1/status").json()["notifiers"][0]["delivered"] == 0
