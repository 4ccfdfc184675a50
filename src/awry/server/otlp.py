"""Takes OTLP requests into the engine, and keeps the OTLP listener to its one address; for the doors on HTTP and gRPC."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from starlette.types import ASGIApp, Receive, Scope, Send

from awry.core.tick import REASONS
from awry.formats.otlp import OtlpRequest, walk
from awry.formats.otlp_json import to_protobuf
from awry.formats.otlp_walk import Walked
from awry.server.body import LARGE_BYTES
from awry.server.intake import DUPLICATE, take
from awry.server.problems import problem

if TYPE_CHECKING:
    from awry.server.app import App

PATH = "/v1/metrics"


class Outcome(NamedTuple):
    """How many data points were rejected, and why in words; both empty when all were taken."""

    rejected: int
    text: str


async def export(app: App, source: str, body: bytes, *, as_json: bool = False) -> Outcome:
    """Commit a request in protobuf or JSON.

    Raises InvalidInput, TooLarge, Overloaded or StoreUnavailable: nothing is acknowledged then. A large body is read in a thread,
    and very many new series are added a few at a time, so that others have their turn on the event loop.
    """
    read = partial(_read, body, as_json)
    walked = read() if len(body) < LARGE_BYTES else await asyncio.to_thread(read)
    request = await _decode(app, walked)
    receipt = await take(
        app, source, request.batch, request.received, request.refused, queued=lambda: app.otlp.keep(request)
    )  # fmt: skip
    reasons = dict(request.refused)
    faults = receipt.reasons != DUPLICATE  # a repeated send is no fault of its points
    points, first = np.unique(request.point[receipt.rows[faults]], return_index=True)
    for code, n in enumerate(np.bincount(receipt.reasons[faults][first], minlength=len(REASONS)).tolist()):
        if n:
            reasons[REASONS[code]] = reasons.get(REASONS[code], 0) + n
    if not reasons:
        return Outcome(0, "")
    text = ", ".join(f"{n} {reason}" for reason, n in sorted(reasons.items()))
    return Outcome(len(points) + sum(request.refused.values()), f"data points refused: {text}")


def _read(body: bytes, as_json: bool) -> Walked:
    return walk(to_protobuf(body) if as_json else body)


async def _decode(app: App, walked: Walked) -> OtlpRequest:
    """What comes out of it is of this very turn of the event loop: nothing that was looked up can have been deleted since."""
    steps = app.otlp.steps(walked, app.table)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            request: OtlpRequest = end.value
            return request
        await asyncio.sleep(0)


class OtlpListener:
    """ASGI middleware: what comes by the OTLP listener's port reaches the metrics door and nothing else."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app, self._port = app, port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (scope.get("server") or ("", 0))[1] == self._port and scope["path"] != PATH:
            text = f"cannot find {scope['path'][:100]!r} here"
            refusal = problem(404, "not_found", text, f"this listener takes metrics at {PATH}; it knows no traces and logs")
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)
