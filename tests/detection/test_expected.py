"""The expected value and its band: equal to their twins, honest on many kinds of series, calm after bursts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from awry.core.batch import Batch, Raw
from awry.detection import expected, horizon
from awry.detection.default import DefaultDetector
from awry.detection.state import (
    COUNTERS,
    DOUBLES,
    DRIFT,
    LEAST,
    NEAR_DAY,
    NEAR_RAMP,
    NEAR_STAY,
    OFFSET,
    SCALARS,
    UNIT,
    N,
)
from tests.naive_expected import Expected, near_errors

MINUTE, DAY = 60_000, 1440


def run(values: NDArray[np.float64], step: int = MINUTE) -> Raw:
    detector = DefaultDetector()
    detector.grow(1)
    return detector.step(Batch.of(np.zeros(len(values), np.int32), np.arange(len(values)) * step, values))


def inside(raw: Raw, values: NDArray[np.float64], start: int = 500) -> float:
    return float(np.mean((values >= raw.low)[start:] & (values <= raw.high)[start:]))


@pytest.mark.parametrize("kind", ["noise", "counts", "saturating", "ramp"])
def test_expected_and_band_equal_their_twins(kind: str) -> None:
    """Sample by sample over 900 samples, with the time of day known from sample 300 on, and bursts."""
    rng = np.random.default_rng(3)
    i = np.arange(900)
    day = 3 * np.sin(i / 40)
    values = {
        "noise": 20 + day + rng.normal(size=900) * (1 + 4 * (i % 200 < 20)),
        "counts": rng.poisson(0.5, 900).astype(np.float64),
        "saturating": np.minimum(100, np.round(97 + 4 * rng.normal(size=900))),
        "ramp": 0.3 * i + rng.normal(size=900),
    }[kind].astype(np.float32)
    f, c, d = np.zeros(SCALARS, np.float32), np.zeros(COUNTERS, np.int32), np.zeros(DOUBLES)
    d[UNIT], d[LEAST] = 1.0, values.min()
    twin = Expected()
    twin.values = []
    for n, x in enumerate(values.astype(np.float64)):
        known = n >= 300
        if n:
            best, _ = expected.forecast(f, float(values[n - 1]), float(day[n]), known)
            wanted = twin.band(float(day[n]) if known else None)
            assert wanted == pytest.approx(expected.band(f, d, best), rel=2e-3, abs=2e-3), n
        else:
            best = x
        previous = float(values[n - 1]) if n else x
        expected.learn_expected(f, c, x, previous, float(day[n]), known, best, 1.0)
        twin.learn(x, float(day[n]) if known else None)
        c[N] += 1
        d[LEAST] = min(twin.values)


def test_the_horizon_tests_equal_their_twin() -> None:
    """The near errors of the three forecasts are the running means of the twin's list, with its slope and offset."""
    rng = np.random.default_rng(5)
    rows = 1200
    day = np.sin(np.arange(rows) / 30).astype(np.float32)
    values = (0.02 * np.arange(rows) + day + 0.3 * rng.normal(size=rows)).astype(np.float32)
    f = np.zeros(SCALARS, np.float32)
    stays, drift, offset = [], [], []
    wanted = np.zeros(3)
    for n in range(rows):
        f[OFFSET] = 0.02 * n
        horizon.learn_horizon(f, n, 1 / (n + 1), float(values[n]), float(values[n]), float(day[n]), True, 1.0)
        stays.append(float(values[n]))
        drift.append(float(f[DRIFT]))
        offset.append(float(f[OFFSET]))
    errors = near_errors([float(v) for v in values], stays, drift, [float(v) for v in day], offset)
    ages = [n for n in range(rows) if n > 128 and 32 <= n % (512 if n >= 512 else 128) < 64]
    for n, error in zip(ages, errors, strict=True):
        rate = max(1 / (1 + (n - 160) / 4), 1 / 256)
        for k in range(3):
            wanted[k] = error[k] if wanted[k] == 0 else wanted[k] + rate * (min(error[k], 6 * wanted[k]) - wanted[k])
    assert wanted.tolist() == pytest.approx(f[[NEAR_STAY, NEAR_DAY, NEAR_RAMP]].tolist(), rel=1e-3)


def zero_inflated(rng: np.random.Generator, i: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.where(rng.random(len(i)) < 0.1, rng.lognormal(2, 1, len(i)), 0.0)


def walk(rng: np.random.Generator, i: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.cumsum(rng.normal(size=len(i)))


KINDS: dict[str, Callable[[np.random.Generator, NDArray[np.int64]], NDArray[np.float64]]] = {
    "normal": lambda rng, i: rng.normal(size=len(i)),
    "walk": walk,
    "seasonal": lambda rng, i: 50 + 20 * np.sin(2 * np.pi * i / DAY) + rng.normal(size=len(i)),
    "rough by day": lambda rng, i: 50 + rng.normal(size=len(i)) * np.where(i % DAY < 480, 5, 1),
    "lognormal": lambda rng, i: rng.lognormal(0, 1, len(i)),
    "counts": lambda rng, i: rng.poisson(3, len(i)).astype(np.float64),
    "zero inflated": zero_inflated,
    "quantised": lambda rng, i: np.round(20 + np.sin(i / 200) + 0.3 * rng.normal(size=len(i)), 1),
    "ramp": lambda rng, i: 0.01 * i + 0.1 * rng.normal(size=len(i)),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(KINDS))
def test_the_band_holds_what_it_promises(kind: str) -> None:
    """97 to 99.8 % of ordinary samples of every kind lie in the 99 % band."""
    values = KINDS[kind](np.random.default_rng(7), np.arange(12_000))
    assert 0.97 <= inside(run(values), values) <= 0.998


@pytest.mark.parametrize("value", [0.0, 0.1, 5.0, -1e9, 1 / 3])
def test_a_constant_series_has_its_value_as_band(value: float) -> None:
    """The band holds the value, and is no wider than float32 is coarse."""
    raw = run(np.full(300, value))
    assert raw.low[100] <= value <= raw.high[100]
    assert raw.high[100] - raw.low[100] <= 1e-6 * abs(value)


def test_a_burst_does_not_leave_a_wide_band() -> None:
    """Twenty samples of a hundred deviations: an hour later the band is at most twice as wide as before."""
    rng = np.random.default_rng(1)
    values = 50 + rng.normal(size=3000)
    values[2000:2020] += 100 * rng.normal(size=20)
    raw = run(values)
    width = (raw.high - raw.low)[1500:]
    assert np.median(width[580:640]) < 2 * np.median(width[:400])


def test_a_rough_hour_has_a_wide_band_and_a_quiet_one_a_narrow_one() -> None:
    """Hours that take turns between deviations 1 and 8: the band of the rough ones is 2.5 times as wide at least."""
    rng = np.random.default_rng(2)
    rough = (np.arange(6000) // 60) % 2 == 1
    raw = run(50 + rng.normal(size=6000) * np.where(rough, 8, 1))
    width, settled = raw.high - raw.low, (np.arange(6000) % 60 >= 20) & (np.arange(6000) > 2000)
    assert np.median(width[settled & rough]) > 2.5 * np.median(width[settled & ~rough])


def test_a_limit_is_learned_not_assumed() -> None:
    """A percentage that rests at 100 has no band above it; one seldom there has, and so has one that passed it."""
    rng = np.random.default_rng(4)
    resting = np.minimum(100.0, np.round(98 + 2 * rng.normal(size=2000), 1))
    assert run(resting).high[1000:].max() == pytest.approx(100, abs=1e-4)
    seldom = 60 + 10 * rng.normal(size=2000)
    assert run(seldom).high[1000:].max() > seldom[:1000].max()
    passed = np.append(resting, 103.0)
    after = run(np.append(passed, resting[:50]))
    assert after.high[2001:].max() > 100


def test_never_below_zero_for_a_series_that_never_was() -> None:
    """Neither the band nor the expected value; a series that was negative once has a band below zero."""
    rng = np.random.default_rng(6)
    values = rng.exponential(1.0, 1000)
    raw = run(values)
    assert min(raw.low[32:].min(), raw.expected[32:].min()) >= 0
    assert run(values - 0.5).low[100:].min() < 0


def test_the_expected_value_is_the_nearest_of_what_is_mixed() -> None:
    """On noise it is near the level, on a walk near the last value, on a ramp a step further: at most half again the best error."""
    rng = np.random.default_rng(8)
    noise, moving = rng.normal(size=4000), np.cumsum(rng.normal(size=4000))
    ramp = 0.5 * np.arange(4000) + 0.02 * rng.normal(size=4000)
    for values, best in ((noise, 0 * noise), (moving, np.roll(moving, 1)), (ramp, 0.5 * np.arange(4000))):
        wrong = np.abs(values - run(values).expected)[1000:].mean()
        assert wrong < 1.5 * np.abs(values - best)[1000:].mean()
