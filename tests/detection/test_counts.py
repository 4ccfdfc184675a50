"""Counts: its tail probabilities, promised against realised on sparse streams, and what it finds."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from awry.core.batch import Batch, Raw
from awry.detection.classics.counts import (
    BURSTS,
    FEW,
    MANY,
    MOST,
    SILENCE,
    Counts,
    count_tail,
    gamma_tail,
    normal_quantile,
    strength_of,
)
from tests import naive_forests

START_MS = 1_700_006_400_000
PER_DECADE = 0.96


def run(values: NDArray[np.float64]) -> Raw:
    """Series of minutes (rows, series), or one."""
    grid = values.reshape(len(values), -1)
    rows, series = grid.shape
    detector = Counts()
    detector.grow(series)
    times = np.repeat(START_MS + np.arange(rows) * 60_000, series)
    return detector.step(Batch.of(np.tile(np.arange(series), rows), times, grid.ravel()))


@pytest.mark.parametrize(("mean", "variance"), [(0.05, 0.05), (0.5, 2.0), (4.0, 4.0), (4.0, 30.0), (60.0, 200.0)])
def test_count_tail_is_the_sum_of_its_terms(mean: float, variance: float) -> None:
    """P(K >= k) equals one less the sum of everything below, for k from 0 on."""
    for k in (0, 1, 2, 3, 5, 9, 40, 70):
        wanted = naive_forests.negative_binomial_tail(k, mean, variance)
        assert wanted == pytest.approx(count_tail(float(k), mean, variance), abs=1e-10)


@pytest.mark.parametrize(("a", "x"), [(0.1, 0.01), (0.1, 3.0), (1.0, 1.0), (1.0, 20.0), (5.0, 2.0), (5.0, 19.0), (300.0, 350.0)])
def test_gamma_tail_is_the_integral(a: float, x: float) -> None:
    """Q(a, x) equals the integral, on both sides of a + 1."""
    assert naive_forests.gamma_tail(a, x, 20_000) == pytest.approx(gamma_tail(a, x), rel=1e-4)


def test_gamma_tail_of_a_large_shape_goes_over_smoothly() -> None:
    """Where the normal form takes over, at shape 10,000, the tails differ by less than 2 %."""
    for x in (9_900.0, 10_000.0, 10_300.0):
        assert gamma_tail(10_000.0, x) == pytest.approx(gamma_tail(10_000.001, x), rel=0.02)


def test_strength_counts_decades() -> None:
    """A tenth of the probability is 0.96 more; half odds are 0; one in 1e10 and less is 9.6."""
    assert [0.0, 0.96, 1.92, MOST, MOST] == pytest.approx([strength_of(p) for p in (0.5, 0.1, 0.01, 1e-10, 0.0)])
    assert 2.3263 == pytest.approx(normal_quantile(0.01), abs=1e-3)
    assert -2.3263 == pytest.approx(normal_quantile(0.99), abs=1e-3)


STREAMS = {
    "poisson 0.05": lambda rng, shape: rng.poisson(0.05, shape),
    "poisson 0.7": lambda rng, shape: rng.poisson(0.7, shape),
    "negative binomial": lambda rng, shape: rng.negative_binomial(0.5, 0.2, shape),
    "amounts": lambda rng, shape: (rng.random(shape) < 0.05) * rng.lognormal(0, 0.8, shape),
    "batches": lambda rng, shape: (rng.random(shape) < 0.05) * rng.poisson(20, shape),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(STREAMS))
def test_promised_is_kept_on_sparse_streams(name: str) -> None:
    """After 4,000 samples no head speaks of one in 1,000 more than twice as often; silence does so at least half as often."""
    values = STREAMS[name](np.random.default_rng(1), (12_000, 40)).astype(np.float64)
    raw = run(values)
    late = raw.strength.reshape(12_000, 40, 4)[4000:]
    rates = (late >= 3 * PER_DECADE).mean(axis=(0, 1)) * 1000
    assert rates.max() <= 2.0
    if values.mean() < 0.5 or name == "batches":
        assert rates[SILENCE] >= 0.5
    inside = ((raw.low <= values.ravel()) & (values.ravel() <= raw.high))[4000 * 40 :]
    assert inside.mean() >= 0.985


def test_sparse_series_finds_more_bursts_and_silence() -> None:
    """Zero 95 % of the time: a large count, a burst of small ones and a silence are each found by their head, and named."""
    values = np.random.default_rng(2).poisson(0.05, 12_000).astype(np.float64)
    values[9000] = 6
    values[10_000:10_006] = 1
    values[11_000:11_600] = 0
    raw = run(values)
    quiet = np.nanmax(raw.strength[4000:8900], axis=0)
    assert raw.strength[9000, MANY] > quiet[MANY] + 1
    assert raw.strength[10_000:10_006, BURSTS].max() > quiet[BURSTS] + 0.5
    assert raw.strength[11_599, SILENCE] > 9
    assert ["many", "silence"] == [Counts().parts[raw.part[at]] for at in (9000, 11_599)]


def test_regular_events_are_missed_sooner() -> None:
    """After 100 events exactly 60 samples apart one left out is noticed within half a period; at random it takes three periods."""
    values = np.zeros(7000)
    values[::60] = 5
    values[6300:] = 0
    regular = run(values).strength[:, SILENCE]
    assert regular[1000:6300].max() < 2
    assert np.argmax(regular[6300:] > 3) < 90
    chance = np.where(np.random.default_rng(3).random(7000) < 1 / 60, 5.0, 0.0)
    chance[6300:] = 0
    assert np.argmax(run(chance).strength[6300:, SILENCE] > 3) > 200


def test_a_drop_of_dense_counts_speaks() -> None:
    """Counts of about 200 that fall to 20 are too few."""
    values = np.random.default_rng(4).poisson(200, 3000).astype(np.float64)
    values[2900] = 20
    strength = run(values).strength
    assert strength[2900, FEW] > strength[1000:2900, FEW].max() + 1


def test_nights_are_no_silence() -> None:
    """Events that come by day only: from the eighth night on, silence stays below one in 1,000."""
    rng, t = np.random.default_rng(5), np.arange(10 * 1440)
    day = (t // 60 % 24 >= 8) & (t // 60 % 24 < 20)
    values = rng.poisson(np.where(day, 0.5, 0.0)).astype(np.float64)
    silence = run(values).strength[:, SILENCE]
    assert silence[7 * 1440 :][~day[7 * 1440 :]].max() < 3 * PER_DECADE


def test_amounts_need_not_be_whole() -> None:
    """The same stream times 0.37 and above a floor of 12 has the same strengths."""
    values = np.random.default_rng(6).negative_binomial(0.5, 0.3, 3000).astype(np.float64)
    assert run(values).strength == pytest.approx(run(values * 0.37 + 12).strength, abs=1e-3, nan_ok=True)
