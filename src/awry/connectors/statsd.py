"""StatsD and DogStatsD over UDP: counters, gauges, timers and sets of applications, gathered and handed over on whole seconds."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from awry.connectors.intake import Intake, Lines
from awry.connectors.listener import UdpListener
from awry.connectors.sockets import listen
from awry.core.clock import Clock, SystemClock
from awry.core.errors import InvalidConfig
from awry.core.series_table import SeriesTable
from awry.core.tick import Rows
from awry.formats.statsd import LINE_BYTES, MAX_METRICS, StatsdWindow


@dataclass(frozen=True, eq=False)
class Statsd:
    """Listens for StatsD lines and sends what they amounted to on every whole multiple of the flush interval.

    When the consumer is slow, lines are dropped and counted as "overloaded". `received` counts the samples made and the lines
    refused. What was gathered when the server stops is sent then.
    """

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for every network."""
    port: int = 8125
    """Port to listen on; 0 lets the system choose."""
    flush_interval_seconds: int = 10
    """Metrics are gathered for so long, then become samples."""
    max_metrics: int = MAX_METRICS
    """Most names with tags gathered at a time; lines of further ones are refused."""
    line_bytes: int = LINE_BYTES
    """Longest line; a longer one is refused."""
    name: str = "statsd"
    """Name in counters."""
    clock: Clock = field(default_factory=SystemClock, repr=False)
    """Tells when a window ends."""
    _state: UdpListener = field(init=False, repr=False)
    _window: StatsdWindow = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.flush_interval_seconds < 1 or self.max_metrics < 1:
            raise InvalidConfig("cannot gather for less than a second, or less than one metric")
        window = StatsdWindow(most=self.max_metrics, line_bytes=self.line_bytes)
        object.__setattr__(self, "_window", window)
        object.__setattr__(self, "_state", UdpListener(Intake(window.gather, Lines(self.line_bytes))))

    @property
    def address(self) -> tuple[str, int]:
        """Host and port listened on, after entering."""
        return self._state.address

    async def __aenter__(self) -> Self:
        self._state.start(listen(self.host, self.port, socket.SOCK_DGRAM))
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._state.stop()

    async def finish(self) -> None:
        """Take nothing more in: `rows` hands over what was gathered, then ends."""
        self._state.stop()

    async def rows(self, series: SeriesTable, resume: bytes | None) -> AsyncIterator[Rows]:
        """One batch per window, stamped with the whole second at its end; `resume` means nothing here."""
        intake, window, width = self._state.intake, self._window, self.flush_interval_seconds * 1000
        refused: Counter[str] = Counter()
        last = self.clock.now_ms()
        due = _after(last + width // 2, width)
        while True:
            now = self.clock.now_ms()
            if not intake.closed and now < due:
                with suppress(TimeoutError):
                    async with asyncio.timeout((due - now) / 1000):
                        await intake.ready.wait()
            taken = intake.take(series, now)
            if taken is not None:
                refused.update(taken.refused)
            now = self.clock.now_ms()
            if now < due - 2 * width:  # the clock was set back
                last, due = now, _after(now, width)
            if now < due and not intake.closed:
                continue
            stamp = max(now // 1000 * 1000, last + 1) if intake.closed and now < due else now - now % width
            out = await asyncio.to_thread(window.settle, max(stamp - last, 1000) / 1000, self.flush_interval_seconds)
            batch = window.batch(out, series, stamp, refused)
            window.forget(self.flush_interval_seconds)
            closed, last, due = intake.closed, stamp, _after(now, width)
            if len(batch) or refused:
                yield Rows(batch, received=len(batch) + refused.total(), refused=dict(refused))
                refused.clear()
            if closed:
                return

    async def commit(self, position: bytes) -> None:
        """Nothing to do: the protocol has no acknowledgement."""


def _after(now_ms: int, width: int) -> int:
    """The first whole multiple of `width` after a time."""
    return now_ms - now_ms % width + width
