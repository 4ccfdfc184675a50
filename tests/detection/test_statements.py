"""What the default detector states of its learning: contaminated history, lasting levels, open episodes, gaps, constant and
rounded series, and that every part it can leave out does something."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from awry.core.batch import Batch, Raw, Scored
from awry.core.errors import InvalidInput
from awry.core.rule import Rule
from awry.detection import state as at
from awry.detection.default import DefaultDetector
from awry.detection.evaluation.synthetic import values_of
from awry.detection.scorer import Scorer
from awry.engine.threshold import rule_threshold

BEGIN_MS = 1_700_006_400_000
OPENS = rule_threshold(Rule(name="default", budget="1 per 30d"), 60_000)[0]
"""Score at which the default rule opens for a grown series of a minute."""
ACCEPTED = 240 + 3 * 24
"""Samples after which a lasting change is what the detector expects (default.py)."""


def batch(values: NDArray[np.float64], step_ms: int = 60_000) -> Batch:
    """One series from midnight on."""
    n = len(values)
    return Batch.of(np.zeros(n, np.int32), BEGIN_MS + np.arange(n, dtype=np.int64) * step_ms, values)


def run(values: NDArray[np.float64]) -> Scored:
    """One series through detector and calibration."""
    scorer = Scorer()
    scorer.grow(1)
    return scorer.step(batch(values))


def contaminated(kind: str, seed: int, learned: int = 6000, rows: int = 12_000) -> NDArray[np.float64]:
    """Noise of deviation 2; 10 % of the first `learned` rows are 8 deviations off: up, up or down, or in stretches of 20."""
    rng = np.random.default_rng(seed)
    values = rng.normal(50, 2, rows)
    history = values[:learned]
    if kind == "stretches":
        for start in rng.integers(0, learned - 20, learned // 200):
            history[start : start + 20] += 16
    else:
        odd = rng.random(learned) < 0.1
        history[odd] += rng.choice((-16, 16), odd.sum()) if kind == "both sides" else 16
    return values


@pytest.mark.parametrize("kind", ["one side", "both sides", "stretches"])
def test_a_contaminated_history_does_not_blind(kind: str) -> None:
    """A history of which 10 % are anomalies of 8 deviations: from 2,000 clean rows on, two in three spikes of that size score 0.15
    and more, though one in 10 rows used to be like them, and are among the strangest 1 % of rows by raw and by score. (A spike just
    after a larger chance fluctuation is no onset.)"""
    spikes = np.array([8000, 9000, 10_000, 11_000])
    told, strange = [], []
    for seed in range(3):
        values = contaminated(kind, seed)
        values[spikes] += 16
        scored = run(values)
        told += (scored.score[spikes] >= 0.15).tolist()
        strange += [column[spikes] >= np.quantile(column[6500:], 0.99) for column in (scored.raw, scored.score)]
    assert np.mean(told) >= 2 / 3
    assert np.mean(strange) >= 2 / 3


@pytest.mark.parametrize("kind", ["one side", "both sides", "stretches"])
def test_calibration_survives_a_contaminated_history(kind: str) -> None:
    """After such a history scores of 1 in 1,000 come at most 1.5 times as often as promised; they may be rarer, for the episodes of
    the history still count."""
    promised = realised = 0.0
    for seed in range(4):
        score = run(contaminated(kind, 10 + seed)).score[6500:]
        promised += 1e-3 * len(score)
        realised += np.sum(score >= 0.3)
    assert realised <= 1.5 * promised


@pytest.mark.parametrize("size", [8.0, 30.0, -8.0, -30.0])
def test_a_lasting_level_is_accepted_after_the_stated_time(size: float) -> None:
    """A shift of 8 or 30 deviations is not yet expected 10 samples on, and is what is expected after the stated 312; from then on
    the series is as calm as any: 2,000 samples open no default rule."""
    for seed in range(3):
        values = np.random.default_rng(seed).normal(20, 1, 4000)
        values[1700:] += size
        scored = run(values)
        assert scored.score[1700:1740].max() >= 0.3
        assert abs(scored.expected[1710] - 20) < 0.5 * abs(size)
        after = slice(1700 + ACCEPTED, None)
        assert 20 + size == pytest.approx(float(np.mean(scored.expected[after][:200])), abs=1.0)
        inside = (scored.low[after] <= values[after]) & (values[after] <= scored.high[after])
        assert inside.mean() >= 0.97
        assert scored.score[after].max() < OPENS


def test_learning_is_damped_in_an_open_episode() -> None:
    """In the first 40 samples of a shift by 12 deviations the mean moves under a fifth of what it moves at full speed; after the
    stated 312 it moves at full speed again."""
    values = np.random.default_rng(1).normal(20, 1, 2500)
    values[2000:] += 12
    detector = DefaultDetector()
    detector.grow(1)
    means = []
    for start, stop in ((0, 2000), (2000, 2040), (2040, 2000 + ACCEPTED), (2000 + ACCEPTED, 2500)):
        detector.step(batch(values).take(slice(start, stop)))
        dumped = detector.dump()
        means.append(float(dumped["f"][0, at.MU]) * dumped["d"][0, at.UNIT] + dumped["d"][0, at.ANCHOR])
    rate = 1 / 2000
    assert means[1] - means[0] < 0.2 * 12 * (1 - (1 - rate) ** 40)
    assert (32 - means[2]) * (1 - (1 - rate) ** (500 - ACCEPTED)) == pytest.approx(means[3] - means[2], abs=0.05)


def test_missing_samples_teach_nothing() -> None:
    """NaN changes no bit of a scorer's state, whenever it comes."""
    values = np.random.default_rng(2).normal(20, 1, 900)
    scorer = Scorer()
    scorer.grow(1)
    for start in range(0, 900, 90):
        scorer.step(batch(values).take(slice(start, start + 90)))
        before = {name: array.tobytes() for name, array in scorer.dump().items()}
        scored = scorer.step(batch(np.full(10, np.nan)))
        assert np.isnan(scored.score).all()
        assert before == {name: array.tobytes() for name, array in scorer.dump().items()}


@pytest.mark.parametrize("value", [0.0, 7.5, -1e-9, 1e12])
def test_a_constant_series_is_never_strange(value: float) -> None:
    """12,000 equal samples score 0 throughout, however old the extremes get; the first other value opens the default rule."""
    values = np.full(12_000, value)
    scored = run(values)
    assert 0.0 == np.nanmax(scored.score)
    assert 0.0 == np.nanmax(scored.raw)
    values[11_000] += max(1.0, abs(value))
    assert run(values).score[11_000] >= OPENS


@pytest.mark.parametrize("family", ["quantised", "counts", "zero-inflated", "rare steps"])
def test_rounded_series_keep_the_promise(family: str) -> None:
    """Few different values, of which every second equals an extreme: 1 in 1,000 comes 0.2 to 2.5 times as often as promised."""
    score = np.concatenate([run(values_of(family, np.random.default_rng(seed), 6000)).score[500:] for seed in range(6)])
    assert 0.2e-3 <= np.mean(score >= 0.3) <= 2.5e-3


def test_levels_that_stay_expect_no_bursts_of_old() -> None:
    """After a lasting shift up or down the heartbeat does not miss the peaks of the old level."""
    for size in (8.0, -8.0, 30.0, -30.0):
        for seed in range(4):
            values = np.random.default_rng(seed).normal(20, 1, 4000)
            values[1700:] += size
            detector = DefaultDetector()
            detector.grow(1)
            beat = detector.step(batch(values)).strength[:, 2]
            assert np.nanmax(beat[1900:3000]) < 1.5, (size, seed)


@cache
def busy() -> Batch:
    """Five weeks of quarter hours with everything in it that a part may speak of."""
    rng = np.random.default_rng(3)
    t = np.arange(96 * 35)
    values = 50 + 10 * np.sin(2 * np.pi * t / 96) + 5 * ((t // 96) % 7 < 5) + rng.normal(0, 1, len(t))
    values[::12] += 8
    values[600] += 300
    for spike in (40, 200, 900, 1800, 2500, 3300):
        values[spike] += 30
    values[1200:1230] = values[1199]
    values[2000:2100] += rng.normal(0, 6, 100)
    values[2300:2400] += np.linspace(0, 25, 100)
    values[2700:2760] -= 12
    values[2900:2960] = 50 + rng.normal(0, 1, 60)
    return batch(values, 900_000)


@cache
def judged(*without: str) -> Raw:
    """The busy series without some parts."""
    detector = DefaultDetector(without=without)
    detector.grow(1)
    return detector.step(busy())


@pytest.mark.parametrize("name", DefaultDetector.ABLATIONS)
def test_every_part_does_something(name: str) -> None:
    """A busy series has other strengths without it."""
    assert not np.array_equal(judged().strength, judged(name).strength, equal_nan=True)


def test_only_parts_there_are_can_be_left_out() -> None:
    """An unknown name is refused, and the ones there are are told; all at once may go."""
    with pytest.raises(InvalidInput, match="cannot leave out nothing of this name, spread"):
        DefaultDetector(without=("spread", "nothing of this name", "pca"))
    assert 0.0 == np.nanmax(judged(*DefaultDetector.ABLATIONS).strength)
