"""What can be chosen about a store; for whoever opens one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Fault = Callable[[str], None]
"""Called with the name of each point a crash or an error is worth trying at; tests raise there."""

GROUP_SLOTS = 25
"""Series that share a chunk: with 100 a series takes six times as long to unpack, and a chunk is 5 % smaller."""


def no_fault(point: str) -> None:
    """The fault hook of a store that is not under test."""


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """The options of a store; times in milliseconds, sizes in bytes."""

    seal_age_ms: int = 3_600_000
    """Journal samples older than this are sealed into chunks."""
    seal_samples: int = 1_000_000
    """…and so they are when this many wait, whatever their age,"""
    seal_rows_each: int = 8
    """but with very many series not before there are this many samples of each, lest chunks become tiny."""
    journal_keep_ms: int = 7_200_000
    """Sealed journal rows are kept this long, so that a replay can start earlier than the last checkpoint."""
    retention_ms: int | None = None
    """Samples, changes and resolved incidents older than this are deleted; None keeps all."""
    max_bytes: int | None = None
    """The oldest chunks are deleted while the database is larger than this; None sets no limit."""
    merge_rows: int = 4_000
    """Chunks of fewer than an eighth of this many rows are merged up to it, once a group has many."""
    slice_ms: float = 10.0
    """How long one call of upkeep packs samples before it commits them and says that more is waiting."""
    synchronous: Literal["FULL", "NORMAL"] = "FULL"
    """SQLite only: FULL survives a loss of power, NORMAL only a crash of the process."""
