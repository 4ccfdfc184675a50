"""Fits the pooled survival curves that calibration shrinks to, from the labelled sets of a data folder; writes prior.json.

    python -m benchmarks.fit_prior DATA [--detector default] [--out src/awry/detection/prior.json]

The curves of other detectors in that file are kept.

Per set, head and age of the series it counts episodes by their largest strength, leaving out those that
touch a labelled row, and averages the rates over the sets with equal weight. In NAB nobody looked for anomalies in the first 15 %
of a file, at most 750 rows, so these count as labelled. Simulated idle hosts count as one set more.
Where fewer than 20 episodes remain the curve goes on log-linearly, less steeply. Only these curves of 49 numbers are shipped,
none of the data.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from awry.detection.calibration import AGES, BINS, QUIET, RISE, WIDTH, age_of
from awry.detection.state import kernel
from benchmarks.series_sets import FOLDERS, labelled, strengths, synthetic

Tally = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Episodes (ages, heads, bins) and samples (ages,)."""
FEWEST = 20
SAMPLES = 1000
"""A set with fewer samples of an age says nothing of it."""
TAIL_CAUTION = (0.6, 0.7, 0.8)
"""Share of the slope kept beyond the counted part, by age: real tails are heavier than they look from few samples."""


@kernel
def tally(strength: NDArray[np.float32], truth: NDArray[np.bool_], bins: NDArray[np.float64], seen: NDArray[np.float64]) -> None:
    """Add one series' unlabelled episodes to bins (ages, heads, BINS) and its unlabelled samples to seen (ages,)."""
    for h in range(strength.shape[1]):
        age, since, peak, most, lowest, spoiled, opened = 0, 0, -1.0, 0.0, 0.0, False, 0
        for i in range(strength.shape[0]):
            v = strength[i, h]
            if math.isnan(v):
                continue
            since += 1
            lowest = min(lowest, v)
            if since > QUIET and lowest <= max(peak - RISE, 0.0):
                if not spoiled:
                    bins[opened, h, min(int(most / WIDTH), BINS - 1)] += 1
                since, peak, most, spoiled = 0, -1.0, 0.0, False
                opened = age_of(age)
            if v > peak + RISE:
                peak, lowest, since = v, v, 0
            most = max(most, v)
            spoiled = spoiled or truth[i]
            if h == 0 and not truth[i]:
                seen[age_of(age)] += 1
            age += 1


def tally_of(scored: list[tuple[NDArray[np.float32], NDArray[np.bool_]]]) -> Tally:
    """Episodes and samples of a set."""
    heads = scored[0][0].shape[1]
    bins, seen = np.zeros((AGES, heads, BINS)), np.zeros(AGES)
    for strength, truth in scored:
        tally(strength, truth, bins, seen)
    return bins, seen


def without_start(
    scored: list[tuple[NDArray[np.float32], NDArray[np.bool_]]],
) -> list[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
    """NAB's series with the part that nobody labelled, by its rules the first 15 % and at most 750 rows, marked."""
    return [(strength, truth | (np.arange(len(truth)) < min(0.15 * len(truth), 750))) for strength, truth in scored]


def tally_idle(detector: str) -> Tally:
    """Idle hosts: 20 over days, and 100 in their first hours, of which the days hold too little."""
    days, hours = (
        tally_of(strengths(synthetic("idle host", seed=77), detector)),
        tally_of(strengths(synthetic("idle host", 1600, 100, seed=78), detector)),
    )
    return days[0] + hours[0], days[1] + hours[1]


def fit(tallies: list[Tally]) -> NDArray[np.float64]:
    """ln of the mean rate of episodes at or above each bin edge: (ages, heads, BINS + 1)."""
    heads = tallies[0][0].shape[1]
    curve = np.empty((AGES, heads, BINS + 1))
    for age in range(AGES):
        heard = [(bins[age], seen[age]) for bins, seen in tallies if seen[age] >= SAMPLES]
        for head in range(heads):
            above = [np.append(np.cumsum(bins[head][::-1])[::-1], 0.0) for bins, _ in heard]
            rate = np.mean([a / seen for a, (_, seen) in zip(above, heard, strict=True)], axis=0)
            filled = max(int(np.sum(np.sum(above, axis=0) >= FEWEST)) - 1, 6)
            log_rate = np.log(np.maximum(rate, 1e-300))
            slope = min((log_rate[filled] - log_rate[filled - 5]) / 5 * TAIL_CAUTION[age], -0.1)
            log_rate[filled:] = log_rate[filled] + slope * np.arange(BINS + 1 - filled)
            curve[age, head] = np.minimum(log_rate, math.log(1 / QUIET))
    return curve


def main() -> None:
    """Fit on all sets and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--detector", default="default", metavar="NAME")
    parser.add_argument("--out", type=Path, default=Path("src/awry/detection/prior.json"))
    args = parser.parse_args()
    tallies = [tally_of(strengths(labelled(args.data, name), args.detector)) for name in FOLDERS]
    tallies.append(tally_of(without_start(strengths(labelled(args.data, "nab"), args.detector))))
    curve = fit([*tallies, tally_idle(args.detector)])
    about = "ln of episodes per sample at or above each edge of 48 bins of width 0.2; by age (young, growing, grown) and head"
    table = json.loads(args.out.read_text()) if args.out.exists() else {}
    table[args.detector] = {"about": about, "log_rate": np.round(curve, 3).tolist()}
    args.out.write_text(json.dumps(table) + "\n")
    for age, name in enumerate(("young", "growing", "grown")):
        for head in range(curve.shape[1]):
            print(name, head, " ".join(f"{v:.1e}" for v in np.exp(curve[age, head, ::6])))


if __name__ == "__main__":
    main()
