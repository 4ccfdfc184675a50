"""The score at which a rule opens for one series, as pages draw it and say it; the one in use while a rule holds the series."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from awry.core.errors import InvalidSelector
from awry.core.selector import parse_selector
from awry.engine.threshold import rule_threshold

if TYPE_CHECKING:
    from awry.server.app import App


def threshold_of(app: App, slot: int, key: str, rule: str = "") -> tuple[float | None, str]:
    """The lowest score at which a rule opens for a series, and why it is that one; of the named rule alone if one is named.

    While a rule holds the series, it is the score that it opened at: what was decided, not what would be decided now.
    """
    snapshot = app.engine.snapshot
    held = [
        (a.threshold, f"Opened at {a.why} (rule {a.rule}, which holds it now).")
        for a in snapshot.active
        if a.slot == slot and rule in ("", a.rule) and 0 < a.threshold < 1
    ]
    if held:
        return min(held)
    known = 0 <= slot < snapshot.series
    interval = float(snapshot.interval_ms[slot]) if known else math.nan
    timed = math.isfinite(interval) and interval > 0
    found: list[tuple[float, str]] = []
    for one in snapshot.rules:
        if one.name == rule or (not rule and one.enabled and covers(one.selector, key)):
            if one.threshold is None and not timed:
                return None, f"Rule {one.name} opens by how often the series samples, which is not known yet."
            threshold, why = rule_threshold(one, interval if timed else 0.0, int(snapshot.seen[slot]) if known else 0)
            found.append((threshold, f"Opens at {why} (rule {one.name})."))
    return min(found, default=(None, "No rule selects this series."), key=lambda pair: pair[0] or 0)


def covers(selector: str, key: str) -> bool:
    """Whether a selector means a series; one that cannot be read means none."""
    try:
        return parse_selector(selector).matches_key(key)
    except InvalidSelector:
        return False
