"""Which component explains a sample best: what people are told about it, besides how strange it is; for the default detector.

A person asks "what about it?". The answer is the simplest that is true: it stands where no value stood (level), it came there at
once (jump), it has stayed there (sustained), it moves (trend), it swings more (variability) or not at all (flat), or it is odd for
this time of day or week. Only what no such statement covers is called an odd shape, or off the usual pattern (pca).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from awry.core.kernel import kernel
from awry.detection.records import BY_DAY, BY_WEEK, FAMILIES, FLAT, JUMP, LEVEL, SUSTAINED, TREND, VARIABILITY

PARTS = (
    "none", "level", "sustained", "variability", "flat", "trend", "jump", "day", "week", "shape", "pca", "start",
    "heartbeat", "beyond",
)  # fmt: skip
FAMILY_PART = 1
"""Part of the first family of records; the others follow in order."""
FLAT_PART, JUMP_PART, DAY_PART, SHAPE_PART, PCA_PART, START_PART, HEARTBEAT_PART, BEYOND_PART = 4, 6, 7, 9, 10, 11, 12, 13
SURPRISING = 0.8
"""A family's surprise from which it is worth telling: about the second largest in 5,000 samples."""
HANDICAP = np.zeros(FAMILIES)
HANDICAP[LEVEL], HANDICAP[JUMP], HANDICAP[SUSTAINED], HANDICAP[TREND] = 0.0, 0.1, 0.3, 0.6
HANDICAP[VARIABILITY], HANDICAP[FLAT], HANDICAP[BY_DAY], HANDICAP[BY_WEEK] = 0.2, 0.5, 0.4, 0.5
"""What a family's surprise is lowered by, so that of equally surprising statements the simpler one is made."""


@kernel
def speaker(family: NDArray[np.float64], q: float, ratio: float, rest: float, exceeded: float, beyond: float) -> int:
    """The part that explains a sample. family: (8,), largest surprise of each family of records. q: distance of the nearest window
    in deviations. ratio: day residual over its usual size. rest: PCA residual over its usual size. exceeded: distance from the
    expected value in usual errors. beyond: strength of that head."""
    if beyond > 0.0:
        return BEYOND_PART
    best, most = -1, SURPRISING
    for k in range(FAMILIES):
        s = family[k] - HANDICAP[k]
        if family[k] > 0.0 and s > most:
            best, most = k, s
    if best >= 0:
        return FAMILY_PART + best
    by_day, by_jump = math.log1p(ratio), math.log1p(exceeded)
    if by_day > math.log(4.0) and by_day >= by_jump:
        return DAY_PART
    if by_jump > math.log(5.0):
        return JUMP_PART
    if math.log1p(q) >= math.log(max(rest, 1.0)):
        return SHAPE_PART
    return PCA_PART
