"""Each detection kernel against its slow, obvious twin."""

from __future__ import annotations

import numpy as np
import pytest

from awry.detection import state as at
from awry.detection.absent import absent, learn_gap
from awry.detection.beyond import beyond
from awry.detection.profile import bucket_of, learn_profile
from awry.detection.records import FAMILIES, record_group
from awry.detection.shape import nearest, remember
from awry.detection.start import start_strength
from awry.detection.unit import power_below
from tests import naive

ONES = np.ones(at.STREAMS, np.float32)


@pytest.mark.parametrize("size", [16, 40, 79, 80, 328])
def test_nearest_window_is_the_nearest(size: int) -> None:
    """The kernel finds the distance that trying every lag finds, near and far."""
    ring = np.random.default_rng(size).normal(size=size).astype(np.float32)
    wanted = naive.nearest([float(v) for v in ring])
    assert wanted == pytest.approx(nearest(ring, np.empty(at.LAGS, np.float32)), rel=1e-5)


def test_ring_holds_the_last_values_in_order() -> None:
    """After any number of samples the ring ends with the last 328 of them."""
    f, c = np.zeros(at.FLOATS, np.float32), np.zeros(at.COUNTERS, np.int32)
    for i in range(2000):
        remember(f, c, float(i))
        known = min(i + 1, at.RING_KEEP)
        end = at.RING + c[at.RING_END]
        assert i == f[end - 1]
        assert i + 1 - known == f[end - known]


def test_records_surprise_as_defined() -> None:
    """Blocks, medians, the five extremes and the surprise of 4,000 samples equal those of plain lists."""
    rng = np.random.default_rng(3)
    f, u, c = np.zeros(at.FLOATS, np.float32), np.zeros(at.AGES, np.uint16), np.zeros(at.COUNTERS, np.int32)
    twin = naive.Blocks()
    z = np.zeros(at.STREAMS, np.float32)
    for i in range(4000):
        z[0] = np.float32(rng.standard_t(3))
        wanted = twin.surprise(float(z[0]))
        got = record_group(f, u, c, z, 0, 0, 1, ONES, np.zeros(FAMILIES))
        twin.learn(float(z[0]), i)
        c[at.N] += 1
        assert wanted == pytest.approx(got, abs=2e-4)


def test_record_numbers_survive_their_16_bits() -> None:
    """A series that closes its 60,000th block keeps its extremes, and their ages to each other."""
    f, u, c = np.zeros(at.FLOATS, np.float32), np.zeros(at.AGES, np.uint16), np.zeros(at.COUNTERS, np.int32)
    z = np.zeros(at.STREAMS, np.float32)
    for i in range(12 * 6):
        z[0] = float(i)
        record_group(f, u, c, z, 0, 0, 1, ONES, np.zeros(FAMILIES))
    before = f[at.TOP : at.TOP + 5 * at.STREAMS : at.STREAMS].copy()
    u[:] += 59_993
    c[at.BLOCKS] += 59_993
    z[0] = -1.0
    for _ in range(12):
        record_group(f, u, c, z, 0, 0, 1, ONES, np.zeros(FAMILIES))
    assert 30_000 == c[at.BLOCKS]
    assert before.tolist() == f[at.TOP : at.TOP + 5 * at.STREAMS : at.STREAMS].tolist()
    assert [29_998, 29_997, 29_996, 29_995, 29_994] == u[: at.DAY_ERRORS : at.STREAMS].tolist()


def test_day_profile_follows_its_definition() -> None:
    """Three days of ten-minute samples leave the means that a dictionary leaves."""
    rng = np.random.default_rng(4)
    times = [1_700_000_000_000 + i * 600_000 for i in range(432)]
    values = rng.normal(10, 2, 432)
    f, visits, previous = np.zeros(at.FLOATS, np.float32), np.zeros(at.BYTES, np.uint8), -1
    for time, x in zip(times, values, strict=True):
        bucket = bucket_of(time, 900_000, 96)
        learn_profile(f, at.DAY, visits, at.DAY_VISITS, bucket, bucket != previous, x, 1.0)
        previous = bucket
    for bucket, mean in naive.day_profile(times, [float(v) for v in values]).items():
        assert mean == pytest.approx(f[at.DAY + bucket], rel=1e-4)


def test_start_is_a_plain_z() -> None:
    """A young series' strength is that of a z against all it has seen."""
    past = np.random.default_rng(5).normal(7, 2, 60)
    for x in (7.0, 9.5, 30.0, 1e6):
        got = start_strength(x, float(past.mean()), float(past.var()), 60)
        assert naive.start_strength([float(v) for v in past], x) == pytest.approx(got, rel=1e-6)
    assert 0.0 == start_strength(100.0, 0.0, 1.0, 11)
    assert 0.0 == start_strength(100.0, 0.0, 1.0, 256)


@pytest.mark.parametrize("scale", [1e-6, 1.0])
@pytest.mark.parametrize("shape", ["normal", "lognormal"])
def test_beyond_is_measured_in_ranges_of_the_past(scale: float, shape: str) -> None:
    """Against plain lists, at every age and for values far above and below, also where the past had bursts."""
    rng = np.random.default_rng(5)
    values = scale * getattr(rng, shape)(size=1000)
    positive = 0
    for sample in (32, 50, 200, 999):
        past = [float(v) for v in values[:sample]]
        for x in (scale * np.array([-500.0, -60.0, -10.0, 0.0, 5.0, 12.0, 40.0, 900.0])).tolist():
            f = np.zeros(at.FLOATS, np.float32)
            f[at.LOW], f[at.HIGH], f[at.MU], f[at.VAR] = min(past), max(past), np.mean(past), np.var(past)
            wanted = naive.beyond(past, x)
            assert wanted == pytest.approx(beyond(f, x, sample), rel=1e-4)
            assert f[at.HIGH] >= np.float32(x) >= f[at.LOW]
            positive += wanted > 0
    assert positive >= 10


def test_beyond_forgets_a_glitch_slowly() -> None:
    """A far extreme comes closer by 1 / 20,000 of its distance a sample, down to 6 deviations; ordinary extremes stay."""
    f = np.zeros(at.FLOATS, np.float32)
    f[at.LOW], f[at.HIGH], f[at.VAR] = -4.0, 1000.0, 1.0
    for n in range(20_000):
        beyond(f, 0.0, 100 + n)
    assert 1000 / np.e == pytest.approx(f[at.HIGH], rel=0.02)
    assert -4.0 == f[at.LOW]


@pytest.mark.parametrize(("change", "power"), [(1.0, 1.0), (0.75, 0.5), (1000.0, 512.0), (5e-324, 2.0**-900), (1e308, 2.0**900)])
def test_unit_is_a_power_of_two(change: float, power: float) -> None:
    """The unit lies at or below the first change, within what division survives."""
    assert power == power_below(change)


def test_arrivals_and_absence() -> None:
    """The usual interval ends near the median; a steady series is absent after five intervals, a new or wild one is not."""
    rng = np.random.default_rng(8)
    gaps = np.where(rng.random(300) < 0.05, 90_000, 30_000 + rng.integers(-500, 500, 300))
    times = np.cumsum(gaps).astype(np.int64)
    last = np.array([times[-1], times[-1], 0])
    usual, longest, count = np.zeros(3, np.float32), np.zeros(3, np.float32), np.zeros(3, np.uint32)
    for slot, arrivals in ((0, times), (1, times[-10:])):
        count[slot] = 1
        for gap in np.diff(arrivals):
            learn_gap(float(gap), slot, usual, longest, count)
            count[slot] += 1
    assert naive.usual_interval(times.tolist()) == pytest.approx(float(usual[0]), rel=0.05)
    end = int(times[-1])
    allowed = max(5.0 * float(usual[0]), 2.0 * float(longest[0]), 60_000.0)
    assert [False, False, False] == absent(end + int(allowed) - 1, last, usual, longest, count).tolist()
    assert [True, False, False] == absent(end + int(allowed) + 2, last, usual, longest, count).tolist()
