"""Batch peers on scikit-learn: KMeansAD as TSB-AD has it, and what a PCA of the windows cannot rebuild.

scikit-learn's isolation forest is what pyod's IForest calls, so it stands in the table once, under pyod.
"""

from __future__ import annotations

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from benchmarks.peers.columns import WIDTH, Floats, Peer, Times, at_end, averaged, level, standard


def kmeans(time_ms: Times, x: Floats, scored_from: int) -> Floats:
    """Distance to the nearest of 20 centres of the windows of 20 samples, windows as they are (TimeEval's form)."""
    return clusters(np.lib.stride_tricks.sliding_window_view(standard(x, slice(None)), WIDTH))


def kmeans_normalised(time_ms: Times, x: Floats, scored_from: int) -> Floats:
    """The same with each window z-normalised first (TSB-AD's form)."""
    return clusters(level(np.lib.stride_tricks.sliding_window_view(x, WIDTH), ddof=1))


def clusters(windows: Floats) -> Floats:
    """KMeansAD's score: fitted on all windows, distance to the own centre. Seed 1."""
    windows = np.ascontiguousarray(windows)
    model = KMeans(min(20, len(windows)), n_init=1, random_state=1).fit(windows)
    return at_end(np.linalg.norm(windows - model.cluster_centers_[model.labels_], axis=1))


def pca_residual(time_ms: Times, x: Floats, scored_from: int) -> Floats:
    """Root mean square of what the components with 90 % of the variance leave of each window."""
    windows = np.lib.stride_tricks.sliding_window_view(standard(x, slice(None)), WIDTH)
    if not float(np.var(x)) > 0:
        return np.zeros(len(x))
    model = PCA(0.9, svd_solver="full").fit(windows)
    rest = windows - model.inverse_transform(model.transform(windows))
    return at_end(np.sqrt((rest**2).mean(axis=1)))


PEERS = [
    Peer("KMeansAD", False, kmeans, around=averaged),
    Peer("KMeansAD, normalised windows", False, kmeans_normalised, around=averaged),
    Peer("PCA residual", False, pca_residual, around=averaged),
]
