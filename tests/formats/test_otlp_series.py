"""What the OTLP decoder remembers of series: keys in parts, distributions, deletions, and steps between which the table changes."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest

from awry.core.series_table import NEW_AT_ONCE, SeriesLimits
from awry.formats import otlp_series
from awry.formats.otlp import walk
from awry.formats.otlp_distributions import Distributions
from awry.formats.otlp_expand import Points
from awry.formats.otlp_series import OtlpSeries
from awry.formats.otlp_walk import HISTOGRAM
from awry.formats.protobuf import double, fixed, message, number
from tests.naive_histograms import explicit_buckets, quantile

from .otlp_requests import CUMULATIVE, SECOND, T0, point, request
from .test_otlp import Door

BOUNDS = [1.0, 2.0, 4.0]


def cumulative(counts: dict[str, list[int]], seconds: int, start: int = 0) -> Any:
    """A histogram with a point for each value of the label "k"."""
    made, scope = request({"service.name": "shop"})
    data = scope.metrics.add(name="h").histogram
    data.aggregation_temporality = CUMULATIVE
    for label, buckets in counts.items():
        one = point(data, T0 + seconds * SECOND, {"k": label}, count=sum(buckets), sum=float(seconds), start_time_unix_nano=start)
        one.bucket_counts.extend(buckets)
        one.explicit_bounds.extend(BOUNDS)
    return made


def test_the_order_of_attributes_is_no_part_of_a_series() -> None:
    """Of numbers and histograms: what came in one order is gone on with in the other."""
    door, answers = Door(quantiles=(0.5,)), []
    for seconds, order in ((0, ("a", "b")), (10, ("b", "a")), (20, ("a", "b"))):
        made, scope = request()
        labels = dict.fromkeys(order, "x")
        point(scope.metrics.add(name="g").gauge, T0 + seconds * SECOND, labels, as_double=1.0)
        data = scope.metrics.add(name="h").histogram
        data.aggregation_temporality = CUMULATIVE
        one = point(data, T0 + seconds * SECOND, labels, count=seconds)
        one.bucket_counts.extend([seconds, 0])
        one.explicit_bounds.append(1.0)
        answers.append([(key, value) for key, _, value in door.samples(made)])
    half = ('h{a="x",b="x",quantile="0.5"}', 0.5)
    assert [[], [half], [half]] == [answer[2:] for answer in answers]
    assert 3 == len(door.table)


def test_equal_parts_of_other_metrics_are_other_series() -> None:
    """The same attributes below another name, resource, scope or kind; and a name that continues where another ends."""
    door, expected = Door(resource_attributes=("r", "otel.scope.name")), []
    for _ in range(2):
        expected.clear()
        for resource, scope_name, name in (("", "", "n"), ("1", "", "n"), ("1", "s", "n"), ("1", "s", "nn"), ("", "1", "n")):
            made, scope = request({"r": resource}, scope=scope_name)
            point(scope.metrics.add(name=name).gauge, labels={"k": "v"}, as_double=1.0)
            expected += door.samples(made)
        assert 5 == len({key for key, _, _ in expected}) == len(door.table)


def scattered(time: int) -> bytes:
    """A point with something between its attributes, and its neighbour with the same attributes in one piece."""
    first, second = (message(7, message(1, key) + message(2, message(1, b"v"))) for key in (b"a", b"b"))
    when = fixed(3, T0 + time * SECOND)
    points = message(1, first + when + second + double(4, 1.0)) + message(1, when + double(4, 2.0) + first + second)
    return message(1, message(2, message(2, message(1, b"g") + message(5, points))))


def test_attributes_need_not_stand_in_one_piece() -> None:
    """They are read anew each time, and mean the same series."""
    door = Door()
    for time in range(3):
        assert [('g{a="v",b="v"}', 1.0), ('g{a="v",b="v"}', 2.0)] == [(k, v) for k, _, v in door.samples(scattered(time))]


def test_many_histograms_over_time_are_what_the_obvious_twin_makes_of_them() -> None:
    """Counts that grow and fall, a start that moves on, series that come and go."""
    rng, door, last = random.Random(3), Door(quantiles=(0.5, 0.9)), {}
    now: dict[str, list[int]] = {}
    for turn in range(1, 60):
        chosen = {f"{rng.randrange(4 + turn * 3)}" for _ in range(40)}
        for label in chosen:
            before = now.get(label, [0] * 4)
            fresh = rng.random() < 0.05
            now[label] = [0 if fresh else n + rng.choice((0, 0, 1, 7)) for n in before]
        start = T0 + (turn - turn % 20) * SECOND
        counts = {label: now[label] for label in sorted(chosen)}
        got = {(key, time): value for key, time, value in door.samples(cumulative(counts, turn, start))}
        for label, buckets in counts.items():
            labels = f'k="{label}",service.name="shop"'
            assert sum(buckets) == got.pop((f"h_count{{{labels}}}", T0 // 10**6 + turn * 1000))
            assert turn == got.pop((f"h_sum{{{labels}}}", T0 // 10**6 + turn * 1000))
            former = last.get(label)
            last[label] = (buckets, start)
            if former is None:
                continue
            gained = [a - b for a, b in zip(buckets, former[0], strict=True)]
            if min(gained) < 0 or start > former[1]:
                gained = buckets
            for q in (0.5, 0.9):
                value = got.pop((f'h{{k="{label}",quantile="{q}",service.name="shop"}}', T0 // 10**6 + turn * 1000))
                expected = quantile(explicit_buckets(BOUNDS, [float(n) for n in gained]), q, logarithmic=False)
                assert expected == pytest.approx(value, nan_ok=True)
        assert {} == got


def test_a_deleted_count_ends_a_histogram() -> None:
    """Its next point is its first; and another one that gets its number does not count from its points."""
    door = Door(quantiles=(0.5,))
    for seconds in (0, 10):
        door.samples(cumulative({"a": [seconds + 1, 0, 0, 0]}, seconds))
    door.table.forget([door.table.keys.index('h_count{k="a",service.name="shop"}')])
    assert 2 == len(door.samples(cumulative({"b": [9, 0, 0, 0]}, 20)))
    assert 1 == len(OtlpSeries.of(door.table).distributions)
    assert 2 == len(door.samples(cumulative({"a": [50, 0, 0, 0]}, 30)))


def test_a_deleted_sum_or_quantile_begins_anew() -> None:
    """The others go on, and nothing is written into the slot that another series has by now."""
    door = Door(quantiles=(0.5,))
    for seconds in (0, 10):
        door.samples(cumulative({"a": [seconds + 1, 0, 0, 0]}, seconds))
    gone = [key for key in door.table.keys if not key.startswith("h_count")]
    slots = [door.table.keys.index(key) for key in gone]
    door.table.forget(slots)
    for slot in slots:
        door.table.keys[slot] = ""
    door.table.free(slots)
    taken = [door.table.intern(name) for name in ("x", "y")]
    got = door.decode(cumulative({"a": [30, 0, 0, 0]}, 20)).batch.slot.tolist()
    assert sorted(slots) == taken
    assert not set(taken) & set(got)
    assert {*gone, 'h_count{k="a",service.name="shop"}'} == {door.table.keys[slot] for slot in got}


def test_memory_is_bounded() -> None:
    """The distributions not heard of longest are forgotten first; one that is too large for all of it is not remembered."""
    kept = Distributions(most_bytes=8 * 30)
    sizes = {0: 1, 1: 1, 2: 1, 3: 40}
    for at in sizes:
        assert at == kept.add(100 + at, HISTOGRAM, ())
    for turn, at in enumerate((0, 1, 0, 2, 3, 2)):
        body = fixed(4, 2) + message(6, (1).to_bytes(8, "little") * (sizes[at] + 1))
        body += message(7, b"".join(np.float64(i).tobytes() for i in range(sizes[at])))
        points = Points(
            np.array([at], np.int32), np.array([HISTOGRAM], np.uint8), np.array([turn]), np.zeros(1, np.int64),
            np.zeros(1, np.int64), np.array([len(body)]), np.zeros(1, np.bool_),
        )  # fmt: skip
        kept.keep(np.frombuffer(body, np.uint8), points, np.array([at], np.int32), np.zeros(1, np.int32))
    assert (30, [True, False, True, False]) == (len(kept.columns.words), (kept.columns.state[:4] >= 0).tolist())


def test_stems_of_deleted_series_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resources that come and go do not stay for ever; those of series that are left do, and mean what they meant."""
    monkeypatch.setattr(otlp_series, "_FEW", 20)
    monkeypatch.setattr("awry.core.raw_index._FEW", 20)
    door = Door()
    stay, scope = request({"service.name": "stay"})
    point(scope.metrics.add(name="g").gauge, as_double=1.0)
    for turn in range(100):
        assert [('g{service.name="stay"}', 1.0)] == [(key, value) for key, _, value in door.samples(stay)]
        made, scope = request({"service.instance.id": f"{turn}"})
        point(scope.metrics.add(name="g").gauge, as_double=2.0)
        (slot,) = door.decode(made).batch.slot.tolist()
        assert f'g{{service.instance.id="{turn}"}}' == door.table.keys[slot]
        door.table.forget([slot])
    assert OtlpSeries.of(door.table).stems < 100


def test_very_many_new_series_are_added_in_steps_between_which_some_are_deleted() -> None:
    """What was looked up and is deleted before the last step is looked up again; no step adds more than its share."""
    door = Door(quantiles=(0.5, 0.9))
    labels = {f"{i}": [1, 0, 0, 0] for i in range(2 * NEW_AT_ONCE + 300)}
    assert 2 * len(labels) == len(door.samples(cumulative(labels, 0)))
    steps = door.decoder.steps(walk(cumulative({k: [5, 0, 0, 0] for k in labels}, 10).SerializeToString()), door.table)
    taken = 0
    while True:
        before = len(door.table)
        try:
            next(steps)
        except StopIteration as end:
            batch = end.value.batch
            break
        taken += 1
        assert len(door.table) - before <= NEW_AT_ONCE
        if taken == 2:
            door.table.forget(range(0, 40))
    keys = [door.table.keys[slot] for slot in batch.slot.tolist()]
    assert taken > 3
    assert len(keys) == len(set(keys))
    assert all(door.table.find(key) == slot for key, slot in zip(keys, batch.slot.tolist(), strict=True))
    assert len(labels) == sum(key.startswith("h_count") for key in keys) == sum(key.startswith("h_sum") for key in keys)


def test_a_limit_on_series_keeps_what_it_can() -> None:
    """Of a histogram count and sum, and the first of its quantiles; asked once a request."""
    door = Door(SeriesLimits(total=3), quantiles=(0.5, 0.9))
    door.samples(cumulative({"a": [1, 0, 0, 0]}, 0))
    for seconds in (10, 20):
        got = door.samples(cumulative({"a": [seconds, 0, 0, 0]}, seconds))
        assert ["h_count", "h_sum", "h"] == [key.partition("{")[0] for key, _, _ in got]
    assert 2 == door.table.refused_limit


def test_quantiles_of_a_summary_may_change() -> None:
    """New ones are added to those that are known, in any order; one that is told twice counts once, the last time."""
    door = Door()
    for seconds, levels in ((0, (0.9,)), (1, (0.1, 0.9)), (2, (0.9, 0.5, 0.5, 0.1)), (3, (0.5,))):
        made, scope = request()
        one = scope.metrics.add(name="s").summary.data_points.add(time_unix_nano=T0 + seconds * SECOND, count=7, sum=3.5)
        for place, level in enumerate(levels):
            one.quantile_values.add(quantile=level, value=place + level)
        got = [(key[-5:-2], value) for key, _, value in door.samples(made)[2:]]
        expected = {f"{level:g}": place + level for place, level in enumerate(levels)}
        assert expected == dict(got)
        assert len(expected) == len(got)


def test_rates_of_deltas_without_a_start_are_forgotten_with_their_series() -> None:
    """A deleted series' next delta is its first."""
    door = Door()

    def delta(seconds: int) -> bytes:
        one = message(1, fixed(3, T0 + seconds * SECOND) + fixed(6, 20))
        return message(1, message(2, message(2, message(1, b"d") + message(7, one + number(2, 1)))))

    assert [True, False] == [math.isnan(door.samples(delta(t))[0][2]) for t in (0, 10)]
    door.table.forget([0])
    assert [True, False] == [math.isnan(door.samples(delta(t))[0][2]) for t in (20, 30)]
