"""Runs the app and its HTTP server in this process until SIGTERM or SIGINT; what `awry serve` calls."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.types import ASGIApp

from awry.server.app import App, AppOptions
from awry.server.config import Config
from awry.server.http import Server, make_server, open_socket
from awry.server.otlp import OtlpListener
from awry.server.wiring import raise_open_files

log = logging.getLogger("awry.server")


@dataclass(frozen=True, slots=True)
class Running:
    """A started server: where it listens, and how to end it."""

    app: App
    url: str
    graphite: tuple[str, int] | None
    otlp: str
    """URL of the OTLP listener over HTTP; "" when it is off."""
    stop: Callable[[], None]
    """Ask it to end; the context it came from then does, within ten seconds."""

    @property
    def banner(self) -> str:
        """The line that says where to find it."""
        graphite = f" graphite {self.graphite[0]}:{self.graphite[1]}" if self.graphite else ""
        otlp = f" otlp {self.otlp}" if self.otlp else ""
        return f"awry: serving {self.url}{graphite}{otlp}"


@asynccontextmanager
async def running(config: Config, options: AppOptions | None = None) -> AsyncIterator[Running]:
    """A whole server with its HTTP socket, for as long as the block lasts.

    Raises CannotListen, StoreInUse, StoreCorrupt, StoreTooNew, StoreUnavailable, StoreError or InvalidConfig.
    """
    with contextlib.ExitStack() as sockets:
        opened = [sockets.enter_context(open_socket(config.server.http))]
        if config.server.otlp_http != "off":
            opened.append(sockets.enter_context(open_socket(config.server.otlp_http)))
        open_files = raise_open_files()
        async with App(config, options) as app:
            asgi: ASGIApp = app.asgi
            if opened[1:]:
                asgi = OtlpListener(asgi, opened[1].getsockname()[1])
            server = make_server(asgi, config.limits, open_files)
            # A task of its own: leaving the block stops the doors (sources, then HTTP) before the engine.
            task = asyncio.create_task(_serve(server, opened), name="http")
            try:
                while not server.started and not task.done():
                    await asyncio.sleep(0.005)
                otlp = _url(opened[1]) if opened[1:] else ""
                yield Running(app, _url(opened[0]), _graphite(app), otlp, lambda: _stop(app, server))
            finally:
                _stop(app, server)
                await app.stop_sources()
                await task


async def serve_until_signal(
    config: Config, options: AppOptions | None = None, ready: Callable[[Running], None] | None = None
) -> None:
    """Serve; SIGTERM and SIGINT stop sources, commit, save a checkpoint, and return within ten seconds."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        async with running(config, options) as server:
            sys.stdout.write(server.banner + "\n")
            sys.stdout.flush()
            if ready is not None:
                ready(server)
            await stop.wait()
            log.info("stopping: committing what was taken in")
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def serve(
    config: Config,
    *,
    demo: bool = False,
    prepare: Callable[[], None] | None = None,
    ready: Callable[[Running], None] | None = None,
) -> int:
    """`awry serve`: returns the exit status; errors of the start are AwryError. `prepare`: see AppOptions."""
    logging.basicConfig(
        level=config.server.log.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    for client in ("httpx", "httpcore", "urllib3"):  # they write addresses, hence tokens of webhooks, at every other level
        logging.getLogger(client).setLevel(logging.ERROR)
    # uvloop where it is installed: half the time per connection.
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(serve_until_signal(config, AppOptions(demo=demo, prepare=prepare), ready))
    return 0


async def _serve(server: Server, opened: list[socket.socket]) -> None:
    await server.serve(sockets=opened)


def _stop(app: App, server: Server) -> None:
    app.stopping.set()
    server.should_exit = True


def _url(opened: socket.socket) -> str:
    host, port = opened.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{host}:{port}"


def _graphite(app: App) -> tuple[str, int] | None:
    for source in app.sources:
        if source.name == "graphite_tcp":
            address: tuple[str, int] = getattr(source, "address", ("", 0))
            return address
    return None


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
