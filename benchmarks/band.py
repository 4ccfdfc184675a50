"""What the default detector's band and forecasts are worth on real series, beside two plain bands in the same run.

    python -m benchmarks.band DATA [--sets wsd,asd] [--json]

One step: the share of unlabelled rows inside the 99 % band, per set (pooled) and per series (share of series within 97-99.8 %), its
median width in the series' own 0.5-99.5 % range, and the interval score (Gneiting & Raftery, doi:10.1198/016214506000001437) over
the same range, as a geometric mean over series: smaller is better. Beside it: the last value +- 2.576 exponentially weighted
deviations of the change (100 samples), and the `ewma` detector's three deviations.

Ahead: 30 forecasts of each series (at most 40 series of a set), from a third of it on; the share of rows inside the 90 % and the
99 % band 15 minutes, an hour, six hours and a day ahead, and the mean absolute error in that of the last value. SKAB's runs of 20
minutes are too short for that.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from awry.core.batch import Batch
from awry.detection.default import DefaultDetector
from awry.detection.ewma import Ewma
from awry.detection.forecast import outlook
from benchmarks.machine import machine
from benchmarks.series_sets import Series, labelled

SETS = ("wsd", "asd", "smd", "mscloud", "skab", "nab")
ALPHA, WIDEST = 0.01, 5.0
HORIZONS = {"15m": 900_000, "1h": 3_600_000, "6h": 21_600_000, "1d": 86_400_000}
STILL = 0.998
"""A series with so large a share of one value is in its band more often than 99.8 %, whatever the band."""
LEAST_ROWS, AHEAD_SERIES, ORIGINS = 100, 40, 30
Columns = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


@njit(cache=True)
def last_value(value: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> None:
    """The last value +- 2.576 deviations of the change over 100 samples, from the 33rd sample on."""
    last, variance, n = 0.0, 0.0, 0
    for i in range(value.shape[0]):
        low[i] = high[i] = np.nan
        if not math.isfinite(value[i]):
            continue
        if n >= 32:
            low[i], high[i] = last - 2.576 * math.sqrt(variance), last + 2.576 * math.sqrt(variance)
        if n > 0:
            variance += max(1.0 / n, 0.01) * ((value[i] - last) ** 2 - variance)
        last = value[i]
        n += 1


def bands(one: Series) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """low and high of each band for one series."""
    found = {}
    for name, detector in (("default", DefaultDetector()), ("ewma 3 sigma", Ewma())):
        detector.grow(1)
        raw = detector.step(Batch.of(np.zeros(len(one.value), np.int32), one.time, one.value))
        found[name] = (raw.low.astype(np.float64), raw.high.astype(np.float64))
    low, high = np.empty(len(one.value)), np.empty(len(one.value))
    last_value(one.value, low, high)
    found["last value"] = (low, high)
    return found


def measure(one: Series, low: NDArray[np.float64], high: NDArray[np.float64]) -> dict[str, float] | None:
    """Rows, rows inside, and of a series that moves: median width and interval score in its own range. None: too few rows."""
    rows = np.isfinite(one.value) & np.isfinite(low) & ~one.truth
    value, low, high = one.value[rows], low[rows], high[rows]
    if len(value) < LEAST_ROWS:
        return None
    room = 1e-6 * np.maximum(np.abs(value), 1e-3 * np.ptp(value))  # a band is stored in float32
    inside = (value >= low - room) & (value <= high + room)
    usual = float(np.mean(np.abs(value - np.median(value)) <= room))
    found = {"rows": float(len(value)), "inside": float(inside.sum()), "still": float(usual >= STILL)}
    spread = float(np.ptp(np.quantile(value, [0.005, 0.995]))) or float(np.ptp(value))
    if spread > 0:
        width, miss = np.maximum(high - low, 0.0), np.maximum(low - value, 0.0) + np.maximum(value - high, 0.0)
        score = (width + 2 / ALPHA * np.minimum(miss, WIDEST * spread)) / spread
        found |= {"width": float(np.median(width)) / spread, "score": float(score.mean())}
    return found


def summary(series: Sequence[dict[str, float]]) -> dict[str, float]:
    """One band on one set."""
    cover = np.array([s["inside"] / s["rows"] for s in series])
    moving = [s for s in series if "width" in s]
    return {
        "coverage_percent": 100 * sum(s["inside"] for s in series) / sum(s["rows"] for s in series),
        "series_within_97_to_99.8": float(np.mean((cover >= 0.97) & (cover <= 0.998))),
        "series_below_97": float(np.mean(cover < 0.97)),
        "series_above_99.8": float(np.mean(cover > 0.998)),
        "series_above_99.8_that_move": float(np.mean([c > 0.998 and not s["still"] for c, s in zip(cover, series, strict=True)])),
        "median_width": float(np.median([s["width"] for s in moving])),
        "interval_score": float(np.exp(np.mean([math.log(s["score"] + 1e-3) for s in moving]))),
    }


def ahead(series: Sequence[Series]) -> dict[str, dict[str, float]]:
    """Coverage and error of forecasts, by horizon."""
    rows: dict[str, list[tuple[bool, bool, float, float, float]]] = {name: [] for name in HORIZONS}
    chosen = np.linspace(0, len(series) - 1, min(AHEAD_SERIES, len(series))).astype(int)
    for one in (series[i] for i in chosen):
        finite, n = one.value[np.isfinite(one.value)], len(one.value)
        if n < 3 * LEAST_ROWS or len(finite) < LEAST_ROWS:
            continue
        interval, spread = float(np.median(np.diff(one.time))), float(np.ptp(np.quantile(finite, [0.005, 0.995])))
        if spread <= 0 or interval <= 0:
            continue
        detector, done = DefaultDetector(), 0
        detector.grow(1)
        for stop in np.unique(np.linspace(min(1500, n // 3), n - 1, ORIGINS).astype(int)).tolist():
            detector.step(Batch.of(np.zeros(stop - done, np.int32), one.time[done:stop], one.value[done:stop]))
            done = stop
            if one.truth[stop - 1] or not np.isfinite(one.value[stop - 1]):
                continue
            view = outlook(detector, 0, int(one.time[stop - 1]), interval)
            for name, ms in HORIZONS.items():
                at = int(np.searchsorted(one.time, view.last + ms))
                if ms < interval or at >= n or one.time[at] - view.last - ms > interval or one.truth[at]:
                    continue
                if not np.isfinite(one.value[at]):
                    continue
                x, when = one.value[at], one.time[at : at + 1]
                narrow, wide = view.forecast(when, 90), view.forecast(when, 99)
                miss, plain = abs(x - wide.expected[0]), abs(x - one.value[stop - 1])
                width = (wide.high[0] - wide.low[0]) / spread
                inside = [bool(w.low[0] - 1e-6 * spread <= x <= w.high[0] + 1e-6 * spread) for w in (narrow, wide)]
                rows[name].append((inside[0], inside[1], miss / spread, plain / spread, width))
    return {
        name: {
            "forecasts": len(found),
            "inside_90_percent": 100 * float(np.mean([r[0] for r in found])),
            "inside_99_percent": 100 * float(np.mean([r[1] for r in found])),
            "error_to_last_value": float(np.mean([r[2] for r in found]) / np.mean([r[3] for r in found])),
            "median_width_99": float(np.median([r[4] for r in found])),
        }
        for name, found in rows.items()
        if len(found) >= LEAST_ROWS
    }


def main() -> None:
    """Print the tables, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    before, found = machine(), {}
    for name in args.sets.split(","):
        series = list(labelled(args.data, name))
        per_band: dict[str, list[dict[str, float]]] = {}
        for one in series:
            for band, (low, high) in bands(one).items():
                measured = measure(one, low, high)
                if measured is not None:
                    per_band.setdefault(band, []).append(measured)
        found[name] = {
            "series": len(next(iter(per_band.values()))),
            "one_step": {band: summary(of) for band, of in per_band.items()},
            "ahead": ahead(series),
        }
        if not args.json:
            show(name, found[name])
    if args.json:
        print(json.dumps({"machine": before, "figures": _rounded(found)}, indent=1))


def show(name: str, of: dict[str, Any]) -> None:
    """One set as lines of text."""
    print(f"{name}: {of['series']} series")
    for band, s in of["one_step"].items():
        print(
            f"  {band:13} inside {s['coverage_percent']:6.2f} %  series within 97-99.8 % {s['series_within_97_to_99.8']:.2f}"
            f" (below {s['series_below_97']:.2f})  width {s['median_width']:.3f}  interval score {s['interval_score']:.3f}"
        )
    for horizon, s in of["ahead"].items():
        print(
            f"  {horizon:>4} ahead    90 % {s['inside_90_percent']:5.1f}  99 % {s['inside_99_percent']:5.1f}"
            f"  error to last value's {s['error_to_last_value']:.2f}  width {s['median_width_99']:.2f}"
        )


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(v) for key, v in value.items()}
    return round(value, 4) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
