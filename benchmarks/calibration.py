"""Does the score keep its promise on sets that the prior has not seen: `awry bench calibration` with leave-one-set-out.

    python -m benchmarks.calibration DATA [--detector default] [--json]

For each labelled set the prior is fitted on the other sets only, and the idle hosts' on sets alone; the other synthetic families
run with the shipped prior, as `awry bench calibration` does. Rows and episodes are counted as there: after a series' first 500
rows, and those apart; labelled rows and the 100 after each are left out.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from awry.cli.bench_calibration import as_json, print_promises
from awry.core.batch import Batch
from awry.detection.calibration import Prior
from awry.detection.catalogue import make_detector
from awry.detection.evaluation.promises import Promise, count_episodes, family, measure, promise_of
from awry.detection.evaluation.synthetic import FAMILIES
from awry.detection.scorer import Scorer
from benchmarks.fit_prior import fit, read_sets
from benchmarks.machine import machine
from benchmarks.series_sets import strengths, synthetic

Scored = list[tuple[NDArray[np.float32], NDArray[np.bool_]]]


def realised(name: str, scored: Scored, prior: Prior, detector: str) -> Promise:
    """What became of the promises with this prior, from strengths that are known."""
    counts = []
    for strength, truth in scored:
        judge = Scorer(make_detector(detector), prior=prior)
        judge.grow(1)
        batch = Batch.of(np.zeros(len(truth), np.int32), np.arange(len(truth)), np.zeros(len(truth)))
        _, score, _ = judge.calibrate(batch, strength)
        counts.append(count_episodes(score, truth))
    return promise_of(name, counts)


def main() -> None:
    """Print the table, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--detector", default="default", metavar="NAME")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    sets, results = read_sets(args.data, args.detector), []
    for name, series in sets.items():
        prior = fit([other for key, other in sets.items() if key != name], args.detector)
        own = strengths(synthetic("idle host"), args.detector) if name == "idle host" else series
        results.append(realised(f"{name}, left out", own, prior, args.detector))
    results += [measure(kind, family(kind), args.detector) for kind in FAMILIES]
    if args.json:
        print(json.dumps({"machine": machine(), "realised_to_promised": [as_json(promise) for promise in results]}, indent=1))
    else:
        print_promises(results)


if __name__ == "__main__":
    main()
