"""What can be chosen about a store; for whoever opens one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Fault = Callable[[str], None]
"""Called with the name of each point a crash or an error is worth trying at; tests raise there."""

GROUP_SLOTS = 100
"""Series that share a chunk."""


def no_fault(point: str) -> None:
    """The fault hook of a store that is not under test."""


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """The options of a store; times in milliseconds, sizes in bytes."""

    seal_age_ms: int = 3_600_000
    """Journal samples older than this are sealed into chunks."""
    seal_samples: int = 1_000_000
    """…and so they are when more than this many wait, whatever their age."""
    journal_keep_ms: int = 7_200_000
    """Sealed journal rows are kept this long, so that a replay can start earlier than the last checkpoint."""
    retention_ms: int | None = None
    """Samples, changes and resolved incidents older than this are deleted; None keeps all."""
    max_bytes: int | None = None
    """The oldest chunks are deleted while the database is larger than this; None sets no limit."""
    merge_rows: int = 20_000
    """Chunks of a group are merged up to this many rows when they turned out small."""
    slice_ms: float = 10.0
    """How long one call of upkeep packs samples before it commits them and says that more is waiting."""
    synchronous: Literal["FULL", "NORMAL"] = "FULL"
    """SQLite only: FULL survives a loss of power, NORMAL only a crash of the process."""
