"""The rules page: every rule with what it promises, the form that shows the bill before the button, and the silences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from awry.core.rule import SEVERITIES, Rule, Silence
from awry.core.selector import parse_selector
from awry.engine.threshold import DEFAULT_BUDGET
from awry.server.durations import format_duration
from awry.server.pages import words
from awry.server.pages.render import page
from awry.server.rule_shape import show_rule

if TYPE_CHECKING:
    from awry.server.app import App

COUNTED = 50_000
"""Series looked at to say how many a selector means; with more, the number is a share of a sample."""
NEWEST = 500
MONTH = 30 * words.DAY


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One rule in the list."""

    rule: Rule
    opens: str
    holds: str
    covers: str
    fired: str
    holding: int
    shape: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SilenceRow:
    """One silence in the list."""

    silence: Silence
    state: str
    when: str
    covers: str


def opens(rule: Rule) -> str:
    """When a rule opens, in words."""
    if rule.threshold is not None:
        return f"{words.rarity(rule.threshold)} (score {rule.threshold:g})"
    return f"at most {rule.budget or DEFAULT_BUDGET}, per series"


def holds(rule: Rule) -> str:
    """How long it must hold, and how long it goes on."""
    parts = []
    if rule.for_ms:
        parts.append(f"for {format_duration(rule.for_ms)}")
    if rule.keep_for_ms:
        parts.append(f"kept {format_duration(rule.keep_for_ms)}")
    if rule.absent:
        parts.append("also when a series stops")
    return ", ".join(parts) or "at once"


def covers(app: App, selector: str) -> str:
    """How many series a selector means now: "12 of 12,840 series"."""
    total = app.table.live
    if not selector.strip():
        return f"all {words.plural(total, 'series', 'series')}"
    chosen = parse_selector(selector)
    keys = app.table.keys
    if len(keys) <= COUNTED:
        n = sum(bool(key) and chosen.matches_key(key) for key in keys[: len(keys)])
        return f"{n:,} of {words.plural(total, 'series', 'series')}"
    picked = np.linspace(0, len(keys) - 1, COUNTED).astype(int)
    n = sum(bool(keys[i]) and chosen.matches_key(keys[i]) for i in picked)
    return f"about {round(n / COUNTED * len(keys), -2):,} of {words.plural(total, 'series', 'series')}"


async def context(app: App) -> dict[str, Any]:
    """Both lists."""
    snapshot, now = app.engine.snapshot, app.clock.now_ms()
    found, following = await app.read(_month, app, now - MONTH)
    fired: dict[str, int] = {}
    for incident in found:
        fired[incident.rule] = fired.get(incident.rule, 0) + 1
    rules = []
    for rule in snapshot.rules:
        n = fired.get(rule.name, 0)
        rules.append(
            RuleRow(
                rule=rule,
                opens=opens(rule),
                holds=holds(rule),
                covers=await app.read(covers, app, rule.selector),
                fired=f"{n:,}{'+' if following else ''}",
                holding=sum(a.rule == rule.name and a.state == "firing" for a in snapshot.active),
                shape=show_rule(rule),
            )
        )
    silences = [
        SilenceRow(s, _when(s, now)[0], _when(s, now)[1], await app.read(covers, app, s.selector))
        for s in sorted(snapshot.silences, key=lambda s: (s.end <= now, s.end))
    ]
    return {"rules": rules, "silences": silences, "now": now}


def _month(app: App, start: int) -> tuple[list[Any], str | None]:
    return app.archive.incidents(state="all", start=start, limit=NEWEST)


def _when(silence: Silence, now: int) -> tuple[str, str]:
    if silence.end <= now:
        return "over", f"ended {words.clock(silence.end, now)}"
    if silence.start > now:
        return "planned", f"from {words.clock(silence.start, now)} to {words.clock(silence.end, now)}"
    return "active", f"until {words.clock(silence.end, now)}, {words.ago(silence.end - now)} left"


def title(rules: list[RuleRow]) -> str:
    """The sentence: how often the rules would have told someone."""
    names = [row for row in rules if row.rule.enabled]
    if not names:
        return "No rule is on: nothing opens an incident."
    total = sum(int(row.fired.rstrip("+").replace(",", "")) for row in names)
    more = "+" if any(row.fired.endswith("+") for row in names) else ""
    fired = f"{total:,}{more} {'incident' if total == 1 and not more else 'incidents'}"
    return f"{words.plural(len(names), 'rule')} opened {fired} in 30 days."


def routes(app: App) -> list[BaseRoute]:
    """`/rules`."""

    async def rules(request: Request) -> Response:
        said = await context(app)
        chosen = request.query_params.get("rule", "")
        return page(
            app,
            request,
            "rules.html",
            title=title(said["rules"]),
            chosen=chosen,
            severities=SEVERITIES,
            notifiers=sorted(app.dispatcher.status),
            **said,
        )

    return [Route("/rules", rules)]
