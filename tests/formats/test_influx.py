"""Influx lines: read as Influx reads them and as the slow twin does, and a bad line costs only itself."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from awry.core.errors import InvalidInput
from awry.core.series_table import SeriesLimits, SeriesTable
from awry.formats.influx import LINE_BYTES, decode_influx, encode
from tests.naive_influx import parse

NOW = 1_700_000_000_123


def read(
    body: bytes, table: SeriesTable | None = None, precision: str = "ns"
) -> tuple[list[tuple[str, int, float]], dict[str, int], int]:
    table = SeriesTable() if table is None else table
    got = decode_influx(body, table, NOW, precision=precision)
    batch = got.batch
    rows = [(table.keys[s], t, v) for s, t, v in zip(batch.slot.tolist(), batch.time.tolist(), batch.value.tolist(), strict=True)]
    return rows, dict(got.refused), got.received


def bits(rows: list[tuple[str, int, float]]) -> list[tuple[str, int, bytes]]:
    return [(key, ms, b"nan" if math.isnan(value) else struct.pack("<d", value)) for key, ms, value in rows]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"m value=1 1700000000000000000", ("m", 1_700_000_000_000, 1.0)),
        (b"m f=1 1700000000000000000\r\n", ("m_f", 1_700_000_000_000, 1.0)),
        (b"  m  f=1   1700000000000999999  \n", ("m_f", 1_700_000_000_000, 1.0)),
        (b"m f=1\n", ("m_f", NOW, 1.0)),
        (b"m f=1 -1\n", ("m_f", -1, 1.0)),
        (b"m,b=2,a=1 f=1 0\n", ('m_f{a="1",b="2"}', 0, 1.0)),
        (rb"m\ x,k=v\ 1\,\=\" f\ 1=1 0", (r'm x_f 1{k="v 1,=\\\""}', 0, 1.0)),
        (b"m,p=C:\\dir f=1 0\n", ('m_f{p="C:\\\\dir"}', 0, 1.0)),
        ("größe,ort=köln f=1 0\n".encode(), ('größe_f{ort="köln"}', 0, 1.0)),
        (b"m,a=b=c f=1 0\n", ('m_f{a="b=c"}', 0, 1.0)),
        (b"m f=12i 0\n", ("m_f", 0, 12.0)),
        (b"m f=-12i 0\n", ("m_f", 0, -12.0)),
        (b"m f=12u 0\n", ("m_f", 0, 12.0)),
        (b"m f=9223372036854775807i 0\n", ("m_f", 0, 9223372036854775807.0)),
        (b"m f=18446744073709551615u 0\n", ("m_f", 0, 18446744073709551615.0)),
        (b"m f=-1.5e-3 0\n", ("m_f", 0, -0.0015)),
        (b"m f=0.1234567890123456789012 0\n", ("m_f", 0, 0.1234567890123456789012)),
        (b"m f=t 0\n", ("m_f", 0, 1.0)),
        (b"m f=TRUE 0\n", ("m_f", 0, 1.0)),
        (b"m f=False 0\n", ("m_f", 0, 0.0)),
        (b"m f=F", ("m_f", NOW, 0.0)),
        (b"m f=+inf 0\n", ("m_f", 0, math.inf)),
    ],
)
def test_good_lines(line: bytes, expected: tuple[str, int, float]) -> None:
    """Escapes, number forms, booleans, line ends, and a time that is absent; the same when the name is known already."""
    table = SeriesTable()
    assert ([expected], {}, 1) == read(line, table)
    assert ([expected], {}, 1) == read(line, table)
    assert 1 == len(table)


@pytest.mark.parametrize(
    ("precision", "ms"),
    [("ns", 1_234), ("n", 1_234), ("us", 1_234_567), ("u", 1_234_567), ("ms", 1_234_567_890), ("s", 1_234_567_890_000),
     ("m", 74_074_073_400_000), ("", 1_234)],
)  # fmt: skip
def test_precision(precision: str, ms: int) -> None:
    """The unit of times, rounded down to the millisecond."""
    assert ([("m_f", ms, 1.0)], {}, 1) == read(b"m f=1 1234567890", precision=precision)
    assert ([], {"out_of_range": 1}, 1) == read(b"m f=1 999999999999999999", precision="s")
    with pytest.raises(InvalidInput, match="precision"):
        read(b"", precision="fortnight")


def test_fields_of_a_line() -> None:
    """Each is a sample with the line's time; text is left out and counted, whatever it holds."""
    body = b'cpu,host=a user=1,note="a\\"b, c=d \\\\",system=2i,idle=t 1700000000000000000\n'
    body += b'cpu,host=a text="only\nthis"\nnext f=3 5000000\n'
    expected = [
        (f'cpu_{name}{{host="a"}}', 1_700_000_000_000, value) for name, value in (("user", 1.0), ("system", 2.0), ("idle", 1.0))
    ]
    assert ([*expected, ("next_f", 5, 3.0)], {"text_field": 2}, 6) == read(body)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"m", "malformed"),
        (b"m ", "malformed"),
        (b"m f", "malformed"),
        (b"m f=", "malformed"),
        (b"m f= 1", "malformed"),
        (b"m =1", "malformed"),
        (b"m f=1,", "malformed"),
        (b"m f=1,,g=2", "malformed"),
        (b"m f=1 g=2", "malformed"),
        (b"m f=1 1 1", "malformed"),
        (b"m f=1 1.5", "malformed"),
        (b"m f=1 x", "malformed"),
        (b"m f=1x", "malformed"),
        (b"m f=1.5i", "malformed"),
        (b"m f=-1u", "malformed"),
        (b"m f=i", "malformed"),
        (b"m f=tru", "malformed"),
        (b"m f=tRUE", "malformed"),
        (b"m f=\"abc", "malformed"),
        (b'm f="abc"x', "malformed"),
        (b",a=b f=1", "malformed"),
        (b"m\tn f=1", "malformed"),
        (b"m, f=1", "bad_key"),
        (b"m,a f=1", "bad_key"),
        (b"m,a= f=1", "bad_key"),
        (b"m,=a f=1", "bad_key"),
        (rb"m,k\ 1=a f=1", "bad_key"),
        (b"m,a=1,a=2 f=1", "bad_key"),
        (b"m{} f=1", "bad_key"),
        (b"\xff f=1", "not_utf8"),
        (b"m f=1 99999999999999999999999", "out_of_range"),
        (b"m,t=" + b"x" * LINE_BYTES + b" f=1", "too_long"),
        (b'm f=1,t="' + b"x" * LINE_BYTES + b'"', "too_long"),
    ],
)  # fmt: skip
def test_a_bad_line_costs_only_itself(line: bytes, reason: str) -> None:
    """It is counted under its reason; the lines around it are kept."""
    table = SeriesTable()
    expected = [("good", 1, 1.0), ("good", 2, 2.0)]
    assert (expected, {reason: 1}, 3) == read(b"good value=1 1000000\n" + line + b"\ngood value=2 2000000\n", table)
    assert (expected[:1], {reason: 1}, 2) == read(b"good value=1 1000000\n" + line, table)
    assert ["good"] == table.keys


def test_blank_lines_and_comments_are_nothing() -> None:
    """They are neither samples nor refused."""
    assert ([("m", 0, 1.0)], {}, 1) == read(b"\n\r\n# f=1 2\n  \nm value=1 0\n\n")
    assert ([], {}, 0) == read(b"")


def test_limits_on_series() -> None:
    """Fields beyond the limit are refused and counted; those known go on."""
    table = SeriesTable(SeriesLimits(total=2, new_per_minute=10))
    rows, refused, received = read(b"m a=1,b=2,c=3 0\nm a=4,c=5 1000000\n", table)
    assert [("m_a", 0, 1.0), ("m_b", 0, 2.0), ("m_a", 1, 4.0)] == rows
    assert ({"series_limit": 2}, 5) == (refused, received)


def test_more_fields_than_a_piece_holds() -> None:
    """Lines that do not fit into what is decoded at once are decoded whole in the next."""
    lines = [b"m%d " % i + b",".join(b"f%d=%d" % (j, j) for j in range(1000)) + b" %d000000\n" % i for i in range(40)]
    rows, refused, received = read(b"".join(lines))
    assert [(f"m{i}_f{j}", i, float(j)) for i in range(40) for j in range(1000)] == rows
    assert ({}, 40_000) == (refused, received)
    shortest = b"m " + b",".join([b"a=1"] * 16_383) + b"\n"
    assert 2 * 16_383 == len(read(shortest * 2)[0])


def test_what_we_encode_reads_back() -> None:
    """Keys with every character that the protocol escapes."""
    samples = [('a b{x="1,2",y="= "}', 1_700_000_000_123, 1.5), ("plain", -5, -0.0)]
    assert bits(samples) == bits(read(encode(samples))[0])


WORD = st.text(alphabet='ab,= \\"\né', max_size=6).map(str.encode)
VALUE = st.one_of(
    st.floats(allow_nan=True).map(lambda v: repr(v).encode()),
    st.integers(-(2**64), 2**64).map(lambda v: b"%di" % v),
    st.sampled_from(
        [b"t", b"F", b"true", b"FALSE", b"tRue", b"1u", b"-1u", b"", b"1_0", b'"x"', b'"a b,c=\\"d\\\\"', b'"\n"', b'"']
    ),
)
FIELD = st.tuples(WORD, VALUE).map(lambda f: f[0] + b"=" + f[1])
LINE = st.tuples(
    st.lists(WORD, min_size=1, max_size=3).map(b",t=".join), st.lists(FIELD, max_size=4).map(b",".join),
    st.one_of(st.just(b""), st.integers(-(2**70), 2**70).map(lambda v: b" %d" % v)),
).map(lambda p: p[0] + b" " + p[1] + p[2])  # fmt: skip


@given(st.lists(LINE, max_size=6).map(b"\n".join), st.sampled_from(["ns", "us", "ms", "s", "m", "h"]))
@example(b'a b="\n', "ns")
@example(b"m\\ f=1", "ns")
@settings(max_examples=600, deadline=None, derandomize=True)
def test_equals_the_slow_twin(body: bytes, precision: str) -> None:
    """Same rows to the bit, same refusals, for lines near the protocol; again when the names are known."""
    rows, refused = parse(body, NOW, precision)
    table = SeriesTable()
    for _ in range(2):
        got = read(body, table, precision)
        assert (bits(rows), refused) == (bits(got[0]), got[1])
        assert len(rows) + sum(refused.values()) == got[2]


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_any_bytes_are_decoded_or_counted(body: bytes) -> None:
    """Nothing raises, and what is received is rows and refusals."""
    rows, refused, received = read(body)
    assert received == len(rows) + sum(refused.values())
