"""The workings of a score lead to the score that the kernel gave, for every detector and at every sample, and change nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from awry.core.batch import Batch
from awry.detection.catalogue import detector_names, make_judge
from awry.detection.workings import score_from, workings

ROWS = 700


def series(seed: int) -> np.ndarray:
    """Waves with spikes, steps, a flat stretch and gaps."""
    rng = np.random.default_rng(seed)
    values = 50 + 10 * np.sin(np.arange(ROWS) / 15) + rng.normal(0, 1 + seed, ROWS)
    values[rng.random(ROWS) < 0.02] += 60
    values[500:] += 25
    values[600:640] = values[600]
    values[rng.random(ROWS) < 0.03] = np.nan
    return values


@pytest.mark.parametrize("name", [name for name in detector_names() if name != "peers"])
def test_the_odds_are_those_of_the_score(name: str) -> None:
    """score and segment are what p and segment_p say, rounded as the kernel rounds; asking first is as not asking at all."""
    judge, untouched = make_judge(name), make_judge(name)
    judge.grow(2)
    untouched.grow(2)
    asked = 0
    for seed in (1, 2):
        times = 1_700_000_000_000 + 60_000 * np.arange(ROWS)
        whole = Batch.of(np.full(ROWS, seed - 1), times, series(seed))
        plain = untouched.step(whole)
        for i in range(ROWS):
            batch = whole.take(slice(i, i + 1))
            inside = workings(judge, name, batch) if i % 3 == 0 or i > 590 else None
            scored = judge.step(batch)
            assert scored.score.tobytes() == plain.score[i : i + 1].tobytes()
            assert scored.raw.tobytes() == plain.raw[i : i + 1].tobytes()
            if inside is None:
                assert i % 3 or math.isnan(scored.score[0])
                continue
            asked += 1
            assert float(scored.score[0]) == score_from(inside.p)
            assert float(scored.segment[0]) == max(score_from(inside.segment_p), float(scored.score[0]))
            assert judge.heads == tuple(head for head, _ in inside.heads)
            assert all(0 <= channel.p <= 1 and channel.segment_p <= channel.p for channel in inside.channels)
    assert asked > 200


def test_what_has_no_workings() -> None:
    """None of a NaN, nor while a series is learnt."""
    judge = make_judge()
    judge.grow(1)
    for i in range(100):
        batch = Batch.of([0], [60_000 * i], [math.nan if i == 60 else float(i % 7)])
        inside = workings(judge, "default", batch)
        assert math.isnan(float(judge.step(batch).score[0])) == (inside is None)
