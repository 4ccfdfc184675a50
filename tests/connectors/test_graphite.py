"""The Graphite doors on loopback: every line once and in order, slow and hostile clients cost their neighbours nothing."""

from __future__ import annotations

import asyncio
import resource
import socket
import struct
from collections.abc import Iterator
from contextlib import aclosing, suppress

import pytest
import uvloop

from awry.connectors import listener
from awry.connectors.graphite import GraphiteTcp, GraphiteUdp
from awry.connectors.intake import Intake, Lines
from awry.core.clock import ManualClock
from awry.core.errors import CannotListen
from awry.core.series_table import SeriesTable
from awry.formats.graphite import decode_lines

from .source_conformance import WAIT_SECONDS, accepted, check_source, collect, refused, samples


async def send(source: GraphiteTcp, *pieces: bytes, end: bool = True) -> socket.socket:
    """Send pieces over a connection of their own."""
    loop = asyncio.get_running_loop()
    client = socket.socket()
    client.setblocking(False)
    await loop.sock_connect(client, source.address)
    for piece in pieces:
        await loop.sock_sendall(client, piece)
        await asyncio.sleep(0.01)
    if end:
        client.close()
    return client


async def turns() -> None:
    """Many turns of the event loop, so that what was sent has been read, on a busy machine too."""
    for _ in range(100):
        await asyncio.sleep(0.001)


def datagram(source: GraphiteUdp, data: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(data, source.address)


async def feed_tcp(source: GraphiteTcp) -> int:
    await send(source, b"a 1 1\nb 2 2\nc 3", b" 3")
    return 3


async def feed_udp(source: GraphiteUdp) -> int:
    datagram(source, b"a 1 1\nb 2 2\nc 3 3")
    datagram(source, b"d 4 4\n")
    return 4


async def test_tcp_conforms() -> None:
    """What holds of every source."""
    await check_source(lambda: GraphiteTcp(port=0), feed_tcp)


async def test_udp_conforms() -> None:
    """What holds of every source."""
    await check_source(lambda: GraphiteUdp(port=0), feed_udp)


@pytest.mark.parametrize(("make", "feed"), [(GraphiteTcp, feed_tcp), (GraphiteUdp, feed_udp)])
def test_both_conform_on_uvloop(make: type, feed: object) -> None:
    """The loop that the server runs on."""
    uvloop.run(check_source(lambda: make(port=0), feed))  # type: ignore[arg-type]


async def test_lines_cut_anywhere_arrive_whole() -> None:
    """A connection that sends byte by byte, another that sends much; each one's lines in order, now filled in."""
    table, clock = SeriesTable(), ManualClock(77)
    async with GraphiteTcp(port=0, clock=clock) as source:
        slow = asyncio.create_task(send(source, *[bytes([b]) for b in b"slow 1 1\r\nslow 2 -1\nslow 3 3"]))
        fast = asyncio.create_task(send(source, b"".join(b"fast %d %d\n" % (i, i) for i in range(5000))))
        got = samples(await collect(source, table, accepted(5003)), table)
        await asyncio.gather(slow, fast)
    assert [("slow", 1000, 1.0), ("slow", 77, 2.0), ("slow", 3000, 3.0)] == [s for s in got if s[0] == "slow"]
    assert [("fast", i * 1000, float(i)) for i in range(5000)] == [s for s in got if s[0] == "fast"]


async def test_a_line_of_ten_megabytes_costs_nothing() -> None:
    """It is refused once; the lines before and behind it on the same connection are kept."""
    table = SeriesTable()
    async with GraphiteTcp(port=0) as source:
        task = asyncio.create_task(send(source, b"a 1 1\n" + b"x" * 10_000_000 + b" 1 1\na 2 2\n", b"y" * 9000, b"y" * 9000))
        got = await collect(source, table, lambda g: accepted(2)(g) and refused(g).get("too_long") == 2)
        await task
    assert [("a", 1000, 1.0), ("a", 2000, 2.0)] == samples(got, table)
    assert 4 == sum(rows.received for rows in got)


async def test_a_slow_consumer_makes_senders_wait() -> None:
    """Nobody reads for a while: the sender is stopped, the buffer stays bounded, and then every line comes once, in order."""
    table = SeriesTable()
    count = 400_000
    async with GraphiteTcp(port=0) as source:
        task = asyncio.create_task(
            send(
                source,
                b"".join(
                    b"series.%d.with.a.name.too.long.for.the.buffers.of.any.system 1 %d\n" % (i % 10, i) for i in range(count)
                ),
            )
        )
        async with asyncio.timeout(WAIT_SECONDS):
            while not source._state.paused:
                await asyncio.sleep(0.01)
        assert not task.done()
        got = samples(await collect(source, table, accepted(count)), table)
        await task
    assert [i * 1000 for i in range(count)] == [t for _, t, _ in got]


async def test_blank_lines_alone_do_not_stall() -> None:
    """A full buffer of empty lines is forgotten and reading goes on."""
    table = SeriesTable()
    async with GraphiteTcp(port=0) as source:
        task = asyncio.create_task(send(source, b"\n" * 2_000_000 + b"a 1 1\n"))
        got = await collect(source, table, accepted(1))
        await task
    assert [("a", 1000, 1.0)] == samples(got, table)


async def test_a_reset_connection_leaves_whole_lines_only() -> None:
    """An unfinished line is kept when the sender closes, and counted when the connection breaks."""
    table = SeriesTable()
    async with GraphiteTcp(port=0) as source:
        client = await send(source, b"a 1 1\na 2 144", end=False)
        got = await collect(source, table, accepted(1))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        got += await collect(source, table, lambda g: bool(refused(g)))
    assert [("a", 1000, 1.0)] == samples(got, table)
    assert {"unfinished": 1} == refused(got)


async def test_more_connections_than_allowed_are_refused() -> None:
    """Those open go on; one too many is closed and counted."""
    table = SeriesTable()
    async with GraphiteTcp(port=0, max_connections=3) as source:
        clients = [await send(source, b"a %d %d\n" % (i, i), end=False) for i in range(1, 4)]
        got = await collect(source, table, accepted(3))
        late = await send(source, end=False)
        got += await collect(source, table, lambda g: bool(refused(g)))
        loop = asyncio.get_running_loop()
        assert b"" == await asyncio.wait_for(loop.sock_recv(late, 1), WAIT_SECONDS)
        await loop.sock_sendall(clients[0], b"a 9 9\n")
        got += await collect(source, table, accepted(1))
        for client in [*clients, late]:
            client.close()
    assert {"connection_limit": 1} == refused(got)
    assert ("a", 9000, 9.0) == samples(got, table)[-1]


async def test_an_idle_connection_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """When all connections are taken, the one idle longest gives way."""
    monkeypatch.setattr(listener, "_EVICT_AFTER_SECONDS", 0.0)
    table = SeriesTable()
    async with GraphiteTcp(port=0, max_connections=2) as source:
        clients = [await send(source, b"idle 1 1\n", end=False)]
        got = await collect(source, table, accepted(1))
        for i in range(1, 4):
            clients.append(await send(source, b"new %d %d\n" % (i, i), end=False))
            got += await collect(source, table, accepted(1))
        assert 2 == source.connections
        for client in clients:
            client.close()
    assert 4 == len(samples(got, table))
    assert {"evicted": 2} == refused(got)


async def test_an_idle_connection_is_closed() -> None:
    """After the time-out, counted."""
    async with GraphiteTcp(port=0, idle_timeout_seconds=0.1) as source:
        client = await send(source, b"a 1", end=False)
        got = await collect(source, SeriesTable(), lambda g: "unfinished" in refused(g))
        client.close()
    assert {"idle_timeout": 1, "unfinished": 1} == refused(got)


@pytest.fixture
def few_files() -> Iterator[int]:
    """A small limit on open files for the length of a test."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (96, hard))
    yield 96
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("affordable", [True, False])
async def test_fewer_files_than_clients(few_files: int, affordable: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients beyond the open-file limit are refused or wait; those inside go on, and so does the door when they leave."""
    if not affordable:
        monkeypatch.setattr(listener, "affordable", lambda most: most)
    table, loop = SeriesTable(), asyncio.get_running_loop()
    async with GraphiteTcp(port=0) as source:
        inside = await send(source, b"a 1 1\n", end=False)
        got = await collect(source, table, accepted(1))
        crowd = []
        with suppress(OSError):
            for _ in range(few_files):
                crowd.append(await send(source, end=False))  # noqa: PERF401 (those before the error are kept)
        if not affordable:
            got += await collect(source, table, lambda g: "file_limit" in refused(g))
        await loop.sock_sendall(inside, b"a 2 2\n")
        got += await collect(source, table, accepted(1))
        for client in crowd:
            client.close()
        await send(source, b"a 3 3\n")
        got += await collect(source, table, accepted(1))
        inside.close()
    assert [1000, 2000, 3000] == [t for _, t, _ in samples(got, table)]


@pytest.mark.parametrize("make", [GraphiteTcp, GraphiteUdp])
async def test_a_port_in_use_is_said_so(make: type) -> None:
    """With the address, and what to do; so are hosts that do not exist."""
    async with make(port=0) as first:
        port = first.address[1]
        with pytest.raises(CannotListen, match=f"cannot listen on 127.0.0.1:{port}: port in use") as caught:
            await make(port=port).__aenter__()
    assert caught.value.hint
    with pytest.raises(CannotListen, match="no such address"):
        await make(host="192.0.2.1", port=0).__aenter__()
    with pytest.raises(CannotListen, match="no such port"):
        await make(port=70_000).__aenter__()


async def test_udp_drops_and_counts_when_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every line is delivered or counted as overloaded."""
    source = GraphiteUdp(port=0)
    source._state.intake._capacity = 1000
    table = SeriesTable()
    async with source:
        for i in range(10):
            datagram(source, b"".join(b"a %d %d\n" % (j, i * 30 + j) for j in range(30)).rstrip())
        await turns()
        got = await collect(source, table, lambda g: sum(rows.received for rows in g) >= 300)
    assert 300 == len(samples(got, table)) + refused(got)["overloaded"]


async def test_leaving_hands_over_what_came() -> None:
    """`rows` ends by itself when the door was closed, after the lines that were read already."""
    table = SeriesTable()
    async with GraphiteTcp(port=0) as source:
        await send(source, b"a 1 1\n")
        await turns()
    async with asyncio.timeout(WAIT_SECONDS), aclosing(source.rows(table, None)) as stream:  # type: ignore[type-var]
        got = [rows async for rows in stream]
    assert [("a", 1000, 1.0)] == samples(got, table)


def test_the_intake_grows_rather_than_fails() -> None:
    """A sender that is read once more after the buffer is full loses nothing."""
    intake = Intake(lambda data, end, table, now: (decode_lines(data, end, table, now), ()), Lines(100), capacity_bytes=1000)
    table = SeriesTable()
    for i in range(4000):
        line = b"name.of.some.length %d %d\n" % (i, i)
        intake.reserve(b"")[: len(line)] = line
        assert (b"", False) == intake.extend(len(line), False, lambda: None)
    rows = intake.take(table, 0)
    assert rows is not None
    assert list(range(0, 4_000_000, 1000)) == rows.batch.time.tolist()
