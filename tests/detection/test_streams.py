"""The statistics whose records are kept, against their definitions; their families and weights."""

from __future__ import annotations

import numpy as np
import pytest

from awry.detection import state as at
from awry.detection.default import DefaultDetector
from awry.detection.records import FAMILIES, FAMILY, FAMILY_NAMES, SUSTAINED, WEIGHT, record_group
from awry.detection.shape import remember
from awry.detection.streams import fill_profile, fill_streams
from tests import naive_default

NAMES = {
    "levels": range(0, 8),
    "sustained": range(8, 14),
    "jumps": (14, *range(26, 32)),
    "variability": range(15, 18),
    "flatness": range(18, 20),
    "trends": range(20, 26),
    "day records": range(32, 38),
    "week records": range(38, 44),
}


def test_the_32_streams_are_their_definitions() -> None:
    """At each of the first 60 samples and some later ones the streams equal those of the whole past in a list."""
    rng = np.random.default_rng(1)
    values = rng.normal(0, 1, 900).cumsum().astype(np.float32)
    f, c, z = np.zeros(at.FLOATS, np.float32), np.zeros(at.COUNTERS, np.int32), np.zeros(at.STREAMS, np.float32)
    past: list[float] = []
    for n, x in enumerate(values.tolist()):
        change = x - past[-1] if past else 0.0
        past.append(x)
        remember(f, c, x)
        fill_streams(f, c, z, x, change)
        if n < 60 or n % 97 == 0:
            assert naive_default.streams(past) == pytest.approx(z[:32].tolist(), rel=1e-4, abs=2e-4)
        c[at.N] += 1


def test_a_profile_has_six_streams() -> None:
    """The residual, its means over 3 and 12, and their negatives; other streams are not touched."""
    residuals = np.random.default_rng(2).normal(size=50).astype(np.float32).tolist()
    f, z = np.zeros(at.FLOATS, np.float32), np.full(at.STREAMS, 7.0, np.float32)
    for n, r in enumerate(residuals):
        fill_profile(f, z, 38, at.WEEK3, at.WEEK12, n, r)
        signed = [r, naive_default.smooth(residuals[: n + 1], 3), naive_default.smooth(residuals[: n + 1], 12)]
        assert [s for v in signed for s in (v, -v)] == pytest.approx(z[38:].tolist(), abs=1e-5)
    assert [7.0] * 38 == z[:38].tolist()


def test_every_stream_has_one_family() -> None:
    """44 streams in 8 families, each where streams.py fills it; those of lasting levels weigh twice."""
    assert list(NAMES) == sorted(FAMILY_NAMES, key=list(NAMES).index)
    assert (at.STREAMS, FAMILIES) == (len(FAMILY), len(FAMILY_NAMES))
    for name, members in NAMES.items():
        assert list(members) == np.flatnonzero(FAMILY == FAMILY_NAMES.index(name)).tolist(), name
    assert np.where(FAMILY == SUSTAINED, 2.0, 1.0).tolist() == WEIGHT.tolist()


@pytest.mark.parametrize("name", FAMILY_NAMES)
def test_a_family_left_out_has_no_weight(name: str) -> None:
    """`without` a family takes the weight from its streams and from no others."""
    kept = DefaultDetector(without=(name,))._weight > 0
    assert list(NAMES[name]) == np.flatnonzero(~kept).tolist()


def test_a_family_tells_its_largest_surprise_and_the_sum_is_weighted() -> None:
    """After 10 blocks at 0 with a spread, two streams of a family jump: it tells the larger, the sum has both by weight."""
    rng = np.random.default_rng(3)
    f, u, c = np.zeros(at.FLOATS, np.float32), np.zeros(at.AGES, np.uint16), np.zeros(at.COUNTERS, np.int32)
    z, family = np.zeros(at.STREAMS, np.float32), np.zeros(FAMILIES)
    for _ in range(150):
        z[:32] = rng.random(32)
        record_group(f, u, c, z, 0, 0, 32, WEIGHT, family)
        c[at.N] += 1
    family[:] = 0
    z[:32] = -1.0
    z[8], z[9] = 3.0, 300.0
    total = record_group(f, u, c, z, 0, 0, 32, WEIGHT, family)
    assert [SUSTAINED] == np.flatnonzero(family).tolist()
    assert family[SUSTAINED] < total / 2 < 2 * family[SUSTAINED]
    family[:] = 0
    silent = WEIGHT.copy()
    silent[8:14] = 0
    assert 0.0 == record_group(f, u, c, z, 0, 0, 32, silent, family)
    assert not family.any()
