"""How soon and how surely a fault scores: spikes and level shifts in calm synthetic series; the other side of calibration.

    python -m benchmarks.power [--json]

Per kind of series, fault and row at which it begins: the median and the least highest score within the fault's first 10 rows, over
seeds, and the share of seeds in which the default rule's threshold for a sample a minute is reached. Sizes are in the series' own
standard deviations ("small sine": in those of its noise). Idle hosts have no faults: there the table counts false openings an hour.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Batch, Scored
from awry.core.kernel import kernel
from awry.core.rule import Rule
from awry.detection.evaluation.synthetic import ar1, synthetic
from awry.detection.scorer import Scorer
from awry.engine.threshold import rule_threshold
from benchmarks.machine import machine

RESULTS = Path(__file__).parent / "results" / "power.json"
KINDS = ("normal", "sine", "small sine", "lognormal", "counts", "ar .9")
FAULTS = {"spike 10": (10.0, 1), "spike 50": (50.0, 1), "level 20": (20.0, 10)}
"""Size in standard deviations, and rows."""
ROWS = (60, 120, 300, 500, 1000, 1440, 3000)
SEEDS = 10
RULE = Rule(name="default", budget="1 per 30d")
IDLE_SERIES, IDLE_HOURS = 200, 7


def values_of(kind: str, rng: np.random.Generator, rows: int) -> tuple[NDArray[np.float64], float]:
    """A calm series a minute apart, and the unit of its faults."""
    if kind == "normal":
        return rng.normal(size=rows), 1.0
    if kind in ("sine", "small sine"):
        sine = 5 * np.sin(2 * np.pi * np.arange(rows) / 1440) + rng.normal(0, 0.5, rows)
        return sine, 0.5 if kind == "small sine" else 3.57
    if kind == "lognormal":
        return rng.lognormal(0, 1, rows), 2.16
    if kind == "counts":
        return rng.poisson(3, rows).astype(np.float64), 3**0.5
    return ar1(rng, rows, 0.9), 2.29


def scored(values: NDArray[np.float64], step_ms: int = 60_000) -> Scored:
    """One series through the default detector."""
    judge = Scorer()
    judge.grow(1)
    return judge.step(Batch.of(np.zeros(len(values), np.int32), np.arange(len(values)) * step_ms + 1_700_000_000_000, values))


def power(kind: str, fault: str, row: int) -> dict[str, float]:
    """Median and least score over seeds, and how often the default rule opens."""
    size, length = FAULTS[fault]
    best = []
    for seed in range(SEEDS):
        values, unit = values_of(kind, np.random.default_rng(1000 * seed + row), row + 10)
        values[row : row + length] += size * unit
        best.append(float(np.nanmax(scored(values).score[row:])))
    threshold = rule_threshold(RULE, 60_000, row)[0]
    return {
        "median": round(float(np.median(best)), 3),
        "least": round(min(best), 3),
        "opened": round(float(np.mean(np.array(best) >= threshold)), 2),
    }


@kernel
def openings(score: NDArray[np.float32], segment: NDArray[np.float32], limit: float) -> NDArray[np.bool_]:
    """Rows at which a rule with this threshold opens; it holds while segment >= limit - .1."""
    opened = np.zeros(score.shape[0], np.bool_)
    on = False
    for i in range(score.shape[0]):
        if on and segment[i] < limit - 0.1:
            on = False
        if not on and score[i] >= limit:
            on = opened[i] = True
    return opened


def idle_openings() -> list[float]:
    """False openings of the default rule per hour and 40 series of idle hosts, from the first hour on; not those of the fit."""
    hours = np.zeros(IDLE_HOURS)
    rows = IDLE_HOURS * 360
    limits = np.array([rule_threshold(RULE, 10_000, seen)[0] for seen in range(rows)])
    for _, value in synthetic("idle host", rows, IDLE_SERIES, seed=5):
        out = scored(value, 10_000)
        opened = np.zeros(rows, np.bool_)
        for limit in np.unique(limits):
            opened |= openings(out.score, out.segment, limit) & (limits == limit)
        hours += opened.reshape(IDLE_HOURS, 360).sum(axis=1)
    return [round(float(n), 1) for n in hours * 40 / IDLE_SERIES]


def main() -> None:
    """Print the table, or write it as JSON to the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    table = {kind: {fault: {row: power(kind, fault, row) for row in ROWS} for fault in FAULTS} for kind in KINDS}
    idle = idle_openings()
    if args.json:
        thresholds = {row: round(rule_threshold(RULE, 60_000, row)[0], 3) for row in ROWS}
        result = {"machine": machine(), "threshold": thresholds, "score": table, "idle_openings_per_hour_of_40_series": idle}
        RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"{'median score (opened)':22}" + "".join(f"{row:>12}" for row in ROWS))
    print(f"{'threshold':22}" + "".join(f"{rule_threshold(RULE, 60_000, row)[0]:12.3f}" for row in ROWS))
    for kind, faults in table.items():
        for fault, by_row in faults.items():
            cells = (f"{cell['median']:6.2f} ({cell['opened']:3.0%})" for cell in by_row.values())
            print(f"{kind + ' ' + fault:22}" + "".join(f"{cell:>12}" for cell in cells))
    print("false openings an hour of 40 idle series at 10 s:", *idle)


if __name__ == "__main__":
    main()
