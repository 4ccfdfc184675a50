"""Alerts, events and what a threshold over all files of a set gives."""

from __future__ import annotations

import math

import numpy as np
import pytest

from awry.detection.evaluation import metrics
from awry.detection.evaluation.metrics import Alerts, Pool, auc_pr, auc_roc, events_of
from tests import naive_evaluation as naive


def random_files(seed, count=5):
    rng = np.random.default_rng(seed)
    files = []
    for _ in range(count):
        rows = int(rng.integers(50, 200))
        truth = np.zeros(rows, np.bool_)
        for start in rng.integers(0, rows, rng.integers(0, 4)):
            truth[start : start + rng.integers(1, 9)] = True
        emitted = np.where(rng.random(rows) < 0.2, rng.random(rows) + truth, 0.0)
        files.append((np.round(emitted, 1 if seed % 2 else 6).astype(np.float32), truth))
    return files


def pooled(files):
    return Pool([Alerts.of(emitted, truth, np.arange(len(truth)) * 1000) for emitted, truth in files])


@pytest.mark.parametrize("seed", range(12))
def test_best_threshold_equals_trying_all(seed):
    """F1, threshold, found and false at the best one, with and without ties."""
    files = random_files(seed)
    best = pooled(files).best()
    f1, threshold, found, false = naive.best_f1(files)
    assert pytest.approx((f1, threshold)) == (best.f1, best.threshold)
    assert (found, false) == (best.found, best.false_alerts)
    assert pytest.approx(f1) == pooled(files).measures()[0]


@pytest.mark.parametrize("seed", range(12))
def test_recall_at_a_rate_equals_trying_all(seed, monkeypatch):
    """At one false alert in 100 rows."""
    monkeypatch.setattr(metrics, "ROWS_PER_FALSE", 100)
    files = random_files(seed)
    assert pytest.approx(naive.recall_at(files, 100)) == pooled(files).measures()[1]


def test_files_counted_twice_are_as_if_they_were_there_twice():
    """Weights of the bootstrap."""
    files = random_files(3)
    times = np.array([2, 0, 1, 3, 1])
    repeated = [file for file, count in zip(files, times, strict=True) for _ in range(count)]
    assert pytest.approx(pooled(repeated).measures()) == pooled(files).measures(times)


def test_dropping_what_no_measure_looks_at_changes_nothing():
    """Thousands of false alerts below all that matter."""
    rng = np.random.default_rng(5)
    truth = np.zeros(20_000, np.bool_)
    truth[::4000] = True
    emitted = np.where(truth, 9.0, rng.random(20_000) * (rng.random(20_000) < 0.5)).astype(np.float32)
    pool = pooled([(emitted, truth)])
    assert len(pool.curve()[0]) < 1000
    assert (1.0, 1.0) == pool.measures()


def test_delay_is_from_the_first_row_of_an_event_to_its_first_loud_alert():
    """Median over the found events, in rows and in time."""
    truth = np.zeros(60, np.bool_)
    truth[10:20] = truth[30:40] = True
    emitted = np.zeros(60, np.float32)
    emitted[[11, 14, 36, 38]] = [0.5, 5.0, 6.0, 7.0]
    best = pooled([(emitted, truth)]).best()
    assert (2, 2, 0, 5.0, 5000.0) == (best.found, best.events, best.false_alerts, best.delay_rows, best.delay_ms)
    emitted[14] = 0.0
    best = pooled([(emitted, truth)]).best()
    assert (0.5, 2, 3.5) == (best.threshold, best.found, best.delay_rows)


def test_without_events_nothing_can_be_told():
    """F1 and recall are NaN; without alerts they are 0."""
    assert all(map(math.isnan, pooled([(np.ones(20, np.float32), np.zeros(20, np.bool_))]).measures()))
    silent = pooled([(np.zeros(20, np.float32), np.arange(20) == 7)])
    assert (0.0, 0.0) == silent.measures()
    assert (0.0, 0, 1) == (silent.best().f1, silent.best().found, silent.best().events)


@pytest.mark.parametrize("seed", range(6))
def test_areas_equal_their_definitions(seed):
    """With ties."""
    rng = np.random.default_rng(seed)
    truth = rng.random(80) < 0.2
    truth[:2] = True, False
    strength = np.round(rng.normal(size=80) + truth, 1)
    assert pytest.approx(naive.average_precision(strength, truth)) == auc_pr(strength, truth)
    assert pytest.approx(naive.roc_area(strength, truth)) == auc_roc(strength, truth)
    assert naive.runs(truth) == [tuple(event) for event in events_of(truth).tolist()]
