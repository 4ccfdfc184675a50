"""How far a value lies from what the last few values predict, by an adaptive lattice filter of 18 numbers; for the lean detector.

An autoregression in lattice form (Friedlander, Lattice filters for adaptive processing, doi:10.1109/PROC.1982.12407): stage m turns
the forward error e and the backward error b' of the sample before into e + k b' and b' + k e, with Burg's reflection coefficient
k = -2 sum(e b') / sum(e^2 + b'^2) over about the last 1,000 samples. |k| <= 1, so it is stable whatever comes, it needs no matrix,
and it learns as fast as recursive least squares.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from awry.core.kernel import kernel

ORDER = 6
LATTICE_SIZE = 3 * ORDER
"""Numbers of state: backward errors of the last sample, then numerators, then denominators of k."""
KEEP = 0.999
CUT = 8.0
"""Values count as at most so many deviations from the mean, so that one giant does not become the model."""


@kernel
def lattice_error(f: NDArray[np.float32], at: int, z: float) -> float:
    """|error| of predicting z from the ORDER samples before it, in deviations; then learns z.

    f[at:at + LATTICE_SIZE]: state. z: the value's distance from its mean in standard deviations.
    """
    forward = min(max(z, -CUT), CUT)
    backward = forward
    for m in range(ORDER):
        old = float(f[at + m])
        top, bottom = float(f[at + ORDER + m]), float(f[at + 2 * ORDER + m])
        k = -top / bottom if bottom > 0.0 else 0.0
        f[at + m] = backward
        f[at + ORDER + m] = KEEP * top + 2.0 * forward * old
        f[at + 2 * ORDER + m] = KEEP * bottom + forward * forward + old * old + 1e-4
        forward, backward = forward + k * old, old + k * forward
    return abs(forward)
