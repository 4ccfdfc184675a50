"""Runs one detector library as a server of its own would: an object a series, sample after sample, for a stated time; prints JSON.

    python -m benchmarks.peers.online NAME VALUES.npy SECONDS SERIES

In a process of its own, so that its processor time and memory are its own; imports nothing of Awry, so that it also runs in an
environment that holds only the peer. VALUES.npy: (steps, series) as float64, made by the harness, the same for all.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil

Step = Callable[[float], float]
"""A value in, its score out; learned after."""
DAY = 1440


def gaussian() -> Step:
    """river's GaussianScorer with its defaults."""
    from river import anomaly

    scorer = anomaly.GaussianScorer()

    def step(value: float) -> float:
        score = float(scorer.score_one(None, value))
        scorer.learn_one(None, value)
        return score

    return step


def half_space_trees() -> Step:
    """river's HalfSpaceTrees with its defaults (10 trees of height 8, window of 250) behind its scaler, over one value."""
    from river import anomaly, preprocessing

    trees, scale = anomaly.HalfSpaceTrees(seed=1), preprocessing.MinMaxScaler()

    def step(value: float) -> float:
        row = {"value": value}
        scale.learn_one(row)
        row = scale.transform_one(row)
        score = float(trees.score_one(row))
        trees.learn_one(row)
        return score

    return step


def holt_winters() -> Step:
    """river's PredictiveAnomalyDetection over its Holt-Winters with a level and a trend."""
    from river import anomaly, time_series

    detector = anomaly.PredictiveAnomalyDetection(time_series.HoltWinters(alpha=0.1, beta=0.01), n_std=3.0, warmup_period=20)
    seen = 0

    def step(value: float) -> float:
        nonlocal seen
        seen += 1
        score = float(detector.score_one(None, value)) if seen > 20 else 0.0
        detector.learn_one(None, value)
        return score

    return step


def robust_cut_forest() -> Step:
    """rrcf as its documentation streams: 40 trees of at most 256 points, the mean collusive displacement."""
    import rrcf

    trees, at = [rrcf.RCTree(random_state=k) for k in range(40)], 0

    def step(value: float) -> float:
        nonlocal at
        total, point = 0.0, np.array([value])
        for tree in trees:
            if len(tree.leaves) >= 256:
                tree.forget_point(at - 256)
            tree.insert_point(point, index=at)
            total += tree.codisp(at)
        at += 1
        return total / len(trees)

    return step


def refit_statsmodels() -> Step:
    """statsmodels' exponential smoothing with trend and a day of 48 half hours, refitted on two weeks once a day of minutes."""
    from statsmodels.tsa.holtwinters import ExponentialSmoothing

    def fit(history: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        model = ExponentialSmoothing(history, trend="add", seasonal="add", seasonal_periods=48, initialization_method="estimated")
        return np.asarray(model.fit().forecast(48))

    return _refit(fit, 14 * 48)


def refit_prophet() -> Step:
    """Prophet with its defaults, refitted on two weeks of half hours once a day of minutes."""
    import logging

    import pandas as pd
    from prophet import Prophet

    logging.getLogger("cmdstanpy").setLevel(logging.ERROR)

    def fit(history: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        when = pd.date_range("2026-01-01", periods=len(history), freq="30min")
        model = Prophet().fit(pd.DataFrame({"ds": when, "y": history}))
        return np.asarray(model.predict(model.make_future_dataframe(48, freq="30min", include_history=False))["yhat"])

    return _refit(fit, 14 * 48)


def _refit(fit: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]], rows: int) -> Step:
    """Score by the distance to a forecast made anew once a day; the first call fits, so that a day of calls costs one fit."""
    rng, at = np.random.default_rng(3), 0
    history = 100.0 + 5.0 * np.sin(np.arange(rows) * 2.0 * math.pi / 48) + rng.standard_normal(rows)
    spread, forecast = 1.0, np.zeros(48)

    def step(value: float) -> float:
        nonlocal at, forecast
        if at % DAY == 0:
            forecast = fit(history)
        score = abs(value - float(forecast[at % DAY // 30])) / spread
        at += 1
        return score

    return step


PEERS: dict[str, Callable[[], Step]] = {
    "gaussian": gaussian,
    "half_space_trees": half_space_trees,
    "holt_winters": holt_winters,
    "robust_cut_forest": robust_cut_forest,
    "refit_statsmodels": refit_statsmodels,
    "refit_prophet": refit_prophet,
}


def run(name: str, values: np.ndarray[Any, Any], seconds: float, series: int) -> dict[str, float]:
    """Step all series through the values for so long, again from the first row when they end; samples per CPU second and memory."""
    PEERS[name]()(float(values[0, 0]))  # what is imported and compiled once is nobody's
    process = psutil.Process()
    before, cpu, began = process.memory_info().rss, time.process_time(), time.perf_counter()
    steps = [PEERS[name]() for _ in range(series)]
    samples = row = 0
    most = values.shape[1]
    # a refit is one call of 1440: whole days, or a stretch without a fit would count
    while time.perf_counter() - began < seconds or (name.startswith("refit") and row % DAY):
        for k, value in enumerate(values[row % len(values), np.arange(series) % most].tolist()):
            steps[k](value)
            if time.perf_counter() - began > seconds and not name.startswith("refit"):
                samples += k + 1 - series
                break
        samples += series
        row += 1
    used = time.process_time() - cpu
    children = psutil.Process().children(recursive=True)
    used += sum(sum(child.cpu_times()[:2]) for child in children) + sum(process.cpu_times()[2:4])
    return {
        "series": series,
        "samples": samples,
        "samples_per_series": round(samples / series, 1),
        "cpu_seconds": round(used, 3),
        "samples_per_core_second": round(samples / used, 1),
        "bytes_per_series": round((process.memory_info().rss - before) / series),
    }


def main() -> None:
    """Run one peer and print what it took."""
    name, file, seconds, series = sys.argv[1:5]
    print(json.dumps(run(name, np.load(file), float(seconds), int(series))))


if __name__ == "__main__":
    main()
