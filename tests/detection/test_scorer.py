"""The score: warm-up, onsets and segments, the promise of calibration, and the judge's own cuts and resumes."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from awry.core.batch import Batch, Scored
from awry.core.rule import Rule
from awry.detection.calibration import FLOOR_P, Prior
from awry.detection.default import DefaultDetector
from awry.detection.ewma import Ewma
from awry.detection.scorer import Scorer
from awry.detection.warm import compile_kernels
from awry.engine.threshold import rule_threshold

COLUMNS = ("raw", "score", "segment", "expected", "low", "high", "part")


def run(values: NDArray[np.float64], scorer: Scorer | None = None) -> Scored:
    """One series, a minute apart."""
    scorer = scorer or Scorer()
    scorer.grow(1)
    n = len(values)
    return scorer.step(Batch.of(np.zeros(n, np.int32), 1_700_006_400_000 + np.arange(n, dtype=np.int64) * 60_000, values))


def spiked(rows: int = 3000, seed: int = 1) -> NDArray[np.float64]:
    """Noise with a level shift of 60 samples near its end."""
    values = np.random.default_rng(seed).normal(50, 2, rows)
    values[rows - 500 : rows - 440] += 60
    return values


def test_warm_up_is_visible() -> None:
    """Score and segment are NaN for exactly the first 16 samples, then numbers."""
    scored = run(spiked(200))
    assert 16 == Scorer().warmup
    assert np.isnan(scored.score[:16]).all()
    assert np.isnan(scored.segment[:16]).all()
    assert np.isfinite(scored.score[16:]).all()
    assert np.isfinite(scored.segment[16:]).all()


def test_scores_are_rounded_and_bounded() -> None:
    """Scores and segments lie in [0, 1] and are multiples of 0.0001, to the last bit."""
    scored = run(spiked())
    for column in (scored.score[16:], scored.segment[16:]):
        assert 0 <= column.min() <= column.max() <= 1
        assert (np.round(column.astype(np.float64), 4).astype(np.float32) == column).all()


def test_an_onset_scores_and_its_segment_stays() -> None:
    """A 30 sigma shift crosses the default rule's floor at its first sample; score falls to 0 between onsets, segment stays."""
    scored = run(spiked())
    threshold = -np.log10(FLOOR_P) / 10
    assert scored.score[2500] >= threshold
    assert 2500 <= int(np.nanargmax(scored.raw)) < 2530
    assert 0.0 == scored.score[2510]
    assert (scored.segment[2500:2505] >= threshold - 0.1).all()
    assert (scored.score[16:] <= scored.segment[16:]).all()


def test_cold_start_is_cautious_but_not_blind() -> None:
    """Noise never crosses the floor in its first 1,000 samples; a 30 sigma spike at sample 150 stands out from all before it."""
    for seed in range(10):
        values = np.random.default_rng(seed).normal(0, 1, 1000)
        assert np.nanmax(run(values).score) < -np.log10(FLOOR_P) / 10
        values[150] = 30
        score = run(values).score
        assert score[150] > np.nanmax(score[:150])


@pytest.mark.parametrize("row", [100, 500, 1440, 3000])
def test_the_absurd_opens_the_default_rule_at_every_age(row: int) -> None:
    """A 50 sigma spike on calm noise reaches the default rule's threshold of its age, and scores above a 10 sigma one."""
    threshold = rule_threshold(Rule(name="default", budget="1 per 30d"), 60_000, row)[0]
    for seed in range(5):
        values = np.random.default_rng(seed).normal(50, 2, row + 1)
        values[row] = 150
        absurd = run(values).score[row]
        assert absurd >= threshold
        values[row] = 70
        assert absurd > run(values).score[row] + 0.01


def test_calibration_keeps_its_promise() -> None:
    """On seeded noise, autocorrelated noise and counts, onsets at 1e-3 come 0.2 to 2.5 times as often as promised."""
    rng = np.random.default_rng(9)
    rows, count = 8000, 12
    smooth = np.zeros((rows, count))
    for i in range(1, rows):
        smooth[i] = 0.9 * smooth[i - 1] + rng.normal(size=count)
    for values in (rng.normal(size=(rows, count)), smooth, rng.poisson(3, (rows, count)).astype(np.float64)):
        scorer = Scorer()
        scorer.grow(count)
        times = np.repeat(np.arange(rows) * 60_000, count)
        score = scorer.step(Batch.of(np.tile(np.arange(count), rows), times, values.ravel())).score
        realised = np.sum(score >= 0.3) / np.sum(~np.isnan(score))
        assert 0.2e-3 <= realised <= 2.5e-3


@pytest.mark.parametrize("factory", [Scorer, lambda: Scorer(Ewma(), name="ewma")])
def test_cut_and_resumed_it_gives_the_same_bits(factory: type[Scorer]) -> None:
    """Any cut of the stream, and a dump loaded by slot ranges into a fresh scorer, give the same bits."""
    rng = np.random.default_rng(10)
    rows, series = 700, 3
    values = rng.normal(0, 1, (rows, series))
    values[rng.random(values.shape) < 0.02] = np.nan
    batch = Batch.of(np.tile(np.arange(series), rows), np.repeat(np.arange(rows) * 60_000, series), values.ravel())
    first = factory()
    first.grow(series)
    whole = first.step(batch)
    second = factory()
    second.grow(series)
    pieces = [second.step(batch.take(slice(at, min(at + 37, 1110)))) for at in range(0, 1110, 37)]
    third = factory()
    third.load(second.dump(1, series), 1)
    third.load(second.dump(0, 1), 0)
    pieces.append(third.step(batch.take(slice(1110, None))))
    resumed = Scored.concat(pieces)
    for name in COLUMNS:
        assert getattr(whole, name).tobytes() == getattr(resumed, name).tobytes()
    state, again = first.dump(), third.dump()
    assert state.keys() == again.keys()
    for name, array in state.items():
        assert array.tobytes() == again[name].tobytes()


def test_a_dump_is_a_copy() -> None:
    """Going on after a dump does not change what was dumped."""
    scorer = Scorer()
    run(spiked(100), scorer)
    dumped = scorer.dump()
    before = {name: array.tobytes() for name, array in dumped.items()}
    run(spiked(100, seed=2), scorer)
    assert before == {name: array.tobytes() for name, array in dumped.items()}


def test_a_series_costs_less_than_its_budget() -> None:
    """State and calibration of one series take less than 6.5 KB."""
    scorer = Scorer()
    scorer.grow(1)
    assert sum(array.nbytes for array in scorer.dump(0, 1).values()) < 6500


def test_growing_keeps_what_was_learned() -> None:
    """Room for more series changes nothing for the ones there are."""
    values = spiked(600)
    scorer = Scorer()
    head = run(values[:300], scorer)
    scorer.grow(5000)
    times = 1_700_006_400_000 + np.arange(300, 600, dtype=np.int64) * 60_000
    tail = scorer.step(Batch.of(np.zeros(300, np.int32), times, values[300:]))
    whole = run(values)
    assert whole.score.tobytes() == np.concatenate([head.score, tail.score]).tobytes()


def test_priors_fall_with_strength() -> None:
    """Shipped and made-up priors are rates that never rise with the strength and end low, for each age, channel and combination."""
    channels = len(DefaultDetector().channels)
    default, ewma = Prior.shipped("default", channels), Prior.shipped("ewma", 1)
    assert not np.array_equal(default.log_rate, Prior.plain(channels).log_rate)
    assert not np.array_equal(ewma.log_rate, Prior.plain(1).log_rate)
    for prior, count in ((default, channels), (ewma, 1), (Prior.shipped("somebody's", 2), 2)):
        assert (count + 1, 49) == prior.log_rate.shape[-2:]
        assert 4 == len(prior.log_rate)
        assert (np.diff(prior.log_rate) <= 1e-9).all()
        assert (prior.log_rate <= 0).all()
        assert (prior.log_rate[..., -1] <= np.log(2e-3)).all()


def test_warming_tells_its_progress() -> None:
    """Compiling says what it is at, at least three times."""
    said: list[str] = []
    compile_kernels(said.append)
    assert len(said) >= 3
