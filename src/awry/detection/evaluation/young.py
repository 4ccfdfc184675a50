"""From which row on a new series is watched: spikes and level shifts in its first rows, at one false alert per 1,000.

The beginnings are the first rows of stretches without labels, and rows from the middle of them as if the series began there.
One threshold per output, the lowest with at most one alert per 1,000 clean rows in rows 16 to 499, holds for all rows and series.
A fault counts as found when an alert comes within 10 rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from awry.detection.evaluation.inject import Stretch
from awry.detection.evaluation.watch import Watch, threshold_for

ROWS = (16, 20, 32, 64, 128, 256)
FIRST, LAST = 16, 500
FALSE_ROWS = 1000
WITHIN = 10
FAULTS = {"spike 8": (8.0, 1), "level 5": (5.0, WITHIN)}
"""Size in sigma of the whole stretch, and rows."""
BEGINNINGS = (0, 5000)


@dataclass(frozen=True, slots=True)
class Young:
    """Recall by output, fault and row; one threshold per output."""

    beginnings: int
    threshold: dict[str, float]
    recall: dict[str, dict[str, dict[int, float]]]


def run_young(detector: str, series: Sequence[Stretch]) -> Young:
    """Measure one detector on beginnings of these stretches."""
    outputs = Watch(detector).outputs
    clean, kept = [], []
    begins = [(one, at) for one in series for at in BEGINNINGS if at + LAST <= len(one.value)]
    for one, begin in begins:
        watch, row, states = Watch(detector), 0, []
        out = []
        for stop in (*ROWS, LAST):
            rows = slice(begin + row, begin + stop)
            out.append(watch.step(np.zeros(stop - row, np.int32), one.time[rows], one.value[rows])[0])
            if stop < LAST:
                states.append(watch.dump())
            row = stop
        clean.append(np.concatenate(out)[FIRST:])
        kept.append(states)
    pooled = np.concatenate(clean)
    threshold = threshold_for(pooled, len(pooled) // FALSE_ROWS)
    found = np.zeros((len(FAULTS), len(ROWS), len(outputs)))
    for (one, begin), states in zip(begins, kept, strict=True):
        for r, (row, state) in enumerate(zip(ROWS, states, strict=True)):
            rows = slice(begin + row, begin + row + WITHIN)
            values = np.tile(one.value[rows], (len(FAULTS), 1))
            for k, (size, length) in enumerate(FAULTS.values()):
                values[k, :length] += size * one.sigma
            watch = Watch(detector)
            watch.load(state, len(FAULTS))
            slot = np.repeat(np.arange(len(FAULTS), dtype=np.int32), WITHIN)
            emitted = watch.step(slot, np.tile(one.time[rows], len(FAULTS)), values.ravel())[0]
            found[:, r] += (emitted.reshape(len(FAULTS), WITHIN, -1) >= threshold).any(axis=1)
    share = (found / max(len(begins), 1)).round(3)
    recall = {
        name: {
            fault: {row: float(share[k, r, o]) for r, row in enumerate(ROWS)} for k, fault in enumerate(FAULTS)
        } for o, name in enumerate(outputs)
    }  # fmt: skip
    return Young(len(begins), dict(zip(outputs, threshold.tolist(), strict=True)), recall)
