"""What speaks for a series too young for anything else, faded out by its 256th sample: its weight, and lean's plain z."""

from __future__ import annotations

import math

from awry.core.kernel import kernel

FIRST, FULL, END = 12, 128, 256
"""Samples from which it speaks, after which it fades, and at which it is silent."""


@kernel
def fading(n: int) -> float:
    """Weight of what speaks for the young after n samples: 1, falling to 0 between FULL and END."""
    return min(1.0, (END - n) / (END - FULL)) if FIRST <= n < END else 0.0


@kernel
def start_strength(x: float, mean: float, variance: float, n: int) -> float:
    """2 ln(1 + z), z = |x - mean| in standard deviations cut at 4 + n/8 (4 when nothing ever moved); 0 when n is out of range."""
    weight = fading(n)
    if weight == 0.0:
        return 0.0
    away = abs(x - mean)
    if variance > 0.0:
        z = min(away / math.sqrt(variance), 4.0 + n / 8.0)
    else:
        z = 4.0 if away > 0.0 else 0.0
    return float(2.0 * math.log1p(z) * weight)
