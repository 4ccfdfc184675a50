"""Likelihood, half-space trees and random cut forest: their twins, their colours, and what they find."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from awry.core.batch import Batch, Raw
from awry.core.errors import InvalidInput
from awry.core.protocols import Detector
from awry.detection.classics.half_space_trees import REFERENCE, HalfSpaceTrees, draw_trees, fall
from awry.detection.classics.likelihood import Likelihood, colour, likelihood_of, log_scale
from awry.detection.classics.random_cut_forest import RandomCutForest, bits, displacement
from tests import naive_forests

START_MS = 1_700_006_400_000


def run(detector: Detector, values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Raw:
    """One series of minutes through a detector."""
    detector.grow(1)
    n = len(values)
    return detector.step(Batch.of(np.zeros(n, np.int32), START_MS + np.arange(n) * 60_000, values))


def noise(rows: int, seed: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Unit noise around 20."""
    return np.random.default_rng(seed).normal(20, 1, rows)


def test_likelihood_as_defined() -> None:
    """1,500 likelihoods equal those computed from lists of all raw scores, through a spike and a shift."""
    values = noise(1500, 1)
    values[700] += 15
    values[1100:] += 6
    wanted = np.array(naive_forests.likelihoods(list(values)))
    got = likelihood_of(run(Likelihood(), values).strength[:, 0])
    assert np.isnan(wanted).tolist() == np.isnan(got).tolist()
    late = ~np.isnan(wanted)
    assert wanted[late] == pytest.approx(got[late], abs=1e-6)
    tails = np.log(1 + 1e-10 - wanted[late])
    assert tails == pytest.approx(np.log(1 + 1e-10 - got[late]), abs=0.02)


@pytest.mark.parametrize(
    ("likelihood", "scale", "name"),
    [(0.0, 0.0, "green"), (0.9, 0.1, "green"), (0.99, 0.2, "green"), (0.999, 0.3, "green"), (0.9999, 0.4, "yellow"),
     (0.99999, 0.5, "red"), (1.0, 1.0, "red")],
)  # fmt: skip
def test_colours_are_htmengines(likelihood: float, scale: float, name: str) -> None:
    """The log scale and the cuts at .9999 and .99999."""
    assert scale == pytest.approx(log_scale(likelihood), abs=1e-3)
    assert name == colour(likelihood)
    assert "none" == colour(math.nan)


def test_parts_are_the_colours() -> None:
    """The part of each row is the colour of its likelihood, and only the onset of a red time is red."""
    values = noise(1200, 2)
    values[1000:1030] += 25
    raw = run(Likelihood(), values)
    names = [Likelihood().parts[p] for p in raw.part]
    assert [colour(v) for v in likelihood_of(raw.strength[:, 0])] == names
    first = names.index("red")
    assert 1000 <= first <= 1003
    assert "red" not in names[first + 1 : 1030]
    every = run(Likelihood(onset_only=False), values)
    assert 10 < sum(every.part[1000:1030] == 3)


def test_half_space_tree_as_defined() -> None:
    """Densities equal those counted from lists of points, over three reference windows."""
    axis, place = draw_trees(1, 5, 2)
    twin = naive_forests.HalfSpace(axis[0].tolist(), place[0].tolist())
    mass, rng = np.zeros((2, 64), np.uint8), np.random.default_rng(4)
    for _ in range(3):
        for _ in range(100):
            point = rng.beta(4, 4, 2)
            wanted = twin.away(point.tolist())
            assert wanted == pytest.approx(fall(axis[0], place[0], mass, point, len(twin.reference)), abs=1e-12)
            twin.latest.append(point.tolist())
        twin.reference, twin.latest = twin.latest, []
        mass[REFERENCE], mass[1] = mass[1].copy(), 0


def test_half_space_masses_fit_a_byte() -> None:
    """A window of more than 255 points is refused; at 255 the root's mass is 255."""
    with pytest.raises(InvalidInput, match="cannot make"):
        HalfSpaceTrees(size=256)
    detector = HalfSpaceTrees(size=255)
    run(detector, noise(3000, 5))
    assert 255 == int(detector.dump()["mass"][0, 0, REFERENCE, 1])


def test_half_space_trees_find_a_spike() -> None:
    """A spike of 10 sigma is stronger than 99 % of 2,000 samples."""
    values = noise(2000, 6)
    values[1500] += 10
    strength = run(HalfSpaceTrees(), values).strength[:, 0]
    assert np.nanmean(strength >= strength[1500]) < 0.01


def test_splitmix_is_the_published_one() -> None:
    """The first numbers of seed 0."""
    wanted = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert wanted == [int(bits(np.uint64(k))) for k in (1, 2, 3)]


def test_displacement_has_the_law_of_a_whole_tree() -> None:
    """Means over 3,000 drawn ways and over 3,000 trees built whole agree within 4 standard errors, for an odd and a usual point."""
    rng, draw = np.random.default_rng(7), random.Random(7)
    points = rng.normal(0, 1, (20, 3))
    for mine in (np.array([4.0, 0.0, -3.0]), np.array([0.1, -0.2, 0.0])):
        wanted = np.array([naive_forests.codisplacement(points.tolist(), mine.tolist(), draw) for _ in range(3000)])
        got = np.array([displacement(points.T.copy(), mine, np.uint64(1000 * k)) for k in range(1, 3001)])
        error = math.sqrt((wanted.var() + got.var()) / 3000)
        assert wanted.mean() == pytest.approx(got.mean(), abs=4 * error)


def test_displacement_of_equal_points_is_none() -> None:
    """A point among copies of itself is not displaced, and one other point is thrown out whole."""
    assert 0.0 == displacement(np.full((2, 9), 3.0), np.full(2, 3.0), np.uint64(1))
    assert 9.0 == displacement(np.full((2, 9), 3.0), np.full(2, 4.0), np.uint64(1))


def test_random_cut_forest_finds_a_broken_wave() -> None:
    """A wave that stands still for 6 samples at half height, and a spike, are among the strongest 1 % of 1,500 samples."""
    values = np.sin(np.arange(1500) * 2 * np.pi / 25) + np.random.default_rng(8).normal(0, 0.03, 1500)
    values[900] += 3
    values[1200:1206] = 0.5
    strength = run(RandomCutForest(), values).strength[:, 0]
    top = np.nanquantile(strength, 0.99)
    assert strength[900] > top
    assert strength[1200:1210].max() > top
