"""VUS-PR and its window are those of TSB-AD: by its own numbers, by a slow twin, and live where the package is installed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from awry.detection.evaluation.metrics import auc_pr, auc_roc
from awry.detection.evaluation.vus import OTHERWISE, vus_pr, window_of
from tests import naive_evaluation as naive

GOLDEN = json.loads((Path(__file__).parent / "vus_golden.json").read_text())


def arrays(case):
    score, truth = np.array(case["score"]), np.zeros(len(case["score"]), np.bool_)
    truth[case["truth"]] = True
    return score, truth


def random_case(seed):
    """Events at the ends, near to each other, or long; strengths with and without ties."""
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(60, 160))
    truth = np.zeros(rows, np.bool_)
    for _ in range(rng.integers(1, 6)):
        start = rng.integers(0, rows)
        truth[start : start + rng.integers(1, 12)] = True
    strength = rng.normal(size=rows) + truth * rng.choice([0.0, 2.0])
    return (np.round(strength) if seed % 3 == 0 else strength), truth, int(rng.integers(0, 40))


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: f"{len(case['score'])} rows, window {case['window']}")
def test_areas_equal_those_of_tsb_ad(case):
    """To the last digits, for strengths with ties, sparse ones, and events at both ends."""
    score, truth = arrays(case)
    assert pytest.approx(case["vus_pr"], abs=1e-12) == vus_pr(score, truth, case["window"])
    assert pytest.approx(case["auc_pr"], abs=1e-12) == auc_pr(score, truth)
    assert pytest.approx(case["auc_roc"], abs=1e-12) == auc_roc(score, truth)


@pytest.mark.parametrize("case", GOLDEN["periods"], ids=lambda case: f"{len(case['value'])} rows")
def test_window_equals_that_of_tsb_ad(case):
    """For periodic, wandering, short and constant series."""
    assert case["window"] == window_of(np.array(case["value"]))


@pytest.mark.parametrize("seed", range(20))
def test_vus_equals_its_definition(seed):
    """Random inputs, against the twin that follows the definition row by row."""
    strength, truth, window = random_case(seed)
    if truth.all() or not truth.any():
        truth[:] = False
        truth[5:9] = True
    assert pytest.approx(naive.volume(strength, truth, window), abs=1e-12) == vus_pr(strength, truth, window)


def test_single_precision_strengths_reach_their_own_thresholds():
    """float32 strengths give what the same numbers give as float64."""
    strength, truth, window = random_case(1)
    single = strength.astype(np.float32)
    assert vus_pr(single.astype(np.float64), truth, window) == vus_pr(single, truth, window)


def test_nothing_to_tell_is_nan():
    """All rows true, or none."""
    strength = np.arange(50.0)
    assert np.isnan(vus_pr(strength, np.zeros(50, np.bool_), 10))
    assert np.isnan(vus_pr(strength, np.ones(50, np.bool_), 10))


@pytest.mark.parametrize(
    "value", [np.full(500, 3.0), np.full(500, np.nan), np.zeros(0), np.arange(4.0)], ids=["flat", "nan", "empty", "4"]
)
def test_series_without_a_period(value):
    """Take the window that stands for none."""
    assert OTHERWISE == window_of(value)


def test_missing_samples_leave_the_period():
    """A tenth of the samples missing."""
    value = np.sin(2 * np.pi * np.arange(3000) / 48)
    value[np.random.default_rng(2).random(3000) < 0.1] = np.nan
    assert 48 == window_of(value)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(8))
def test_live_against_tsb_ad(seed):
    """Larger random inputs, where the reference is installed (pip install --no-deps TSB-AD)."""
    reference = pytest.importorskip("TSB_AD.evaluation.basic_metrics")
    rng = np.random.default_rng(seed)
    strength, truth = rng.normal(size=3000), np.zeros(3000, np.bool_)
    for start in rng.integers(0, 2900, 15):
        truth[start : start + rng.integers(1, 90)] = True
    window = int(rng.integers(5, 120))
    expected = reference.generate_curve(truth.astype(int), strength, window, "opt", 250)[-1]
    assert pytest.approx(expected, abs=1e-10) == vus_pr(strength, truth, window)
