"""Histograms and summaries of OTLP: their counts, what came between two points, and quantiles of it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from awry.core.kind import COUNTER, GAUGE
from awry.formats import histograms
from awry.formats.histograms import EXPLICIT, Buckets, at_scale, between
from tests.naive_histograms import explicit_buckets, exponential_buckets, quantile

from .otlp_requests import CUMULATIVE, DELTA, SECOND, T0, request
from .test_otlp import Door

QS = (0.0, 0.1, 0.5, 0.9, 0.99, 1.0)
COUNTS = st.lists(st.integers(0, 50), min_size=2, max_size=8)


def explicit(bounds: list[float], counts: list[float]) -> Buckets:
    return Buckets(EXPLICIT, np.array(bounds), 0.0, 0.0, 0, np.array(counts, float), 0, np.empty(0))


def exponential(
    scale: int, offset: int, up: list[float], zero: float = 0, down_offset: int = 0, down: Any = (), wide: float = 0.0
) -> Buckets:
    return Buckets(scale, np.empty(0), float(zero), wide, offset, np.array(up, float), down_offset, np.array(down, float))


def histogram(time: int, counts: list[int], temporality: int = CUMULATIVE, start: int = 0, **fields: Any) -> Any:
    made, scope = request()
    data = scope.metrics.add(name="h").histogram
    data.aggregation_temporality = temporality
    one = data.data_points.add(time_unix_nano=T0 + time * SECOND, start_time_unix_nano=start, count=sum(counts), **fields)
    one.bucket_counts.extend(counts)
    one.explicit_bounds.extend([1.0, 2.0, 4.0])
    return made


def values(door: Door, made: Any) -> dict[str, float]:
    return {key.replace('{quantile="', " ").rstrip('"}'): value for key, _, value in door.samples(made)}


@given(COUNTS, st.floats(-5, 5), st.sampled_from(QS))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_quantiles_of_given_bounds(counts: list[int], first: float, q: float) -> None:
    """As the obvious twin finds them."""
    bounds = [first + i for i in range(len(counts) - 1)]
    got = histograms.quantile(explicit(bounds, [float(n) for n in counts]), q)
    expected = quantile(explicit_buckets(bounds, [float(n) for n in counts]), q, logarithmic=False)
    assert expected == pytest.approx(got, nan_ok=True)


@given(
    COUNTS, COUNTS, st.integers(0, 9), st.integers(-8, 8), st.integers(-2, 6), st.sampled_from(QS), st.sampled_from([0.0, 0.001])
)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_quantiles_of_exponential_buckets(
    up: list[int], down: list[int], zero: int, offset: int, scale: int, q: float, wide: float
) -> None:
    """As the obvious twin finds them, negative values, those near zero and positive ones in one order."""
    got = histograms.quantile(exponential(scale, offset, [float(n) for n in up], zero, -offset, down, wide), q)
    positive = {offset + i: float(n) for i, n in enumerate(up)}
    negative = {-offset + i: float(n) for i, n in enumerate(down)}
    expected = quantile(exponential_buckets(scale, zero, wide, positive, negative), q, logarithmic=True)
    if math.isinf(expected) or expected == 0:
        return
    assert expected == pytest.approx(got, nan_ok=True)


def test_no_quantiles_without_buckets() -> None:
    """Nothing observed, no bounds, or beyond what a float holds."""
    for buckets, q in ((explicit([1.0], [0, 0]), 0.5), (explicit([], [5]), 0.5), (exponential(-10, 5, [1.0]), 1.0)):
        assert math.isnan(histograms.quantile(buckets, q))


@given(COUNTS, COUNTS, st.integers(-9, 9), st.integers(-9, 9), st.integers(0, 3), st.integers(0, 3))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_between_two_points_of_any_scale(old: list[int], new: list[int], a: int, b: int, coarse: int, coarser: int) -> None:
    """What came between a point and the sum of it and something new is that something, whatever scales both are sent at."""
    before, gained = exponential(5, a, [float(n) for n in old], 2), exponential(5, b, [float(n) for n in new], 3)
    low, high = min(a, b), max(a + len(old), b + len(new))
    both = np.zeros(high - low)
    both[a - low : a - low + len(old)] += old
    both[b - low : b - low + len(new)] += new
    anew, got = between(at_scale(before, 5 - coarse), at_scale(exponential(5, low, both.tolist(), 5), 5 - coarser))
    assert not anew
    expected = at_scale(gained, 5 - max(coarse, coarser))
    assert {expected.offset + i: n for i, n in enumerate(expected.positive.tolist()) if n} == {
        got.offset + i: n for i, n in enumerate(got.positive.tolist()) if n
    }
    assert (3.0, got.scale) == (got.zero, 5 - max(coarse, coarser))


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (explicit([1.0], [3, 3]), explicit([1.0], [4, 2])),
        (explicit([1.0], [3, 3]), explicit([2.0], [9, 9])),
        (explicit([1.0], [3, 3]), exponential(0, 0, [9])),
        (exponential(0, 0, [3]), exponential(0, 0, [2])),
        (exponential(0, 0, [3]), exponential(0, 5, [9])),
        (exponential(0, 0, [3], 2), exponential(0, 0, [3], 1)),
        (exponential(0, 0, [], 0, 0, [3]), exponential(0, 0, [9])),
    ],
)
def test_counts_that_fell_began_anew(before: Buckets, now: Buckets) -> None:
    """Of any bucket, on either side; other bounds as well."""
    anew, gained = between(before, now)
    assert (True, now.positive.tolist()) == (anew, gained.positive.tolist())


def test_a_cumulative_histogram() -> None:
    """Counters at once; quantiles from the second point on; a repeated point, a reset and a time without observations."""
    door = Door(quantiles=(0.5,))
    assert {"h_count": 4.0, "h_sum": 9.0} == values(door, histogram(0, [4, 0, 0, 0], sum=9.0))
    second = histogram(10, [4, 2, 0, 0], sum=12.0)
    lost = door.decoder.decode(second.SerializeToString(), door.table)  # the queue was full, say
    assert 3 == len(lost.batch)
    assert {"h_count": 6.0, "h_sum": 12.0, "h 0.5": 1.5} == values(door, second)
    assert {"h_count": 6.0, "h_sum": 12.0} == values(door, second)
    assert math.isnan(values(door, histogram(20, [4, 2, 0, 0], sum=12.0))["h 0.5"])
    assert {"h_count": 1.0, "h 0.5": 3.0} == values(door, histogram(30, [0, 0, 1, 0]))
    assert {"h_count": 9.0, "h 0.5": 0.5} == values(door, histogram(40, [9, 0, 0, 0], start=T0 + 35 * SECOND))
    assert {"h_count": COUNTER, "h_sum": COUNTER, 'h{quantile="0.5"}': GAUGE} == door.kinds()


def test_two_points_in_one_request() -> None:
    """The second counts from the first."""
    made = histogram(0, [4, 0, 0, 0])
    made.MergeFrom(histogram(10, [4, 2, 0, 0]))
    door = Door(quantiles=(0.5,))
    assert [("h_count", 4.0), ("h_count", 6.0), ('h{quantile="0.5"}', 1.5)] == [(k, v) for k, _, v in door.samples(made)]


def test_a_delta_histogram() -> None:
    """Rates over the time of the point, and quantiles at once."""
    got = values(Door(quantiles=(0.5, 1)), histogram(10, [4, 0, 2, 0], DELTA, T0, sum=20.0))
    assert {"h_count": 0.6, "h_sum": 2.0, "h 0.5": 0.75, "h 1": 4.0} == got


def test_an_exponential_histogram_and_a_summary() -> None:
    """Deltas with zeros and negative values; the quantiles of a summary as they are sent."""
    made, scope = request()
    data = scope.metrics.add(name="e").exponential_histogram
    data.aggregation_temporality = DELTA
    one = data.data_points.add(time_unix_nano=T0 + SECOND, start_time_unix_nano=T0, count=4, scale=0, zero_count=2)
    one.positive.offset, one.negative.offset = 1, 2
    one.positive.bucket_counts.append(1)
    one.negative.bucket_counts.append(1)
    summary = scope.metrics.add(name="s").summary.data_points.add(time_unix_nano=T0, count=7, sum=3.5)
    for level, value in ((0.5, 1.25), (1.5, 9.0), (math.nan, 9.0), (1.0, 2.0)):
        summary.quantile_values.add(quantile=level, value=value)
    expected = {"e_count": 4.0, "e 0.25": -4.0, "e 0.5": 0.0, "e 1": 4.0, "s_count": 7.0, "s_sum": 3.5, "s 0.5": 1.25, "s 1": 2.0}
    assert expected == values(Door(quantiles=(0.25, 0.5, 1)), made)


def test_nothing_recorded_is_no_observation_of_any_of_its_series() -> None:
    """The flag speaks for count, sum and quantiles that are there already."""
    door = Door(quantiles=(0.5,))
    door.samples(histogram(0, [1, 0, 0, 0], sum=1.0))
    door.samples(histogram(10, [2, 0, 0, 0], sum=2.0))
    got = values(door, histogram(20, [2, 0, 0, 0], flags=1))
    assert ["h 0.5", "h_count", "h_sum"] == sorted(got)
    assert all(map(math.isnan, got.values()))


def test_bad_buckets_cost_only_their_point() -> None:
    """Too few or too many counts, bounds that fall, more buckets than anybody needs, a wild scale."""
    made = histogram(0, [1, 1, 1])
    made.MergeFrom(histogram(0, [1, 1, 1, 1]))
    fall = histogram(10, [1, 1, 1, 1])
    fall.resource_metrics[0].scope_metrics[0].metrics[0].histogram.data_points[0].explicit_bounds[1] = 0.5
    many = histogram(20, [1] * 1025)
    for one in (fall, many):
        made.MergeFrom(one)
    scope = made.resource_metrics[0].scope_metrics[0]
    data = scope.metrics.add(name="e").exponential_histogram
    data.aggregation_temporality = CUMULATIVE
    data.data_points.add(time_unix_nano=T0, scale=2**30)
    got = Door().decode(made)
    assert ({"bad_buckets": 3, "too_long": 1}, 5, [2]) == (dict(got.refused), got.points, got.point.tolist())
