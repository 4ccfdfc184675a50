"""Thinning for charts loses no extreme."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from awry.server.downsample import rows_to_keep

VALUES = st.lists(st.one_of(st.floats(-1e9, 1e9, width=32), st.just(float("nan"))), min_size=1, max_size=300)


@settings(max_examples=150, deadline=None)
@given(VALUES, st.integers(1, 60), st.randoms(use_true_random=False))
def test_extremes_stay_and_the_count_is_kept(values: list[float], points: int, random: object) -> None:
    """Least, greatest and worst-scored sample are kept, and the newest; rows rise, and no more than asked for (or 4) come back."""
    rng = np.random.default_rng(len(values) * 61 + points)
    value = np.array(values)
    time = np.cumsum(rng.integers(1, 1000, len(values)))
    score = rng.random(len(values)).astype(np.float32)
    rows = rows_to_keep(time, value, score, int(time[0]), int(time[-1]) + 1, points)
    assert len(rows) <= max(4, points)
    assert np.all(np.diff(rows) > 0)
    assert len(values) - 1 == rows[-1]
    assert score.max() == score[rows].max()
    if not np.isnan(value).all():
        assert (np.nanmin(value), np.nanmax(value)) == (np.nanmin(value[rows]), np.nanmax(value[rows]))


def test_few_samples_stay_as_they_are() -> None:
    """Nothing is thinned that fits."""
    rows = rows_to_keep(np.arange(5), np.zeros(5), np.zeros(5, np.float32), 0, 5, 5)
    assert [0, 1, 2, 3, 4] == rows.tolist()
