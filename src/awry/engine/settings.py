"""What can be set about the engine; units stand in the names."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from awry.core.rule import Rule
from awry.engine.threshold import DEFAULT_BUDGET

DEFAULT_RULE = Rule(name="default", budget=DEFAULT_BUDGET, keep_for_ms=300_000, origin="default")
"""States a rate, not a number: at most one false episode per series in 30 days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """Options of the engine; the defaults work."""

    shards: int = field(default_factory=lambda: max(1, min(16, os.cpu_count() or 1)))
    """Compute threads; results do not depend on it."""
    queue_samples: int = 2_000_000
    """Most samples received but not yet committed; beyond it sources wait and HTTP clients are told to."""
    tick_samples: int = 200_000
    """Most samples decided in one tick."""
    future_ms: int = 600_000
    """A sample further ahead of the clock than this is refused, in milliseconds."""
    checkpoint_ms: int = 300_000
    """Every changed block of detector state is saved once within this time, in milliseconds."""
    silent_ms: int = 86_400_000
    """A series silent for longer than this is parked, in milliseconds: its state leaves memory, and nobody is told any more."""
    forget_ms: int | None = None
    """A parked series is deleted when its last sample is older than this, in milliseconds; None: never."""
