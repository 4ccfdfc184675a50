"""What the detectors do: the promises of the door, missing and hostile values, lasting changes, bursts, bands."""

from __future__ import annotations

from importlib.metadata import entry_points

import numpy as np
import pytest
from numpy.typing import NDArray

from awry.core.batch import Batch, Raw
from awry.detection.default import DefaultDetector
from awry.testing import check_detector

DETECTORS = {entry.name: entry for entry in entry_points(group="awry.detectors") if entry.value.startswith("awry.")}
START_MS = 1_700_006_400_000
SHAPE, RECORDS, HEARTBEAT = 0, 1, 2
OF_GROUPS = {"peers": "judges a series by its siblings, so series touch each other; test_peers.py has the promises it keeps"}
"""Detectors that the public suite does not fit, and why."""


def run(values: NDArray[np.float64], step_ms: int = 60_000, detector: DefaultDetector | None = None) -> Raw:
    """One series through the default detector."""
    detector = detector or DefaultDetector()
    detector.grow(1)
    n = len(values)
    return detector.step(Batch.of(np.zeros(n, np.int32), START_MS + np.arange(n, dtype=np.int64) * step_ms, values))


def noise(rows: int, seed: int = 1) -> NDArray[np.float64]:
    """Unit noise around 20."""
    return np.random.default_rng(seed).normal(20, 1, rows)


@pytest.mark.parametrize("name", sorted(DETECTORS.keys() - OF_GROUPS.keys()))
def test_every_detector_keeps_the_promises(name: str) -> None:
    """The public suite passes on each detector we ship that judges series by themselves."""
    check_detector(DETECTORS[name].load())


def test_spike_speaks_in_every_phase() -> None:
    """A spike of 12 sigma is among the strongest five samples, from the young series to the grown one."""
    for at in (40, 100, 300, 900, 2900):
        values = noise(at + 50, seed=at)
        values[at] += 12
        strength = run(values).strength
        assert np.sum(strength[:, SHAPE] > strength[at, SHAPE]) < 5
        assert strength[at, SHAPE] > 4


def test_missing_rows_are_skipped() -> None:
    """NaN and infinities give NaN, and the rows after them are as without them."""
    values = noise(600)
    holed = np.insert(values, 400, [np.nan, np.inf, -np.inf])
    times = START_MS + np.arange(603) * 60_000
    detector = DefaultDetector()
    detector.grow(1)
    with_holes = detector.step(Batch.of(np.zeros(603, np.int32), times, holed))
    kept = np.delete(np.arange(603), [400, 401, 402])
    without = DefaultDetector()
    without.grow(1)
    plain = without.step(Batch.of(np.zeros(600, np.int32), times[kept], values))
    assert np.isnan(with_holes.strength[400:403]).all()
    assert plain.strength.tobytes() == with_holes.strength[kept].tobytes()


def test_one_glitch_does_not_blind() -> None:
    """1000 samples after a reading of 1e308 an ordinary spike of 15 sigma is still the strongest of the last 500."""
    values = noise(2000)
    values[800] = 1e308
    values[1900] += 15
    strength = run(values).strength
    assert strength[800, SHAPE] > 4
    assert 1900 == 1500 + int(np.argmax(strength[1500:, SHAPE]))


@pytest.mark.parametrize("row", [0, 1, 5])
def test_a_glitch_at_the_start_is_outgrown(row: int) -> None:
    """When the first readings were 1e308 the series starts afresh and finds a spike later."""
    values = noise(1500)
    values[row] = 1e308
    values[1400] += 15
    assert 1400 == 600 + int(np.argmax(run(values).strength[600:, SHAPE]))


def test_flat_line_is_silent_until_it_moves() -> None:
    """A constant series has strength 0 in every head but the shape's floor; its first change speaks."""
    values = np.full(600, 7.5)
    values[500] = 9.0
    strength = run(values).strength
    assert 0.0 == np.nanmax(strength[:500])
    assert strength[500, SHAPE] > 3


def test_a_lasting_level_is_accepted() -> None:
    """After a lasting shift of 8 sigma the expected value stays at the old level at first, and has moved after 400 samples."""
    values = noise(2000)
    values[1000:] += 8
    raw = run(values)
    assert raw.strength[1000, SHAPE] > 4
    assert raw.expected[1005] < 24
    assert 28 == pytest.approx(float(np.mean(raw.expected[1400:1500])), abs=1.0)
    inside = (raw.low[1400:] <= values[1400:]) & (values[1400:] <= raw.high[1400:])
    assert inside.mean() > 0.95


def test_an_outage_does_not_become_normal() -> None:
    """During an open episode the expected value learns slowly: after 60 samples of an outage it is still what it was before."""
    values = noise(1100)
    values[1000:1060] = 0.0
    raw = run(values)
    assert 20 == pytest.approx(float(raw.expected[1005]), abs=2.5)
    back = raw.expected[1075:]
    assert 20 == pytest.approx(float(np.mean(back)), abs=4.0)


def test_missing_burst_speaks() -> None:
    """Bursts every 40 samples that stop on the third day are noticed within three periods, and not before."""
    values = np.random.default_rng(2).normal(1, 0.1, 3600)
    values[np.arange(20, 3300, 40)] += 10
    beat = run(values).strength[:, HEARTBEAT]
    assert np.nanmax(beat[300:3300]) < 1
    assert np.nanmax(beat[3300:3410]) >= 1


def test_first_evening_is_no_missing_burst() -> None:
    """Noise on a daily wave: that peaks end with the first day's afternoon is not strange."""
    t = np.arange(2880)
    values = 50 + 10 * np.sin(2 * np.pi * t / 1440) + np.random.default_rng(5).normal(size=2880)
    assert np.nanmax(run(values).strength[:1440, HEARTBEAT]) < 1


def test_stuck_value_speaks() -> None:
    """A noisy series whose value freezes is noticed by the heartbeat within 30 samples, and called flat."""
    values = noise(800)
    values[700:] = values[699]
    raw = run(values)
    beat = raw.strength[:, HEARTBEAT]
    assert np.nanmax(beat[:700]) < 0.5
    assert np.nanmax(beat[700:730]) >= 1
    assert "flat" in {DefaultDetector().parts[p] for p in raw.part[700:760]}


def test_expected_follows_the_day() -> None:
    """After a week of a daily wave the expected value is within the noise of it, and the band holds 97 % of the samples."""
    rng = np.random.default_rng(3)
    t = np.arange(96 * 14)
    wave = 50 + 20 * np.sin(2 * np.pi * t / 96)
    values = wave + rng.normal(0, 3, len(t))
    raw = run(values, step_ms=900_000)
    late = slice(96 * 7, None)
    assert np.sqrt(np.mean((raw.expected[late] - wave[late]) ** 2)) < 3
    inside = (raw.low[late] <= values[late]) & (values[late] <= raw.high[late])
    assert inside.mean() > 0.97


@pytest.mark.parametrize("kind", ["normal", "lognormal", "walk"])
def test_band_holds_99_percent(kind: str) -> None:
    """The band covers 97.5 to 99.9 % of ordinary samples, and is never negative for a series that never was."""
    rng = np.random.default_rng(4)
    values = {
        "normal": rng.normal(100, 5, 8000),
        "lognormal": rng.lognormal(0, 1, 8000),
        "walk": 1e4 + np.cumsum(rng.normal(0, 1, 8000)),
    }
    raw, x = run(values[kind]), values[kind]
    inside = (raw.low[2000:] <= x[2000:]) & (x[2000:] <= raw.high[2000:])
    assert 0.975 <= inside.mean() <= 0.999
    assert np.nanmin(raw.low) >= 0


def test_huge_and_tiny_series_behave_like_any() -> None:
    """The same series times 1e200 or 1e-200 has the same strengths, and its expected value stays finite in float32."""
    values = noise(1000) - 20
    wanted = run(values).strength
    for factor in (2.0**660, 2.0**-660):
        raw = run(values * factor)
        assert wanted.tobytes() == raw.strength.tobytes()
        assert np.isfinite(raw.expected[32:]).all()
