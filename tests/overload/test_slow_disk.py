"""Past what the disk takes: HTTP is told to come back, TCP waits, UDP is dropped and counted; and then it catches up by itself."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.overload.load import BEGAN, QUEUE, Asker, Slow, body, run, source
from tests.serving import wait_for

MIB = 1 << 20
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slow]:
    """One server for the module; each test gives the disk its pace back."""
    server = Slow(tmp_path_factory.mktemp("slow") / "server")
    with server.served:
        yield server


def stored(slow: Slow, key: str) -> list[float]:
    """Values of one series."""
    found: list[float] = slow.served.get("/api/v1/samples", series=key, start=BEGAN, end=BEGAN + 10**8).json().get("value", [])
    return found


def post_until(slow: Slow, name: str, over: threading.Event, told: dict[str, int]) -> None:
    """Post second after second, as fast as it goes; one that was refused comes again."""
    step = 0
    with httpx.Client(trust_env=False, timeout=60) as client:
        while not over.is_set():
            answer = client.post(f"{slow.served.url}/api/v1/samples", json=body(name, step))
            told[str(answer.status_code)] = told.get(str(answer.status_code), 0) + 1
            if answer.status_code == 200:
                step += 1
                told["acknowledged"] = step
            else:
                assert int(answer.headers["retry-after"]) >= 1
                time.sleep(0.05)


def test_http_is_told_to_come_back(slow: Slow) -> None:
    """A disk too slow for its senders: 429 with Retry-After, bounded memory, an API that answers; what is acknowledged stays."""
    senders: list[dict[str, int]] = [{} for _ in range(60)]
    before, over = slow.memory, threading.Event()
    slow.pace("250000")  # 10,000 samples a second; sixty senders would send ten times as many
    with Asker(slow.served.url) as asker:
        threads = run(*(lambda i=i: post_until(slow, f"http{i}", over, senders[i]) for i in range(len(senders))))
        wait_for("a refusal", lambda: any("429" in told for told in senders), seconds=60)
        time.sleep(2)
        grown = slow.memory - before
        slow.pace("")
        calm = [told.get("acknowledged", 0) for told in senders]
        wait_for("progress of everyone", lambda: all(t.get("acknowledged", 0) > c for t, c in zip(senders, calm, strict=True)))
        over.set()
        for thread in threads:
            thread.join(60)
    assert {"200", "429", "acknowledged"} >= {word for told in senders for word in told}
    assert {200} == asker.codes
    assert max(asker.seconds) < 10
    assert grown < 600 * MIB
    for i, told in enumerate(senders[:5]):
        acknowledged = [float(step) for step in range(told["acknowledged"])]
        assert acknowledged == stored(slow, f'http{i}{{n="7"}}')[: len(acknowledged)]


def test_tcp_waits(slow: Slow) -> None:
    """While the writer stands still a sender on TCP is held back at what the buffers and the queue hold; nothing of it is lost."""
    lines = 400_000
    data = b"".join(b"tcp.waits.%d %d %d\n" % (i % 10, i // 10, BEGAN // 1000 + i // 10) for i in range(lines))
    before = slow.memory
    slow.pace("stop")
    with Asker(slow.served.url) as asker, socket.create_connection(slow.served.graphite, timeout=300) as tcp:
        (sender,) = run(lambda: tcp.sendall(data))
        sender.join(5)
        assert sender.is_alive(), "the sender waits"
        received = source(slow.served, "graphite_tcp")["received"]
        assert slow.memory - before < 300 * MIB
        slow.pace("")
        sender.join(120)
        assert not sender.is_alive()
    assert received <= QUEUE + 200_000
    assert max(asker.seconds) < 5
    wait_for("every line", lambda: len(stored(slow, "tcp.waits.9")) == lines // 10, seconds=120)
    assert [float(i) for i in range(lines // 10)] == stored(slow, "tcp.waits.9")


def test_udp_is_dropped_and_counted(slow: Slow) -> None:
    """What cannot wait is dropped under the reason "overloaded", and later datagrams are taken again."""
    slow.pace("stop")
    datagram = b"".join(b"udp.flood.%d 1 %d\n" % (i, BEGAN // 1000) for i in range(1000))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        for _ in range(300):
            udp.sendto(datagram, slow.served.graphite)
            time.sleep(0.005)
        slow.pace("")
        wait_for("the count of what was dropped", lambda: source(slow.served, "graphite_udp")["refused"].get("overloaded"))

        def taken() -> bool:
            udp.sendto(b"udp.after 5 %d\n" % (BEGAN // 1000), slow.served.graphite)
            return bool(stored(slow, "udp.after"))

        wait_for("a datagram after the flood", taken, every=0.2)


def test_a_writer_that_stands_still_stops_nobody_else(slow: Slow) -> None:
    """For five seconds nothing is written: pages and API go on, posts wait for their commit, and are answered when it works."""
    slow.pace("stop")
    answers: list[int] = []
    with httpx.Client(trust_env=False, timeout=60) as client, Asker(slow.served.url, "/api/v1/series?limit=100") as asker:
        (poster,) = run(lambda: answers.append(client.post(f"{slow.served.url}/api/v1/samples", json=body("still", 1)).status_code))
        began = time.monotonic()
        while time.monotonic() < began + 5:
            assert slow.served.get("/").status_code == 200
        assert [] == answers
        slow.pace("")
        poster.join(60)
    assert [200] == answers
    assert {200} == asker.codes
    assert max(asker.seconds) < 5
    assert [1.0] == stored(slow, 'still{n="3"}')
