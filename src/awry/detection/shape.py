"""Has this shape been seen lately, and does it follow the usual movement: nearest earlier window, and a streaming PCA.

The nearest window: root mean square distance of the last 8 values to the same number of values ending 8 to 320 samples ago,
computed exactly each time. The PCA: three components of the last 16 standardised values, learned by Sanger's deflation with a
per-component step 1 / variance (Oja, doi:10.1007/BF00275687; Sanger, doi:10.1016/0893-6080(89)90044-0); what is left is
the residual.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from awry.core.kernel import kernel
from awry.detection.state import (
    MU,
    PCA,
    PCA_LAGS,
    PCA_N,
    PCA_PARTS,
    PCA_SCALE,
    PCA_VAR,
    RING,
    RING_END,
    RING_KEEP,
    RING_SIZE,
    VAR,
    WINDOW,
)

FAR_LAG = 64
"""Lags from here on make the second distance, so that a repeated fault does not explain itself."""
START = 16
"""Samples before which there is no shape."""
START_VARIANCE = 16.0


@kernel
def remember(f: NDArray[np.float32], c: NDArray[np.int32], x: float) -> None:
    """Append a value to the ring of the last RING_KEEP values, moving them to the front when it is full."""
    end = c[RING_END]
    if end == RING_SIZE:
        for i in range(RING_KEEP - 1):
            f[RING + i] = f[RING + RING_SIZE - RING_KEEP + 1 + i]
        end = RING_KEEP - 1
    f[RING + end] = x
    c[RING_END] = end + 1


@kernel
def least(distance: NDArray[np.float32], count: int) -> float:
    """Smallest of distance[:count], which is overwritten; halving in pairs lets the compiler use vectors."""
    while count > 1:
        half = count // 2
        upper = distance[count - half : count]
        for k in range(half):
            a, b = distance[k], upper[k]
            distance[k] = a if a < b else b
        count -= half
    return float(distance[0])


@kernel
def nearest(ring: NDArray[np.float32], distance: NDArray[np.float32]) -> tuple[float, float]:
    """Root mean square distance to the nearest window, over all lags and over those from FAR_LAG on.

    ring: the values known, oldest first, at least 16 and at most 328. distance: scratch of at least 313.
    The second equals the first while fewer than 8 windows are that old.
    """
    size = ring.shape[0]
    count = size - 2 * WINDOW + 1
    now = ring[size - WINDOW :]
    n0, n1, n2, n3, n4, n5, n6, n7 = now[0], now[1], now[2], now[3], now[4], now[5], now[6], now[7]
    r0, r1, r2, r3 = ring[0:count], ring[1 : 1 + count], ring[2 : 2 + count], ring[3 : 3 + count]
    r4, r5, r6, r7 = ring[4 : 4 + count], ring[5 : 5 + count], ring[6 : 6 + count], ring[7 : 7 + count]
    for k in range(count):
        d0, d1, d2, d3 = r0[k] - n0, r1[k] - n1, r2[k] - n2, r3[k] - n3
        d4, d5, d6, d7 = r4[k] - n4, r5[k] - n5, r6[k] - n6, r7[k] - n7
        distance[k] = (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3) + (d4 * d4 + d5 * d5) + (d6 * d6 + d7 * d7)
    far_count = count - (FAR_LAG - WINDOW)
    if far_count < 8:
        any_lag = math.sqrt(least(distance, count) / WINDOW)
        return any_lag, any_lag
    recent = least(distance[far_count:], count - far_count)
    far = least(distance, far_count)
    return math.sqrt(min(recent, far) / WINDOW), math.sqrt(far / WINDOW)


@kernel
def begin_pca(f: NDArray[np.float32]) -> None:
    """Start from the first three waves of a cosine basis."""
    for q in range(PCA_PARTS):
        norm = 0.0
        for j in range(PCA_LAGS):
            w = math.cos(math.pi * q * (j + 0.5) / PCA_LAGS)
            norm += w * w
        for j in range(PCA_LAGS):
            f[PCA + q * PCA_LAGS + j] = math.cos(math.pi * q * (j + 0.5) / PCA_LAGS) / math.sqrt(norm)
        f[PCA_VAR + q] = START_VARIANCE


@kernel
def pca_residual(f: NDArray[np.float32], c: NDArray[np.int32], h: NDArray[np.float32]) -> float:
    """Residual of the last 16 values after three components, relative to its usual size; 1 before that is known. Learns them.

    h: float32 (16,), scratch.
    """
    end = RING + c[RING_END]
    spread = math.sqrt(f[VAR])
    inverse = np.float32(1.0 / spread) if spread > 0.0 else np.float32(0.0)
    mean = f[MU]
    for j in range(PCA_LAGS):
        v = (f[end - 1 - j] - mean) * inverse
        h[j] = min(max(v, np.float32(-8.0)), np.float32(8.0))
    for q in range(PCA_PARTS):
        w = f[PCA + q * PCA_LAGS : PCA + (q + 1) * PCA_LAGS]
        y = np.float32(0.0)
        for j in range(PCA_LAGS):
            y += w[j] * h[j]
        f[PCA_VAR + q] = np.float32(0.999) * f[PCA_VAR + q] + y * y + np.float32(0.001)
        step = y / f[PCA_VAR + q]
        norm = np.float32(0.0)
        for j in range(PCA_LAGS):
            h[j] -= y * w[j]
            w[j] += step * h[j]
            norm += w[j] * w[j]
        inverse_norm = np.float32(1.0) / np.float32(math.sqrt(norm))
        for j in range(PCA_LAGS):
            w[j] *= inverse_norm
    rest = 0.0
    for j in range(PCA_LAGS):
        rest += h[j] * h[j]
    e = math.sqrt(rest / PCA_LAGS)
    usual = f[PCA_SCALE]
    ready = c[PCA_N] >= 32
    cut = min(e, 6.0 * usual) if ready and usual > 0.0 else e
    f[PCA_SCALE] += max(1.0 / (c[PCA_N] + 1), 0.0005) * (cut - usual)
    c[PCA_N] += 1
    return e / (usual + 0.001) if ready else 1.0
