"""The status page `/status`: how Awry itself is doing, source by source; for whoever asks why a sample or a page did not come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from awry.server.api.status import show_status
from awry.server.pages import health, words
from awry.server.pages.render import page

if TYPE_CHECKING:
    from awry.server.app import App

_STATES = {"starting": "starting", "running": "running", "waiting": "stopped, trying again", "ended": "ended"}


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One source as the table shows it."""

    name: str
    address: str
    state: str
    well: bool
    received: int
    accepted: int
    refused: list[str]
    lag: str
    seen: str
    error: str


@dataclass(frozen=True, slots=True)
class NotifierRow:
    """One notifier as the table shows it."""

    name: str
    state: str
    well: bool
    delivered: int
    failed: int
    waiting: int
    silenced: int
    last: str
    error: str


@dataclass(frozen=True, slots=True)
class Fact:
    """One line about series, store or server: `well` False asks for a look."""

    name: str
    value: str
    text: str = ""
    well: bool = True


def source_row(shown: Mapping[str, Any], now: int) -> SourceRow:
    """A source of the API's status in words."""
    refused = sorted(shown["refused"].items(), key=lambda pair: -pair[1])
    restarts = f", restarted {words.plural(shown['restarts'], 'time')}" if shown["restarts"] else ""
    seen = shown["last_seen"]
    return SourceRow(
        name=shown["name"],
        address=shown["address"] or "",
        state=("listening, no sample yet" if shown["state"] == "running" and not seen else _STATES[shown["state"]]) + restarts,
        well=not shown["error"] and shown["state"] != "waiting",
        received=shown["received"],
        accepted=shown["accepted"],
        refused=[f"{n:,} {health.reason(reason)}" for reason, n in refused],
        lag=short(shown["lag"]) if shown["lag"] is not None else "not known yet",
        seen=f"{words.clock(seen, now)}, {words.ago(now - seen)} ago" if seen else "nothing yet",
        error=shown["error"],
    )


def notifier_row(shown: Mapping[str, Any], now: int) -> NotifierRow:
    """A notifier of the API's status in words."""
    last = shown["last_delivered"]
    return NotifierRow(
        name=shown["name"],
        state="does not answer" if shown["error"] else "answers" if last else "nothing to tell yet",
        well=not shown["error"] and not shown["failed"],
        delivered=shown["delivered"],
        failed=shown["failed"],
        waiting=shown["waiting"],
        silenced=shown["silenced"],
        last=f"{words.clock(last, now)}, {words.ago(now - last)} ago" if last else "nothing yet",
        error=shown["error"],
    )


def short(ms: float) -> str:
    """A delay: "74 ms", "1.2 s", "5 min"."""
    if ms < 0:
        return f"{short(-ms)} ahead of the clock"
    return f"{ms:.0f}\u00a0ms" if ms < 1000 else f"{words.num(ms / 1000)}\u00a0s" if ms < words.MINUTE else words.ago(ms)


def series_facts(shown: Mapping[str, Any]) -> list[Fact]:
    """How many series are in each state, and what the limits refused."""
    limit, over = shown["limit"], shown["refused_by_limit"]
    facts = [
        Fact("Watching", f"{shown['watching']:,}", "scored at every sample"),
        Fact("Learning", f"{shown['warming']:,}", "not scored yet: too few samples"),
        Fact("Silent", f"{shown['silent']:,}", "stopped sending"),
        Fact("Parked", f"{shown['parked']:,}", "silent for so long that their state waits in the database"),
        Fact("Limit", f"{limit:,}", f"{shown['total']:,} in use ({100 * shown['total'] / max(1, limit):.0f}\u00a0%)"),
        Fact("New ones a minute", f"at most {shown['new_per_minute_limit']:,}", "further ones are refused, and may come later"),
    ]
    if over:
        text = "a source makes too many names, or [limits] in the config file is too tight"
        facts.append(Fact("Refused beyond a limit", words.plural(over, "time"), text, well=False))
    return facts


def store_facts(shown: Mapping[str, Any], now: int) -> list[Fact]:
    """How big the store is and how far back it goes."""
    facts = [
        Fact("Writes", "refused" if shown["error"] else "work", shown["error"], well=not shown["error"]),
        Fact("Size", words.num(float(shown["bytes"]), "B"), words.plural(shown["samples"], "sample")),
    ]
    for name, key in (("Oldest sample", "oldest"), ("Newest sample", "newest")):
        at = shown[key]
        facts.append(Fact(name, words.clock(at, now) if at else "no sample yet", f"{words.ago(now - at)} ago" if at else ""))
    return facts


def title(troubles: int, ready: bool) -> str:
    """The sentence."""
    if not ready:
        return "Awry is starting."
    return "Awry is well." if not troubles else f"{words.plural(troubles, 'thing')} to look at in Awry itself."


async def context(app: App) -> dict[str, Any]:
    """Everything of the page."""
    shown: Mapping[str, Any] = await app.read(show_status, app)
    now = shown["time"]
    sources = [source_row(s, now) for s in shown["sources"]]
    notifiers = [notifier_row(n, now) for n in shown["notifiers"]]
    series, store = series_facts(shown["series"]), store_facts(shown["store"], now)
    troubles = sum(not part.well for parts in (sources, notifiers, series, store) for part in parts)
    boxes = health.boxes(app)
    return {
        "title": title(troubles, shown["ready"]),
        "under": f"Version {shown['version']} · started {words.clock(shown['started'], now)}",
        "boxes": boxes,
        "trouble": "",
        "sources": sources,
        "notifiers": notifiers,
        "series_facts": series,
        "store_facts": store,
        "over": shown["series"]["refused_by_limit"],
        "limit": shown["series"]["limit"],
    }


def routes(app: App) -> list[BaseRoute]:
    """`/status`."""

    async def status(request: Request) -> Response:
        return page(app, request, "status.html", **await context(app))

    return [Route("/status", status)]
