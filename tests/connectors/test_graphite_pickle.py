"""The pickle door on loopback: frames cut anywhere arrive whole, a broken one closes its connection and nobody else's."""

from __future__ import annotations

import asyncio
import pickle
import struct

import pytest
import uvloop

from awry.connectors.graphite_pickle import GraphitePickle
from awry.core.clock import ManualClock
from awry.core.errors import CannotListen
from awry.core.series_table import SeriesTable
from tests.naive_pickle import frame

from .source_conformance import WAIT_SECONDS, accepted, check_source, collect, refused, samples
from .test_graphite import send


def points(name: str, first: int, last: int, protocol: int = 2) -> bytes:
    """A frame of one path's datapoints, value and time the same."""
    return frame(pickle.dumps([(name, (i, float(i))) for i in range(first, last)], protocol))


async def feed(source: GraphitePickle) -> int:
    await send(source, points("a", 0, 3)[:9], points("a", 0, 3)[9:], points("b", 0, 2, 0))
    return 5


async def test_conforms() -> None:
    """What holds of every source."""
    await check_source(lambda: GraphitePickle(port=0), feed)


def test_conforms_on_uvloop() -> None:
    """The loop that the server runs on."""
    uvloop.run(check_source(lambda: GraphitePickle(port=0), feed))


async def test_frames_cut_at_every_byte() -> None:
    """A connection that sends byte by byte beside one that sends much: each one's datapoints in order, now filled in."""
    table, clock = SeriesTable(), ManualClock(77)
    stream = points("slow", 1, 3) + frame(pickle.dumps([("slow", (-1, 9.0))], 4)) + points("slow", 5, 6, 0)
    async with GraphitePickle(port=0, clock=clock) as source:
        slow = asyncio.create_task(send(source, *[bytes([b]) for b in stream]))
        fast = asyncio.create_task(send(source, *[points("fast", i, i + 500) for i in range(0, 20_000, 500)]))
        got = samples(await collect(source, table, accepted(20_004)), table)
        await asyncio.gather(slow, fast)
    assert [("slow", 1000, 1.0), ("slow", 2000, 2.0), ("slow", 77, 9.0), ("slow", 5000, 5.0)] == [s for s in got if s[0] == "slow"]
    assert [i * 1000 for i in range(20_000)] == [t for name, t, _ in got if name == "fast"]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (frame(b"cos\nsystem\n."), "malformed_frame"),
        (struct.pack(">I", 1_048_577) + b"x" * 100, "too_long"),
        (b"a 1 1\n" * 9, "too_long"),
    ],
)
async def test_a_broken_frame_closes_its_connection(bad: bytes, reason: str) -> None:
    """It is counted; what came whole before it is kept, and another connection goes on."""
    table, loop = SeriesTable(), asyncio.get_running_loop()
    async with GraphitePickle(port=0) as source:
        good = await send(source, points("good", 1, 2), end=False)
        broken = await send(source, points("first", 1, 2), bad, end=False)
        got = await collect(source, table, lambda g: accepted(2)(g) and bool(refused(g)))
        answer = b"?"
        try:
            answer = await asyncio.wait_for(loop.sock_recv(broken, 1), WAIT_SECONDS)
        except ConnectionError:
            answer = b""
        await loop.sock_sendall(good, points("good", 2, 3))
        got += await collect(source, table, accepted(1))
        assert 1 == source.connections
        for client in (good, broken):
            client.close()
    assert b"" == answer
    assert 1 == refused(got)[reason]
    assert {("first", 1000, 1.0), ("good", 1000, 1.0), ("good", 2000, 2.0)} == set(samples(got, table))


async def test_an_unfinished_frame_is_counted() -> None:
    """A sender that leaves within one, politely or not, has it refused."""
    table = SeriesTable()
    async with GraphitePickle(port=0) as source:
        await send(source, points("a", 1, 2) + points("a", 2, 3)[:-1])
        got = await collect(source, table, lambda g: accepted(1)(g) and "unfinished" in refused(g))
    assert ([("a", 1000, 1.0)], {"unfinished": 1}) == (samples(got, table), refused(got))


async def test_a_slow_consumer_makes_senders_wait() -> None:
    """Nobody reads for a while: the sender is stopped, and then every datapoint comes once, in order."""
    table, count = SeriesTable(), 400_000
    body = b"".join(points("series.with.a.long.name.that.fills.buffers", i, i + 500) for i in range(0, count, 500))
    async with GraphitePickle(port=0) as source:
        task = asyncio.create_task(send(source, body))
        async with asyncio.timeout(WAIT_SECONDS):
            while not source._state.paused:
                await asyncio.sleep(0.01)
        assert not task.done()
        got = samples(await collect(source, table, accepted(count)), table)
        await task
    assert [i * 1000 for i in range(count)] == [t for _, t, _ in got]


async def test_a_port_in_use_is_said_so() -> None:
    """As every listener does."""
    async with GraphitePickle(port=0) as first:
        with pytest.raises(CannotListen, match=f"cannot listen on 127.0.0.1:{first.address[1]}: port in use"):
            await GraphitePickle(port=first.address[1]).__aenter__()
