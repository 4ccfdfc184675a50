"""A whole server in a thread of this process, on free ports and a folder of its own, for tests that speak HTTP to it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx

from awry.server.app import App, AppOptions, private_config
from awry.server.config import Config
from awry.server.run import Running, running
from awry.server.secrets import Secret
from awry.server.settings import AuthSection

T = TypeVar("T")
READ, WRITE = "read-token-of-the-tests", "write-token-of-the-tests"
TOKENS = AuthSection(read_token=Secret(READ), write_token=Secret(WRITE))


class Live:
    """Entering starts it, leaving stops it; `client` speaks to it, `call` runs a function on its event loop."""

    def __init__(self, folder: Path, options: AppOptions | None = None, **sections: Any) -> None:
        self.config: Config = private_config(folder, **sections)
        self._options = options
        self._started = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="live server")

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait(60)
        if self._error is not None:
            raise self._error
        self.url = self._running.url
        self.client = httpx.Client(base_url=self.url, trust_env=False, timeout=30)
        return self

    def __exit__(self, *exc: object) -> None:
        self.client.close()
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        assert not self._thread.is_alive(), "the server did not stop"

    @property
    def app(self) -> App:
        return self._running.app

    @property
    def graphite(self) -> tuple[str, int]:
        assert self._running.graphite is not None
        return self._running.graphite

    @property
    def otlp(self) -> str:
        """URL of the OTLP listener."""
        return self._running.otlp

    def call(self, fn: Callable[[], T]) -> T:
        """The result of a function run on the server's event loop."""

        async def run() -> T:
            return fn()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(30)

    def send(self, rows: list[tuple[str, int | str, Any]], **headers: str) -> dict[str, Any]:
        """POST rows of (series, time, value); the JSON answer."""
        body = {"samples": [{"series": s, "time": t, "value": v} for s, t, v in rows]}
        answer = self.client.post("/api/v1/samples", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server: Running
        try:
            async with running(self.config, self._options) as server:
                self._running = server
                self._started.set()
                await self._stop.wait()
        except BaseException as error:
            self._error = error
            self._started.set()
            raise
