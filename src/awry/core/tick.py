"""What one transaction commits, what a restart reads back, and what a reader gets; between the engine and the store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Arrays, Batch, Scored, Times, Values
from awry.core.incident import Change, Incident

REASONS: tuple[str, ...] = ("accepted", "duplicate", "late", "future", "infinite", "out_of_range")
"""Why the engine refused a sample, by code; 0 means it did not. Decoders have reasons of their own (malformed, series_limit…)."""


@dataclass(frozen=True, slots=True)
class Sent:
    """Samples of counters as they were sent; the batch holds their rates, per second."""

    rows: NDArray[np.int32]
    """Rows of the tick's batch, rising."""
    value: Values


@dataclass(frozen=True, slots=True)
class Tick:
    """One journal row: everything decided at one moment, committed together."""

    seq: int
    """Number of the row, rising by one."""
    time: int
    """The tick: Unix ms by the engine's clock at the decision; replay reads it here and never asks a clock."""
    batch: Batch
    """Accepted samples only."""
    scored: Scored
    series: tuple[tuple[int, str], ...] = ()
    """(slot, key) of series seen for the first time."""
    commands: tuple[bytes, ...] = ()
    """JSON of rule, silence and delete commands applied before the batch, in order."""
    deleted: tuple[int, ...] = ()
    """Slots whose series, samples and state a command deleted."""
    counters: tuple[int, ...] = ()
    """Slots among `series` that are counters: their samples are stored as rates."""
    kinds: tuple[tuple[int, int], ...] = ()
    """(slot, kind) of known series whose kind a command changed, see `core.kind`."""
    sent: Sent | None = None
    """Of the batch's counters, what was sent in place of the rate; None when there are none."""
    parked: tuple[tuple[int, bytes], ...] = ()
    """(slot, detector state) of series that stopped long ago: their state leaves memory. A replay is not told the state: b""."""
    back: tuple[int, ...] = ()
    """Slots of parked series that send again: their state was taken back before the batch was judged."""
    incidents: tuple[Incident, ...] = ()
    """Incidents as they stand after this tick, those that changed only."""
    changes: tuple[Change, ...] = ()
    positions: Mapping[str, bytes] = field(default_factory=dict)
    """Source name -> position up to which its samples are part of this or an earlier tick."""


@dataclass(frozen=True, slots=True)
class Block:
    """State of a run of slots (or of the rules stage) after tick `seq`: one slice of an incremental checkpoint."""

    name: str
    """Whose state: "scorer", "arrivals", "heat", "rules"…"""
    index: int
    """Slots [index * BLOCK_SLOTS, …); 0 for state that is not per series."""
    seq: int
    arrays: Arrays


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a restart finds: series in slot order, the latest blocks, and the journal rows after the oldest of them."""

    keys: list[str]
    """Canonical key by slot; "" where a series was deleted before the first of the ticks."""
    blocks: Iterable[Block]
    """To be read once, before the ticks; in order of name and index."""
    ticks: Iterator[Tick]
    last_seq: int
    positions: Mapping[str, bytes]
    last_change: int = 0
    """Number of the newest change stored; 0: none is."""
    last_incident: int = 0
    """The number in the id of the newest incident stored; 0: none is."""
    kinds: bytes = b""
    """GAUGE or COUNTER by slot, after the last of the ticks; empty: all are gauges."""
    last_tick: int = 0
    """Time of the newest tick ever stored, Unix ms; 0: none is."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Stored samples of one series in order of time, with what was thought of each."""

    time: Times
    value: Values
    scored: Scored

    def __len__(self) -> int:
        return int(self.time.shape[0])


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of an intake once it was committed."""

    accepted: int
    rows: NDArray[np.intp]
    """Rows of the intake that were refused."""
    reasons: NDArray[np.uint8]
    """For each of them, an index into REASONS."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What a source yields: decoded samples, what it had to refuse before decoding, and where to resume after them."""

    batch: Batch
    received: int = 0
    """Samples seen, refused ones included; 0 means len(batch)."""
    refused: Mapping[str, int] = field(default_factory=dict)
    """Reason -> how many were refused before they became a row of the batch."""
    position: bytes | None = None
