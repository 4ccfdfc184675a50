"""The baseline detectors against their slow twins, and what each is chosen for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from awry.core.batch import Batch, Raw
from awry.core.errors import InvalidInput
from awry.core.protocols import Detector
from awry.detection.classics.autoregression import Autoregression
from awry.detection.classics.gaussian import Gaussian, tail_nats
from awry.detection.classics.holt_winters import HoltWinters
from awry.detection.classics.nearest import Nearest
from awry.detection.classics.rolling import Rolling
from awry.detection.classics.rows import MOST
from awry.detection.classics.static import Static
from tests import naive_classics as naive

START_MS = 1_700_006_400_000
MINUTE = 60_000


def run(detector: Detector, values: NDArray[np.float64], times: NDArray[np.int64] | None = None) -> Raw:
    """One series through a detector, by default a minute apart."""
    n = len(values)
    detector.grow(1)
    return detector.step(Batch.of(np.zeros(n, np.int32), START_MS + np.arange(n) * MINUTE if times is None else times, values))


def mixed(rows: int, seed: int) -> NDArray[np.float64]:
    """A walk with rounding, a spike, a flat stretch and a shift, so that ties and zero spreads occur."""
    rng = np.random.default_rng(seed)
    values = np.round(50 + np.cumsum(rng.normal(0, 0.3, rows)) + rng.normal(0, 1, rows), 1)
    values[rows // 3] += 30
    values[rows // 2 : rows // 2 + 60] = values[rows // 2]
    values[3 * rows // 4 :] += 8
    return values


def daily(days: int, seed: int, minutes: int = 5) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """A daily wave with noise, and its times."""
    n = days * 1440 // minutes
    t = np.arange(n) * minutes
    values = 100 + 20 * np.sin(2 * np.pi * t / 1440) + np.random.default_rng(seed).normal(0, 1, n)
    return START_MS + t * MINUTE, values


def agree(raw: Raw, wanted: list[naive.Judged]) -> None:
    """The last rows have the strengths, expected values and bands of the twin."""
    rows = slice(len(raw.strength) - len(wanted), None)
    strength, expected, half = np.array(wanted).T
    assert np.isnan(raw.strength[: rows.start]).all()
    assert strength == pytest.approx(raw.strength[rows, 0], abs=2e-4)
    assert expected == pytest.approx(raw.expected[rows], rel=1e-5)
    assert 2 * half == pytest.approx((raw.high - raw.low)[rows], rel=1e-3, abs=1e-3)


def test_static_as_defined() -> None:
    """Two limits: strengths equal those of the definition, crossings are named by side."""
    values = mixed(600, 1)
    raw = run(Static(low=46.0, high=58.0), values)
    assert naive.static(list(values), 46.0, 58.0) == pytest.approx(raw.strength[:, 0], abs=1e-5)
    assert np.where(values < 46, 1, np.where(values > 58, 2, 0)).tolist() == raw.part.tolist()


def test_static_speaks_from_the_first_sample() -> None:
    """A value just outside has at least the strength of three deviations; one limit is enough; the band is the limits'."""
    raw = run(Static(high=90.0), np.array([95.0, 50.0, 90.0, 90.1]))
    assert [True, False, False, True] == [s >= 2 * math.log(4) for s in raw.strength[:, 0].tolist()]
    assert [90.0] * 4 == raw.high.tolist()
    assert [90.0, 50.0, 90.0, 90.0] == raw.low.tolist()


def test_static_without_limits_is_silent() -> None:
    """No limits: strength 0 for every value, and the state stays that of a series never seen."""
    detector = Static()
    assert [0.0] == np.unique(run(detector, mixed(100, 2)).strength).tolist()
    assert not detector.dump()["state"].any()


def test_gaussian_as_defined() -> None:
    """Filling, full and sliding windows equal those of plain lists."""
    values = mixed(500, 3)
    agree(run(Gaussian(window=100, slide=7, warmup=1), values), naive.gaussian(list(values), 100, 7))


def test_gaussian_tail_has_no_seam() -> None:
    """The tail's asymptote takes over within 1 part in 500 of the tail, and goes on where erfc is 0."""
    assert tail_nats(24.999999) == pytest.approx(tail_nats(25.000001), rel=1e-5)
    assert 7205.0 == pytest.approx(tail_nats(120.0), abs=0.1)
    assert 0.0 == tail_nats(0.0)


@pytest.mark.parametrize("window", [31, 32, 200])
def test_rolling_as_defined(window: int) -> None:
    """Median and MAD of the ring kept in order equal those of sorted lists, ties and equal values included."""
    values = mixed(700, window)
    agree(run(Rolling(window=window, warmup=1), values), naive.rolling(list(values), window))


def test_rolling_keeps_its_values_in_order() -> None:
    """After 5,000 samples with many ties the ordered half holds the ring's values, sorted."""
    detector = Rolling(window=64)
    run(detector, np.random.default_rng(4).integers(0, 9, 5000).astype(np.float64))
    row = detector.dump()["state"][0]
    assert np.sort(row[2:66]).tolist() == row[66:].tolist()


def test_rolling_is_not_widened_by_outliers() -> None:
    """With 8 % of giants in the window an ordinary spike is still as strange as without them; for the Gaussian it is not."""
    values = np.random.default_rng(5).normal(10, 1, 600)
    values[100:590:13] = 1000.0
    values[599] = 25.0
    assert run(Rolling(), values).strength[599, 0] > 4
    assert run(Gaussian(), values).strength[599, 0] < 1


def test_holt_winters_as_defined() -> None:
    """Four days at irregular times with gaps and empty quarters equal the definition in dictionaries."""
    rng = np.random.default_rng(6)
    times, values = daily(4, 6)
    kept = rng.random(len(times)) < 0.7
    kept[300:340] = False
    kept[40:50] = False
    times, values = times[kept] + rng.integers(0, 200_000, kept.sum()), values[kept]
    values[400] += 40
    got = run(HoltWinters(), values, times)
    agree(got, naive.holt_winters(times.tolist(), values.tolist(), (0.1, 0.02, 0.2, 0.9), 32))


@pytest.mark.parametrize("minutes", [1, 15, 60])
def test_holt_winters_follows_the_day(minutes: int) -> None:
    """From the fourth day on the forecast is within 1.6 deviations of the noise, and 97 % of the values lie in the band."""
    times, values = daily(12, 7, minutes)
    raw = run(HoltWinters(), values, times)
    late = slice(4 * 1440 // minutes, None)
    assert np.sqrt(np.mean((raw.expected[late] - values[late]) ** 2)) < 1.6
    assert np.mean((raw.low[late] <= values[late]) & (values[late] <= raw.high[late])) > 0.97


def test_autoregression_as_defined() -> None:
    """1,500 samples equal recursive least squares by matrices."""
    values = mixed(1500, 8)
    agree(run(Autoregression(), values), naive.autoregression(values.tolist(), 0.999, 500.0, 32))


def test_autoregression_learns_an_oscillation() -> None:
    """A sine is predicted within twice its noise; a value at its mean, at the wrong time, is strange."""
    t = np.arange(2000)
    values = 20 * np.sin(t / 3) + np.random.default_rng(9).normal(0, 0.1, 2000)
    at = int(1900 + np.argmax(values[1900:1930]))
    values[at] = 0.0
    raw = run(Autoregression(), values)
    assert np.sqrt(np.mean((raw.expected[1500:1900] - values[1500:1900]) ** 2)) < 0.2
    assert raw.strength[at, 0] > 7
    assert np.median(raw.strength[1500:1900]) < 2


def test_autoregression_outlives_a_long_flat_line() -> None:
    """After 300,000 equal values forgetting has not blown the matrix up, and noise is predicted again."""
    rng = np.random.default_rng(10)
    values = np.concatenate([rng.normal(5, 1, 500), np.full(300_000, 5.0), rng.normal(5, 1, 3000)])
    detector = Autoregression()
    raw = run(detector, values)
    assert np.isfinite(detector.dump()["state"]).all()
    assert np.median(raw.strength[-1000:]) < 2


def test_nearest_as_defined() -> None:
    """Every distance, the forecast and its band equal those of trying all windows, while the ring fills and after."""
    values = mixed(400, 11)
    agree(run(Nearest(windows=100, warmup=16), values), naive.nearest(values.tolist(), 100, 2000.0))


def test_nearest_knows_a_shape_again() -> None:
    """A pulse that comes every 50 samples is no longer strange the third time; another shape of the same height is."""
    values = np.random.default_rng(12).normal(0, 0.1, 500)
    for at in range(40, 400, 50):
        values[at : at + 8] += [1, 2, 3, 4, 5, 6, 7, 8]
    values[440:448] += [8, 7, 6, 5, 4, 3, 2, 1]
    strength = run(Nearest(), values).strength[:, 0]
    assert strength[145:395].max() < 0.6
    assert strength[440:448].max() > 1.5


@pytest.mark.parametrize("kind", [Gaussian, Rolling, HoltWinters, Autoregression, Nearest])
def test_a_flat_line_is_silent_until_it_moves(kind: type[Detector]) -> None:
    """A constant that no binary fraction equals has strength 0; its first change has a large one, and all stay on the scale."""
    values = np.full(700, 0.1)
    values[600] = 0.3
    strength = run(kind(), values).strength[:, 0]
    assert 0.0 == np.nanmax(strength[:600])
    assert strength[600] > 3
    assert np.nanmax(strength) <= MOST + 1e-6


@pytest.mark.parametrize("kind", [Gaussian, Rolling, HoltWinters, Autoregression, Nearest])
def test_a_spike_is_the_strongest(kind: type[Detector]) -> None:
    """A spike of 15 deviations in noise is the strongest sample of a thousand, and the band does not hold it."""
    values = np.random.default_rng(13).normal(20, 1, 1000)
    values[800] += 15
    raw = run(kind(), values)
    assert 800 == int(np.nanargmax(raw.strength[:, 0]))
    assert raw.high[800] < values[800]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (Static, {"low": 2.0, "high": 1.0}),
        (Static, {"high": math.nan}),
        (Gaussian, {"window": 1}),
        (Rolling, {"window": 0}),
        (HoltWinters, {"level_rate": 0.0}),
        (Autoregression, {"keep": 1.5}),
        (Nearest, {"windows": 8}),
    ],
)
def test_absurd_options_are_refused(kind: type[Detector], options: dict[str, float]) -> None:
    """An option out of range is named in the error."""
    with pytest.raises(InvalidInput, match="out of range"):
        kind(**options)
