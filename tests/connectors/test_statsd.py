"""The StatsD door on loopback: windows end on whole seconds, nothing gathered is lost at the end, real clients are understood."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import aclosing

import pytest
import statsd as client
import uvloop

from awry.connectors.statsd import Statsd
from awry.core.clock import ManualClock
from awry.core.errors import CannotListen, InvalidConfig
from awry.core.series_table import SeriesTable
from awry.core.tick import Rows

from .source_conformance import WAIT_SECONDS, check_rows, check_source, refused, samples
from .test_graphite import turns


def datagram(source: Statsd, *bodies: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for body in bodies:
            sender.sendto(body, source.address)


async def feed(source: Statsd) -> int:
    datagram(source, b"a:1|c\nb:2|g", b"c:3|ms|#x:y\n")
    return 8


async def test_conforms() -> None:
    """What holds of every source."""
    await check_source(lambda: Statsd(port=0, flush_interval_seconds=1), feed)


def test_conforms_on_uvloop() -> None:
    """The loop that the server runs on."""
    uvloop.run(check_source(lambda: Statsd(port=0, flush_interval_seconds=1), feed))


class Reader:
    """Reads a source in a task of its own, on a clock that the test moves."""

    def __init__(self, source: Statsd, clock: ManualClock, table: SeriesTable) -> None:
        self.got: list[Rows] = []
        self._source, self._clock, self._table = source, clock, table
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async with aclosing(self._source.rows(self._table, None)) as stream:  # type: ignore[type-var]
            async for rows in stream:
                check_rows(rows, self._table)
                self.got.append(rows)

    async def until(self, ms: int, true: Callable[[], bool]) -> None:
        """Move the clock and wait for what follows."""
        await turns()
        self._clock.ms = ms
        async with asyncio.timeout(WAIT_SECONDS):
            while not true():
                self._source._state.intake.ready.set()
                await asyncio.sleep(0.001)


async def test_windows_end_on_whole_seconds() -> None:
    """At multiples of the interval; the first one is at least half as long, and rates are by the time that truly passed."""
    table, clock = SeriesTable(), ManualClock(1_003_000)
    async with Statsd(port=0, clock=clock) as source:
        reader = Reader(source, clock, table)
        datagram(source, b"a:14|c")
        await reader.until(1_010_004, lambda: len(reader.got) == 1)
        datagram(source, b"a:5|c")
        await reader.until(1_020_300, lambda: len(reader.got) == 2)
        await reader.until(1_051_000, lambda: len(reader.got) == 3)
        reader.task.cancel()
    assert [("a_rate", 1_010_000, 2.0), ("a_rate", 1_020_000, 0.5), ("a_rate", 1_050_000, 0.0)] == samples(reader.got, table)


async def test_a_first_window_that_would_be_short_is_long() -> None:
    """Less than half an interval after the start nothing ends yet."""
    table, clock = SeriesTable(), ManualClock(1_009_000)
    async with Statsd(port=0, clock=clock) as source:
        reader = Reader(source, clock, table)
        datagram(source, b"a:11|c")
        await reader.until(1_012_000, lambda: True)
        await turns()
        await reader.until(1_020_000, lambda: len(reader.got) == 1)
        reader.task.cancel()
    assert [("a_rate", 1_020_000, 1.0)] == samples(reader.got, table)


async def test_what_was_gathered_is_sent_at_the_end() -> None:
    """`finish` ends the window early, and then `rows` ends; the rate is that of the seconds there were."""
    table, clock = SeriesTable(), ManualClock(1_000_000)
    async with Statsd(port=0, clock=clock) as source:
        reader = Reader(source, clock, table)
        datagram(source, b"a:8|c\nnonsense")
        await turns()
        clock.ms = 1_004_700
        await source.finish()
        async with asyncio.timeout(WAIT_SECONDS):
            await reader.task
    assert [("a_rate", 1_004_000, 2.0)] == samples(reader.got, table)
    assert {"malformed": 1} == refused(reader.got)
    assert 2 == sum(rows.received for rows in reader.got)


async def test_a_clock_set_back() -> None:
    """Windows go on by the new time."""
    table, clock = SeriesTable(), ManualClock(9_000_000)
    async with Statsd(port=0, clock=clock) as source:
        reader = Reader(source, clock, table)
        await reader.until(5_003_000, lambda: True)
        await turns()
        datagram(source, b"a:7|c")
        await reader.until(5_010_000, lambda: len(reader.got) == 1)
        reader.task.cancel()
    assert [("a_rate", 5_010_000, 1.0)] == samples(reader.got, table)


async def test_a_slow_consumer_has_lines_dropped() -> None:
    """Each is gathered or counted as overloaded."""
    table, clock = SeriesTable(), ManualClock(1_000_000)
    source = Statsd(port=0, clock=clock)
    source._state.intake._capacity = 500
    async with source:
        for _ in range(20):
            datagram(source, b"a:1|c\n" * 30)
        await turns()
        reader = Reader(source, clock, table)
        await reader.until(1_010_000, lambda: len(reader.got) == 1)
        reader.task.cancel()
    [(_, _, rate)] = samples(reader.got, table)
    assert 600 == round(rate * 10) + refused(reader.got)["overloaded"]
    assert refused(reader.got)["overloaded"] > 0


async def test_the_client_of_pypi() -> None:
    """Package statsd: counters, sampled ones, gauges with deltas, timers, sets, and a pipeline of many in one datagram."""
    table, clock = SeriesTable(), ManualClock(1_000_000)
    async with Statsd(port=0, clock=clock) as source:
        reader = Reader(source, clock, table)
        sender = client.StatsClient(*source.address, prefix="shop")
        sender.incr("orders", 5)
        sender.decr("orders", 1)
        sender.gauge("stock", 10)
        sender.gauge("stock", -3, delta=True)
        sender.timing("checkout", 320)
        sender.set("visitors", "ann")
        with sender.pipeline() as pipe:
            for i in range(100):
                pipe.incr("clicks", 1)
                pipe.set("visitors", f"user {i}")
        sender.close()
        await reader.until(1_010_000, lambda: len(reader.got) == 1)
        reader.task.cancel()
    found = {key: value for key, _, value in samples(reader.got, table)}
    assert {
        "shop.orders_rate": 0.4,
        "shop.stock": 7.0,
        "shop.clicks_rate": 10.0,
        "shop.visitors_unique": 101.0,
    }.items() <= found.items()
    assert (320.0, 0.1) == (found["shop.checkout_p50"], found["shop.checkout_rate"])
    assert {} == refused(reader.got)


async def test_the_client_of_datadog() -> None:
    """Package datadog: tags, histograms and distributions, buffered metrics; its events and service checks are passed over."""
    from datadog.dogstatsd import DogStatsd

    table, clock = SeriesTable(), ManualClock(1_000_000)
    async with Statsd(port=0, clock=clock) as source:
        reader = Reader(source, clock, table)
        host, port = source.address
        sender = DogStatsd(host=host, port=port, constant_tags=["env:prod"], disable_telemetry=True, disable_background_sender=True)
        sender.increment("requests", 20, tags=["route:/a", "canary"])
        sender.gauge("queue", 3.5)
        sender.histogram("size", 10)
        sender.distribution("size", 30)
        sender.set("users", "ann")
        sender.event("deployed", "all of it")
        sender.service_check("db", 0)
        sender.flush()
        await reader.until(1_010_000, lambda: len(reader.got) == 1)
        reader.task.cancel()
        sender.close_socket()
    found = {key: value for key, _, value in samples(reader.got, table)}
    assert 2.0 == found['requests_rate{canary="true",env="prod",route="/a"}']
    assert 3.5 == found['queue{env="prod"}']
    assert (20.0, 30.0) == (found['size_mean{env="prod"}'], found['size_max{env="prod"}'])
    assert 1.0 == found['users_unique{env="prod"}']
    assert {"event": 1, "service_check": 1} == refused(reader.got)


async def test_a_port_in_use_is_said_so() -> None:
    """As every listener does; and options that make no sense."""
    async with Statsd(port=0) as first:
        with pytest.raises(CannotListen, match=f"cannot listen on 127.0.0.1:{first.address[1]}: port in use"):
            await Statsd(port=first.address[1]).__aenter__()
    with pytest.raises(InvalidConfig, match="less than a second"):
        Statsd(flush_interval_seconds=0)
