"""Injected faults: what they alter, that continuing from a kept state is rescoring it all, and what is counted."""

from __future__ import annotations

import numpy as np
import pytest

from awry.detection.evaluation.explain import RIGHT, right_parts
from awry.detection.evaluation.faults import BURST_EVERY, FLAT_ROWS, HELD, LEAST_AHEAD, RAMP, SIZES, inject, sigma_of
from awry.detection.evaluation.inject import run_inject, stretch_of
from awry.detection.evaluation.watch import Watch, threshold_for
from awry.detection.evaluation.young import ROWS, run_young

ROW, DAY = 5000, 1440


def noise(rows: int = 8000, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(50, 2, rows)


def stretch(value: np.ndarray, history: int = 900, at: tuple[int, ...] = (900,), name: str = "noise"):
    time = np.arange(len(value), dtype=np.int64) * 60_000 + 1_700_000_000_000
    one = stretch_of(name, time, value, history, at, 0)
    assert one is not None
    return one


def fault(kind: str, size: float, value: np.ndarray, row: int = ROW):
    return inject(kind, size, value, row, sigma_of(value), DAY, np.random.default_rng(3))


def test_sigma_is_the_deviation_of_normal_values() -> None:
    """1.4826 MAD estimates it within 5 %; NaN counts for nothing; most values equal give 0."""
    value = noise()
    assert 2.0 == pytest.approx(sigma_of(value), rel=0.05)
    assert sigma_of(value) == sigma_of(np.append(value, [np.nan] * 100))
    assert 0.0 == sigma_of(np.array([1.0] * 6 + [9.0] * 5))


@pytest.mark.parametrize(
    ("kind", "rows", "altered"),
    [("spike", 10, 1), ("dip", 10, 1), ("level", HELD, HELD), ("drift", RAMP + HELD, RAMP + HELD), ("wave", HELD, HELD)],
)
def test_a_fault_alters_its_rows_by_its_size(kind: str, rows: int, altered: int) -> None:
    """As many rows as the table says, the largest change being the size in sigma (wave: half of it), nothing else."""
    value = noise()
    found = fault(kind, 3, value)
    change = found.values - value[ROW : ROW + rows]
    size = sigma_of(value) * (1.5 if kind == "wave" else 3)
    assert (rows, 0) == (len(found.values), found.start)
    assert size == pytest.approx(np.abs(change).max(), rel=1e-6)
    assert altered >= np.count_nonzero(np.abs(change) > 1e-9) >= altered - altered // 6
    assert (change[0] < 0) == (kind == "dip") or kind in ("level", "drift")


def test_variance_speed_and_flat_line() -> None:
    """Noise of half the size is added; the past is read backwards in steps; the last value stays."""
    value = noise()
    added = fault("variance", 4, value).values - value[ROW : ROW + HELD]
    assert 2 * sigma_of(value) == pytest.approx(float(np.std(added)), rel=0.3)
    assert value[ROW - 1 - 2 * np.arange(200)].tolist() == fault("speed", 2, value).values.tolist()
    assert {value[ROW - 1]} == set(fault("flat line", 0, value).values.tolist())
    value[300 : 300 + FLAT_ROWS // 2] = 50.0
    assert fault("flat line", 0, value) is None


def test_no_fault_where_there_is_no_room_for_it() -> None:
    """What was never negative gets no dip below zero, and levels only up; near the end, and on a missing sample, there is none."""
    value = np.abs(noise() - 48)
    assert fault("dip", 5, value) is None
    assert np.all(fault("level", 5, value).values > value[ROW : ROW + HELD])
    assert fault("spike", 5, value, len(value) - LEAST_AHEAD + 1) is None
    value[ROW] = np.nan
    assert fault("spike", 5, value) is None


def test_a_daily_peak_goes_missing() -> None:
    """The next coming of a peak that was there on the days before is levelled, also where it drifts by a few rows."""
    value = noise()
    for start, late in zip(range(700, len(value) - 60, DAY), (0, 3, -3, 2, 0, 0), strict=False):
        value[start + late : start + late + 30] += 20
    found = fault("missing peak", 5, value)
    coming = next(start for start in range(700, len(value), DAY) if start > ROW) - ROW
    assert coming == pytest.approx(found.start, abs=3)
    assert 60 > found.values[found.start :].max()
    assert fault("missing peak", 5, noise()) is None


def test_planted_bursts_end() -> None:
    """The past has a burst about every 40 rows; from the one due after the injection on there is none."""
    value = noise()
    found = fault("missing activity", 10, value)
    planted = np.flatnonzero(np.diff((found.past - value[:ROW] > 1).astype(int)) == 1)
    assert BURST_EVERY == pytest.approx(float(np.mean(np.diff(planted))), abs=1)
    assert 0 <= found.start <= BURST_EVERY + 5
    assert value[ROW : ROW + len(found.values)].tolist() == found.values.tolist()


def test_threshold_lets_so_many_alerts_through() -> None:
    """Per output at most as many values reach it, and of distinct values exactly as many; ties stay below."""
    rng = np.random.default_rng(1)
    clean = np.column_stack((rng.random(1000), np.repeat([0.0, 1.0], [900, 100]))).astype(np.float32)
    threshold = threshold_for(clean, 7)
    assert [7, 0] == (clean >= threshold).sum(axis=0).tolist()
    assert np.all(threshold_for(np.zeros((10, 1), np.float32), 3) > 0)


@pytest.mark.parametrize("detector", ["default", "ewma"])
def test_continuing_from_a_kept_state_is_rescoring_it_all(detector: str) -> None:
    """Slots loaded from one dump emit, bit for bit, what fresh detectors emit that saw the history and the fault."""
    one = stretch(noise(1600))
    kept = Watch(detector)
    kept.step(np.zeros(900, np.int32), one.time[:900], one.value[:900])
    ends = [one.value[900:1000] + shift for shift in (0.0, 10.0, 25.0)]
    copies = Watch(detector)
    copies.load(kept.dump(), len(ends))
    slot = np.repeat(np.arange(3, dtype=np.int32), 100)
    together, parts = copies.step(slot, np.tile(one.time[900:1000], 3), np.concatenate(ends))
    for k, end in enumerate(ends):
        alone, named = Watch(detector).step(np.zeros(1000, np.int32), one.time[:1000], np.append(one.value[:900], end))
        assert np.array_equal(alone[900:], together[100 * k : 100 * k + 100])
        assert np.array_equal(named[900:], parts[100 * k : 100 * k + 100])


def test_large_faults_are_found_and_none_is_not() -> None:
    """On noise a spike of 40 sigma is found at once by every output that can, one of size 0 by none; seeded, so again the same."""
    series = {"a": [stretch(noise(1600, seed), at=(900, 1100), name=f"noise {seed}") for seed in range(6)]}
    sizes = {"spike": (0.0, 40.0), "level": (40.0,)}
    first, again = (run_inject("ewma", series, sizes=sizes, fixed=lambda _: 0.3) for _ in range(2))
    nothing, spike, level = first.cells
    assert (12, 12, 12) == (nothing.faults, spike.faults, level.faults)
    assert {"distance": 0.0, "raw": 0.0, "score": 0.0, "rule": 0.0} == nothing.recall
    assert (1.0, 0.0) == (spike.recall["raw"], spike.delay["raw"])
    assert level.recall["rule"] >= 0.8
    assert ({"a": 6}, 6 * 700) == (first.stretches, first.clean_rows)
    assert [cell.recall for cell in first.cells] == [cell.recall for cell in again.cells]
    assert 0.0 == first.false_per_10k["raw"]


def test_a_stretch_of_one_value_or_none_is_left_out() -> None:
    """Where half of the values are equal there is no sigma; where many are missing there is no history."""
    time = np.arange(1000, dtype=np.int64) * 60_000
    assert stretch_of("flat", time, np.ones(1000), 500, (500,), 0) is None
    value = noise(1000)
    value[:200] = np.nan
    assert stretch_of("holes", time, value, 500, (500,), 0) is None


def test_young_series_are_watched_from_a_row_on() -> None:
    """On noise a spike of 8 sigma is found nearly always at row 256, and every row and output has its share."""
    report = run_young("ewma", [stretch(noise(1200, seed), name=f"noise {seed}") for seed in range(20)])
    assert (20, {"distance", "raw", "score"}) == (report.beginnings, set(report.recall))
    assert list(ROWS) == list(report.recall["raw"]["spike 8"])
    assert report.recall["raw"]["spike 8"][256] >= 0.9
    assert report.recall["raw"]["spike 8"][16] == 0.0  # before its warm-up


def test_every_kind_has_parts_that_are_right() -> None:
    """Each kind of fault names some; what is right only early is not right late."""
    assert set(SIZES) == set(RIGHT)
    assert ("beyond" in right_parts("variance", 0)) > ("beyond" in right_parts("variance", 50))
