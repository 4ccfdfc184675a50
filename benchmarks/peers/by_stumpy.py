"""Peers from stumpy: each window's distance to its nearest neighbour, among those before it (causal) or among all (batch).

The left profile is what `stumpy.stumpi` gives sample by sample with all its past kept. Here one call of `stump` finds the left
neighbours of a whole column, and their distances are recomputed from the indices: the same numbers in a tenth of the time.
Windows as they are (`normalize=False`) take about 0.6 ms a sample at 36,000 rows, so `nearest`, ours, stands for them.
"""

from __future__ import annotations

import numba
import numpy as np
import stumpy

from benchmarks.peers.columns import WIDTH, Floats, Peer, Times, at_end, centred, level


def left(time_ms: Times, x: Floats, scored_from: int) -> Floats:
    """z-normalised windows, the nearest before."""
    neighbour = profile(x)[:, 2].astype(np.int64)
    return at_end(between(level(np.lib.stride_tricks.sliding_window_view(x, WIDTH)), neighbour))


def both_sides(time_ms: Times, x: Floats, scored_from: int) -> Floats:
    """z-normalised windows, the nearest on either side."""
    distance = profile(x)[:, 0].astype(np.float64)
    return at_end(np.where(np.isfinite(distance), distance, 0.0))


def profile(x: Floats) -> np.ndarray:
    """stumpy's table: distance, neighbour, left neighbour, right neighbour (-1: none)."""
    numba.set_num_threads(1)  # a thread's own setting: as many as everyone else has
    return np.asarray(stumpy.stump(x, WIDTH))


def between(rows: Floats, neighbour: np.ndarray) -> Floats:
    """Distance of each window to the one at its index; 0 where there is none."""
    away = np.sqrt(((rows - rows[np.maximum(neighbour, 0)]) ** 2).sum(axis=1))
    return np.where(neighbour < 0, 0.0, away)


PEERS = [
    Peer("stumpy left profile", True, left),
    Peer("stumpy profile", False, both_sides, around=centred),
]
