"""StatsD lines: gathered as the slow twin does, within bounds, and a bad line costs only itself."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from awry.core.series_table import SeriesLimits, SeriesTable
from awry.formats.statsd import FORGET_SECONDS, IDLE_SECONDS, StatsdWindow
from awry.formats.statsd_walk import KEPT
from tests.naive_statsd import SlowWindow

WIDTH = 10.0


def gather(window: StatsdWindow, body: bytes) -> dict[str, int]:
    data = np.full(len(body) + 17, 0xFF, np.uint8)
    data[: len(body)] = np.frombuffer(body, np.uint8)
    data[len(body)] = 10
    got, _ = window.gather(data, len(body) + 1, SeriesTable(), 0)
    assert got.received == sum(got.refused.values())
    return dict(got.refused)


def settle(
    window: StatsdWindow, table: SeriesTable | None = None, seconds: float = WIDTH
) -> tuple[dict[str, float], dict[str, int]]:
    table, refused = SeriesTable() if table is None else table, Counter[str]()
    batch = window.batch(window.settle(seconds, WIDTH), table, 1000, refused)
    assert [1000] * len(batch) == batch.time.tolist()
    return {table.keys[s]: v for s, v in zip(batch.slot.tolist(), batch.value.tolist(), strict=True)}, dict(refused)


def once(body: bytes) -> tuple[dict[str, float], dict[str, int]]:
    window = StatsdWindow()
    refused = gather(window, body)
    return settle(window)[0], refused


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"a.b:1|c", {"a.b_rate": 0.1}),
        (b"a:1|c|@0.1\na:2|c\r\n\n", {"a_rate": 1.2}),
        (b"a:3|c|#host:web-1,dc:eu\na:4|c|#dc:eu,host:web-1", {'a_rate{dc="eu",host="web-1"}': 0.7}),
        (b"a:3|c|@0.5|#canary|c:1234|T1700000000", {'a_rate{canary="true"}': 0.6}),
        (b"a:3|c|#host:web-1:80|@0.5", {'a_rate{host="web-1:80"}': 0.6}),
        (b"a:-3|c", {"a_rate": -0.3}),
        (b"g:5|g\ng:-2|g\ng:+1.5|g", {"g": 4.5}),
        (b"g:-2|g", {"g": -2.0}),
        (b"g:1e3|g", {"g": 1000.0}),
        (b"s:joe|s\ns:joe|s\ns:a b:c|s", {"s_unique": 2.0}),
        (b"a:1:2:3|c", {"a_rate": 0.6}),
        (b"t:4|ms", {"t_rate": 0.1, "t_mean": 4.0, "t_p50": 4.0, "t_p90": 4.0, "t_p99": 4.0, "t_max": 4.0}),
        (b"t:1:3|d|@0.5\nt:5|h", {"t_rate": 0.5, "t_mean": 3.0, "t_p50": 3.0, "t_p90": 4.6, "t_p99": 4.96, "t_max": 5.0}),
        ("größe:1|g|#ort:köln".encode(), {'größe{ort="köln"}': 1.0}),
    ],
)
def test_what_lines_amount_to(body: bytes, expected: dict[str, float]) -> None:
    """Rates by seconds and sampling, deltas, members, quantiles, tags in any order, fields nobody needs."""
    found, refused = once(body)
    assert ({}, pytest.approx(expected, rel=1e-12)) == (refused, found)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"a", "malformed"),
        (b"a:1", "malformed"),
        (b":1|c", "malformed"),
        (b"a|b:1|c", "malformed"),
        (b"a:|c", "malformed"),
        (b"a:|s", "malformed"),
        (b"a:x|c", "malformed"),
        (b"a:nan|g", "malformed"),
        (b"a:inf|g", "malformed"),
        (b"a:1e999|g", "malformed"),
        (b"a:1|c|@0", "malformed"),
        (b"a:1|c|@2", "malformed"),
        (b"a:1|c|@", "malformed"),
        (b"a:1|c|@x", "malformed"),
        (b"a:1|", "unknown_type"),
        (b"a:1|m", "unknown_type"),
        (b"a:1|cc", "unknown_type"),
        (b"a{:1|c", "bad_key"),
        (b"a:1|c|#x:1,x:2", "bad_key"),
        (b"a:1|c|#x=y:1", "bad_key"),
        (b"\xff:1|c", "not_utf8"),
        (b"_e{5,4}:title|text|t:info", "event"),
        (b"_sc|redis|0|#a:b", "service_check"),
        (b"a:" + b"1" * 9000 + b"|c", "too_long"),
    ],
)
def test_a_bad_line_costs_only_itself(line: bytes, reason: str) -> None:
    """It is counted under its reason and makes no series; the lines around it are gathered."""
    assert ({"good": 2.0}, {reason: 1}) == once(b"good:1|g\n" + line + b"\ngood:2|g\n")
    assert ({"good": 1.0}, {reason: 1}) == once(b"good:1|g\n" + line)


def test_windows_begin_anew() -> None:
    """A gauge keeps its value for deltas; silence is a rate of zero for a while, and of the rest nothing."""
    window, table = StatsdWindow(), SeriesTable()
    gather(window, b"c:1|c\ng:7|g\nt:1|ms\ns:x|s")
    assert {"c_rate", "g", "t_rate", "t_mean", "t_p50", "t_p90", "t_p99", "t_max", "s_unique"} == set(settle(window, table)[0])
    for _ in range(int(IDLE_SECONDS / WIDTH)):
        assert {"c_rate": 0.0, "t_rate": 0.0} == settle(window, table)[0]
    assert {} == settle(window, table)[0]
    gather(window, b"g:+1|g\nc:5|c")
    assert {"g": 8.0, "c_rate": 0.5} == settle(window, table)[0]


def test_a_limit_on_metrics() -> None:
    """Further names are refused and counted, known ones go on, other spellings of known ones too."""
    window = StatsdWindow(most=2)
    assert {"series_limit": 2} == gather(window, b"a:1|g|#x:1,y:2\nb:1|g\nc:1|g\na:2|g|#x:1,y:2\nd:1|g\n")
    assert ({'a{x="1",y="2"}': 2.0, "b": 1.0}, {}) == settle(window)
    table = SeriesTable(SeriesLimits(total=1, new_per_minute=9))
    gather(window, b"a:3|g|#x:1,y:2\nb:4|g")
    assert ({'a{x="1",y="2"}': 3.0}, {"series_limit": 1}) == settle(window, table)


def test_old_metrics_make_room() -> None:
    """Those that have not come for an hour are dropped when half of the room is taken; the others stay as they are."""
    window, table = StatsdWindow(most=100), SeriesTable()
    gather(window, b"".join(b"old%d:1|c|#a:%d\n" % (i, i) for i in range(60)) + b"young:5|g\n")
    settle(window, table)
    for _ in range(int(FORGET_SECONDS / WIDTH) + 1):
        gather(window, b"young:+1|g")
        settle(window, table)
        window.forget(WIDTH)
    assert 1 == len(window)
    gather(window, b"young:+1|g\nold3:1|c|#a:3\nnew:1|c")
    assert {"young": 5.0 + FORGET_SECONDS / WIDTH + 2, 'old3_rate{a="3"}': 0.1, "new_rate": 0.1} == settle(window, table)[0]


def test_a_deleted_series_gets_a_new_slot() -> None:
    """Its slot may belong to another series by then."""
    window, table = StatsdWindow(), SeriesTable()
    gather(window, b"g:1|g")
    settle(window, table)
    table.forget([table.find("g")])
    gather(window, b"g:2|g")
    assert {"g": 2.0} == settle(window, table)[0]
    assert table.find("g") == table.keys.index("g", 1)


@pytest.mark.parametrize("count", [KEPT, 50 * KEPT])
def test_many_values_of_a_timer(count: int) -> None:
    """Quantiles are exact up to a number of values and come of a fair sample beyond; mean, rate and maximum are always exact."""
    rng = random.Random(3)
    values = [rng.random() * 1000 for _ in range(count)]
    window = StatsdWindow()
    gather(window, "".join(f"t:{v!r}|ms\n" for v in values).encode())
    found, _ = settle(window)
    assert count / WIDTH == found["t_rate"]
    assert pytest.approx(np.mean(values)) == found["t_mean"]
    assert max(values) == found["t_max"]
    for name, q in (("t_p50", 50), ("t_p90", 90), ("t_p99", 99)):
        error = 1e-9 if count == KEPT else 4 * 1000 * (q / 100 * (1 - q / 100) / KEPT) ** 0.5
        assert pytest.approx(np.percentile(values, q), abs=error) == found[name]


def test_more_timers_than_there_is_room_for_values() -> None:
    """Those that come too late for a quantile have a rate, a mean and a maximum all the same."""
    window = StatsdWindow()
    gather(window, b"".join(b"t%d:%d|ms\n" % (i, i) for i in range(20_000)))
    found, _ = settle(window)
    assert (3.0, 19_999.0, 19_999.0) == (found["t3_p99"], found["t19999_mean"], found["t19999_max"])
    assert "t19999_p99" not in found


def test_more_members_than_there_is_room_for() -> None:
    """A set counts exactly until the room for members is full; the rest is refused and counted."""
    window = StatsdWindow()
    refused = gather(window, b"".join(b"s:%d|s\n" % i for i in range(100_000)))
    assert ({}, 100_000.0) == (refused, settle(window)[0]["s_unique"])
    refused = gather(window, b"".join(b"s:%d|s\n" % i for i in range(400_000)))
    assert 400_000 == refused["set_limit"] + settle(window)[0]["s_unique"]


NAME = st.sampled_from([b"a", b"b.c", b"", b"x|y", b"_e{", b"_sc|", b"\xc3\xa9", b"a b", b"\xff"])
VALUE = st.one_of(
    st.floats(-1e300, 1e300).map(lambda v: repr(v).encode()),  # at the very end of the range the kernel rounds to infinity
    st.integers(-1000, 1000).map(lambda v: b"%d" % v),
    st.sampled_from([b"+1", b"-2.5", b"x", b"", b"1:2", b"1:", b"1:x:2", b":1", b"1e400"]),
)
TYPE = st.sampled_from([b"c", b"g", b"ms", b"h", b"d", b"s", b"c", b"g", b"ms", b"", b"q"])
SECTION = st.sampled_from([b"", b"|@0.1", b"|@0.5", b"|@7", b"|#a:b,c", b"|#c,a:b", b"|#a:1,a:2", b"|T12", b"|"])
LINE = st.tuples(NAME, st.just(b":"), VALUE, st.just(b"|"), TYPE, SECTION, SECTION).map(b"".join)


@given(st.lists(st.lists(LINE, max_size=20).map(b"\n".join), min_size=1, max_size=4))
@settings(max_examples=250, deadline=None, derandomize=True)
def test_equals_the_slow_twin(bodies: list[bytes]) -> None:
    """Several windows of lines near the protocol: same series, values and refusals."""
    window, slow, table = StatsdWindow(), SlowWindow(int(IDLE_SECONDS / WIDTH)), SeriesTable()
    for body in bodies:
        refused = gather(window, body)
        slow.refused.clear()
        slow.gather(body)
        assert dict(slow.refused) == refused
        expected = {key: value for key, value in slow.settle(WIDTH).items() if value == value and abs(value) != float("inf")}
        found = {key: value for key, value in settle(window, table)[0].items() if abs(value) != float("inf")}
        assert pytest.approx(expected, rel=1e-9) == found


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_any_bytes_are_gathered_or_counted(body: bytes) -> None:
    """Nothing raises, whatever comes."""
    window = StatsdWindow()
    gather(window, body)
    settle(window)
