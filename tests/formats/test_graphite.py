"""Graphite lines: read as carbon reads them, values as `float()` reads them, and a bad line costs only itself."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from awry.core.errors import InvalidSelector
from awry.core.series_table import SeriesLimits, SeriesTable
from awry.formats.graphite import SLACK, decode, decode_lines, encode, key_of

NOW = 1_700_000_000_123


def read(data: bytes, table: SeriesTable | None = None) -> tuple[list[tuple[str, int, float]], dict[str, int], int]:
    table = SeriesTable() if table is None else table
    got = decode(data, table, NOW)
    batch = got.batch
    rows = [(table.keys[s], t, v) for s, t, v in zip(batch.slot.tolist(), batch.time.tolist(), batch.value.tolist(), strict=True)]
    return rows, dict(got.refused), got.received


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"a.b 1 1443197361\n", ("a.b", 1443197361000, 1.0)),
        (b"a.b 1 1443197361", ("a.b", 1443197361000, 1.0)),
        (b"a.b 1 1443197361\r\n", ("a.b", 1443197361000, 1.0)),
        (b" \t a.b  \t 1 \t\t 1443197361  \r\n", ("a.b", 1443197361000, 1.0)),
        (b"a.b;host=web-3;dc=x 2.5 1\n", ('a.b{dc="x",host="web-3"}', 1000, 2.5)),
        ("größe.π 1 1\n".encode(), ("größe.π", 1000, 1.0)),
        (b"a 1 1443197361.5\n", ("a", 1443197361500, 1.0)),
        (b"a 1 1443197361.1234567890123456789\n", ("a", 1443197361123, 1.0)),
        (b"a 1 1443197361.9996\n", ("a", 1443197362000, 1.0)),
        (b"a 1 1.443197361e9\n", ("a", 1443197361000, 1.0)),
        (b"a 1 -1\n", ("a", NOW, 1.0)),
        (b"a 1 -1.0\n", ("a", NOW, 1.0)),
        (b"a 1 N\n", ("a", NOW, 1.0)),
        (b"a 1 0\n", ("a", 0, 1.0)),
        (b"a 1 -5\n", ("a", -5000, 1.0)),
        (b"a 1 253402300799\n", ("a", 253402300799000, 1.0)),
        (b"a 1e3 1\n", ("a", 1000, 1000.0)),
        (b"a -1.5E-3 1\n", ("a", 1000, -0.0015)),
        (b"a +.5 1\n", ("a", 1000, 0.5)),
        (b"a 5. 1\n", ("a", 1000, 5.0)),
        (b"a 1e308 1\n", ("a", 1000, 1e308)),
        (b"a 1e309 1\n", ("a", 1000, math.inf)),
        (b"a -inf 1\n", ("a", 1000, -math.inf)),
        (b"a Infinity 1\n", ("a", 1000, math.inf)),
    ],
)
def test_good_lines(line: bytes, expected: tuple[str, int, float]) -> None:
    """Spaces, tabs, line ends, tags, fractions and signs, in every mixture that carbon takes."""
    assert ([expected], {}, 1) == read(line)


@pytest.mark.parametrize("word", [b"nan", b"NaN", b"-nan", b"NAN"])
def test_nan_is_no_observation(word: bytes) -> None:
    """It is a row without a value."""
    rows, refused, _ = read(b"a " + word + b" 1\n")
    assert [True] == [math.isnan(v) for _, _, v in rows]
    assert {} == refused


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"a", "malformed"),
        (b"a 1", "malformed"),
        (b"a 1 ", "malformed"),
        (b"a 1 1 1", "malformed"),
        (b"a x 1", "malformed"),
        (b"a 1x 1", "malformed"),
        (b"a 1_0 1", "malformed"),
        (b"a 0x10 1", "malformed"),
        (b"a 1e 1", "malformed"),
        (b"a . 1", "malformed"),
        (b"a - 1", "malformed"),
        (b"a 1 x", "malformed"),
        (b"a 1 nan", "malformed"),
        (b"a 1 inf", "malformed"),
        (b"a 1 Now", "malformed"),
        (b"a\x00b 1 1", "malformed"),
        (b"a 1\r2 1", "malformed"),
        (b"a nanx 1", "malformed"),
        (b"a 1 1e30", "out_of_range"),
        (b"a 1 -1e30", "out_of_range"),
        (b"a 1 253402300800", "out_of_range"),
        (b"a 1 99999999999999999999999", "out_of_range"),
        (b"a 1 -99999999999999", "out_of_range"),
        (b"\xff\xfe 1 1", "not_utf8"),
        (b"a{b} 1 1", "bad_key"),
        (b'a"b 1 1', "bad_key"),
        (b"a;b 1 1", "bad_key"),
        (b"a;b= 1 1", "bad_key"),
        (b"a;b=1;b=2 1 1", "bad_key"),
        (b";b=1 1 1", "bad_key"),
        (b"a\x7fb 1 1", "bad_key"),
        (b"x" * 5000 + b" 1 1", "bad_key"),
        (b"x" * 9000 + b" 1 1", "too_long"),
        (b"a 1" + b"0" * 9000 + b" 1", "too_long"),
    ],
)
def test_a_bad_line_costs_only_itself(line: bytes, reason: str) -> None:
    """It is counted under its reason; the lines around it are kept, whether it comes in the middle or at the end."""
    table = SeriesTable()
    expected = [("good", 1000, 1.0), ("good", 2000, 2.0)]
    assert (expected, {reason: 1}, 3) == read(b"good 1 1\n" + line + b"\ngood 2 2\n", table)
    assert (expected[:1], {reason: 1}, 2) == read(b"good 1 1\n" + line, table)
    assert ["good"] == table.keys


def test_blank_lines_are_nothing() -> None:
    """They are neither samples nor refused."""
    assert ([("a", 1000, 1.0)], {}, 1) == read(b"\n\r\n  \na 1 1\n\n")
    assert ([], {}, 0) == read(b"")


def test_a_limit_on_series_keeps_the_known_ones() -> None:
    """New series beyond the limit are refused with a reason; known ones go on."""
    table = SeriesTable(SeriesLimits(total=1))
    rows, refused, _ = read(b"a 1 1\nb 1 1\na 2 2\nb 2 2\n", table)
    assert ([("a", 1000, 1.0), ("a", 2000, 2.0)], {"series_limit": 2}) == (rows, refused)


def test_names_are_found_again() -> None:
    """A thousand names keep their slots from one buffer to the next."""
    table = SeriesTable()
    data = b"".join(b"servers.web-%d.cpu;core=%d 1 %d\n" % (i, i % 3, i) for i in range(1000))
    assert read(data, table) == read(data, table)
    assert 1000 == len(table)


def test_a_buffer_of_many_lines_is_read_to_its_end() -> None:
    """More lines than are decoded in one piece, with new names and bad lines all along."""
    data = b"".join(b"n.%d 0.1234567890123456789 %d\n" % (i // 7, i) + b"oops\n" * (i % 1000 == 0) for i in range(40_000))
    rows, refused, received = read(data)
    assert [(f"n.{i // 7}", i * 1000, 0.1234567890123456789) for i in range(40_000)] == rows
    assert ({"malformed": 40}, 40_040) == (refused, received)


def bits(value: float) -> bytes:
    return struct.pack("<d", value)


def value_of(text: str) -> float:
    ((_, _, value),), _, _ = read(f"a {text} 1\n".encode())
    return value


@given(st.floats(allow_nan=False))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_any_float_comes_back_bit_for_bit(value: float) -> None:
    """As Python writes it, and in the usual shorter forms."""
    for text in (repr(value), f"{value:.6g}", f"{value:.17g}", f"{value:.3e}"):
        assert bits(float(text)) == bits(value_of(text))


@given(st.from_regex(r"[+-]?([0-9]{1,25}\.?[0-9]{0,25}|\.[0-9]{1,25})([eE][+-]?[0-9]{1,4})?", fullmatch=True).filter(str.isascii))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_any_decimal_is_read_as_float_reads_it(text: str) -> None:
    """Long mantissas, leading zeros and far exponents included."""
    assert bits(float(text)) == bits(value_of(text))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a.b", 'a.b{host="x"}', "ü"]),
            st.integers(0, 253_402_300_799_999),
            st.floats(allow_nan=False),
        )
    )
)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_what_is_encoded_is_decoded(samples: list[tuple[str, int, float]]) -> None:
    """Keys, milliseconds and values make the round trip."""
    assert (samples, {}, len(samples)) == read(encode(samples))


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_random_bytes_never_harm_their_neighbours(noise: bytes) -> None:
    """Whatever lies between two good lines, both are kept and every line is accounted for."""
    rows, refused, received = read(b"first 1 1\n" + noise + b"\nlast 2 2\n")
    assert ("first", 1000, 1.0) == rows[0]
    assert ("last", 2000, 2.0) == rows[-1]
    assert received == len(rows) + sum(refused.values())


@given(
    st.lists(st.sampled_from([b"a", b" ", b"\t", b"1", b"-", b".", b"e", b"nan", b"inf", b"\r", b"\n", b";", b"=", b"N", b"\xff"]))
)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_almost_lines_are_all_accounted_for(pieces: list[bytes]) -> None:
    """The pieces of lines in any order: one line is one row or one refusal."""
    data = b"".join(pieces)
    rows, refused, received = read(data)
    lines = sum(bool(line.strip(b" \t") not in (b"", b"\r")) for line in data.split(b"\n"))
    assert lines == received == len(rows) + sum(refused.values())


def test_tags_need_a_value() -> None:
    """As carbon has it."""
    with pytest.raises(InvalidSelector):
        key_of("a;b")


@given(st.integers(2**52, 2**53 - 1), st.integers(0, 3), st.integers(-1, 1))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_numbers_halfway_between_two_doubles(mantissa: int, fives: int, beside: int) -> None:
    """The hardest to round: exactly between two neighbours, and a last digit to either side."""
    text = str((2 * mantissa + 1) * 10**fives + beside)
    for written in (text, f"{text}e-{fives}", f"0.{text}", f"{text}e20", f"{text}e60", f"{text}e-60"):
        assert bits(float(written)) == bits(value_of(written))


def test_new_names_are_taken_a_few_at_a_time() -> None:
    """With a limit on new names a buffer is decoded in parts: what is left begins a line, and nothing is lost or doubled."""
    lines = [b"a.%d %d %d\n" % (i % 700, i, i + 1) for i in range(1500)]
    body, table, values = b"".join(lines), SeriesTable(), []
    parts = 0
    while body:
        data = np.frombuffer(body + bytes(SLACK), np.uint8)
        decoded = decode_lines(data, len(body), table, 0, most_new=100)
        values += decoded.batch.value.tolist()
        body = body[len(body) - decoded.rest :] if decoded.rest else b""
        parts += 1
    assert list(map(float, range(1500))) == values
    assert 700 == len(table)
    assert 8 == parts
