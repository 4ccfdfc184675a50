"""The lean detector: its kernels against their twins, its size, and that it names what happened."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from awry.core.batch import Batch, Raw
from awry.detection import lean_records
from awry.detection.lattice import LATTICE_SIZE, lattice_error
from awry.detection.lean import LeanDetector
from awry.detection.scorer import Scorer
from awry.detection.state import COUNTERS, N
from tests.naive_lean import Lattice, Stream

START_MS = 1_700_006_400_000


def run(values: NDArray[np.float64], step_ms: int = 60_000) -> Raw:
    """One series through a fresh lean detector."""
    detector = LeanDetector()
    detector.grow(1)
    n = len(values)
    return detector.step(Batch.of(np.zeros(n, np.int32), START_MS + np.arange(n, dtype=np.int64) * step_ms, values))


def wave(rows: int, per_day: int = 1440, seed: int = 3) -> NDArray[np.float64]:
    """A daily wave with a little noise."""
    return 50 + 20 * np.sin(2 * np.pi * np.arange(rows) / per_day) + np.random.default_rng(seed).normal(0, 1, rows)


def test_lattice_is_its_twin() -> None:
    """The kernel's errors are the naive filter's, as far as float32 goes, on coloured noise with giants."""
    rng = np.random.default_rng(1)
    z = np.zeros(2000)
    for i in range(1, 2000):
        z[i] = 0.9 * z[i - 1] + rng.normal() + (50 if i % 500 == 0 else 0)
    state, twin = np.zeros(LATTICE_SIZE + 3, np.float32), Lattice()
    got = [lattice_error(state, 3, float(v)) for v in z]
    np.testing.assert_allclose(got, [twin.error(float(v)) for v in z], rtol=2e-3, atol=2e-3)
    assert not state[:3].any()


def test_lattice_learns_an_autoregression() -> None:
    """On x(t) = 1.6 x(t-1) - .8 x(t-2) + noise of deviation .2 the error comes down to the noise's."""
    rng = np.random.default_rng(2)
    x = np.zeros(3000)
    for i in range(2, 3000):
        x[i] = 1.6 * x[i - 1] - 0.8 * x[i - 2] + rng.normal(0, 0.2)
    state = np.zeros(LATTICE_SIZE, np.float32)
    errors = [lattice_error(state, 0, float(v)) for v in x]
    assert np.sqrt(np.mean(np.square(errors[500:]))) < 0.22


@pytest.mark.parametrize("seed", range(5))
def test_records_are_their_twin(seed: int) -> None:
    """The kernel's strength is the weighted sum of the naive streams' surprises, over block ends and old extremes."""
    rng = np.random.default_rng(seed)
    f, b = np.zeros(lean_records.FLOATS, np.float32), np.zeros(lean_records.BYTES, np.uint8)
    c, twins = np.zeros(COUNTERS, np.int32), [Stream() for _ in range(lean_records.ALWAYS)]
    for i in range(6000):
        z = (rng.normal(size=lean_records.STREAMS) * (3 if rng.random() < 0.01 else 1)).astype(np.float32)
        wanted = sum((2 if at in (4, 5) else 1) * twin.surprise(float(z[at])) for at, twin in enumerate(twins))
        c[N] = i
        got = lean_records.lean_records(f, b, c, z, 0, 0, lean_records.ALWAYS)
        for at, twin in enumerate(twins):
            twin.learn(float(z[at]), max(12, min(50, i // 8)))
        assert got == pytest.approx(wanted, rel=1e-5, abs=1e-5)


def test_a_series_costs_about_a_kilobyte() -> None:
    """State and calibration together stay under 1.3 KB."""
    scorer = Scorer(LeanDetector())
    scorer.grow(1)
    assert sum(rows.nbytes for rows in scorer.dump().values()) <= 1300


def test_a_spike_is_the_strongest_sample() -> None:
    """Twelve deviations are stronger than all before, in young and grown series."""
    for at in (40, 100, 300, 900, 2900):
        values = np.random.default_rng(at).normal(20, 1, at + 30)
        values[at] += 12
        strength = run(values).strength[:, 0]
        assert np.nanmax(strength[:at]) < strength[at]


def test_it_names_what_happened() -> None:
    """A spike is a residual; a value that is usual, but not at this hour, is the day's."""
    detector = LeanDetector()
    values = wave(8 * 1440)
    values[7 * 1440 + 800] += 25
    raw = run(values)
    assert detector.parts[raw.part[7 * 1440 + 800]] in ("residual", "day")
    shifted = wave(8 * 1440)
    shifted[7 * 1440 + 1000 : 7 * 1440 + 1100] = shifted[300:400]
    raw = run(shifted)
    rows = slice(7 * 1440 + 1000, 7 * 1440 + 1100)
    assert "day" in {detector.parts[part] for part in raw.part[rows][raw.strength[rows, 0] > 3]}


def test_a_flat_line_is_named_heartbeat() -> None:
    """A series that stops moving: the second head rises, and the heartbeat is named."""
    values = np.random.default_rng(5).normal(10, 1, 1200)
    values[1000:] = values[999]
    raw = run(values)
    assert raw.strength[:1000, 1].max(initial=0, where=~np.isnan(raw.strength[:1000, 1])) < raw.strength[1060, 1]
    assert "heartbeat" == LeanDetector().parts[raw.part[1060]]
