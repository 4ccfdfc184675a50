"""JSON samples: rows, columns and lines give the same batch; a bad row is refused with its index, a bad body whole."""

from __future__ import annotations

import gzip
import json
import math
import zlib
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from awry.core.errors import AwryError, InvalidInput, TooLarge, UnsupportedMedia
from awry.core.series_table import SeriesLimits, SeriesTable
from awry.formats.json_samples import JsonSamples, decode_json_samples

ROWS = [("up", 1000, 1.0), ('cpu{host="a"}', 2000, -2.5), ("up", 3000, 3.0)]


def objects(rows: list[Any]) -> list[dict[str, Any]]:
    return [dict(zip(("series", "time", "value"), row, strict=True)) for row in rows]


def as_rows(rows: list[Any]) -> bytes:
    return json.dumps({"samples": objects(rows)}).encode()


def as_columns(rows: list[Any]) -> bytes:
    return json.dumps({name: [row[i] for row in rows] for i, name in enumerate(("series", "time", "value"))}).encode()


def as_lines(rows: list[Any]) -> bytes:
    return b"\n".join(json.dumps(o).encode() for o in objects(rows)) + b"\n"


SHAPES = {"rows": as_rows, "columns": as_columns, "lines": as_lines}


def read(body: bytes, table: SeriesTable | None = None, **options: Any) -> tuple[list[tuple[str, int, float]], JsonSamples]:
    table = SeriesTable() if table is None else table
    got = decode_json_samples(body, table, **options)
    batch = got.batch
    return [
        (table.keys[s], t, v) for s, t, v in zip(batch.slot.tolist(), batch.time.tolist(), batch.value.tolist(), strict=True)
    ], got


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gives_the_same_rows(shape: str) -> None:
    """In order, with nothing refused; lines are recognised without their content type too."""
    body = SHAPES[shape](ROWS)
    for kind in (None, "application/json", *(["application/x-ndjson; charset=utf-8"] if shape == "lines" else [])):
        rows, got = read(body, content_type=kind)
        assert ROWS == rows
        assert ([0, 1, 2], [], 3) == (got.index.tolist(), got.refused, got.received)


def test_one_series_for_all_columns() -> None:
    """`series` may be one string."""
    rows, _ = read(b'{"series": "up", "time": [1, 2], "value": [1, 2.5]}')
    assert [("up", 1, 1.0), ("up", 2, 2.5)] == rows


def test_a_single_row_is_a_body() -> None:
    """One line of a stream by itself."""
    assert [("up", 1, 2.0)] == read(b'{"series": "up", "time": 1, "value": 2}')[0]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("", 1, 1.0), "bad_key"),
        (("a{", 1, 1.0), "bad_key"),
        (('a{b="1",b="2"}', 1, 1.0), "bad_key"),
        (("\ud800", 1, 1.0), "bad_key"),
        (("x" * 65_536, 1, 1.0), "bad_key"),
        ((None, 1, 1.0), "bad_key"),
        ((7, 1, 1.0), "bad_key"),
        (("m", None, 1.0), "bad_time"),
        (("m", "yesterday", 1.0), "bad_time"),
        (("m", True, 1.0), "bad_time"),
        (("m", [], 1.0), "bad_time"),
        (("m", 253_402_300_800_000, 1.0), "out_of_range"),
        (("m", 10**30, 1.0), "out_of_range"),
        (("m", -(10**15), 1.0), "out_of_range"),
        (("m", 1e300, 1.0), "out_of_range"),
        (("m", 1, "x"), "bad_value"),
        (("m", 1, "1_0"), "bad_value"),
        (("m", 1, True), "bad_value"),
        (("m", 1, {}), "bad_value"),
    ],
)
def test_a_bad_row_costs_only_itself(shape: str, row: tuple[Any, Any, Any], reason: str) -> None:
    """Its neighbours are kept and know their places; it is named with its index."""
    rows, got = read(SHAPES[shape]([*ROWS, row, *ROWS]))
    assert ROWS + ROWS == rows
    assert ([0, 1, 2, 4, 5, 6], [(3, reason)], 7) == (got.index.tolist(), got.refused, got.received)


def test_rows_that_are_no_rows() -> None:
    """Missing fields and wrong shapes are refused one by one, in rows and in lines."""
    samples = [{"series": "m", "time": 1}, 7, None, {"series": "m", "time": 1, "value": 2}]
    for body in (
        json.dumps({"samples": samples}).encode(),
        b'{"series":"m","time":1}\n7\n{oops\n{"series":"m","time":1,"value":2}',
    ):
        rows, got = read(body)
        assert [("m", 1, 2.0)] == rows
        assert [(0, "malformed"), (1, "malformed"), (2, "malformed")] == got.refused


@pytest.mark.parametrize("value", ["null", "NaN", '"NaN"', '"nan"'])
def test_null_and_nan_are_no_observation(value: str) -> None:
    """Bare, as text and as null."""
    rows, got = read(f'{{"samples": [{{"series": "m", "time": 1, "value": {value}}}]}}'.encode())
    assert [True] == [math.isnan(v) for _, _, v in rows]
    assert [] == got.refused


@pytest.mark.parametrize(
    ("value", "expected"),
    [("Infinity", math.inf), ('"-Infinity"', -math.inf), ('"+Inf"', math.inf), ('"21.5"', 21.5), ("7", 7.0), ("1e308", 1e308)],
)
def test_values_as_people_send_them(value: str, expected: float) -> None:
    """Infinities are passed on for the engine to refuse."""
    assert [("m", 1, expected)] == read(f'{{"series": ["m"], "time": [1], "value": [{value}]}}'.encode())[0]


@pytest.mark.parametrize(
    ("time", "ms"), [('"2023-11-14T22:13:20Z"', 1_700_000_000_000), ("1700000000000.7", 1_700_000_000_000), ("0", 0), ("-1", -1)]
)
def test_times(time: str, ms: int) -> None:
    """Milliseconds, whole or not, and RFC 3339."""
    assert [("m", ms, 1.0)] == read(f'{{"series": ["m"], "time": [{time}], "value": [1]}}'.encode())[0]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "no JSON"),
        (b"{", "line 1, column 2"),
        (b'{"samples": [\n{"series": }]}', "line 2, column 12"),
        (b"\xff", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "neither rows nor columns"),
        (b"{}", "neither rows nor columns"),
        (b'{"series": ["a"], "time": [1, 2], "value": [1]}', "series has 1 rows, time 2, value 1"),
    ],
)
def test_a_bad_body_is_refused_whole(body: bytes, message: str) -> None:
    """With the place where it stops to make sense."""
    with pytest.raises(InvalidInput, match=message):
        read(body)


def test_gzip_is_read_up_to_the_limit() -> None:
    """Members one after the other, half a file, no gzip at all, and a bomb."""
    body = as_lines(ROWS)
    packed = gzip.compress(body[:40]) + gzip.compress(body[40:])
    assert ROWS == read(packed, content_encoding="gzip")[0]
    for broken in (packed[:-4], b"no gzip"):
        with pytest.raises(InvalidInput):
            read(broken, content_encoding="gzip")
    with pytest.raises(TooLarge):
        read(gzip.compress(b" " * 10_000_000), content_encoding="gzip", max_bytes=100_000)
    with pytest.raises(UnsupportedMedia):
        read(body, content_encoding="br")


def test_very_many_tiny_gzip_members_are_not_copied_over_and_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """zlib, which copies what it leaves over, is given little at a time: else 32 MB of empty members would take hours."""
    given: list[int] = []

    class Counting:
        def __init__(self, wbits: int) -> None:
            self._real = real(wbits=wbits)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._real, name)

        def decompress(self, data: bytes, most: int) -> bytes:
            given.append(len(data))
            return self._real.decompress(data, most)

    real = zlib.decompressobj
    monkeypatch.setattr(zlib, "decompressobj", Counting)
    assert ROWS == read(gzip.compress(b"") * 2000 + gzip.compress(as_lines(ROWS)), content_encoding="gzip")[0]
    assert max(given) <= 4096


def test_limits() -> None:
    """Bytes, samples and series."""
    with pytest.raises(TooLarge):
        read(as_rows(ROWS), max_bytes=10)
    with pytest.raises(TooLarge):
        read(as_rows(ROWS), max_samples=2)
    rows, got = read(as_rows(ROWS), SeriesTable(SeriesLimits(total=1)))
    assert ([ROWS[0], ROWS[2]], [(1, "series_limit")]) == (rows, got.refused)


SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers(), max_size=1)


@given(st.lists(st.tuples(SCALAR, SCALAR, SCALAR), min_size=1, max_size=5), st.sampled_from(sorted(SHAPES)))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_every_row_is_kept_or_named(rows: list[Any], shape: str) -> None:
    """Whatever the fields hold, each row is in the batch or among the refused."""
    # one line alone whose time and value are lists is no row but a body of columns, whose lengths may differ
    assume(not (shape == "lines" and len(rows) == 1 and all(isinstance(field, list) for field in rows[0][1:])))
    _, got = read(SHAPES[shape](rows))
    assert list(range(len(rows))) == sorted([*got.index.tolist(), *(i for i, _ in got.refused)])


@given(st.binary(max_size=100), st.sampled_from([None, "gzip"]), st.sampled_from([None, "application/x-ndjson"]))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_random_bytes_raise_nothing_unexpected(body: bytes, encoding: str | None, kind: str | None) -> None:
    """Only errors of the project."""
    with suppress(AwryError):
        read(body, content_encoding=encoding, content_type=kind)
