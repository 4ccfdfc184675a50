"""Graphite's pickle protocol on TCP: the door of carbon for carbon-relay, carbonate and diamond, read without Python's `pickle`."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Self

from awry.connectors.intake import Frames, Intake
from awry.connectors.listener import TcpListener
from awry.connectors.sockets import listen
from awry.core.clock import Clock, SystemClock
from awry.core.series_table import SeriesTable
from awry.core.tick import Rows
from awry.formats.pickle_rows import FRAME_BYTES, decode_frames


@dataclass(frozen=True, eq=False)
class GraphitePickle:
    """Listens for pickled datapoints on TCP. A slow consumer makes senders wait.

    Only the opcodes of numbers, texts, tuples and lists are known, in protocols 0 to 5. A frame that is too long or no such
    pickle closes its connection and is counted, as "too_long" or "malformed_frame"; whole frames that came with it are kept.
    """

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for every network."""
    port: int = 2004
    """Port to listen on; 0 lets the system choose."""
    max_connections: int = 100
    """Most connections at once; each may hold one unfinished frame in memory."""
    idle_timeout_seconds: float = 600.0
    """A connection that sends nothing for so long is closed."""
    frame_bytes: int = FRAME_BYTES
    """Longest pickle; a longer one closes the connection."""
    name: str = "graphite_pickle"
    """Name in counters."""
    clock: Clock = field(default_factory=SystemClock, repr=False)
    """Tells the time of datapoints sent with time -1."""
    _state: TcpListener = field(init=False, repr=False)

    def __post_init__(self) -> None:
        intake = Intake(decode_frames, Frames(self.frame_bytes))
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
        """What arrived from all connections since the last time round, each one's frames in order; `resume` means nothing here."""
        async for rows in self._state.intake.rows(series, self.clock):
            yield rows

    async def commit(self, position: bytes) -> None:
        """Nothing to do: the protocol has no acknowledgement."""
