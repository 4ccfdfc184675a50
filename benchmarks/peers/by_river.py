"""Peers from river, which score and learn sample by sample: half-space trees, two simple scorers, errors of a forecaster."""

from __future__ import annotations

import math

import numpy as np
from river import anomaly, linear_model, optim, preprocessing, stats, time_series

from benchmarks.peers.columns import Floats, Peer, Times, ending_at, standard

LAGS = 8
"""Samples that half-space trees see at once."""


def half_space_trees(time_ms: Times, x: Floats, scored_from: int) -> Floats:
    """river's defaults (10 trees of height 8) over the last 8 samples, scaled to [0, 1] by its own scaler; seed 1."""
    trees = anomaly.HalfSpaceTrees(n_trees=10, height=8, window_size=min(250, max(scored_from // 2, 16)), seed=1)
    scale = preprocessing.MinMaxScaler()
    out = np.zeros(len(x))
    for i, row in enumerate(ending_at(x, LAGS).tolist()):
        features = dict(enumerate(row))
        scale.learn_one(features)
        features = scale.transform_one(features)
        out[i] = trees.score_one(features)
        trees.learn_one(features)
    return out


def gaussian(time_ms: Times, x: Floats, scored_from: int) -> Floats:
    """GaussianScorer over all samples so far; its score 1 - tail is turned back into deviations before it saturates."""
    scorer = anomaly.GaussianScorer(grace_period=16)
    out = np.zeros(len(x))
    for i, value in enumerate(standard(x, slice(0, scored_from)).tolist()):
        out[i] = scorer.score_one(None, value)
        scorer.learn_one(None, value)
    return 2.0 * np.log1p(np.sqrt(-2.0 * np.log(np.maximum(1.0 - out, 1e-16))))


def absolute_deviation(time_ms: Times, x: Floats, scored_from: int) -> Floats:
    """StandardAbsoluteDeviation: |value - mean| over the deviation of all samples so far."""
    scorer = anomaly.StandardAbsoluteDeviation(sub_stat=stats.Mean())
    out = np.zeros(len(x))
    for i, value in enumerate(standard(x, slice(0, scored_from)).tolist()):
        out[i] = abs(scorer.score_one(None, value))
        scorer.learn_one(None, value)
    return 2.0 * np.log1p(np.minimum(np.nan_to_num(out), 1e6))


def predictive(time_ms: Times, x: Floats, scored_from: int) -> Floats:
    """PredictiveAnomalyDetection on SNARIMAX(8, 1, 0): squared error over its threshold, without the ceiling of 1.

    With moving-average terms, as in river's example, its gradient descent diverges on series of a minute's step.
    """
    regressor = preprocessing.StandardScaler() | linear_model.LinearRegression(optimizer=optim.SGD(0.005))
    model = time_series.SNARIMAX(p=8, d=1, q=0, regressor=regressor)
    scorer = anomaly.PredictiveAnomalyDetection(model, n_std=3.0)
    out, warmup = np.zeros(len(x)), min(100, scored_from // 2)
    for i, value in enumerate(np.clip(standard(x, slice(0, scored_from)), -1e3, 1e3).tolist()):
        limit = scorer.dynamic_mae.get() + 3.0 * math.sqrt(max(scorer.dynamic_se_variance.get(), 0.0))
        error = (model.forecast(1)[0] - value) ** 2 if i > 0 else 0.0
        if i >= warmup:  # as its score_one does
            scorer.dynamic_mae.update(error)
            scorer.dynamic_se_variance.update(error)
        scorer.learn_one(None, value)
        out[i] = math.sqrt(error / limit) if limit > 0 and math.isfinite(error) else 0.0
    return 2.0 * np.log1p(np.minimum(out, 1e6))


PEERS = [
    Peer("river half-space trees", True, half_space_trees),
    Peer("river GaussianScorer", True, gaussian, logs=True),
    Peer("river StandardAbsoluteDeviation", True, absolute_deviation, logs=True),
    Peer("river PredictiveAnomalyDetection", True, predictive, logs=True),
]
