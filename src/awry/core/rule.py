"""What people ask for: rules and silences, as they stand in the config file, the API, the journal and the tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["info", "warning", "critical"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Selector + threshold or budget + `for` + grouping + severity + where to notify.

    Exactly one of threshold and budget applies: with both None the default budget does. Durations are milliseconds.
    """

    name: str
    """Unique name: letters, digits, "-", "_" and ".", at most 100."""
    selector: str = ""
    """Which series; empty means every series."""
    threshold: float | None = None
    """Opens when score >= threshold, in (0, 1]."""
    budget: str | None = None
    """A rate per series instead of a threshold: "1 per 30d" is at most one false episode per series in 30 days."""
    clear: float | None = None
    """Holds while segment >= clear; default: threshold - 0.1."""
    for_ms: int = 0
    """Fires only after holding this long, in milliseconds."""
    keep_for_ms: int = 0
    """Goes on firing this long after the segment fell below `clear`, in milliseconds."""
    absent: bool = True
    """Also fires when a series stops sending."""
    group_by: tuple[str, ...] = ()
    """Only series with equal values of these labels share an incident."""
    together_ms: int = 300_000
    """Firing series that start within this many milliseconds of an incident's latest start join it."""
    severity: Severity = "warning"
    notify: tuple[str, ...] = ()
    """Names of notifiers; empty means every configured one."""
    enabled: bool = True
    origin: Literal["default", "config", "api"] = "api"
    """Where it was written: only "api" rules can be changed over the API."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """A selector and a time range [start, end) in Unix ms in which changes are not delivered."""

    id: str
    selector: str
    start: int
    end: int
    comment: str = ""
    author: str = ""
