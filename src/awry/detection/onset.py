"""When a strength begins something new: onsets and the segment that follows them; for calibration and for every measure of alerts.

An onset is a strength more than RISE above the memory M of the last one. M holds while the strength stays within RISE of it and
for HOLD samples after, then fades by FADE a sample: what goes on is one onset, what comes back after a quiet hour is another, and
what grows is told again at each doubling. The segment is the maximum of the strengths, each fading by FADE a sample.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from awry.core.kernel import allocating, kernel

RISE = math.log(2.0)
HOLD = 10
"""Samples for which the memory of an onset stays as it is."""
FADE = 0.939413
"""Decay per sample of a memory that is let go, and of a segment: to 1/e in 16."""


@kernel
def onset(memory: NDArray[np.float32], waited: NDArray[np.int32], at: int, v: float, first: bool, hold: int) -> bool:
    """Whether v is an onset, which memory[at] then remembers; waited[at]: samples since v was last near it."""
    m = memory[at]
    if first or v > m + RISE:
        memory[at] = v
        waited[at] = 0
        return True
    if v > m - RISE:
        waited[at] = 0
    elif waited[at] < hold:
        waited[at] += 1
    else:
        memory[at] = m * FADE
    return False


@allocating
def mark(strength: NDArray[np.float32], hold: int, emitted: NDArray[np.float32], segment: NDArray[np.float32]) -> None:
    """Of the strengths of one series, in order: themselves at onsets and 0 elsewhere, and their segment. All float32 (n,)."""
    memory, waited, held, first = np.zeros(1, np.float32), np.zeros(1, np.int32), np.float32(0.0), True
    for i in range(strength.shape[0]):
        v = strength[i]
        emitted[i] = v if onset(memory, waited, 0, v, first, hold) else 0.0
        first = False
        held = max(np.float32(FADE) * held, v)
        segment[i] = held


def onsets(strength: NDArray[Any], hold: int = HOLD) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Of strengths (n,) of one series in natural logarithms, NaN counting 0: themselves where they begin (0 elsewhere), and the
    segment."""
    values = np.nan_to_num(np.ascontiguousarray(strength, np.float32), nan=0.0)
    emitted, segment = np.empty_like(values), np.empty_like(values)
    mark(values, hold, emitted, segment)
    return emitted, segment
