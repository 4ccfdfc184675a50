"""Promised against realised: episodes counted as slow twins do, and figures that an exact score must give."""

from __future__ import annotations

import math

import numpy as np
import pytest

from awry.core.errors import InvalidInput
from awry.detection.evaluation.promises import (
    AFTER,
    APART,
    PROMISES,
    chance_within,
    count_episodes,
    counts_of,
    family,
    measure,
    poisson_interval,
    promise_of,
)
from awry.detection.evaluation.synthetic import FAMILIES, synthetic
from awry.library.judges import make_judge


def episodes_twin(score: np.ndarray, limit: float) -> list[int]:
    """Rows whose score reaches the limit while none of the APART scored rows before did."""
    scored = [(i, s) for i, s in enumerate(score.tolist()) if not math.isnan(s)]
    high = [s >= limit for _, s in scored]
    return [i for k, (i, _) in enumerate(scored) if high[k] and not any(high[max(k - APART, 0) : k])]


def test_episodes_are_scores_close_together() -> None:
    """Per promise as many as the twin finds at counted rows, the start apart; labelled rows and those after count nothing."""
    rng = np.random.default_rng(2)
    score = np.where(rng.random(6000) < 0.01, rng.random(6000), 0.0).astype(np.float32)
    score[:40] = score[900:950] = np.nan
    truth = rng.random(6000) < 0.0007
    scored = ~np.isnan(score)
    counted = [bool(scored[i]) and not truth[max(i - AFTER, 0) : i + 1].any() for i in range(6000)]
    promises = (1e-3, 1e-5)
    out = count_episodes(score, truth, promises)
    start = np.cumsum(scored) <= 500
    for k, p in enumerate(promises):
        rows = [i for i in episodes_twin(score, -math.log10(p) / 10 - 5e-5) if counted[i]]
        assert [sum(bool(start[i]) for i in rows), sum(not start[i] for i in rows)] == out[k].tolist()
        assert len(rows) > 5
    assert [sum(c and s for c, s in zip(counted, start.tolist(), strict=True)), sum(counted)] == [out[-1, 0], out[-1].sum()]


@pytest.mark.parametrize(("count", "low", "high"), [(0, 0.0, 3.69), (1, 0.03, 5.57), (10, 4.80, 18.39), (100, 81.4, 121.6)])
def test_poisson_interval_is_the_exact_one(count: int, low: float, high: float) -> None:
    """Byar's formula comes within 3 % of the exact limits of published tables (0.3 at a count of 0 and 1)."""
    assert (low, high) == pytest.approx(poisson_interval(count), rel=0.03, abs=0.3 if count < 2 else 0.0)


def test_chance_within_is_simulated() -> None:
    """The share of Poisson numbers within a factor 3 of their mean."""
    rng = np.random.default_rng(3)
    for mean in (3.0, 3.6, 10.0):
        drawn = rng.poisson(mean, 200_000)
        assert np.mean((drawn >= mean / 3) & (drawn <= mean * 3)) == pytest.approx(chance_within(mean), abs=0.005)


def test_an_exact_score_keeps_its_promise() -> None:
    """Counts drawn with the promised rates give ratios near 1 inside their intervals, and the share that is best."""
    rng = np.random.default_rng(4)
    rows = (500, 39_500)
    counts = [np.array([*([rng.poisson(n * p) for n in rows] for p in PROMISES), rows], np.int64) for _ in range(200)]
    promise = promise_of("exact", counts)
    assert (200, 200 * 40_000) == (promise.series, promise.rows)
    for kept in promise.kept:
        assert kept.low <= 1 <= kept.high
    thousandth, ten_thousandth, hundred_thousandth = promise.kept
    assert (200, 200, 0) == (thousandth.series, ten_thousandth.series, hundred_thousandth.series)
    assert ten_thousandth.within_at_best == pytest.approx(ten_thousandth.within, abs=0.06)
    assert math.isnan(hundred_thousandth.within)
    assert thousandth.first_500 == pytest.approx(1.0, abs=0.3)


def test_labelled_rows_and_those_after_are_left_out() -> None:
    """A labelled row takes itself and the 100 after it away."""
    time, value, truth = next(family("normal", 2000, 1))
    whole = counts_of(make_judge("ewma"), (time, value, truth))
    truth[1500] = True
    assert whole[-1].sum() - 1 - AFTER == counts_of(make_judge("ewma"), (time, value, truth))[-1].sum()


@pytest.mark.parametrize("name", FAMILIES)
def test_families_are_seeded_and_finite(name: str) -> None:
    """Two runs give the same series, all finite, and not all alike."""
    first, again = ([value for _, value in synthetic(name, 3000, 2)] for _ in range(2))
    assert np.array_equal(first, again)
    assert np.isfinite(first).all()
    assert not np.array_equal(*first)


def test_an_unknown_family_is_refused() -> None:
    """The error says which there are."""
    with pytest.raises(InvalidInput, match="cannot make the family 'odd'"):
        next(synthetic("odd"))


@pytest.mark.slow
def test_the_shipped_default_keeps_its_promise_on_noise() -> None:
    """Within a factor 4 at 1 in 1,000 and 1 in 10,000 on 8 series of normal noise: no bench, but nothing is broken."""
    kept = measure("normal", family("normal", 20_000, 8)).kept
    assert all(1 / 4 <= one.high and one.low <= 4 for one in kept[:2])
