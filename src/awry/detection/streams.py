"""The 44 statistics of a series whose records are kept: levels, lasting levels, steps, calm, shifts and residuals.

Each is one-sided, "large is strange"; a statistic that may be strange on both sides is two streams. records.py says which stream
belongs to which family.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from awry.core.kernel import kernel
from awry.detection.state import A3, A12, A48, E3, E4, E12, E48, E96, E400, RING, RING_END, N


@kernel
def mean_of(f: NDArray[np.float32], at: int, n: int, k: int, x: float) -> None:
    """Move an exponentially weighted mean over k samples towards x; a plain mean while n < k."""
    f[at] += max(1.0 / (n + 1), 1.0 / k) * (x - f[at])


@kernel
def usual_of(f: NDArray[np.float32], at: int, n: int, k: int, size: float) -> None:
    """Move the mean of a size, whose outliers are cut at six times the mean once 32 are known."""
    usual = f[at]
    mean_of(f, at, n, k, min(size, 6.0 * usual) if n >= 32 and usual > 0.0 else size)


@kernel
def both(z: NDArray[np.float32], at: int, x: float) -> None:
    """A statistic and its negative, as two one-sided streams."""
    z[at] = x
    z[at + 1] = -x


@kernel
def fill_streams(f: NDArray[np.float32], c: NDArray[np.int32], z: NDArray[np.float32], x: float, change: float) -> None:
    """The 32 streams that are always valid, and their means; the ring already holds x."""
    n = c[N]
    old4, old12 = f[E4], f[E12]
    mean_of(f, E3, n, 3, x)
    mean_of(f, E4, n, 4, x)
    mean_of(f, E12, n, 12, x)
    mean_of(f, E48, n, 48, x)
    mean_of(f, E96, n, 96, x)
    mean_of(f, E400, n, 400, x)
    size = abs(change)
    mean_of(f, A3, n, 3, size)
    mean_of(f, A12, n, 12, size)
    mean_of(f, A48, n, 48, size)
    both(z, 0, x)
    both(z, 2, f[E3])
    both(z, 4, f[E12])
    both(z, 6, f[E48])
    end = RING + c[RING_END]
    low, high = f[end - 1], f[end - 1]
    for back in range(2, min(n + 1, 24) + 1):
        low, high = min(low, f[end - back]), max(high, f[end - back])
        if back == 3:
            z[8], z[9] = low, -high
        elif back == 8:
            z[10], z[11] = low, -high
    z[12], z[13] = low, -high
    if n + 1 < 8:
        z[10], z[11] = low, -high
        if n + 1 < 3:
            z[8], z[9] = low, -high
    z[14], z[15], z[16], z[17] = size, f[A3], f[A12], f[A48]
    z[18] = -math.log(1e-9 + f[A12])
    z[19] = -math.log(1e-9 + f[A48])
    both(z, 20, f[E3] - f[E48])
    both(z, 22, f[E12] - f[E96])
    both(z, 24, f[E48] - f[E400])
    both(z, 26, change)
    both(z, 28, x - old4 if n > 0 else 0.0)
    both(z, 30, x - old12 if n > 0 else 0.0)


@kernel
def fill_profile(f: NDArray[np.float32], z: NDArray[np.float32], at: int, mean3: int, mean12: int, n: int, r: float) -> None:
    """The six streams of a profile's residual r, at z[at:at + 6]; n: residuals seen before."""
    mean_of(f, mean3, n, 3, r)
    mean_of(f, mean12, n, 12, r)
    both(z, at, r)
    both(z, at + 2, f[mean3])
    both(z, at + 4, f[mean12])
