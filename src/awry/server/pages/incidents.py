"""The incident list and the page of one incident: what, where, since when, what else moved, who was told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from awry.core.incident import Change, Incident, IncidentSeries
from awry.core.series_key import format_key
from awry.engine.incidents import HISTORY
from awry.server.pages import words
from awry.server.pages.render import not_found, page
from awry.server.pages.rows import rows, silenced_by, size
from awry.server.pages.thresholds import threshold_of

if TYPE_CHECKING:
    from awry.server.app import App

PER_PAGE = 50
MULTIPLES = 12
"""Series drawn as small multiples; further ones are listed."""
State = Literal["open", "resolved", "all"]


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of the timeline."""

    time: int
    kind: str
    text: str
    small: str


def timeline(changes: Sequence[Change]) -> list[Step]:
    """Changes as people read them, newest first; each says what differs from the one before."""
    steps: list[Step] = []
    before: Incident | None = None
    for change in changes:
        now = change.incident
        told = f"held back by the silence {change.silenced}" if change.silenced else ""
        if change.silenced == HISTORY:
            told = "nobody was told: it was over before its samples came"
        if not told and change.notify:
            told = "told " + ", ".join(change.notify)
        if change.kind == "opened":
            steps.append(Step(change.time, "fire", "Opened", _join(words.plural(size(now), "series", "series"), told)))
        elif change.kind == "resolved":
            steps.append(
                Step(change.time, "done", "Resolved", _join(f"after {words.ago((now.end or change.time) - now.start)}", told))
            )
        else:
            text, small = _difference(before, now, told)
            if text:
                steps.append(Step(change.time, "warn", text, small))
        before = now
    return steps[::-1]


def grown(changes: Sequence[Change], incident: Incident) -> int:
    """Series that joined after the last stored change: changes are stored at most once a minute."""
    return max(0, size(incident) - size(changes[-1].incident)) if changes and incident.end is None else 0


def _join(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _difference(before: Incident | None, now: Incident, told: str) -> tuple[str, str]:
    known = {s.key for s in before.series} if before else set()
    new = [s.key for s in now.series if s.key not in known] if before else []
    if new:
        names = ", ".join(words.subject(key) for key in new[:2])
        rest = f" and {len(new) - 2} more" if len(new) > 2 else ""
        return f"{names}{rest} joined", _join(f"{size(now):,} series then", told)
    if before and now.severity != before.severity:
        return f"Severity is now {now.severity}", told
    if before and now.score > before.score:
        return f"Stranger: {words.rarity(now.score)}", _join(f"was {words.rarity(before.score)}", told)
    return ("Still going on", told) if told else ("", "")


def direction(series: IncidentSeries) -> str:
    """Which way a series went: "rose", "fell", "stopped" or "changed"."""
    if series.part == "absent":
        return "stopped"
    if series.value is None or series.low is None or series.high is None:
        return "changed"
    return "rose" if series.value > series.high else "fell" if series.value < series.low else "changed"


def silence_selector(incident: Incident) -> str:
    """The selector that names the incident's series, as tight as one selector can."""
    keys = [s.key for s in incident.series]
    if not keys:
        return ""
    parsed = [words.split_key(key) for key in keys]
    shared = set(parsed[0][1]).intersection(*(set(labels) for _, labels in parsed[1:]))
    names = {name for name, _ in parsed}
    if len(names) == 1:
        name = parsed[0][0]
        return keys[0] if len(keys) == 1 else format_key(name, tuple(sorted(shared)))
    if shared:
        return format_key("x", tuple(sorted(shared)))[1:]
    either = "|".join(re.escape(name) for name in sorted(names)).replace("\\", "\\\\").replace('"', '\\"')
    return f'{{__name__=~"{either}"}}'


async def context(app: App, incident: Incident) -> dict[str, Any]:
    """Everything of an incident's page that changes while it is open."""
    now = app.clock.now_ms()
    changes = await app.read(app.archive.changes, incident.id)
    return {
        "incident": incident,
        "now": now,
        "held": silenced_by(app, incident, now) if incident.end is None else "",
        "steps": timeline(changes),
        "size": size(incident),
        "grown": grown(changes, incident),
        "directions": [direction(s) for s in incident.series],
        "multiples": incident.series[:MULTIPLES],
        "others": incident.series[MULTIPLES:],
    }


def data_of(app: App, incident: Incident) -> dict[str, Any]:
    """What the small multiples need, as plain JSON values."""
    return {
        "id": incident.id,
        "start": incident.start,
        "end": incident.end,
        "now": app.clock.now_ms(),
        "series": [
            {
                "key": s.key,
                "unit": words.unit_of(s.key),
                "start": s.start,
                "end": s.end if s.end is not None else incident.end,
                "threshold": threshold_of(app, s.slot, s.key, incident.rule)[0],
            }
            for s in incident.series[:MULTIPLES]
        ],
    }


async def load(app: App, id: str) -> Incident | None:
    """An open incident from the snapshot, another from the archive."""
    for incident in app.engine.snapshot.incidents:
        if incident.id == id:
            return incident
    found: Incident | None = await app.read(app.archive.incident, id)
    return found


async def listing(app: App, state: State, after: str = "") -> dict[str, Any]:
    """One page of the list: open ones first, then by start."""
    found, following = await app.read(_page, app, state, after)
    return {"rows": await rows(app, found), "following": following, "state": state, "now": app.clock.now_ms()}


def _page(app: App, state: State, after: str) -> tuple[list[Incident], str | None]:
    return app.archive.incidents(state=state, limit=PER_PAGE, after=after)


def list_title(app: App) -> str:
    """The sentence of the list."""
    n = len(app.engine.snapshot.incidents)
    return "No incident is open." if n == 0 else f"{words.plural(n, 'incident is', 'incidents are')} open."


def routes(app: App) -> list[BaseRoute]:
    """`/incidents` and `/incidents/{id}`."""

    async def all_incidents(request: Request) -> Response:
        asked = request.query_params.get("state", "all")
        state: State = "open" if asked == "open" else "resolved" if asked == "resolved" else "all"
        said = await listing(app, state, request.query_params.get("after", "")[:200])
        return page(app, request, "incidents.html", title=list_title(app), first="after" not in request.query_params, **said)

    async def one(request: Request) -> Response:
        incident = await load(app, request.path_params["id"])
        if incident is None:
            return not_found(
                app,
                request,
                "No such incident",
                "It may be older than the retention time. The list of incidents has those that are kept.",
            )
        return page(
            app,
            request,
            "incident.html",
            data=data_of(app, incident),
            selector=silence_selector(incident),
            **await context(app, incident),
        )

    return [Route("/incidents", all_incidents), Route("/incidents/{id}", one)]
