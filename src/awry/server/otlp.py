"""Takes OTLP requests into the engine, and keeps the OTLP listener to its one address; for the doors on HTTP and gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from starlette.types import ASGIApp, Receive, Scope, Send

from awry.core.tick import REASONS
from awry.server.intake import DUPLICATE, take
from awry.server.problems import problem

if TYPE_CHECKING:
    from awry.server.app import App

PATH = "/v1/metrics"


class Outcome(NamedTuple):
    """How many data points were rejected, and why in words; both empty when all were taken."""

    rejected: int
    text: str


async def export(app: App, source: str, body: bytes) -> Outcome:
    """Commit a request in protobuf. Raises InvalidInput, TooLarge, Overloaded or StoreUnavailable: nothing is acknowledged then."""
    request = app.otlp.decode(body, app.table)
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
