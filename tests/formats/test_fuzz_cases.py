"""Inputs that a decoder once got wrong, found by `benchmarks.fuzz` or while it was written, and a little of the fuzzing itself."""

from __future__ import annotations

import random
import time
import tracemalloc
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray

from awry.core.errors import TooLarge
from awry.core.series_table import SeriesTable
from awry.formats import influx, pickle_walk
from awry.formats.json_samples import decode_json_samples
from awry.formats.numbers import EXACT, _nearest, exact_float, scan_number
from awry.formats.otlp import OtlpDecoder, warm_up
from awry.formats.otlp_json import MAX_OBJECTS, to_protobuf
from awry.formats.pickle_rows import decode_frames
from awry.formats.protobuf import double, fixed, message, number, varint, zigzag
from awry.formats.statsd import StatsdWindow
from benchmarks.fuzz import Fuzzer
from benchmarks.fuzz_doors import DOORS, frame, padded

MS = 1_700_000_000_000


def attribute(text: bytes) -> bytes:
    return message(7, message(1, b"k") + message(2, message(1, text)))


def otlp(metrics: bytes) -> bytes:
    return message(1, message(2, metrics))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"1.7976931348623147e+308", 1.7976931348623147e308),
        (b"17976931348623157000e289", 1.7976931348623157e308),
        (b"0.0000017976931348623157e314", 1.7976931348623157e308),
        (b"1e308", 1e308),
        (b"1234567890123456789e-320", 1.234567890123456789e-302),
        (b"5e-324", 5e-324),
        (b"1e-400", 0.0),
    ],
)
def test_statsd_reads_the_largest_and_smallest_numbers(text: bytes, value: float) -> None:
    """What is a finite double is one here too."""
    window, table = StatsdWindow(), SeriesTable()
    body = b"a:" + text + b"|g\n"
    assert 0 == window.gather(padded(body), len(body), table, MS)[0].received
    batch = window.batch(window.settle(10.0, 10.0), table, MS, Counter())
    assert pytest.approx([value], rel=1e-12) == batch.value.tolist()


@pytest.mark.parametrize("text", [b"1e309", b"1.8e308", b"-9999999999999999999e290", b"1e99999999999"])
def test_statsd_refuses_what_is_no_double(text: bytes) -> None:
    """A number beyond the largest is malformed."""
    body = b"a:" + text + b"|c\n"
    assert {"malformed": 1} == StatsdWindow().gather(padded(body), len(body), SeriesTable(), MS)[0].refused


@njit
def _read(data: NDArray[np.uint8], starts: NDArray[np.int64], sure: NDArray[np.bool_], out: NDArray[np.float64]) -> None:
    for i in range(starts.shape[0]):
        kind, negative, mantissa, power, _ = scan_number(data, starts[i])
        good, out[i] = exact_float(negative, mantissa, power)
        sure[i] = good and kind == EXACT


def test_numbers_of_every_size_are_bit_equal_to_float() -> None:
    """Where the kernel is sure; and it is sure of nearly all that are not tiny."""
    rng = random.Random(7)
    texts = [
        f"{rng.choice(('', '-'))}{rng.randrange(10 ** rng.randrange(1, 20))}e{rng.randrange(-307, 308)}" for _ in range(20_000)
    ]
    texts += ["1.7976931348623157e308", "1.7976931348623159e308", "1797693134862315807e290", "22250738585072014e-324", "9e307"]
    data = padded("\n".join([*texts, ""]).encode())
    starts = np.cumsum([0, *(len(text) + 1 for text in texts[:-1])])
    sure, out = np.zeros(len(texts), np.bool_), np.zeros(len(texts))
    _read(data, starts, sure, out)
    expected = np.array([float(text) for text in texts])
    assert expected[sure].tobytes() == out[sure].tobytes()
    assert sure[:-5].mean() > 0.99


@pytest.mark.parametrize("text", ["2179769313486231e293", "-21.79769313486231e308", "1.7e308"])
def test_numbers_beyond_the_largest_are_infinite_in_plain_python_too(text: str) -> None:
    """A kernel answers by its equations alone, whether it is compiled or not."""
    data, expected = padded(text.encode() + b"\n"), float(text)
    kind, negative, mantissa, power, _ = scan_number(data, 0)
    with np.errstate(all="ignore"):
        sure, value = _nearest.py_func(np.uint64(mantissa), power)
    assert (EXACT, True, expected) == (kind, sure, -value if negative else value)
    assert (True, expected) == exact_float(negative, np.uint64(mantissa), power)


@pytest.mark.parametrize("seconds", [1e306, -1e306, 1.7e308, float("inf"), float("nan"), 1e300])
def test_times_of_pickles_that_overflow_in_milliseconds_are_refused(seconds: float) -> None:
    """A finite number of seconds may be too many milliseconds for a double."""
    body = frame([("a", (seconds, 1.0)), ("b", (1_700_000_000, 2.0))])
    got, broken = decode_frames(padded(body), len(body), SeriesTable(), MS)
    assert ([2.0], [], 1) == (got.batch.value.tolist(), broken, sum(got.refused.values()))
    time, value, name = np.zeros(2, np.int64), np.zeros(2), np.zeros((2, 2), np.int64)
    memo, word = np.zeros((pickle_walk.MEMO, 3), np.int64), np.zeros(1, np.uint64)
    with np.errstate(all="ignore"):
        plain = pickle_walk._frame.py_func(
            padded(body), 4, len(body), MS, 1, memo, 0, time, value, name, word, word.view(np.float64)
        )
    assert (2, [np.iinfo(np.int64).min, MS]) == (plain, time.tolist())


def test_a_metric_of_very_many_new_series_takes_time_in_proportion() -> None:
    """Eight times as many points once took forty times as long, half a minute for fifty thousand."""
    warm_up(SeriesTable(), MS)
    seconds = []
    for count in (5_000, 40_000):
        points = (message(1, fixed(3, MS * 1_000_000) + double(4, 1.0) + attribute(b"%d" % i)) for i in range(count))
        body, table = otlp(message(2, message(1, b"m") + message(5, b"".join(points)))), SeriesTable()
        began = time.process_time()
        got = OtlpDecoder().decode(body, table)
        seconds.append(time.process_time() - began)
        assert (count, count) == (len(got.batch), len(table))
    assert seconds[1] < 20 * seconds[0]


def test_new_series_of_many_resources_scopes_and_metrics_keep_their_names() -> None:
    """What neighbours share is written once: every point gets its own resource, scope, metric and attributes all the same."""
    body, expected = b"", []
    for resource in (b"r1", b"r2"):
        told = message(1, message(1, message(1, b"host.name") + message(2, message(1, resource))))
        for scope in (b"", b"s"):
            told += message(2, message(1, message(1, scope)) + b"".join(
                message(2, message(1, name) + message(5, b"".join(
                    message(1, fixed(3, MS * 1_000_000) + double(4, 1.0) + attribute(b"%d" % i)) for i in range(2))))
                for name in (b"a", b"b")
            ))  # fmt: skip
            label = f',otel.scope.name="{scope.decode()}"' if scope else ""
            expected += [f'{name}{{host.name="{resource.decode()}",k="{i}"{label}}}' for name in "ab" for i in range(2)]
        body += message(1, told)
    table, decoder = SeriesTable(), OtlpDecoder(resource_attributes=("host.name", "otel.scope.name"))
    for _ in range(2):
        assert expected == [table.keys[slot] for slot in decoder.decode(body, table).batch.slot.tolist()]


def test_a_sender_may_change_a_histogram_s_kind_and_back() -> None:
    """The points of each kind are read as what they are, though both are one series."""
    explicit = fixed(3, MS * 1_000_000) + fixed(2, 1) + fixed(4, 4) + message(6, (2).to_bytes(8, "little") * 2) + double(7, 1.0)
    exponential = fixed(3, MS * 1_000_000) + fixed(2, 1) + fixed(4, 4) + varint(48) + zigzag(0) + message(8, message(2, b"\x04"))
    bodies = [
        otlp(message(2, message(1, b"h") + message(kind, message(1, point) + number(2, 1))))
        for kind, point in ((9, explicit), (10, exponential), (9, explicit))
    ]
    table, decoder = SeriesTable(), OtlpDecoder(quantiles=(0.5,))
    answers = [decoder.decode(body, table).batch for body in bodies]
    assert [2, 2, 2] == [len(batch) for batch in answers]
    assert answers[0].value.tolist() == answers[2].value.tolist() != answers[1].value.tolist()


def test_thousands_of_tiny_pickles_cost_no_more_than_their_bytes() -> None:
    """Frames that the kernel does not know are taken together, in the order they came in, around those that it knows."""
    known = frame([("b", (1, 2.0))])
    odd = b"(lp0\n(S'a'\np1\n(I1\nF%d\ntp2\ntp3\na."
    frames = [b"\x00\x00\x00\x02).", *(len(odd % i).to_bytes(4) + odd % i for i in range(3)), known, b"\x00\x00\x00\x01x", known]
    body, table = b"".join([*frames, len(odd % 9).to_bytes(4) + odd % 9]), SeriesTable()
    got, broken = decode_frames(padded(body), len(body), table, MS)
    names = [table.keys[slot] for slot in got.batch.slot.tolist()]
    assert [("a", 0.0), ("a", 1.0), ("a", 2.0), ("b", 2.0), ("b", 2.0), ("a", 9.0)] == list(
        zip(names, got.batch.value.tolist(), strict=True)
    )
    assert ({"malformed_frame": 1}, 7, 1) == (dict(got.refused), got.received, len(broken))


@pytest.mark.parametrize(
    ("text", "path"), [(rb"a\q", r"a\q"), (rb"a\x62\143\'\\", "abc'\\"), (rb"\xff", None), (rb"a\x2", r"a\x2")]
)
def test_backslashes_in_pickles_of_python_2(text: bytes, path: str | None) -> None:
    """Escapes become the bytes they stand for; what is none stays, and nothing warns."""
    packed = b"((S'" + text + b"'\n(I1\nF2\nttl."
    body, table = len(packed).to_bytes(4) + packed, SeriesTable()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got, _ = decode_frames(padded(body), len(body), table, MS)
    assert ([path] if path else []) == [table.keys[slot] for slot in got.batch.slot.tolist()]
    assert ({} if path else {"not_utf8": 1}) == dict(got.refused)


def test_quotes_that_never_close_cost_their_line_only() -> None:
    """Every line opens a text that runs to the end of the body."""
    got = influx.decode_influx(b'a b="\n' * 3 + b"x v=1 1700000000000000000\n", SeriesTable(), MS)
    assert got.received == len(got.batch) + sum(got.refused.values())
    assert 1 == len(got.batch)


def test_very_many_empty_objects_are_not_read() -> None:
    """Each takes a hundred times its bytes in memory; a gzip body of 32 KiB would hold as many as there may be bytes."""
    with pytest.raises(TooLarge, match="objects"):
        to_protobuf(b'{"resourceMetrics":[' + b"{}," * MAX_OBJECTS + b"{}]}")


@pytest.mark.parametrize("body", [b'{"samples":[' + b"{}," * 50_000 + b"{}]}", b"{}\n" * 50_000], ids=["rows", "lines"])
def test_too_many_rows_are_refused_before_more_is_made_of_them(body: bytes) -> None:
    """Once over seventy bytes of memory for each of the body."""
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge, match="1000 samples"):
            decode_json_samples(body, SeriesTable(), max_samples=1000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40 * len(body)


@pytest.mark.parametrize("name", DOORS)
def test_changed_bytes_are_answered(name: str, tmp_path: Path) -> None:
    """A few hundred inputs of the fuzzer at each door; `python -m benchmarks.fuzz all` runs as many as one likes."""
    fuzzer = Fuzzer(DOORS[name], tmp_path, timed=False, seed=4)
    for _ in range(300):
        fuzzer.step()
    assert {} == fuzzer.findings
    assert fuzzer.accepted > 20
