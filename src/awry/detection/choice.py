"""Which detector a series has, and why, in words for people: the reason a Router gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

TOLD, BY_DEFAULT, BY_MEMORY, YOUNG, FOUND = range(5)
"""Why: a table of the configuration, its default, the memory limit, no samples yet, or what the samples showed."""
FULL = "[detection] memory_bytes is used up by the series before it"
PARKED = "it stopped sending long ago: its state waits in the store until it sends again"


@dataclass(frozen=True, slots=True)
class Choice:
    """A series' detector, and why it has that one, in words."""

    detector: str
    reason: str


def reason_in_words(why: int, *, told_by: Sequence[str], found: str, full: bool) -> str:
    """The sentence of a reason. told_by: name of the configuration's table, and the label its siblings differ in or "".

    found: what the samples showed; full: the series is beyond the memory limit.
    """
    if why == TOLD:
        table, siblings_by = told_by
        beside = f", beside its siblings of other {siblings_by}" if siblings_by else ""
        return f"[series.{table}] of the configuration says so{beside}"
    if why == BY_DEFAULT:
        return "[detection] of the configuration says so"
    if why == BY_MEMORY:
        return FULL
    if why == YOUNG:
        return "every series begins with it"
    return f"{found}; {FULL}" if full else found
