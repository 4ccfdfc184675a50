"""The overview `/`: does it need me? The answer in one sentence, then incidents, the strangest lanes and Awry's own health."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from awry.core.incident import Incident
from awry.server.api.status import states
from awry.server.pages import health, words
from awry.server.pages.heat import HOURS, Groups, groupings, lanes
from awry.server.pages.render import page
from awry.server.pages.rows import rows, silenced_by

if TYPE_CHECKING:
    from awry.server.app import App

SHOWN = 8


class Lanes:
    """The lanes of the newest snapshot, worked out once for all readers of one grouping and range."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._groups: dict[str, Groups] = {}
        self.parts: tuple[tuple[int, int, int], dict[str, Any]] = ((-1, -1, -1), {})
        """What every reader of the overview is sent for one snapshot, whatever its grouping."""
        self._done: dict[tuple[str, int], tuple[tuple[int, int], dict[str, Any]]] = {}

    async def get(self, by: str, hours: int) -> dict[str, Any]:
        """What the heat map draws, as plain JSON values."""
        snapshot = self._app.engine.snapshot
        mark = (snapshot.seq, snapshot.time)
        kept = self._done.get((by, hours))
        if kept is not None and kept[0] == mark:
            return kept[1]
        groups = None
        if by != "series":
            groups = self._groups.setdefault(by, Groups(self._app.table, by))
        found = await self._app.read(lanes, snapshot, self._app.table, hours, groups)
        result = {
            "end": snapshot.heat_end,
            "hours": hours,
            "by": by,
            "time": snapshot.time,
            "lanes": [asdict(lane) for lane in found],
        }
        if len(self._done) > 32:
            self._done.clear()
        self._done[by, hours] = (mark, result)
        return result


def choices(app: App, request: Request) -> tuple[str, int, list[str]]:
    """Grouping and hours from the address, and the labels on offer; what is not on offer falls back to series and 24 h."""
    labels = groupings(app.table)
    by = request.query_params.get("by", "series")
    hours = request.query_params.get("hours", "24")
    return (
        by if by in ("series", "name", *labels) else "series",
        int(hours) if hours in {str(h) for h in HOURS} else HOURS[-1],
        labels,
    )


async def answer(app: App) -> dict[str, Any]:
    """The sentence, the line under it, the state of the page and the incidents that need someone."""
    snapshot = app.engine.snapshot
    now = app.clock.now_ms()
    needing = [i for i in snapshot.incidents if not silenced_by(app, i, now)]
    counts = states(app)
    watched, total = counts["watching"] + counts["silent"], app.table.live
    if snapshot.store_error:
        state, title = "stuck", "Awry cannot write to its store."
        under = (
            f"{snapshot.store_error}. Nothing acknowledged is lost; senders are told to try again, "
            "and Awry goes on by itself once it can write."
        )
    elif total == 0:
        state, title = "empty", "No samples yet."
        under = "Awry is listening. Send it something and it appears here within a second."
    elif needing:
        state = "busy"
        title = "One incident needs someone." if len(needing) == 1 else f"{len(needing):,} incidents need someone."
        start = min(i.start for i in needing)
        touched = len({s.slot for i in snapshot.incidents for s in i.series if s.end is None})
        under = f"Since {words.clock(start, now)}, {words.ago(now - start)} ago. "
        calm = max(0, watched - touched)
        under += f"{calm:,} of {words.plural(total, 'series', 'series')} look{'s' if calm == 1 else ''} ordinary"
        under += f", {counts['warming']:,} are still being learnt." if counts["warming"] else "."
    elif watched == 0:
        state, title = "first", "Learning your series."
        under = f"{words.plural(total, 'series', 'series')} so far. Scores begin when a series has enough history."
    else:
        state, title = "quiet", "All quiet."
        last = await last_resolved(app)
        under = (
            f"Nothing needs anyone since {words.clock(last.end, now)}, {words.ago(now - (last.end or now))} ago. " if last else ""
        )
        under += f"{words.plural(watched, 'series', 'series')} watched"
        under += f", {counts['warming']:,} still learning." if counts["warming"] else "."
    return {"state": state, "title": title, "under": under, "needing": len(needing)}


async def last_resolved(app: App) -> Incident | None:
    """The incident that was resolved last."""
    found, _ = await app.read(_recent, app, "resolved", 20)
    return max(found, key=lambda i: i.end or 0, default=None)


def _recent(app: App, state: str, limit: int) -> tuple[list[Incident], str | None]:
    return app.archive.incidents(state=state, limit=limit)


async def incidents_context(app: App) -> dict[str, Any]:
    """Open incidents (the worst first, silenced ones last), then what was resolved within a day."""
    now = app.clock.now_ms()
    order = {"critical": 0, "warning": 1, "info": 2}
    opened = sorted(
        app.engine.snapshot.incidents, key=lambda i: (bool(silenced_by(app, i, now)), order[i.severity], -i.score, -i.start)
    )
    resolved, _ = await app.read(_recent, app, "resolved", 30)
    recent = [i for i in resolved if (i.end or 0) > now - words.DAY]
    recent.sort(key=lambda i: -(i.end or 0))
    shown = opened[:SHOWN] + recent[: max(0, min(2, SHOWN - len(opened)))]
    parts = [words.plural(len(opened), "open", "open")]
    if recent:
        parts.append(f"{len(recent)}{'+' if len(resolved) == 30 == len(recent) else ''} resolved in the last 24 h")
    last = max(resolved, key=lambda i: i.end or 0, default=None)
    return {
        "rows": await rows(app, shown),
        "summary": ", ".join(parts),
        "more": max(0, len(opened) - SHOWN),
        "last": last,
        "last_length": words.ago((last.end or last.start) - last.start) if last else "",
        "open_ids": [i.id for i in opened],
        "now": now,
    }


def learning(app: App, limit: int = 10) -> list[dict[str, Any]]:
    """Series that arrive while everything is still warming up, the furthest first."""
    snapshot = app.engine.snapshot
    seen = -snapshot.seen[: snapshot.series].astype(np.int64)
    chosen = np.argpartition(seen, limit)[:limit] if len(seen) > limit else np.arange(len(seen))
    order = chosen[np.lexsort((chosen, seen[chosen]))]
    found = []
    for slot in order:
        key = app.table.keys[slot]
        if key:
            value = float(snapshot.last_value[slot])
            found.append({"key": key, "seen": int(snapshot.seen[slot]), "value": words.num(value, words.unit_of(key))})
    return found


def health_context(app: App) -> dict[str, Any]:
    """The strip at the foot."""
    found = health.boxes(app)
    return {"boxes": found, "trouble": health.trouble(found)}


def routes(app: App, shared: Lanes) -> list[BaseRoute]:
    """`/`."""

    async def overview(request: Request) -> Response:
        by, hours, labels = choices(app, request)
        said = await answer(app)
        return page(
            app,
            request,
            "overview.html",
            said=said,
            by=by,
            hours=hours,
            labels=labels,
            heat=await shared.get(by, hours),
            learning=learning(app) if said["state"] == "first" else [],
            start=addresses(app, request),
            **await incidents_context(app),
            **health_context(app),
        )

    return [Route("/", overview)]


def addresses(app: App, request: Request) -> dict[str, str]:
    """Where to send samples, as this reader reaches it."""
    graphite = ""
    for source in app.sources:
        address = getattr(source, "address", None)
        if address and "graphite" in source.name:
            graphite = f"{address[0]} {address[1]}"
    return {"http": f"{request.url.scheme}://{request.url.netloc}", "graphite": graphite}
