"""The pages people look at: overview, series, incidents, rules, search, live updates; server-rendered, no build step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import BaseRoute

if TYPE_CHECKING:
    from awry.server.app import App


def routes(app: App) -> list[BaseRoute]:
    """Everything under `/` but the API: pages, parts, events and static files."""
    from awry.server.pages import events, incidents, login, overview, render, rules, series, status

    lanes = overview.Lanes(app)
    return [
        *overview.routes(app, lanes),
        *series.routes(app),
        *incidents.routes(app),
        *rules.routes(app),
        *status.routes(app),
        *login.routes(app),
        *events.routes(app, lanes),
        render.static_route(),
    ]
