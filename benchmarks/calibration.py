"""Does the score keep its promise: false episodes promised by a p, against those seen on series without labelled anomalies.

    python benchmarks/calibration.py DATA [--json] [--synthetic-only]

For real sets the prior is fitted on the other sets only (leave one set out), and episodes that begin on labelled rows or within 100
rows after are left out. For each p the table shows realised / promised onsets per sample, of the first 500 rows, and of all.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import numpy as np
from awry.detection.calibration import Prior, calibrate_rows
from awry.detection.default import DefaultDetector
from awry.detection.scorer import Scorer
from numpy.typing import NDArray

from fit_prior import fit, tally_of
from series_sets import FOLDERS, SYNTHETIC, labelled, strengths, synthetic

Scored = list[tuple[NDArray[np.float32], NDArray[np.bool_]]]
PROMISES = (1e-3, 1e-4, 1e-5)


def realised(scored: Scored, prior: Prior) -> dict[str, dict[str, float]]:
    """Onsets per sample over the promise, by promise, with how many were expected."""
    onsets, early, rows, early_rows = np.zeros(3), np.zeros(3), 0, 0
    limits = np.array([-math.log10(p) / 10 for p in PROMISES]) - 5e-5
    for strength, truth in scored:
        near = np.convolve(truth, np.ones(101), "full")[: len(truth)] > 0
        score = scores_of(strength, prior)
        counted = ~np.isnan(score) & ~near
        onsets += [int(np.sum(score[counted] >= limit)) for limit in limits]
        head = np.flatnonzero(counted)[:500]
        early += [int(np.sum(score[head] >= limit)) for limit in limits]
        rows += int(counted.sum())
        early_rows += len(head)
    return {
        f"{p:g}": {"ratio": round(n / rows / p, 2), "first_500": round(e / early_rows / p, 2), "expected": round(rows * p, 1)}
        for p, n, e in zip(PROMISES, onsets, early, strict=True)
    }


def scores_of(strength: NDArray[np.float32], prior: Prior) -> NDArray[np.float32]:
    """The scores of one series' strengths."""
    n, heads = strength.shape
    judge = Scorer(DefaultDetector(), prior=prior)
    judge.grow(1)
    raw, score, segment = (np.empty(n, np.float32) for _ in range(3))
    state, counts, bins = judge.calibration_arrays
    mix = np.ones(heads)
    calibrate_rows(state, counts, bins, prior.log_rate, mix, np.zeros(n, np.int32), strength, raw, score, segment)
    return score


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
        tallies = {name: tally_of(scored) for name, scored in sets.items()}
        idle = tally_of(strengths(synthetic("idle host", seed=77)))
        for name, scored in sets.items():
            others = [t for other, t in tallies.items() if other != name]
            results[name] = realised(scored, Prior(fit([*others, idle])))
        results["idle host, left out"] = realised(strengths(synthetic("idle host")), Prior(fit(list(tallies.values()))))
    for kind in SYNTHETIC:
        results[kind] = realised(strengths(synthetic(kind)), Prior.shipped("default", 3))
    if args.json:
        print(json.dumps(results))
        return
    print(f"{'realised / promised':22}" + "".join(f"{p:>10g} {'(first 500)':>12} {'expected':>9}" for p in PROMISES))
    for name, row in results.items():
        cells = (f"{r['ratio']:10.2f} {r['first_500']:12.2f} {r['expected']:9.1f}" for r in row.values())
        print(f"{name:22}" + "".join(cells))


if __name__ == "__main__":
    main()
