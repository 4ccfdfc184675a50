"""The score at which rules open: the bound that spares most rows a look never hides one that opens."""

from __future__ import annotations

import numpy as np
import pytest

from awry.core.rule import Rule
from awry.engine.threshold import lowest_scores, rule_threshold

RULES = (
    Rule(name="default"),
    Rule(name="week", budget="3 per week"),
    Rule(name="hour", budget="1 per 2h"),
    Rule(name="fixed", threshold=0.42),
    Rule(name="low", threshold=0.05),
)


@pytest.mark.parametrize("chosen", [(0,), (1,), (3,), (0, 1), (1, 2, 3), (0, 3, 4), (0, 1, 2, 3, 4)])
def test_the_bound_is_the_least_threshold(chosen: tuple[int, ...]) -> None:
    """For series of every interval and age it lies at the least of the rules' thresholds, and never above."""
    rng = np.random.default_rng(1)
    interval = np.concatenate([[0.0, 1.0, 1e9], 10 ** rng.uniform(2, 8, 500)]).astype(np.float32)
    seen = np.concatenate([[0, 255, 256], rng.integers(0, 3000, 500)]).astype(np.uint32)
    rules = [RULES[i] for i in chosen]
    expected = [min(rule_threshold(rule, float(i), int(n))[0] for rule in rules) for i, n in zip(interval, seen, strict=True)]
    actual = lowest_scores(rules, interval, seen)
    assert (actual <= expected).all()
    assert np.abs(actual - expected).max() < 1e-5
