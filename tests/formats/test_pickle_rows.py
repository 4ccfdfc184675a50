"""Pickled datapoints: as Python's `pickle` reads them, in every protocol; what is not plain data is refused, and nothing is run."""

from __future__ import annotations

import math
import pickle
import pickletools
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from awry.core.errors import InvalidInput
from awry.core.series_table import SeriesLimits, SeriesTable
from awry.formats import pickle_rows
from awry.formats.pickle_machine import MAX_DEPTH, read_points
from awry.formats.pickle_rows import decode_frames
from tests import naive_pickle
from tests.naive_pickle import Row, frame

NOW = 1_700_000_000_123
POINTS = [("a.b", (1443197361, 1.5)), ("c;k=v", (1443197361.25, 3)), ("a.b", (-1, 2**40)), ("größe", (0, -7)), ("a.b", (5, 65_535))]


def read(body: bytes, table: SeriesTable | None = None) -> tuple[list[Row], dict[str, int], int, list[int]]:
    table = SeriesTable() if table is None else table
    data = np.full(len(body) + 16, 0xFF, np.uint8)
    data[: len(body)] = np.frombuffer(body, np.uint8)
    got, broken = decode_frames(data, len(body), table, NOW)
    batch = got.batch
    rows = [(table.keys[s], t, v) for s, t, v in zip(batch.slot.tolist(), batch.time.tolist(), batch.value.tolist(), strict=True)]
    return rows, dict(got.refused), got.received, broken


def bits(rows: list[Row]) -> list[tuple[str, int, bytes]]:
    return [(key, ms, b"nan" if math.isnan(value) else struct.pack("<d", value)) for key, ms, value in rows]


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the frames that the kernel handed back."""
    seen: list[int] = []

    def count(data: bytes) -> Any:
        seen.append(len(data))
        return read_points(data)

    monkeypatch.setattr(pickle_rows, "read_points", count)
    return seen


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("points", [POINTS, POINTS[:1], [], [(f"n.{i}", (i, i / 7)) for i in range(2500)]])
def test_every_protocol(protocol: int, points: list[Any], slow: list[int]) -> None:
    """Whatever protocol a sender has; the layouts of 2 to 5 never leave the kernel, short lists and long ones."""
    pickled = pickle.dumps(points, protocol=protocol)
    rows, refused, received, broken = read(frame(pickled) * 3)
    expected, _ = naive_pickle.read([pickled] * 3, NOW)
    assert (bits(expected), {}, len(expected), []) == (bits(rows), refused, received, broken)
    assert (0 if protocol >= 2 or (protocol == 1 and not points) else 3) == len(slow)


PYTHON2 = (
    b"\x80\x02]q\x01(U\x03a.bq\x02J\xd1\x76\x05VG?\xf8" + bytes(6) + b"\x86q\x03\x86q\x04h\x02J\x01\x00\x00\x00K\x02\x86\x86e."
)
"""As cPickle of Python 2 writes byte strings: SHORT_BINSTRING, a name from the memo the second time."""
TEXTS = b"(lp0\n(S'a.b'\np1\n(I1443197361\nF1.5\ntp2\ntp3\na(Vc\\u00e4\np4\n(L-1L\nS'2.5'\nttp5\na."
"""Protocol 0: quoted and raw-unicode texts, numbers in digits, a value sent as text."""


def test_other_pythons() -> None:
    """Python 2's opcodes, fast and slow."""
    assert [("a.b", 1443198673000, 1.5), ("a.b", 1000, 2.0)] == read(frame(PYTHON2))[0]
    assert [("a.b", 1443197361000, 1.5), ("cä", NOW, 2.5)] == read(frame(TEXTS))[0]


def test_shapes_that_carbon_takes_too() -> None:
    """Lists in place of tuples, numbers as text, truth values; a datapoint of another shape costs only itself."""
    points = [
        ["a", [1, True]],
        ("b", ("2", "3.5")),
        ("c", (3, None)),
        ("d", 4),
        5,
        ("e", (5, 6, 7)),
        ("f", (6, 2**70)),
        (7, (7, 7)),
    ]
    rows, refused, received, broken = read(frame(pickle.dumps(points, 2)))
    assert [("a", 1000, 1.0), ("b", 2000, 3.5), ("f", 6000, float(2**70))] == rows
    assert ({"malformed": 5}, 8, []) == (refused, received, broken)


class _Call:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return print, ("this must never be printed",)


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b".",
        b"\x80\x02",
        b"\x80\x09].",
        b"\x80\x02].x",
        b"\x80\x02K\x01.",
        pickle.dumps(POINTS, 2)[:-1],
        pickle.dumps(POINTS, 2)[:-9],
        pickle.dumps({"a": 1}, 2),
        pickle.dumps([("a", (1, _Call()))], 2),
        pickle.dumps([("a", (1, _Call()))], 0),
        pickle.dumps([("a", (1, 2)), _Call()], 4),
        b"cos\nsystem\n(S'true'\ntR.",
        b"\x80\x02]" + b"h\x05a.",
        b"(lp0\n(S'a'\n(I1\nF1\ntt",
        b"(la.",
        b"S'no end",
        b"I" + b"9" * 5000 + b"\n.",
        b"]\x8b\xff\xff\xff\xffa.",
        b"]\x8d\xff\xff\xff\xff\xff\xff\xff\xffa.",
        b"]" + b"]" * (MAX_DEPTH + 1) + b"a" * (MAX_DEPTH + 1) + b".",
        b"]q\x00h\x00a.",
        b"](" * 3 + b".",
    ],
)  # fmt: skip
def test_what_is_no_plain_list_is_refused(bad: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    """The frame counts once and is pointed out; its neighbours are kept, and nothing in it is called."""
    good = frame(pickle.dumps(POINTS[:1], 2))
    rows, refused, received, broken = read(good + frame(bad) + good)
    assert [("a.b", 1443197361000, 1.5)] * 2 == rows
    assert ({"malformed_frame": 1}, 3, [len(good)]) == (refused, received, broken)
    assert "" == capsys.readouterr().out


def test_pickle_is_never_imported() -> None:
    """Neither module of ours touches Python's own."""
    assert "pickle" not in vars(pickle_rows)
    with pytest.raises(InvalidInput, match="opcode 0x63"):
        read_points(b"cos\nsystem\n.")


def test_bad_datapoints_cost_only_themselves(slow: list[int]) -> None:
    """Times and names that cannot be kept, in the kernel."""
    points = [
        ("a", (1e300, 1.0)),
        ("b{", (1, 1.0)),
        ("ok", (1, math.inf)),
        ("n", (math.nan, 1.0)),
        ("x;y", (2, 1.0)),
        ("\x00", (1, 1)),
    ]
    rows, refused, received, _ = read(frame(pickle.dumps(points, 2)))
    assert ([("ok", 1000, math.inf)], {"out_of_range": 2, "bad_key": 3}, 6) == (rows, refused, received)
    assert [] == slow


def test_limits_on_series() -> None:
    """New paths beyond the limit are refused; known ones go on. A path known from plaintext is known here."""
    from awry.formats.graphite import decode

    table = SeriesTable(SeriesLimits(total=2, new_per_minute=10))
    decode(b"p 1 1\n", table, NOW)
    rows, refused, _, _ = read(frame(pickle.dumps([(name, (2, 2.0)) for name in "pqrs"], 2)), table)
    assert ([("p", 2000, 2.0), ("q", 2000, 2.0)], {"series_limit": 2}) == (rows, refused)


NAME = st.one_of(st.text(max_size=8), st.binary(max_size=8), st.sampled_from(["a.b", "c;k=v", "a.b"]))
NUMBER = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.booleans(),
    st.none(),
    st.integers(0, 2_000_000_000),
    st.sampled_from(["1.5", "x"]),
)
POINT = st.one_of(st.tuples(NAME, st.tuples(NUMBER, NUMBER)), st.tuples(NAME, st.lists(NUMBER, max_size=3)), NUMBER)


@given(st.lists(st.tuples(st.lists(POINT, max_size=6), st.integers(3, 5)), max_size=4))
@settings(max_examples=500, deadline=None, derandomize=True)
def test_equals_pickle(lists: list[tuple[list[Any], int]]) -> None:
    """Same rows and refusals as Python's own reader, protocols mixed; again when the names are known."""
    frames = [pickle.dumps(points, protocol) for points, protocol in lists]
    expected, refusals = naive_pickle.read(frames, NOW)
    table = SeriesTable()
    for _ in range(2):
        rows, refused, received, broken = read(b"".join(map(frame, frames)), table)
        assert (bits(expected), refusals, []) == (bits(rows), refused, broken)
        assert received == len(rows) + sum(refused.values())


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c.d"]), st.tuples(st.integers(0, 10**9), st.floats(allow_nan=False)))))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_the_slow_machine_agrees_with_the_kernel(points: list[Any]) -> None:
    """The same pickle by both ways."""
    pickled = pickletools.optimize(pickle.dumps(points, 2))
    assert [(path.encode(), float(t), v) for path, (t, v) in points] == read_points(pickled)
    assert [(path, t * 1000, v) for path, (t, v) in points] == read(frame(pickled))[0]


@given(st.data())
@settings(max_examples=400, deadline=None, derandomize=True)
def test_damaged_pickles_are_decoded_or_counted(data: st.DataObject) -> None:
    """Any bytes, and good pickles with some bytes changed: no exception, and every frame is rows or refusals."""
    good = bytearray(pickle.dumps(POINTS, data.draw(st.integers(0, 5))))
    for _ in range(data.draw(st.integers(0, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    noise = data.draw(st.binary(max_size=60))
    rows, refused, received, broken = read(frame(bytes(good)) + frame(noise))
    assert received == len(rows) + sum(refused.values())
    assert len(broken) == refused.get("malformed_frame", 0)
