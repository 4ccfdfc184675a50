"""The components of all detectors under one numbering, so that a stored number keeps its word whatever detector wrote it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

OTHER = "other"
"""A component of a detector that is not ours."""
PARTS = (
    "none", "level", "sustained", "variability", "flat", "trend", "jump", "day", "week", "shape", "pca", "start", "heartbeat",
    "beyond", OTHER,
    "residual", "records", "many", "few", "burst", "silence", "distance", "tail", "emptiness", "displacement", "below", "above",
    "green", "yellow", "red", "alone", "siblings", "late",
)  # fmt: skip
"""Words by number. Numbers are stored beside samples: append, never move."""


def part_numbers(parts: Sequence[str]) -> NDArray[np.uint8] | None:
    """Number in PARTS of each of a detector's components; None when they are numbered so already."""
    if tuple(parts) == PARTS[: len(parts)]:
        return None
    return np.array([PARTS.index(part) if part in PARTS else PARTS.index(OTHER) for part in parts], np.uint8)
