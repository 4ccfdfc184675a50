"""From strengths to scores: onsets, episodes, their rates and the combination of channels, against twins in plain lists."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from awry.core.batch import Batch
from awry.detection.calibration import (
    BINS,
    COMBINED,
    PRIOR,
    RISE,
    WIDTH,
    Prior,
    age_of,
    close_episode,
    episode_rate,
    learn_strength,
    score_of,
)
from awry.detection.ewma import Ewma
from awry.detection.onset import FADE, HOLD, onsets
from awry.detection.scorer import Scorer
from tests import naive_calibration as naive

EDGES = np.arange(BINS + 1) * WIDTH


EACH = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
SUMS = ((0.6, 1.5, 0.0), (0.0, 0.2, 1.0))


class Heads:
    """A detector only by its options: heads, channels, fades, mix and hold, for `Scorer.calibrate`."""

    def __init__(
        self, channels: tuple[tuple[float, ...], ...] = EACH, hold: int = HOLD, apart: tuple[bool, ...] | None = None
    ) -> None:
        self.heads = ("one", "two", "three")
        self.parts = ("none",)
        self.warmup = 0
        self.mix = (1.0, 0.5, 0.0)
        self.channels = channels
        self.apart = apart or (False,) * len(channels)
        self.fades = (FADE, 0.8, FADE)[: len(channels)]
        self.hold = hold

    def grow(self, slots: int) -> None:
        """No state."""


def prior(channels: int) -> tuple[Prior, NDArray[np.float64]]:
    """Curves (channels + 1, 49) that differ by channel, the same at every age and for every kind of series."""
    curves = np.minimum(np.log(0.02) - (2.3 - 0.2 * np.arange(channels + 1))[:, None] * EDGES, -0.1 * (EDGES > 0.3))
    return Prior(np.broadcast_to(curves, Prior.plain(channels).log_rate.shape).copy()), curves


def twin(
    rows: NDArray[np.float32], detector: Heads, curves: Callable[[int], list[list[float]]], *, marked: bool = True
) -> NDArray[np.float64]:
    """raw, score and segment (n, 3) as the twin has them."""
    return np.array(
        naive.calibrate(
            rows.tolist(), curves, channels=detector.channels, fades=detector.fades, apart=detector.apart,
            mix=detector.mix,
            hold=detector.hold, marked=marked, weight=PRIOR, combined=COMBINED,
        )
    )  # fmt: skip


def strengths(seed: int, rows: int = 4000) -> NDArray[np.float32]:
    """Three heads: one with long tails and lasting faults, one mostly at 0, one that copies the first at times."""
    rng = np.random.default_rng(seed)
    one = rng.exponential(0.6, rows)
    one[rows // 4 : rows // 4 + 60] += np.linspace(0.1, 6, 60)
    one[rows // 2 : rows // 2 + 300] += 5
    two = np.where(rng.random(rows) < 0.05, rng.exponential(1.5, rows), 0.0)
    three = np.where(rng.random(rows) < 0.3, one * 1.1, 0.01 * rng.random(rows))
    out = np.stack([one, two, three], axis=1).astype(np.float32)
    out[rows // 3 : rows // 3 + 7] = np.nan
    return out


def calibrated(rows: NDArray[np.float32], scorer: Scorer, slot: int = 0) -> NDArray[np.float32]:
    """raw, score and segment (n, 3) of the strengths of one series."""
    n = len(rows)
    scorer.grow(slot + 1)
    batch = Batch.of(np.full(n, slot, np.int32), np.arange(n, dtype=np.int64) * 60_000, np.zeros(n))
    return np.stack(scorer.calibrate(batch, np.ascontiguousarray(rows)), axis=1)


@pytest.mark.parametrize("hold", [HOLD, 80, 0])
def test_onsets_are_told_as_defined(hold: int) -> None:
    """Where a strength begins, and its segment, are what plain lists say; NaN counts 0."""
    values = strengths(1, 1500)[:, 0]
    values[700:1400] = 0.01
    values[900] = values[905] = values[1030] = 4.0
    emitted, segment = onsets(values, hold)
    wanted, held = naive.onsets(np.nan_to_num(values).tolist(), hold)
    assert wanted == pytest.approx(emitted.tolist(), abs=1e-5)
    assert held == pytest.approx(segment.tolist(), abs=1e-5)


def test_what_goes_on_is_one_onset_and_what_comes_back_another() -> None:
    """A fault of 50 samples is told once; again when it doubles; again after a quiet hour, and not after a quiet moment."""
    values = np.full(400, 0.1)
    values[100:150] = 4.0
    assert [100] == np.flatnonzero(onsets(values)[0] > 1).tolist()
    values[130:150] = 4.0 + RISE + 0.01
    assert [100, 130] == np.flatnonzero(onsets(values)[0] > 1).tolist()
    values[155] = 4.5
    assert [100, 130] == np.flatnonzero(onsets(values)[0] > 1).tolist()
    values[215] = 4.5
    assert [100, 130, 215] == np.flatnonzero(onsets(values)[0] > 1).tolist()


def test_episodes_are_counted_as_defined() -> None:
    """Counts at or above each edge equal those of a plain list; a strength that stays is one episode."""
    values = strengths(6, 6000)[:, 0]
    values = np.minimum(values[~np.isnan(values)], 5.0)
    values[1000:1900] = 6.0
    state, waited, least = np.zeros((3, 1), np.float32), np.zeros(1, np.int32), np.zeros(BINS, np.uint16)
    twin = naive.Episodes()
    for i, v in enumerate(values):
        assert twin.learn(float(v)) == learn_strength(state, waited, least, 0, v, i == 0, FADE, HOLD)
        assert twin.segment == pytest.approx(float(state[2, 0]), rel=1e-5)
    assert twin.reached == least.tolist()
    assert 1 == least[29]
    assert least[0] > 50


def test_counts_stop_at_their_16_bits() -> None:
    """The 65,536th episode changes nothing."""
    least = np.full(BINS, 65_534, np.uint16)
    for _ in range(3):
        close_episode(least, 1.0)
    assert [65_535] * 6 + [65_534] * 42 == least.tolist()
    close_episode(least, 1e9)
    assert [65_535] * BINS == least.tolist()


def test_rate_is_shrunk_to_the_prior() -> None:
    """p at an edge is (c + A) / (N + A / G0), between edges in proportion, and never rises with the strength."""
    twin = naive.Episodes()
    for maximum, times in ((1.1, 20), (2.1, 3)):
        for _ in range(times):
            twin.reached = [c + (maximum >= k * WIDTH) for k, c in enumerate(twin.reached)]
    least = np.array(twin.reached, np.uint16)
    log_prior = np.log(0.005) - 0.2 * np.arange(BINS + 1)
    for v in (0.0, 0.61, 1.5, 1.999, 2.05, 6.0, 9.5, 12.0):
        assert twin.p(v, 5000, log_prior.tolist(), PRIOR) == pytest.approx(episode_rate(least, 5000, v, log_prior), rel=1e-9)
    assert (23 + PRIOR) / (5000 + PRIOR / 0.005) == pytest.approx(episode_rate(least, 5000, 1e-12, log_prior), rel=1e-9)
    assert (3 + PRIOR) / (5000 + PRIOR / math.exp(log_prior[6])) == pytest.approx(
        episode_rate(least, 5000, 6 * WIDTH + 1e-12, log_prior), rel=1e-9
    )
    rates = [episode_rate(least, 5000, v, log_prior) for v in np.arange(0.0, 20.0, 0.05)]
    assert sorted(rates, reverse=True) == rates


def test_what_is_left_of_a_strength_is_not_rare() -> None:
    """Where the pooled curve says that every episode is larger, p is 1."""
    log_prior = np.where(EDGES < 0.5, 0.0, -5.0 - EDGES)
    assert 1.0 == episode_rate(np.zeros(BINS, np.uint16), 5000, 0.3, log_prior)
    assert episode_rate(np.zeros(BINS, np.uint16), 5000, 0.7, log_prior) < 0.01


@pytest.mark.parametrize(("p", "score"), [(1.0, 0.0), (1e-3, 0.3), (1e-5, 0.5), (1e-10, 1.0), (0.0, 1.0), (2e-4, 0.3699)])
def test_score_of_a_probability(p: float, score: float) -> None:
    """0.3 is one in a thousand, 0.5 one in a hundred thousand; four digits; the twin agrees."""
    assert score == pytest.approx(score_of(p), abs=1e-12)
    assert score == pytest.approx(naive.score_of(p), abs=1e-12)


@pytest.mark.parametrize(
    ("samples", "age"), [(0, 0), (63, 0), (64, 1), (255, 1), (256, 2), (1499, 2), (1500, 3), (2_000_000_000, 3)]
)
def test_the_age_of_a_series(samples: int, age: int) -> None:
    """Fresh, young, growing and grown series have curves of their own."""
    assert age == age_of(samples)


@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize(
    ("channels", "hold", "apart"),
    [(EACH, HOLD, None), (SUMS, HOLD, None), (EACH[:1], 80, None), (EACH, HOLD, (False, True, True)), (SUMS, HOLD, (False, True))],
)
def test_rows_are_calibrated_as_defined(
    channels: tuple[tuple[float, ...], ...], hold: int, apart: tuple[bool, ...] | None, marked: bool
) -> None:
    """raw, score and segment of 4,000 rows of three heads are what plain lists give, for every option of a detector."""
    rows = strengths(2)
    shipped, curves = prior(len(channels))
    detector = Heads(channels, hold, apart)
    got = calibrated(rows, Scorer(detector, prior=shipped, marked=marked))  # type: ignore[arg-type]
    assert twin(rows, detector, lambda _: curves.tolist(), marked=marked) == pytest.approx(got, abs=2e-4, nan_ok=True)
    assert 1 < np.nanmax(got[:, 0])
    assert 0.3 < np.nanmax(got[:, 1]) <= 1
    assert (got[:, 1] > 0).sum() < 0.5 * len(got)


def test_what_goes_on_for_ever_is_not_rare() -> None:
    """The segment of a series that stays at one strength for ever falls, for it is counted every 256 samples; one onset in all."""
    rows = np.full((6000, 3), 3.0, np.float32)
    got = calibrated(rows, Scorer(Heads(), prior=prior(3)[0]))  # type: ignore[arg-type]
    assert 1 == (got[:, 0] > 0).sum()
    assert got[5999, 2] < 0.27 < got[200, 2] + 0.1


def test_curves_change_with_age() -> None:
    """Each age is judged by its own curve."""
    rows = strengths(3, 2000)
    shipped, curves = prior(3)
    for age in range(len(shipped.log_rate)):
        shipped.log_rate[age] = np.where(shipped.log_rate[age] < 0, shipped.log_rate[age] - 0.5 * age, 0.0)
    by_age = [np.where(curves < 0, curves - 0.5 * age, 0.0).tolist() for age in range(4)]
    got = calibrated(rows, Scorer(Heads(), prior=shipped))  # type: ignore[arg-type]
    assert twin(rows, Heads(), lambda seen: by_age[age_of(seen)]) == pytest.approx(got, abs=2e-4, nan_ok=True)


@pytest.mark.slow
def test_old_times_fade_by_halves() -> None:
    """After 40,000 samples counts and samples are halved."""
    rows = np.random.default_rng(5).exponential(0.7, (41_000, 3)).astype(np.float32)
    shipped, curves = prior(3)
    got = calibrated(rows, Scorer(Heads(), prior=shipped))  # type: ignore[arg-type]
    assert twin(rows, Heads(), lambda _: curves.tolist())[40_000:] == pytest.approx(got[40_000:], abs=2e-4)


def test_series_do_not_touch_each_other() -> None:
    """The rows of one series are judged alike alone and between those of another."""
    shipped, _ = prior(3)
    mine, other = strengths(7, 1000), strengths(8, 1000)
    alone = calibrated(mine, Scorer(Heads(), prior=shipped))  # type: ignore[arg-type]
    scorer = Scorer(Heads(), prior=shipped)  # type: ignore[arg-type]
    scorer.grow(2)
    both = np.stack([mine, other], axis=1).reshape(-1, 3)
    batch = Batch.of(np.tile(np.arange(2), 1000), np.repeat(np.arange(1000) * 60_000, 2), np.zeros(2000))
    assert alone.tobytes() == np.stack(scorer.calibrate(batch, both), axis=1)[::2].tobytes()


@pytest.mark.parametrize("make", [lambda: Heads(), lambda: Ewma()])
def test_missing_strengths_teach_nothing(make: Callable[[], object]) -> None:
    """NaN in, NaN out, and not a bit of the calibration's state changes."""
    detector = make()
    scorer = Scorer(detector, name="ewma", prior=Prior.plain(len(detector.heads)))  # type: ignore[arg-type,attr-defined]
    width = len(scorer.heads)
    calibrated(np.abs(np.random.default_rng(9).normal(size=(300, width))).astype(np.float32), scorer)
    before = [a.tobytes() for a in (scorer._state, scorer._counts, scorer._least)]
    assert np.isnan(calibrated(np.full((20, width), np.nan, np.float32), scorer)).all()
    assert before == [a.tobytes() for a in (scorer._state, scorer._counts, scorer._least)]
