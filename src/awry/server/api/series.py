"""GET and DELETE /api/v1/series: which series there are, what state they are in, and removing those nobody needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from awry.core.errors import InvalidInput
from awry.core.kind import KINDS
from awry.core.selector import parse_selector
from awry.detection.router import choice_of
from awry.engine.commands import DeleteSeries
from awry.engine.snapshot import STATES, Snapshot
from awry.server.api.params import choice, flag, integer, limit_of, required, resource
from awry.server.api.samples import brief
from awry.server.problems import reply
from awry.server.series_search import find_series

if TYPE_CHECKING:
    from awry.server.app import App

DELETE_AT_ONCE = 100_000
"""Most series one call deletes."""


def routes(app: App) -> list[BaseRoute]:
    """/api/v1/series."""

    async def get(request: Request) -> Response:
        selector = parse_selector(request.query_params.get("match", ""))
        state = choice(request, "state", ("", *STATES), "")
        order = choice(request, "order", ("first_seen", "score"), "first_seen")
        limit, after = limit_of(request), integer(request, "after", 0, 0, 2**31 - 1)
        snapshot = app.engine.snapshot
        wanted = STATES.index(state) if state else -1

        def accept(slot: int) -> bool:
            # A series whose first sample is not committed, or was refused, is none yet.
            return bool(snapshot.seen[slot]) and (wanted < 0 or int(snapshot.state[slot]) == wanted)

        def search() -> Response:
            if order == "score":
                return reply({"series": [show_series(app, snapshot, s) for s in worst(limit)], "next": None})
            found, rest = find_series(app.table.keys, selector, start=after, stop=snapshot.series, limit=limit, accept=accept)
            return reply({"series": [show_series(app, snapshot, s) for s in found], "next": None if rest is None else str(rest)})

        def worst(limit: int) -> list[int]:
            matching, _ = find_series(app.table.keys, selector, stop=snapshot.series, limit=snapshot.series, accept=accept)
            segment = np.nan_to_num(snapshot.segment[matching], nan=-1.0)
            return [matching[i] for i in np.argsort(-segment, kind="stable")[:limit].tolist()]

        return await app.read(search)

    async def delete(request: Request) -> Response:
        text, confirm = required(request, "match"), flag(request, "confirm")
        if not text.strip():
            raise InvalidInput("cannot delete with an empty selector", hint="match={} means every series")
        selector, stop = parse_selector(text), app.engine.snapshot.series
        found, rest = await app.read(lambda: find_series(app.table.keys, selector, stop=stop, limit=DELETE_AT_ONCE))
        keys = [app.table.keys[slot] for slot in found[:100]]
        if confirm and found:
            await app.engine.command(DeleteSeries(tuple(found)))
        return reply({"deleted": confirm, "count": len(found), "series": keys, "more": rest is not None})

    return [resource("/api/v1/series", get=get, delete=delete)]


def show_series(app: App, snapshot: Snapshot, slot: int) -> dict[str, Any]:
    """One series as the API lists it: its state and its last sample."""
    seen, interval = int(snapshot.seen[slot]), float(snapshot.interval_ms[slot])
    choice = choice_of(app.judge, slot)
    return {
        "key": app.table.keys[slot],
        "kind": KINDS[app.table.kinds[slot]],
        "state": STATES[int(snapshot.state[slot])],
        "time": int(snapshot.last_time[slot]) if seen else None,
        "value": float(snapshot.last_value[slot]),
        "expected": brief(float(snapshot.expected[slot])),
        "low": brief(float(snapshot.low[slot])),
        "high": brief(float(snapshot.high[slot])),
        "score": round(float(snapshot.score[slot]), 4),
        "segment": round(float(snapshot.segment[slot]), 4),
        "interval": round(interval) if interval > 0 and np.isfinite(interval) else None,
        "seen": seen,
        "detector": choice.detector if choice else None,
        "detector_reason": choice.reason if choice else None,
    }
