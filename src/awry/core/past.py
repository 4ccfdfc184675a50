"""One series as a store still has it: what rebuilding its detector at an earlier moment takes; between the store and the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Batch, Scored, Values
from awry.core.tick import Block


@dataclass(frozen=True, slots=True)
class Past:
    """Everything is of one moment of the store."""

    key: str
    slot: int
    born: int
    """Tick of its first sample: what was saved of the slot before is another series'."""
    batch: Batch
    """All stored samples in order of time, each once."""
    scored: Scored
    seq: NDArray[np.int64]
    """Tick of each sample; 0 where only the sealed history has it."""
    sent: Values
    """What a counter sent in place of its rate; NaN where that is not kept, and for a gauge."""
    journal_from: int
    """The oldest tick in the journal."""
    block: Block | None
    """The checkpoint block that its slot is in."""
    stages: Block | None
    """The last checkpoint of rules and arrivals."""
    parked: Sequence[tuple[int, int | None, bytes]]
    """(tick, tick at which it sent again, detector state) of the times it was parked."""
    commands: Sequence[tuple[int, bytes]]
    """(tick, JSON) of the commands in the journal."""
