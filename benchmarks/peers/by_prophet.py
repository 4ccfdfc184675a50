"""Prophet itself, refitted once a day on at most 1,000 rows of the last 28 days, and its residuals over their deviation."""

from __future__ import annotations

import logging
import warnings

import numpy as np
import pandas as pd
from prophet import Prophet

from benchmarks.peers.bands import DAY_MS, KEEP_MS
from benchmarks.peers.columns import Floats, Peer, Times, standard

FIT_MOST = 1000


def prophet(time_ms: Times, x: Floats, scored_from: int) -> Floats:
    """|value - yhat| over the deviation of the fit's residuals (1.4826 MAD), in logarithms."""
    for name in ("cmdstanpy", "prophet"):
        logging.getLogger(name).disabled = True
    x = standard(x, slice(0, scored_from))
    out = np.zeros(len(x))
    rows_a_day = max(int(DAY_MS / max(float(np.median(np.diff(time_ms))), 1.0)), 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for at in range(max(scored_from, 2), len(x), rows_a_day):
            past = np.arange(int(np.searchsorted(time_ms, time_ms[at] - KEEP_MS)), at)
            past = past[np.linspace(0, len(past) - 1, min(FIT_MOST, len(past))).astype(np.int64)]
            days = (time_ms[past[-1]] - time_ms[past[0]]) / DAY_MS
            model = Prophet(
                daily_seasonality=days >= 1.5, weekly_seasonality=days >= 14, yearly_seasonality=False, uncertainty_samples=0
            )
            model.fit(pd.DataFrame({"ds": pd.to_datetime(time_ms[past], unit="ms"), "y": x[past]}))
            ahead = np.arange(at, min(at + rows_a_day, len(x)))
            both = np.concatenate([past, ahead])
            expected = model.predict(pd.DataFrame({"ds": pd.to_datetime(time_ms[both], unit="ms")}))["yhat"].to_numpy()
            left = np.abs(x[both] - expected)
            spread = 1.4826 * float(np.median(left[: len(past)])) or float(np.std(left[: len(past)])) or 1e-6
            out[ahead] = left[len(past) :] / spread
    return 2.0 * np.log1p(np.minimum(out, 1e6))


PEERS = [Peer("Prophet, refitted daily", True, prophet, logs=True)]
