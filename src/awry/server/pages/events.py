"""Live updates `/events`: what changed on the page that asked, at most once a second, as server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from awry.core.errors import StoreError
from awry.server.pages import incidents, overview, rules, series, words
from awry.server.pages import status as status_page
from awry.server.pages.overview import Lanes
from awry.server.pages.render import fragment, rate_now
from awry.server.pages.rows import rows

if TYPE_CHECKING:
    from awry.server.app import App

PERIOD_SECONDS = 1.0
QUIET_SECONDS = 15.0
IDLE_PERIODS = 10
"""Without a new snapshot a page is looked at again after so many periods: ages and rates change by time alone."""
MAX_READERS = 200
"""Open pages at once; further ones are asked to come back and show their first state meanwhile."""

View = Callable[[], Awaitable[Mapping[str, Any]]]
"""What a page shows now: names of events -> plain JSON values; "part:ID" is the new HTML of the element ID."""


def status(app: App) -> dict[str, Any]:
    """What the header shows, and the open incidents for the live region."""
    snapshot = app.engine.snapshot
    return {
        "rate": words.num(rate_now(snapshot.rate, app.clock.now_ms())),
        "series": app.table.live,
        "open": {i.id: i.title for i in snapshot.incidents[:20]},
    }


def _overview_view(app: App, request: Request, lanes: Lanes) -> View:
    by, hours, _ = overview.choices(app, request)

    async def parts() -> dict[str, Any]:
        said = await overview.answer(app)
        seen: dict[str, Any] = {
            "state": said["state"],
            "part:answer": fragment("_answer.html", said=said),
            "part:incidents": fragment("_incidents.html", said=said, **await overview.incidents_context(app)),
            "part:health": fragment("_health.html", **overview.health_context(app)),
        }
        if said["state"] == "first":
            seen["part:learning"] = fragment("_learning.html", learning=overview.learning(app))
        return seen

    async def view() -> dict[str, Any]:
        mark = _mark(app)
        if lanes.parts[0] != mark:
            lanes.parts = (mark, await parts())
        return {**lanes.parts[1], "heat": await lanes.get(by, hours)}

    return view


def _series_view(app: App, key: str) -> View:
    async def view() -> dict[str, Any]:
        found = series.look(app, key)
        if found is None:
            return {}
        said = await series.context(app, found)
        opened = await rows(app, [i for i in said["past"] if i.end is None])
        data = series.data_of(app, found, said["past"])
        return {
            "part:answer": fragment("_series_answer.html", **said),
            "part:opened": fragment("_opened.html", opened=opened),
            "part:past": fragment("_past.html", **said),
            "tail": {name: data[name] for name in ("last", "state", "incidents", "threshold", "why", "silences")},
        }

    return view


def _incident_view(app: App, id: str) -> View:
    async def view() -> dict[str, Any]:
        incident = await incidents.load(app, id)
        if incident is None:
            return {}
        said = await incidents.context(app, incident)
        return {
            "part:answer": fragment("_incident_answer.html", **said),
            "part:rank": fragment("_rank.html", **said),
            "part:timeline": fragment("_timeline.html", **said),
            "tail": {
                "end": incident.end,
                "series": [s.key for s in said["multiples"]],
                "last": app.engine.snapshot.time if incident.end is None else incident.end,
            },
        }

    return view


def _list_view(app: App, state: str) -> View:
    async def view() -> dict[str, Any]:
        wanted: incidents.State = "open" if state == "open" else "resolved" if state == "resolved" else "all"
        said = await incidents.listing(app, wanted)
        return {
            "part:list": fragment("_list.html", **said),
            "part:answer": fragment("_title.html", title=incidents.list_title(app)),
        }

    return view


def _rules_view(app: App) -> View:
    async def view() -> dict[str, Any]:
        said = await rules.context(app)
        return {
            "part:answer": fragment("_title.html", title=rules.title(said["rules"])),
            "part:rules": fragment("_rules.html", **said),
            "part:silences": fragment("_silences.html", **said),
        }

    return view


def _status_view(app: App) -> View:
    async def view() -> dict[str, Any]:
        said = await status_page.context(app)
        return {"part:answer": fragment("_status_answer.html", **said), "part:status": fragment("_status.html", **said)}

    return view


async def _no_view() -> dict[str, Any]:
    return {}


def view_of(app: App, request: Request, lanes: Lanes) -> View:
    """The view of the page that asks, by its query parameter `page`."""
    asked = request.query_params
    match asked.get("page", ""):
        case "overview":
            return _overview_view(app, request, lanes)
        case "series":
            return _series_view(app, asked.get("key", ""))
        case "incident":
            return _incident_view(app, asked.get("id", ""))
        case "incidents":
            return _list_view(app, asked.get("state", "all"))
        case "rules":
            return _rules_view(app)
        case "status":
            return _status_view(app)
    return _no_view


def _mark(app: App) -> tuple[int, int, int]:
    """Tells one snapshot from the next."""
    snapshot = app.engine.snapshot
    return snapshot.seq, snapshot.time, id(snapshot)


def _event(name: str, value: Any) -> str:
    return f"event: {name}\ndata: {json.dumps(value, separators=(',', ':'))}\n\n"


async def stream(app: App, request: Request, view: View) -> AsyncIterator[str]:
    """Events of one reader until it leaves: each part only when it differs from what the reader was last sent."""
    sent: dict[str, str] = {}
    mark = (-1, -1, -1)
    quiet, since = 0.0, 0
    yield "retry: 5000\n\n"
    while not app.stopping.is_set() and not await request.is_disconnected():
        found = _mark(app)
        events: list[str] = []
        since += 1
        if found != mark or since >= IDLE_PERIODS:
            mark, since = found, 0
            try:
                seen = {"status": status(app), **await view()}
            except StoreError as error:
                seen = {"status": status(app), "trouble": error.message}
            parts: dict[str, str] = {}
            for name, value in seen.items():
                text = json.dumps(value, separators=(",", ":"), allow_nan=False)
                if sent.get(name) != text:
                    sent[name] = text
                    if name.startswith("part:"):
                        parts[name[5:]] = value
                    else:
                        events.append(_event(name, value))
            if parts:
                events.append(_event("parts", parts))
        if events:
            quiet = 0.0
            yield "".join(events)
        else:
            quiet += PERIOD_SECONDS
            if quiet >= QUIET_SECONDS:
                quiet = 0.0
                yield ": still here\n\n"
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(app.stopping.wait(), PERIOD_SECONDS)


def routes(app: App, lanes: Lanes) -> list[BaseRoute]:
    """`/events?page=...`."""
    readers = 0

    async def events(request: Request) -> Response:
        nonlocal readers
        if readers >= MAX_READERS:
            return PlainTextResponse("Too many open pages; this one shows its state from when it was loaded.\n", status_code=503)
        view = view_of(app, request, lanes)

        async def body() -> AsyncIterator[str]:
            nonlocal readers
            readers += 1
            try:
                async for text in stream(app, request, view):
                    yield text
            finally:
                readers -= 1

        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(body(), media_type="text/event-stream", headers=headers)

    return [Route("/events", events)]
