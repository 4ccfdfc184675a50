"""/healthz, /readyz and /metrics: for probes and for whoever watches the watcher."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from awry.server.api.params import resource
from awry.server.metrics import CONTENT_TYPE, render
from awry.server.problems import problem, reply

if TYPE_CHECKING:
    from awry.server.app import App


def routes(app: App) -> list[BaseRoute]:
    """The probes and /metrics."""

    async def alive(_: Request) -> Response:
        """503 once a defect has ended the engine: whoever supervises the process should start it anew."""
        if app.started and app.engine.ended:
            return problem(503, "ended", f"cannot go on: {app.engine.ended}", "restart the server; nothing acknowledged is lost")
        return reply({"status": "ok"})

    async def ready(_: Request) -> Response:
        """503 while starting, stopping or unable to store: a load balancer should look elsewhere."""
        cause = "" if app.ready else "starting or stopping"
        cause = cause or app.engine.snapshot.store_error
        if cause:
            return problem(503, "not_ready", f"cannot take samples: {cause}", "GET /api/v1/status says more", {"Retry-After": "5"})
        return reply({"status": "ready"})

    async def metrics(_: Request) -> Response:
        return Response(await app.read(render, app), headers={"Content-Type": CONTENT_TYPE})

    return [resource("/healthz", get=alive), resource("/readyz", get=ready), resource("/metrics", get=metrics)]
