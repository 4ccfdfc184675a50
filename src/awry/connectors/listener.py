"""What listens behind the doors on plain sockets: connections and datagrams of many senders into one bounded intake."""

from __future__ import annotations

import asyncio
import socket
from typing import cast

from awry.connectors.intake import READ_BYTES, Intake
from awry.connectors.sockets import EXHAUSTED, address_of, affordable

_EVICT_AFTER_SECONDS = 10.0
_ACCEPT_PAUSE_SECONDS = 0.2
_DATAGRAMS_A_TURN = 64
_UDP_SOCKET_BYTES = 4_194_304


class TcpListener:
    """The listening socket, the task that accepts, and the open connections; their bytes go into one intake."""

    def __init__(self, intake: Intake, max_connections: int, idle_seconds: float) -> None:
        self.intake = intake
        intake.on_room = self.resume
        self.open: dict[_Connection, None] = {}
        self.address = ("", 0)
        self._most = max_connections
        self._idle_seconds = idle_seconds
        self._socket: socket.socket | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._paused = False

    def start(self, opened: socket.socket) -> None:
        """Accept connections from now on."""
        self._socket, self.address = opened, address_of(opened)
        self.intake.open()
        self._tasks = [asyncio.create_task(self._accept(opened)), asyncio.create_task(self._sweep())]

    async def stop(self) -> None:
        """Close everything; what arrived whole stays in the intake."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        for connection in list(self.open):
            connection.close()
        self.intake.close()

    def pause(self) -> None:
        """Stop reading from everyone: the consumer is behind."""
        if not self._paused:
            self._paused = True
            for connection in self.open:
                connection.pause()

    def resume(self) -> None:
        """Read on."""
        if self._paused and not self.intake.full:
            self._paused = False
            for connection in self.open:
                connection.resume()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, _ = await loop.sock_accept(listening)
            except OSError as error:
                if error.errno in EXHAUSTED:
                    self.intake.refuse("file_limit")
                    await asyncio.sleep(_ACCEPT_PAUSE_SECONDS)
                continue
            if len(self.open) >= affordable(self._most) and not self._evict(loop.time()):
                self.intake.refuse("connection_limit")
                accepted.close()
                continue
            try:
                accepted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                await loop.connect_accepted_socket(lambda: _Connection(self), accepted)
            except OSError:
                self.intake.refuse("connection_failed")
                accepted.close()

    def _evict(self, now: float) -> bool:
        idlest = min(self.open, key=lambda c: c.last)
        if self._paused or now - idlest.last < _EVICT_AFTER_SECONDS:
            return False
        self.intake.refuse("evicted")
        idlest.close()
        return True

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(self._idle_seconds / 4, 30.0))
            if self._paused:
                continue
            for connection in [c for c in self.open if loop.time() - c.last > self._idle_seconds]:
                self.intake.refuse("idle_timeout")
                connection.close()

    @property
    def paused(self) -> bool:
        """Whether nobody is read for now."""
        return self._paused

    @property
    def stopped(self) -> bool:
        """Whether the door is closed."""
        return self._socket is None


class _Connection(asyncio.BufferedProtocol):
    """One sender: its unfinished line or frame, and since when it has been quiet."""

    def __init__(self, state: TcpListener) -> None:
        self.last = asyncio.get_running_loop().time()
        self._state = state
        self._tail = b""
        self._skipping = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        if self._state.stopped:  # left while this one was being accepted
            self._transport.abort()
            return
        self._state.open[self] = None
        if self._state.paused:
            self.pause()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._state.intake.reserve(self._tail)

    def buffer_updated(self, nbytes: int) -> None:
        self.last = asyncio.get_running_loop().time()
        intake = self._state.intake
        self._tail, self._skipping = intake.extend(len(self._tail) + nbytes, self._skipping, self.close)
        if self._skipping and not intake.unit.resyncs:
            self.close()
        if intake.full:
            self._state.pause()

    def eof_received(self) -> bool:
        if self._tail and self._state.intake.unit.resyncs:
            self._state.intake.finish(self._tail)
            self._tail = b""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._state.open.pop(self, None)
        if self._tail:
            self._state.intake.refuse("unfinished", 1)
            self._tail = b""

    def close(self) -> None:
        """Forget the connection now; a line without its end is not kept. May be called twice."""
        self._state.open.pop(self, None)
        if self._transport is not None:
            self._transport.abort()

    def pause(self) -> None:
        """Stop reading."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on; the wait was not the sender's."""
        self.last = asyncio.get_running_loop().time()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()


class UdpListener:
    """The socket of datagrams with lines, and what reads it; what does not fit into the intake is dropped and counted."""

    def __init__(self, intake: Intake) -> None:
        self.intake = intake
        self.address = ("", 0)
        self._socket: socket.socket | None = None
        self._spill = bytearray(READ_BYTES)

    def start(self, opened: socket.socket) -> None:
        """Read datagrams from now on."""
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _UDP_SOCKET_BYTES)
        self._socket, self.address = opened, address_of(opened)
        self.intake.open()
        asyncio.get_running_loop().add_reader(opened.fileno(), self._drain, opened)

    def stop(self) -> None:
        """Close the socket; what arrived stays in the intake."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None
        self.intake.close()

    def _drain(self, opened: socket.socket) -> None:
        """Read the datagrams that wait, a bounded number a turn."""
        for _ in range(_DATAGRAMS_A_TURN):
            full = self.intake.full
            try:
                size = opened.recv_into(self._spill if full else self.intake.reserve(b""))
            except BlockingIOError:
                return
            except OSError:
                self.intake.refuse("socket_error")
                return
            if full:
                feeds = self._spill.count(b"\n", 0, size)
                self.intake.refuse("overloaded", feeds + (size > 0 and self._spill[size - 1] != 10))
            else:
                self.intake.append(size)
