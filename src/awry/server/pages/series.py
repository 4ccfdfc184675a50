"""The series page `/series?key=`: what is it, what should it be; without a key, the paged list of what a selector or word finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from awry.core.errors import InvalidSelector
from awry.core.incident import Incident
from awry.core.kind import COUNTER
from awry.detection.router import choice_of
from awry.engine.snapshot import STATES
from awry.server.pages import words
from awry.server.pages.find import Found, by_strangeness, find, strangest
from awry.server.pages.render import not_found, page
from awry.server.pages.rows import Row, rows
from awry.server.pages.thresholds import covers, threshold_of
from awry.server.profiles import profile_line

if TYPE_CHECKING:
    from awry.server.app import App

RANGES = (("1h", "1 h"), ("6h", "6 h"), ("24h", "24 h"), ("7d", "7 d"), ("30d", "30 d"))
LISTED = 50
SUGGESTED = 7
LATE = 5
"""After so many intervals without a sample a page speaks of the series in the past tense, whatever its state."""
SHOWN = 12
"""Past incidents that a series' page lists."""
PAST, PAGES = 500, 6
"""Incidents in a page of the archive, and pages looked through for those of one series; beyond, the page says so."""


@dataclass(frozen=True, slots=True)
class Now:
    """A series as the snapshot has it."""

    key: str
    slot: int
    state: str
    value: float
    expected: float
    low: float
    high: float
    score: float
    last_time: int
    interval: float
    seen: int


def look(app: App, key: str) -> Now | None:
    """The series of a key, or None when nobody sent it or the snapshot has not met it."""
    slot = app.table.find(key)
    snapshot = app.engine.snapshot
    if slot < 0 or slot >= snapshot.series:
        return None
    return Now(
        key=key,
        slot=slot,
        state=STATES[int(snapshot.state[slot])],
        value=float(snapshot.last_value[slot]),
        expected=float(snapshot.expected[slot]),
        low=float(snapshot.low[slot]),
        high=float(snapshot.high[slot]),
        score=float(snapshot.score[slot]),
        last_time=int(snapshot.last_time[slot]),
        interval=float(snapshot.interval_ms[slot]),
        seen=int(snapshot.seen[slot]),
    )


def sentence(app: App, series: Now) -> str:
    """ "cpu_utilization of db-1 is 15 %, expected 5.2–6.8 %, since 03:12"."""
    name, unit, now = words.subject(series.key), words.unit_of(series.key), app.clock.now_ms()
    if series.state == "silent":
        return f"{name} sent nothing since {words.clock(series.last_time, now)}, {words.ago(now - series.last_time)} ago"
    value = words.num(series.value, unit)
    late = now - series.last_time
    if words.known(series.interval) and late > max(LATE * series.interval, words.MINUTE):
        return f"{name} was {value} at {words.clock(series.last_time, now)}; nothing came for {words.ago(late)}"
    if series.state == "warming":
        return f"{name} is {value}; Awry is still learning it"
    firing = [a.since for a in app.engine.snapshot.active if a.slot == series.slot and a.state == "firing"]
    band = words.span(series.low, series.high, unit) if words.known(series.low) else ""
    if firing:
        inside = band and series.low <= series.value <= series.high
        expected = f", within the expected {band} but strange" if inside else f", expected {band}" if band else ""
        return f"{name} is {value}{expected}, since {words.clock(min(firing), now)}"
    if band and not series.low <= series.value <= series.high:
        return f"{name} is {value}, expected {band}"
    return f"{name} is {value}, as expected"


def why(series: Now, past: list[Incident], now: int) -> str:
    """What the open incident saw of this series, and how often that comes: "At 03:12 it jumped to 93 % (expected 5-7 %), ..."."""
    seen = [part for incident in past if incident.end is None for part in incident.series if part.key == series.key]
    if not seen:
        return ""
    first = min(seen, key=lambda part: part.start)
    if first.part == "absent":
        return ""
    odds = words.how_often(first.score, first.interval or series.interval)
    text = f"At its strangest since {words.clock(first.start, now)} it {words.was(words.reason_of(first))}"
    return f"{text}; {odds}." if odds else f"{text}."


def facts(app: App, series: Now) -> str:
    """The line under the sentence: how often it samples, the newest one, what watches it."""
    now = app.clock.now_ms()
    parts = ["counter, shown as its rate per second"] if app.table.kinds[series.slot] == COUNTER else []
    if words.known(series.interval) and series.interval > 0:
        parts.append(f"a sample every {words.ago(series.interval)}")
    if series.last_time:
        parts.append(f"last {words.clock(series.last_time, now)}, {words.ago(now - series.last_time)} ago")
    parts.append(words.plural(series.seen, "sample"))
    if series.state == "warming":
        parts.append("scores begin once there is enough history")
    elif line := profile_line(app.judge, series.slot):
        parts.append(line)
    return " · ".join(parts)


async def incidents_of(app: App, key: str, limit: int = SHOWN) -> tuple[list[Incident], int | None]:
    """Newest incidents that this series was part of; and the start of the oldest one looked at, None when all were."""
    found: tuple[list[Incident], int | None] = await app.read(_past, app, key, limit)
    return found


def _past(app: App, key: str, limit: int) -> tuple[list[Incident], int | None]:
    mine = [i for i in app.engine.snapshot.incidents if any(s.key == key for s in i.series)]
    after: str | None = ""
    for _ in range(PAGES):
        found, after = app.archive.incidents(state="resolved", limit=PAST, after=after or "")
        mine += [i for i in found if any(s.key == key for s in i.series)]
        if after is None:
            return sorted(mine, key=lambda i: -i.start)[:limit], None
        if len(mine) >= limit:
            break
    return sorted(mine, key=lambda i: -i.start)[:limit], found[-1].start


def siblings(app: App, key: str, limit: int = 5) -> list[str]:
    """Series of the same metric with other labels, the strangest first."""
    name = words.name_of(key)
    if name == key:
        return []
    keys, start = app.table.keys, name + "{"
    slots = [slot for slot, other in enumerate(keys[: app.engine.snapshot.series]) if other != key and other.startswith(start)]
    chosen = by_strangeness(app.engine.snapshot, np.array(slots, np.int64))[:limit]
    return [keys[slot] for slot in chosen if keys[slot]]


async def context(app: App, series: Now) -> dict[str, Any]:
    """The parts that change while the page is open."""
    past, until = await incidents_of(app, series.key)
    return {
        "series": series,
        "sentence": sentence(app, series),
        "why": why(series, past, app.clock.now_ms()),
        "facts": facts(app, series),
        "choice": choice_of(app.judge, series.slot),
        "past": past,
        "until": until,
        "shown": SHOWN,
        "now": app.clock.now_ms(),
    }


def data_of(app: App, series: Now, past: list[Incident]) -> dict[str, Any]:
    """What the chart needs beside samples, as plain JSON values."""
    shades = [
        {"id": incident.id, "start": part.start, "end": part.end if part.end is not None else incident.end}
        for incident in past
        for part in incident.series
        if part.key == series.key
    ]
    threshold, why = threshold_of(app, series.slot, series.key)
    silences = app.engine.snapshot.silences
    return {
        "key": series.key,
        "unit": words.unit_of(series.key),
        "state": series.state,
        "interval": series.interval if words.known(series.interval) else 0,
        "last": series.last_time,
        "now": app.clock.now_ms(),
        "incidents": shades,
        "threshold": threshold,
        "why": why,
        "silences": [{"start": s.start, "end": s.end} for s in silences if covers(s.selector, series.key)],
    }


def routes(app: App) -> list[BaseRoute]:
    """`/series`, and `/search` for the box in the header."""

    async def series(request: Request) -> Response:
        key = request.query_params.get("key", "")
        if not key:
            return await listing(request)
        found = look(app, key)
        if found is None:
            return not_found(
                app,
                request,
                f"No series has the key {key}",
                "It may have been deleted, or never sent a sample. Search for a part of its name above.",
            )
        said = await context(app, found)
        opened: list[Row] = await rows(app, [i for i in said["past"] if i.end is None])
        return page(
            app,
            request,
            "series.html",
            **said,
            opened=opened,
            ranges=RANGES,
            siblings=await app.read(siblings, app, key),
            data=data_of(app, found, said["past"]),
        )

    async def listing(request: Request) -> Response:
        match = request.query_params.get("match", "") or request.query_params.get("q", "")
        after = request.query_params.get("after", "")
        start = int(after) if after.isdecimal() and len(after) < 12 else 0
        found, error = await hits(match, LISTED, start)
        return page(app, request, "series_list.html", match=match, found=found, error=error)

    async def search(request: Request) -> Response:
        query = request.query_params.get("q", "").strip()[:500]
        found, error = await hits(query, SUGGESTED)
        return page(app, request, "_found.html", query=query, found=found, error=error)

    async def hits(text: str, limit: int, start: int = 0) -> tuple[Found, str]:
        try:
            if text:
                return await app.read(find, app.engine.snapshot, app.table, text, limit, start), ""
            return await app.read(strangest, app.engine.snapshot, app.table, limit), ""
        except InvalidSelector as problem:
            return Found([], 0), f"{problem.message}. {problem.hint}"

    return [Route("/series", series), Route("/search", search)]
