"""VUS-PR: the volume under the range-based precision-recall surface of a segment score; for the suite.

Paparrizos, Boniol, Palpanas, Tsay, Elmore, Franklin: "Volume Under the Surface: A New Accuracy Evaluation Measure for
Time-Series Anomaly Detection", PVLDB 15(11), 2022 (doi:10.14778/3551793.3551830), as TSB-AD computes it (Liu and Paparrizos,
NeurIPS 2024): truth is widened on both sides by up to half a window, its weight falling with the square root of the distance;
precision and recall are taken at 250 thresholds, recall times the share of events that were touched; the average precision is
averaged over all windows up to the series' own period.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from awry.core.kernel import allocating

THRESHOLDS = 250
FIRST_ROWS, LAGS, BASE = 20_000, 400, 3
LONGEST, OTHERWISE = 300, 125
"""A period beyond the first is not believed; the second stands for it."""


def window_of(value: NDArray[np.float64]) -> int:
    """The period of a series in rows: the highest local maximum of its autocorrelation; OTHERWISE when it has none.

    value: (rows,), missing ones as NaN; they take the value before them.
    """
    x = value[:FIRST_ROWS]
    if np.isnan(x).all():
        return OTHERWISE
    known = np.maximum.accumulate(np.where(np.isnan(x), -1, np.arange(len(x))))
    x = x[np.maximum(known, int(np.argmax(~np.isnan(x))))]
    size, largest = 1 << int(2 * len(x) + 1).bit_length(), float(np.abs(x).max())
    x = x / largest if largest > 0.0 else x
    spectrum = np.fft.rfft(x - x.mean(), size)
    covariance = np.fft.irfft(spectrum * np.conj(spectrum), size)[: min(len(x), LAGS + 1)]
    # what rounding leaves of a constant series is no period
    if len(covariance) <= BASE + 2 or not covariance[0] > 1e-20:
        return OTHERWISE
    correlation = covariance[BASE:] / covariance[0]
    inner = correlation[1:-1]
    tops = np.flatnonzero((inner > correlation[:-2]) & (inner > correlation[2:])) + 1
    if not len(tops):
        return OTHERWISE
    best = int(tops[np.argmax(correlation[tops])])
    return best + BASE if BASE <= best <= LONGEST else OTHERWISE


def vus_pr(strength: NDArray[Any], truth: NDArray[np.bool_], window: int) -> float:
    """VUS-PR of one file: strength (rows,) finite, truth (rows,); NaN when every row or none is true."""
    if not 0 < int(truth.sum()) < len(truth):
        return math.nan
    rising = np.sort(strength)
    at = np.linspace(0, len(strength) - 1, THRESHOLDS).astype(np.int64)
    thresholds = rising[::-1][at]
    # the first threshold that each row reaches: thresholds fall
    bucket = np.searchsorted(-thresholds, -np.asarray(strength, thresholds.dtype), side="left").astype(np.int64)
    predicted = np.cumsum(np.bincount(bucket, minlength=THRESHOLDS))[:THRESHOLDS].astype(np.float64)
    edges = np.diff(np.concatenate(([0], truth.astype(np.int8), [0])))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1
    return float(_volume(bucket, predicted, starts, ends, len(truth), window))


@allocating
def _volume(
    bucket: NDArray[np.int64], predicted: NDArray[np.float64], starts: NDArray[np.int64], ends: NDArray[np.int64],
    rows: int, longest: int,
) -> float:  # fmt: skip
    """Mean over windows of 0 to `longest` rows of the range-based average precision.

    bucket (rows,): the first of the falling thresholds that a row reaches. predicted (250,): rows that reach each.
    starts, ends: first and last row of each event.
    """
    events, levels = starts.shape[0], predicted.shape[0]
    total = 0.0
    for i in range(events):
        total += ends[i] - starts[i] + 1
    weight = np.zeros(rows)
    inside, beside, touched = np.zeros(levels), np.zeros(levels), np.zeros(levels)
    for i in range(events):
        for row in range(starts[i], ends[i] + 1):
            inside[bucket[row]] += 1.0
    volume = 0.0
    for window in range(longest + 1):
        half = window // 2
        beside[:] = 0.0
        touched[:] = 0.0
        for i in range(events):
            for row in range(ends[i] + 1, min(ends[i] + half + 1, rows)):
                weight[row] += math.sqrt(1.0 - (row - ends[i]) / window)
            for row in range(max(starts[i] - half, 0), starts[i]):
                weight[row] += math.sqrt(1.0 - (starts[i] - row) / window)
        groups = 0.0
        earliest = levels
        done = 0
        for i in range(events):
            for row in range(max(starts[i] - half, done), min(ends[i] + half + 1, rows)):
                at = bucket[row]
                earliest = min(earliest, at)
                if i + 1 < events and row >= starts[i + 1]:
                    break
                if not starts[i] <= row <= ends[i]:
                    beside[at] += min(weight[row], 1.0)
                weight[row] = 0.0
                done = row + 1
            # events whose widened ranges meet are one for the share that was touched
            if i + 1 == events or ends[i] + half < starts[i + 1] - half:
                groups += 1.0
                if earliest < levels:
                    touched[earliest] += 1.0
                earliest = levels
        hit, near, known, before, area = 0.0, 0.0, 0.0, 0.0, 0.0
        for k in range(levels):
            hit += inside[k]
            near += beside[k]
            known += touched[k]
            found = hit + near
            recall = min(found / (total + 0.5 * near), 1.0) * (known / groups)
            area += (recall - before) * (found / predicted[k])
            before = recall
        volume += area
    return volume / (longest + 1)
