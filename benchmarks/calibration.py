"""Does the score keep its promise: false episodes promised by a p, against those seen on series without labelled anomalies.

    python -m benchmarks.calibration DATA [--json] [--synthetic-only]

An episode opens as a rule does, when the score reaches -log10(p) / 10, and holds while the segment is at most .1 below. For real
sets the prior is fitted on the other sets only (leave one set out), and episodes that open on labelled rows or within 100 rows
after are left out. For each p the table shows realised / promised episodes per sample, of all rows and of the first 500.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from awry.detection.calibration import Prior, calibrate_rows
from awry.detection.default import DefaultDetector
from awry.detection.scorer import Scorer
from awry.detection.state import kernel
from benchmarks.fit_prior import fit, tally_idle, tally_of, without_start
from benchmarks.machine import machine
from benchmarks.series_sets import FOLDERS, SYNTHETIC, labelled, strengths, synthetic

Scored = list[tuple[NDArray[np.float32], NDArray[np.bool_]]]
PROMISES = (1e-3, 1e-4, 3e-5, 1e-5)


def realised(scored: Scored, prior: Prior) -> dict[str, dict[str, float]]:
    """Episodes per sample over the promise, by promise, with how many were expected."""
    onsets, early, rows, early_rows = np.zeros(len(PROMISES)), np.zeros(len(PROMISES)), 0, 0
    limits = np.array([-math.log10(p) / 10 for p in PROMISES]) - 5e-5
    for strength, truth in scored:
        near = np.convolve(truth, np.ones(101), "full")[: len(truth)] > 0
        score, segment = scores_of(strength, prior)
        counted = ~np.isnan(score) & ~near
        first = int(np.searchsorted(np.cumsum(counted), 500))
        for k, limit in enumerate(limits):
            opened = openings(score, segment, limit) & counted
            onsets[k] += opened.sum()
            early[k] += opened[:first].sum()
        rows += int(counted.sum())
        early_rows += int(counted[:first].sum())
    return {
        f"{p:g}": {"ratio": round(n / rows / p, 2), "first_500": round(e / early_rows / p, 2), "expected": round(rows * p, 1)}
        for p, n, e in zip(PROMISES, onsets, early, strict=True)
    }


@kernel
def openings(score: NDArray[np.float32], segment: NDArray[np.float32], threshold: float) -> NDArray[np.bool_]:
    """Rows at which a rule with this threshold opens; it holds while segment >= threshold - .1."""
    opened = np.zeros(score.shape[0], np.bool_)
    on = False
    for i in range(score.shape[0]):
        if on and segment[i] < threshold - 0.1:
            on = False
        if not on and score[i] >= threshold:
            on = opened[i] = True
    return opened


def scores_of(strength: NDArray[np.float32], prior: Prior) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Score and segment of one series' strengths."""
    n, heads = strength.shape
    judge = Scorer(DefaultDetector(), prior=prior)
    judge.grow(1)
    raw, score, segment = (np.empty(n, np.float32) for _ in range(3))
    state, counts, bins = judge.calibration_arrays
    mix, fades = np.ones(heads), np.array(DefaultDetector().fades)
    calibrate_rows(state, counts, bins, prior.log_rate, mix, fades, np.zeros(n, np.int32), strength, raw, score, segment)
    return score, segment


def main() -> None:
    """Print the table, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--synthetic-only", action="store_true")
    args = parser.parse_args()
    results: dict[str, dict[str, dict[str, float]]] = {}
    if args.data and not args.synthetic_only:
        sets = {name: strengths(labelled(args.data, name)) for name in (*FOLDERS, "nab")}
        tallies = {name: tally_of(without_start(scored) if name == "nab" else scored) for name, scored in sets.items()}
        idle = tally_idle()
        for name, scored in sets.items():
            others = [t for other, t in tallies.items() if other != name]
            results[name] = realised(scored, Prior(fit([*others, idle])))
        results["idle host, left out"] = realised(strengths(synthetic("idle host")), Prior(fit(list(tallies.values()))))
    for kind in SYNTHETIC:
        results[kind] = realised(strengths(synthetic(kind)), Prior.shipped("default", 4))
    if args.json:
        print(json.dumps({"machine": machine(), "realised_to_promised": results}, indent=1))
        return
    print(f"{'realised / promised':22}" + "".join(f"{p:>10g} {'(first 500)':>12} {'expected':>9}" for p in PROMISES))
    for name, row in results.items():
        cells = (f"{r['ratio']:10.2f} {r['first_500']:12.2f} {r['expected']:9.1f}" for r in row.values())
        print(f"{name:22}" + "".join(cells))


if __name__ == "__main__":
    main()
