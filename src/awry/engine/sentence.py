"""The sentence a human reads at 3 a.m.: which series, what value, what was expected, since when, what moved with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from awry.core.incident import IncidentSeries
from awry.core.reason import reason_of
from awry.core.series_key import Labels, parse_key

_PLACES = ("host", "hostname", "instance", "node", "pod", "service", "job", "app", "container", "device")
"""Labels that say where a series is, in the order people think of them."""


def clock(ms: int, now: int) -> str:
    """Hour and minute in UTC; with the date when it is not the day of `now`."""
    at, today = datetime.fromtimestamp(ms / 1000, UTC), datetime.fromtimestamp(now / 1000, UTC)
    return at.strftime("%H:%M UTC" if at.date() == today.date() else "%d %b %H:%M UTC")


def place(labels: Labels) -> tuple[str, str] | None:
    """The label that best says where a series is."""
    values = dict(labels)
    for name in _PLACES:
        if name in values:
            return name, values[name]
    return labels[0] if len(labels) == 1 else None


def title(series: Sequence[IncidentSeries], total: int, now: int) -> str:
    """The sentence of an incident; `series` ranked, the first one speaks."""
    first = series[0]
    name, labels = parse_key(first.key)
    where = place(labels)
    subject = f"{name} of {where[1]}" if where else (first.key if labels else name)
    text = f"{subject} {reason_of(first)}, since {clock(first.start, now)}"
    others = total - 1
    if not others:
        return text
    shared = where is not None and all(where in parse_key(s.key)[1] for s in series)
    of = f" of {where[1]}" if shared and where else ""
    return f"{text}; {others:,} other series{of} moved with it"
