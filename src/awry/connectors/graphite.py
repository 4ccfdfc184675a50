"""Graphite plaintext over TCP and UDP: the doors of carbon, for everything that already writes to it."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from typing import Self

import numpy as np
from numpy.typing import NDArray

from awry.connectors.intake import Intake, Lines
from awry.connectors.listener import TcpListener, UdpListener
from awry.connectors.sockets import listen
from awry.core.clock import Clock, SystemClock
from awry.core.series_table import NEW_AT_ONCE, SeriesTable
from awry.core.tick import Rows
from awry.formats.decoded import Decoded
from awry.formats.graphite import LINE_BYTES, decode_lines


@dataclass(frozen=True, eq=False)
class GraphiteTcp:
    """Listens for plaintext lines on TCP. A slow consumer makes senders wait; what is stored of a connection is a gapless prefix.

    Over `max_connections` (or half the open files) the connection idle longest makes room if it was idle for ten seconds,
    otherwise the new one is closed; both are counted, as "evicted" and "connection_limit".
    """

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for every network."""
    port: int = 2003
    """Port to listen on; 0 lets the system choose."""
    max_connections: int = 1000
    """Most connections at once."""
    idle_timeout_seconds: float = 600.0
    """A connection that sends nothing for so long is closed."""
    line_bytes: int = LINE_BYTES
    """Longest line; a longer one is refused and skipped."""
    name: str = "graphite_tcp"
    """Name in counters."""
    clock: Clock = field(default_factory=SystemClock, repr=False)
    """Tells the time of lines sent with time -1."""
    _state: TcpListener = field(init=False, repr=False)

    def __post_init__(self) -> None:
        intake = Intake(partial(_lines, self.line_bytes), Lines(self.line_bytes))
        object.__setattr__(self, "_state", TcpListener(intake, self.max_connections, self.idle_timeout_seconds))

    @property
    def address(self) -> tuple[str, int]:
        """Host and port listened on, after entering."""
        return self._state.address

    @property
    def connections(self) -> int:
        """Connections open now."""
        return len(self._state.open)

    async def __aenter__(self) -> Self:
        self._state.start(listen(self.host, self.port, socket.SOCK_STREAM))
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._state.stop()

    async def finish(self) -> None:
        """Take nothing more in: `rows` hands over what came, then ends."""
        await self._state.stop()

    async def rows(self, series: SeriesTable, resume: bytes | None) -> AsyncIterator[Rows]:
        """What arrived from all connections since the last time round, each one's lines in order; `resume` means nothing here."""
        async for rows in self._state.intake.rows(series, self.clock):
            yield rows

    async def commit(self, position: bytes) -> None:
        """Nothing to do: the protocol has no acknowledgement."""


@dataclass(frozen=True, eq=False)
class GraphiteUdp:
    """Listens for datagrams of plaintext lines. When the consumer is slow, lines are dropped and counted as "overloaded"."""

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for every network."""
    port: int = 2003
    """Port to listen on; 0 lets the system choose."""
    line_bytes: int = LINE_BYTES
    """Longest line; a longer one is refused."""
    name: str = "graphite_udp"
    """Name in counters."""
    clock: Clock = field(default_factory=SystemClock, repr=False)
    """Tells the time of lines sent with time -1."""
    _state: UdpListener = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_state", UdpListener(Intake(partial(_lines, self.line_bytes), Lines(self.line_bytes))))

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
        """Take nothing more in: `rows` hands over what came, then ends."""
        self._state.stop()

    async def rows(self, series: SeriesTable, resume: bytes | None) -> AsyncIterator[Rows]:
        """What arrived since the last time round; `resume` means nothing here."""
        async for rows in self._state.intake.rows(series, self.clock):
            yield rows

    async def commit(self, position: bytes) -> None:
        """Nothing to do: the protocol has no acknowledgement."""


def _lines(line_bytes: int, data: NDArray[np.uint8], end: int, table: SeriesTable, now_ms: int) -> tuple[Decoded, tuple[()]]:
    return decode_lines(data, end, table, now_ms, line_bytes=line_bytes, most_new=NEW_AT_ONCE), ()
