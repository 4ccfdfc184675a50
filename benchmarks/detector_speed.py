"""How long the default detector and its lean profile take per sample, beside the simplest kernel on the same machine.

    python -m benchmarks.detector_speed [--series 10000] [--ticks 200] [--json] [--detector NAME ...]

Every tick is one batch with a sample of each series. Times are the thread's CPU times, medians over the ticks; the ratio to the
EWMA detector says more than the time on a machine that does other work. With names, those detectors are measured instead,
without calibration; those that keep a window need ticks enough to fill it.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

from awry.core.batch import Batch
from awry.core.protocols import Detector
from awry.detection.catalogue import make_detector
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
        begin = time.thread_time()
        judge.step(batch)
        took.append((time.thread_time() - begin) / series * 1e6)
    return float(np.median(took[ticks // 2 :]))


def main() -> None:
    """Print microseconds per sample, the ratio to EWMA, and bytes per series."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--ticks", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--detector", nargs="+", default=[], metavar="NAME")
    args = parser.parse_args()
    show(named(args.detector, args.series, args.ticks) if args.detector else shipped(args), args.json)


def named(names: list[str], series: int, ticks: int) -> dict[str, float]:
    """Time and bytes of detectors by name, without calibration."""
    figures = {}
    for name in names:
        detector = make_detector(name)
        figures[f"{name}_us"] = median_us(detector, series, ticks)
        figures[f"{name}_bytes"] = float(sum(array.nbytes for array in detector.dump(0, 1).values()))
    return figures


def shipped(args: argparse.Namespace) -> dict[str, float]:
    """The default detector and the lean one, with and without calibration."""
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
    return figures


def show(figures: dict[str, float], as_json: bool) -> None:
    """As JSON with the machine, or a line each."""
    if as_json:
        print(json.dumps({"machine": machine(), "figures": figures}, indent=1))
        return
    for name, value in figures.items():
        print(f"{name:18} {value:10.3f}")


if __name__ == "__main__":
    main()
