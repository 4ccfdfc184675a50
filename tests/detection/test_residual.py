"""The residual head's kernels against a twin with plain floats and a dictionary, and what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from awry.detection import state as at
from awry.detection.residual import CUT, FIRST, MOST, change_quarter, packed, residual, unpacked
from tests import naive_default


def test_residuals_are_those_of_the_twin() -> None:
    """Level, offset, errors by quarter hour and the ratio of ten days of ten-minute samples with glitches; days known from the
    third on."""
    rng = np.random.default_rng(1)
    f, u, c = np.zeros(at.FLOATS, np.float32), np.zeros(at.AGES, np.uint16), np.zeros(at.COUNTERS, np.int32)
    twin, previous = naive_default.Residual(), -1
    largest = 0.0
    for i in range(1440):
        quarter, visits = i * 600_000 // 900_000 % 96, i // 144
        day = 10 + 3 * np.sin(2 * np.pi * quarter / 96)
        x = float(day + rng.normal() * (0.2 + quarter / 96) + 25 * (rng.random() < 0.01))
        if quarter != previous:
            change_quarter(f, u, c, previous, quarter, visits)
            twin.enter(quarter, visits)
        previous = quarter
        known = visits >= 2
        wanted = twin.tell(x, day if known else None)
        assert wanted == pytest.approx(residual(f, c, x, day, known), rel=4e-3, abs=2e-3)
        c[at.N] += 1
        largest = max(largest, wanted)
    assert (twin.level, twin.offset, twin.scale) == pytest.approx(
        (f[at.RES_LEVEL], f[at.RES_OFFSET], f[at.RES_SCALE]), rel=3e-3, abs=1e-3
    )
    for quarter, usual in twin.usual.items():
        assert usual == pytest.approx(unpacked(u[at.DAY_ERRORS + quarter]), rel=5e-3)
    assert largest > 10


def test_packing_an_error_loses_less_than_a_thousandth() -> None:
    """From 2 ** -48 to 2 ** 79 an error comes back within 0.1 %; smaller and larger ones come back as the ends; order is kept."""
    sizes = 2.0 ** np.linspace(-47.9, 79.9, 3001)
    codes = [packed(float(size)) for size in sizes]
    assert sorted(codes) == codes
    back = np.array([unpacked(code) for code in codes])
    assert sizes == pytest.approx(back, rel=1e-3)
    assert codes == [packed(float(size)) for size in back]
    assert 1 == packed(0.0)
    assert 65_535 == packed(1e300)


def test_the_first_samples_have_no_residual() -> None:
    """16 samples teach, whatever they are."""
    f, c = np.zeros(at.FLOATS, np.float32), np.zeros(at.COUNTERS, np.int32)
    for n in range(FIRST):
        assert 0.0 == residual(f, c, (-1.0) ** n * 100 * n, 0.0, False)
        c[at.N] += 1
    assert residual(f, c, 1e6, 0.0, False) > 10


def test_constant_then_moving() -> None:
    """No error is 0 residuals, the first error ever the largest there is."""
    f, c = np.zeros(at.FLOATS, np.float32), np.zeros(at.COUNTERS, np.int32)
    for _ in range(100):
        assert 0.0 == residual(f, c, 3.0, 0.0, False)
        c[at.N] += 1
    assert MOST == residual(f, c, 3.5, 0.0, False)


def test_one_glitch_is_no_new_level() -> None:
    """A glitch of a million usual errors moves level and scale as one of 5 does: the next ordinary sample is not strange."""
    rng = np.random.default_rng(2)
    f, c = np.zeros(at.FLOATS, np.float32), np.zeros(at.COUNTERS, np.int32)
    for _ in range(500):
        residual(f, c, rng.normal(), 0.0, False)
        c[at.N] += 1
    level, scale = float(f[at.RES_LEVEL]), float(f[at.RES_SCALE])
    assert MOST == residual(f, c, 1e6, 0.0, False)
    assert f[at.RES_LEVEL] - level <= 0.1 * CUT * 1.26 * scale
    assert scale < f[at.RES_SCALE] < 1.05 * scale
    c[at.N] += 1
    assert residual(f, c, 0.0, 0.0, False) < 2


def test_an_error_is_judged_by_its_quarter_hour() -> None:
    """A miss of 5 where nights err by 1 and days by 20 is strange at night only."""
    rng = np.random.default_rng(3)
    f, u, c = np.zeros(at.FLOATS, np.float32), np.zeros(at.AGES, np.uint16), np.zeros(at.COUNTERS, np.int32)
    for visit in range(40):
        for quarter, size in ((8, 1.0), (50, 20.0)):
            change_quarter(f, u, c, -1 if visit == 0 and quarter == 8 else 58 - quarter, quarter, visit)
            for _ in range(15):
                residual(f, c, 100 + rng.choice((-size, size)), 100.0, True)
                c[at.N] += 1
    ratio = {}
    for left, quarter in ((50, 8), (8, 50)):
        change_quarter(f, u, c, left, quarter, 40)
        ratio[quarter] = residual(f, c, 100 + f[at.RES_OFFSET] + 40, 100.0, True)
        c[at.N] += 1
    assert ratio[8] > 1.7 * ratio[50]
