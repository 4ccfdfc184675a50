"""GET /api/v1/state: everything the server has, as a file that `awry state import` puts elsewhere; the server goes on meanwhile."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from awry.core.errors import AwryError, Overloaded
from awry.server.api.params import choice, resource
from awry.server.problems import Refused

if TYPE_CHECKING:
    from awry.server.app import App

log = logging.getLogger("awry.http")
MEDIA = "application/x-tar"


class Export:
    """One stream at a time: it holds a view of the database, for which SQLite keeps what is written meanwhile in its log."""

    def __init__(self, app: App) -> None:
        self._app, self._busy = app, False

    def begin(self, pieces: Generator[bytes, None, None]) -> Streamed:
        """The answer that sends these pieces. Raises Overloaded while another is being sent."""
        if self._busy:
            raise Overloaded("cannot export: another export is running", after_seconds=10, hint="wait until it has ended")
        self._busy = True
        return Streamed(self._app, pieces, self._end)

    def _end(self) -> None:
        self._busy = False


class Streamed(Response):
    """Sends pieces made in the readers' threads, until a client is too slow or the server stops: then the connection is cut.

    What was cut has no end, so nobody takes it for whole.
    """

    def __init__(self, app: App, pieces: Generator[bytes, None, None], ended: Callable[[], None]) -> None:
        super().__init__(media_type=MEDIA, headers={"Content-Disposition": 'attachment; filename="awry-state.tar"'})
        del self.headers["content-length"]
        self._app, self._pieces, self._ended = app, pieces, ended
        self._lock = threading.Lock()
        self._first: bytes | None = None

    async def prepare(self) -> None:
        """Make the first piece, so that an error is still an answer."""
        try:
            self._first = await self._app.read(self._next)
        except BaseException:
            self._close()
            raise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        patience = self._app.config.limits.body_timeout_ms / 1000
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            piece = self._first
            while piece is not None and not self._app.stopping.is_set():
                await asyncio.wait_for(send({"type": "http.response.body", "body": piece, "more_body": True}), patience)
                piece = await self._app.read(self._next)
            if piece is None:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            log.warning("an export was cut: its client read nothing for %g seconds", patience)
        except AwryError as error:
            log.warning("an export was cut: %s", error.message)
        finally:
            # in a thread of its own: the last piece may still be in the making, and the pool may be gone
            threading.Thread(target=self._close, name="awry-export-end").start()

    def _next(self) -> bytes | None:
        with self._lock:
            return next(self._pieces, None)

    def _close(self) -> None:
        with self._lock:
            self._pieces.close()
        self._ended()


def routes(app: App) -> list[BaseRoute]:
    """/api/v1/state."""
    export = Export(app)

    async def get(request: Request) -> Response:
        if request.state.role != "write":  # it holds what no page shows, such as the positions of sources
            raise Refused(
                403, "forbidden", "cannot export everything with a read token", hint="use the token of [auth] write_token"
            )
        history = choice(request, "history", ("true", "false"), "true") == "true"
        if request.method == "HEAD":
            return Response(media_type=MEDIA)
        streamed = export.begin(app.store.export(history=history, awry=app.version, now_ms=app.clock.now_ms()))
        await streamed.prepare()
        return streamed

    return [resource("/api/v1/state", get=get)]
