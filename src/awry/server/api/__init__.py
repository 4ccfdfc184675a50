"""The HTTP API by resource: each module has `routes(app)`; here they are put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import BaseRoute

if TYPE_CHECKING:
    from awry.server.app import App


HTTP_SOURCES = ("json", "remote_write", "influx", "otlp", "otlp_grpc")
"""Names that the doors on HTTP have in counters; no other source may take them."""


def api_routes(app: App) -> list[BaseRoute]:
    """Everything under /api/v1, the probes, /metrics and the login."""
    from awry.server.api import (
        forecast,
        health,
        incidents,
        influx,
        otlp,
        rules,
        samples,
        series,
        session,
        silences,
        state,
        status,
        write,
    )  # fmt: skip

    modules = (health, samples, forecast, write, influx, otlp, series, incidents, rules, silences, state, status, session)
    return [route for module in modules for route in module.routes(app)]
