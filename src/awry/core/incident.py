"""What people are told about: incidents, their series, and the changes a notifier delivers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from awry.core.rule import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentSeries:
    """One series of an incident: where it stood when it was strangest."""

    key: str
    slot: int
    start: int
    end: int | None = None
    score: float = 0.0
    """Worst score so far; 0 for a series that stopped sending."""
    raw: float = 0.0
    """Worst raw strength so far, for ranking."""
    value: float | None = None
    expected: float | None = None
    low: float | None = None
    high: float | None = None
    part: str = ""
    """The component that spoke: "level", "jump", "heartbeat" and so on, or "absent"; reason.py says what each stands for."""
    interval: float = 0.0
    """Distance between its samples then, in ms; 0 where it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Related firing series, from first to last: what people are told about. Times in Unix ms, end None while open."""

    id: str
    state: Literal["open", "resolved"]
    rule: str
    severity: Severity
    start: int
    end: int | None
    score: float
    title: str
    series: tuple[IncidentSeries, ...] = field(default=())
    """Ranked by onset, then by strength; at most 1000 are listed."""
    total: int = 0
    """How many series it holds, listed or not."""
    updated: int = 0
    """Tick of the last change, Unix ms."""


ChangeKind = Literal["opened", "updated", "resolved"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One step of an incident's life: the unit a notifier delivers."""

    number: int
    """Rising by one over the life of a store: the mark up to which a notifier has delivered."""
    kind: ChangeKind
    time: int
    incident: Incident
    notify: tuple[str, ...] = ()
    silenced: str = ""
    """The silence that holds it back, or "history" when the incident was long over before its samples came."""
