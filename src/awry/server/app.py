"""The whole server put together: opens everything in order, closes it in reverse, the sources first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from awry.core.clock import Clock, SystemClock
from awry.core.errors import AwryError, InvalidConfig
from awry.core.incident import Change
from awry.core.protocols import Archive, Judge, Notifier, Source
from awry.core.series_table import SeriesLimits, SeriesTable
from awry.engine.engine import Engine
from awry.formats.otlp import OtlpDecoder
from awry.server import problems, wiring
from awry.server.api import HTTP_SOURCES, api_routes
from awry.server.auth import Auth
from awry.server.config import Config
from awry.server.dispatch import Dispatcher
from awry.server.gate import Gate
from awry.server.otlp_grpc import OtlpGrpc
from awry.server.pages import routes as page_routes
from awry.server.pumps import Pump
from awry.server.settings import HostSection, ServerSection
from awry.stores.sql import SqlStore

T = TypeVar("T")
READERS = 4
"""Requests that read the database at a time; further ones wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppOptions:
    """What only code can choose: tests give a clock, a judge or sources of their own."""

    clock: Clock = field(default_factory=SystemClock)
    judge: Callable[[], Judge] | None = None
    """In place of the Router that the configuration asks for."""
    sources: Sequence[Source] = ()
    """Further sources, beside the configured ones."""
    notifiers: dict[str, Notifier] = field(default_factory=dict)
    """Further notifiers by name."""
    demo: bool = False
    """Play the demo recordings."""
    prepare: Callable[[], None] | None = None
    """Run once the data folder is ours and before anything computes: long work that a bad folder should not cost."""


def private_config(folder: Path, **sections: Any) -> Config:
    """Settings for tests: everything below `folder`, free ports, this machine not watched; `sections` replace those."""
    server = ServerSection(
        data=str(folder), http="127.0.0.1:0", graphite="127.0.0.1:0", otlp_http="127.0.0.1:0", graphite_pickle="off", statsd="off"
    )
    return Config(**{"server": server, "host": HostSection(enabled=False), **sections})


class App:
    """Entering starts the server but for its HTTP socket (`asgi` answers requests); leaving commits everything and stops.

    Order: store, engine (recovers), notifiers, dispatcher, sources; left in reverse.
    """

    def __init__(self, config: Config, options: AppOptions | None = None) -> None:
        self.config, self.options = config, options or AppOptions()
        self.version = version("awry")
        self.clock = self.options.clock
        self.started = 0
        """Unix ms at which everything was entered; 0 before."""
        self.table = SeriesTable(
            SeriesLimits(config.limits.series, config.limits.new_series_per_minute, config.engine.future_tolerance_ms), self.clock,
            config.placement,
        )  # fmt: skip
        self.otlp = OtlpDecoder(resource_attributes=config.otlp.resource_attributes, quantiles=config.otlp.quantiles)
        self.otlp_grpc: OtlpGrpc | None = None
        self.auth = Auth(config.auth, self.clock)
        self.judge: Judge = self.options.judge() if self.options.judge else wiring.build_judge(config)
        self.engine: Engine
        self.store: SqlStore
        self.archive: Archive
        self.dispatcher: Dispatcher
        self.pumps: list[Pump] = []
        self.stopping = asyncio.Event()
        """Set when the server begins to stop: long answers end themselves."""
        self._pool = ThreadPoolExecutor(READERS, "awry-reader")
        self._stack = AsyncExitStack()
        routes = [*api_routes(self), *page_routes(self)]
        handlers: dict[Any, Any] = {
            AwryError: problems.on_awry_error,
            HTTPException: problems.on_http_error,
            Exception: problems.on_defect,
        }
        self.asgi = Gate(Starlette(routes=routes, exception_handlers=handlers), self.auth, config.server)

    @property
    def sources(self) -> list[Source]:
        """The running sources."""
        return [pump.source for pump in self.pumps]

    @property
    def ready(self) -> bool:
        """Whether everything runs."""
        return self.started > 0 and not self.stopping.is_set()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            stack.callback(self._pool.shutdown, wait=False, cancel_futures=True)
            self.store = await wiring.open_configured_store(self.config)
            stack.push_async_callback(asyncio.to_thread, self.store.close)
            self.archive = self.store
            if self.options.prepare is not None:
                await asyncio.to_thread(self.options.prepare)
            self.engine = Engine(
                judge=self.judge,
                store=self.store,
                table=self.table,
                clock=self.clock,
                settings=wiring.engine_settings(self.config),
                rules=wiring.configured_rules(self.config),
            )
            await stack.enter_async_context(self.engine)
            notifiers = {**wiring.build_notifiers(self.config), **self.options.notifiers}
            for notifier in notifiers.values():
                await stack.enter_async_context(notifier)
            self.dispatcher = Dispatcher(stream=self.engine, read=self._changes, notifiers=notifiers, clock=self.clock)
            await stack.enter_async_context(self.dispatcher)
            stack.push_async_callback(self.stop_sources)
            await self._start_sources()
            if self.config.server.otlp_grpc != "off":
                self.otlp_grpc = await stack.enter_async_context(OtlpGrpc(self, self.config.server.otlp_grpc))
            self._stack = stack.pop_all()
        self.started = self.clock.now_ms()
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.stopping.set()
        await self._stack.aclose()

    async def stop_sources(self) -> None:
        """Stop listening and asking for samples; may be called twice."""
        await asyncio.gather(*(pump.stop() for pump in self.pumps))

    async def read(self, fn: Callable[..., T], *args: Any) -> T:
        """Run something that reads the database in a thread of a small pool."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, fn, *args)

    async def _start_sources(self) -> None:
        tcp = wiring.graphite_tcp(self.config, self.clock)
        if tcp is not None:
            await self._start(tcp)
            await self._start(wiring.graphite_udp(tcp, self.clock))
        for listener in (wiring.graphite_pickle(self.config, self.clock), wiring.statsd(self.config, self.clock)):
            if listener is not None:
                await self._start(listener)
        for source in [*wiring.build_sources(self.config, self.clock, demo=self.options.demo), *self.options.sources]:
            await self._start(source)

    async def _start(self, source: Source) -> None:
        if source.name in {pump.source.name for pump in self.pumps} | set(HTTP_SOURCES):
            raise InvalidConfig(f"cannot have two sources named {source.name!r}", hint="rename one: [source.NAME]")
        pump = Pump(source, self.engine, self.clock)
        self.pumps.append(pump)
        await pump.start()

    async def _changes(self, after: int, limit: int) -> list[Change]:
        return await self.read(lambda: self.archive.changes(after=after, limit=limit))
