"""The sentence a human reads at 3 a.m.: which series, what value, what was expected, since when, what moved with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from awry.core.incident import IncidentSeries
from awry.core.series_key import Labels, parse_key

_PLACES = ("host", "hostname", "instance", "node", "pod", "service", "job", "app", "container", "device")
"""Labels that say where a series is, in the order people think of them."""


def number(value: float) -> str:
    """Three digits are enough: 14.2, 1,779, 0.0031, 2.5e12."""
    size = abs(value)
    if size >= 1e15 or 0 < size < 1e-4:
        return f"{value:.2e}"
    if size >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def span(low: float, high: float) -> str:
    """A range: "2.1-3.9" with an en dash, or one number when both read the same."""
    a, b = number(low), number(high)
    return a if a == b else f"{a}\u2013{b}"


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
    text = f"{subject} {_what(first)}, since {clock(first.start, now)}"
    others = total - 1
    if not others:
        return text
    shared = where is not None and all(where in parse_key(s.key)[1] for s in series)
    of = f" of {where[1]}" if shared and where else ""
    return f"{text}; {others:,} other series{of} moved with it"


def _what(series: IncidentSeries) -> str:
    if series.part == "absent":
        return "stopped sending"
    if series.value is None:
        return "is strange"
    is_value = f"is {number(series.value)}"
    if series.part == "heartbeat":
        return f"{is_value} and its usual activity did not come"
    if series.low is None or series.high is None:
        return is_value
    if series.low <= series.value <= series.high:
        return f"{is_value}, within the expected {span(series.low, series.high)} but in a pattern not seen before"
    return f"{is_value}, expected {span(series.low, series.high)}"
