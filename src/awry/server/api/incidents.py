"""GET /api/v1/incidents and /api/v1/incidents/{id}: what people were told, and every change of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from awry.core.errors import NotFound
from awry.core.incident import Change, Incident, IncidentSeries
from awry.core.reason import reason_of
from awry.server.api.params import choice, limit_of, open_range, resource
from awry.server.api.samples import brief
from awry.server.problems import reply

if TYPE_CHECKING:
    from awry.server.app import App


def routes(app: App) -> list[BaseRoute]:
    """/api/v1/incidents and one of them."""

    async def get(request: Request) -> Response:
        state = choice(request, "state", ("open", "resolved", "all"), "all")
        start, end = open_range(request)
        limit, after = limit_of(request), request.query_params.get("after", "")
        page, mark = await app.read(lambda: app.archive.incidents(state=state, start=start, end=end, limit=limit, after=after))
        return reply({"incidents": [show_incident(i) for i in page], "next": mark})

    async def get_one(request: Request) -> Response:
        id = request.path_params["id"]
        incident = await app.read(lambda: app.archive.incident(id))
        if incident is None:
            raise NotFound(f"cannot find the incident {id[:80]!r}", hint="GET /api/v1/incidents lists them")
        changes = await app.read(lambda: app.archive.changes(id, limit=1000))
        return reply({**show_incident(incident), "changes": [show_change(c) for c in changes]})

    return [resource("/api/v1/incidents", get=get), resource("/api/v1/incidents/{id}", get=get_one)]


def show_incident(incident: Incident) -> dict[str, Any]:
    """An incident as the API writes it."""
    return {
        "id": incident.id,
        "state": incident.state,
        "rule": incident.rule,
        "severity": incident.severity,
        "start": incident.start,
        "end": incident.end,
        "score": round(incident.score, 4),
        "title": incident.title,
        "total": incident.total,
        "updated": incident.updated,
        "series": [_show_series(s) for s in incident.series],
    }


def _show_series(series: IncidentSeries) -> dict[str, Any]:
    return {
        "key": series.key,
        "start": series.start,
        "end": series.end,
        "score": round(series.score, 4),
        "raw": brief(series.raw),
        "value": series.value,
        "expected": brief(series.expected),
        "low": brief(series.low),
        "high": brief(series.high),
        "part": series.part,
        "why": reason_of(series),
    }


def show_change(change: Change) -> dict[str, Any]:
    """A change as the API writes it, without repeating the incident's series."""
    return {
        "number": change.number,
        "kind": change.kind,
        "time": change.time,
        "title": change.incident.title,
        "score": round(change.incident.score, 4),
        "series": len(change.incident.series),
        "notify": list(change.notify),
        "silenced": change.silenced,
    }
