"""uvicorn in this process, on a socket bound beforehand; a client that is slow to send its request line or headers is let go."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from awry.connectors.sockets import affordable, listen
from awry.server.settings import LimitSection, parse_address

GRACE_SECONDS = 3
"""Time that requests in progress get when the server stops."""
KEEP_ALIVE_SECONDS = 30


class Server(uvicorn.Server):
    """Leaves signals alone: `run.serve` handles them."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def open_socket(address: str) -> socket.socket:
    """The listening socket of an address. Raises CannotListen."""
    return listen(*parse_address(address), socket.SOCK_STREAM)


def make_server(asgi: ASGIApp, limits: LimitSection, open_files: int) -> Server:
    """The server of an application, not yet running: `await server.serve(sockets=[…])`."""
    most = limits.connections or min(4096, max(16, affordable(open_files) // 2))
    return Server(
        uvicorn.Config(
            asgi,
            http=_protocol(limits.body_timeout_ms / 1000, most),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )


def _protocol(header_seconds: float, most_connections: int) -> type[HttpToolsProtocol]:
    """uvicorn's protocol with a limit on connections and on the time until the headers of a request are there."""

    class Protocol(HttpToolsProtocol):
        _waiting: asyncio.TimerHandle | None = None
        _since = 0.0

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if len(self.connections) > most_connections:
                self._make_room()
            self._wait()

        def data_received(self, data: bytes) -> None:
            if self._waiting is None and (self.cycle is None or self.cycle.response_complete):
                self._wait()
            super().data_received(data)

        def on_headers_complete(self) -> None:
            self._done_waiting()
            super().on_headers_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._done_waiting()
            super().connection_lost(exc)

        def _wait(self) -> None:
            self._since = self.loop.time()
            self._waiting = self.loop.call_later(header_seconds, self._let_go)

        def _done_waiting(self) -> None:
            if self._waiting is not None:
                self._waiting.cancel()
                self._waiting = None

        def _let_go(self) -> None:
            self._waiting = None
            if not self.transport.is_closing():
                self.transport.abort()

        def _make_room(self) -> None:
            """Close the connection that has been silent longest; when all are busy, the new one."""
            silent = [c for c in self.connections if isinstance(c, Protocol) and c is not self and c._idle()]
            chosen = min(silent, key=lambda c: c._since, default=self)
            chosen.transport.abort()

        def _idle(self) -> bool:
            return self._waiting is not None or self.cycle is None or self.cycle.response_complete

    return Protocol
