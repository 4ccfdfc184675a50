"""One immutable picture of the engine, published for readers: pages and API never touch live state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Floats, Times, Values
from awry.core.incident import Incident
from awry.core.rule import Rule, Silence

STATES = ("warming", "watching", "silent", "parked")


@dataclass(frozen=True, slots=True)
class Active:
    """A rule holding a series."""

    rule: str
    slot: int
    state: Literal["pending", "firing"]
    since: int
    threshold: float
    why: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Columns have one row per slot and are never written again; `heat` is a live view that only ever gains colour."""

    seq: int
    time: int
    """Tick of the picture, Unix ms."""
    series: int
    """How many slots."""
    last_time: Times
    last_value: Values
    score: Floats
    segment: Floats
    expected: Floats
    low: Floats
    high: Floats
    interval_ms: Floats
    seen: NDArray[np.uint32]
    state: NDArray[np.uint8]
    """Index into STATES."""
    heat: NDArray[np.uint8]
    """(series, 144): worst segment * 254 in each ten minutes, 255 = no judged sample; column of t = t // 600_000 % 144."""
    heat_end: int
    """Unix ms at which the newest column ends."""
    rules: tuple[Rule, ...] = ()
    silences: tuple[Silence, ...] = ()
    active: tuple[Active, ...] = ()
    incidents: tuple[Incident, ...] = ()
    """Open ones, newest first."""
    rate: tuple[tuple[int, int], ...] = ()
    """(Unix ms, samples accepted in the 5 s from there), the last 15 minutes."""
    store_error: str = ""
    """Why the store cannot write now, or ""."""
    delay_ms: float = 0.0
    """Recent p99 from receiving a sample to its commit, in milliseconds."""
