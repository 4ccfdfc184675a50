"""How long the default detector and its lean profile take per sample, beside the simplest kernel on the same machine.

    python -m benchmarks.detector_speed [--series 10000] [--ticks 200] [--json]

Every tick is one batch with a sample of each series. Times are medians over the ticks; the ratio to the EWMA detector says more
than the time on a machine that does other work.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

from awry.core.batch import Batch
from awry.core.protocols import Detector
from awry.detection.default import DefaultDetector
from awry.detection.ewma import Ewma
from awry.detection.lean import LeanDetector
from awry.detection.scorer import Scorer
from benchmarks.machine import machine


def median_us(judge: Scorer | Detector, series: int, ticks: int) -> float:
    """Median microseconds per sample."""
    rng = np.random.default_rng(0)
    judge.grow(series)
    slots = np.arange(series, dtype=np.int32)
    took = []
    for tick in range(ticks):
        batch = Batch.of(slots, np.full(series, tick * 60_000), rng.normal(size=series))
        begin = time.perf_counter()
        judge.step(batch)
        took.append((time.perf_counter() - begin) / series * 1e6)
    return float(np.median(took[ticks // 2 :]))


def main() -> None:
    """Print microseconds per sample, the ratio to EWMA, and bytes per series."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--ticks", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    scorer, lean = Scorer(), Scorer(LeanDetector(), name="lean")
    figures = {
        "ewma_us": median_us(Ewma(), args.series, args.ticks),
        "default_us": median_us(DefaultDetector(), args.series, args.ticks),
        "scorer_us": median_us(scorer, args.series, args.ticks),
        "bytes_per_series": float(sum(array.nbytes for array in scorer.dump(0, 1).values())),
        "lean_scorer_us": median_us(lean, args.series, args.ticks),
        "lean_bytes_per_series": float(sum(array.nbytes for array in lean.dump(0, 1).values())),
    }
    figures["scorer_to_ewma"] = figures["scorer_us"] / figures["ewma_us"]
    if args.json:
        print(json.dumps({"machine": machine(), "figures": figures}, indent=1))
        return
    for name, value in figures.items():
        print(f"{name:18} {value:10.3f}")


if __name__ == "__main__":
    main()
