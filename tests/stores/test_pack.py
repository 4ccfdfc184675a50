"""Packing loses nothing: any samples come back bit for bit, from journal rows and from chunks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from awry.core.batch import Batch, Scored
from awry.core.errors import StoreCorrupt
from awry.core.tick import Sent
from awry.stores.blobs import pack_arrays, pack_json, unpack_arrays, unpack_json
from awry.stores.pack import decompress, pack_chunk, pack_rows, pack_sent, unpack_rows, unpack_sent, unpack_series
from tests.naive_pack import planes
from tests.stores.ticks import columns_of, incident_of, tick_of

ANY32 = st.floats(width=32)
SCORE = st.integers(0, 10_000).map(lambda n: np.float32(n / 10_000)) | st.just(np.float32(np.nan))


@st.composite
def rows(draw: st.DrawFn) -> tuple[Batch, Scored]:
    """Samples of a few series; scores sometimes off the 0.0001 grid."""
    n = draw(st.integers(1, 40))
    slot = draw(arrays(np.int32, n, elements=st.integers(0, 120)))
    time = draw(arrays(np.int64, n, elements=st.integers(-(2**53), 2**53)))
    value = draw(arrays(np.float64, n, elements=st.floats()))
    score = [draw(arrays(np.float32, n, elements=draw(st.sampled_from([SCORE, ANY32])))) for _ in range(2)]
    floats = [draw(arrays(np.float32, n, elements=ANY32)) for _ in range(4)]
    part = draw(arrays(np.uint8, n))
    return Batch(slot, time, value), Scored(floats[0], score[0], score[1], floats[1], floats[2], floats[3], part)


def bits(samples: tuple[Batch, Scored]) -> list[bytes]:
    """All columns as bytes."""
    return [column.tobytes() for column in columns_of(samples)]


@settings(max_examples=80, deadline=None, derandomize=True)
@given(rows())
def test_journal_round_trip(samples: tuple[Batch, Scored]) -> None:
    """A journal row gives back what went in."""
    assert bits(samples) == bits(unpack_rows(pack_rows(*samples)))


@settings(max_examples=80, deadline=None, derandomize=True)
@given(rows())
def test_planes_are_as_their_twin_writes_them(samples: tuple[Batch, Scored]) -> None:
    """The bytes under the compression are those of the plain way, so that what older versions wrote is read."""
    assert planes(*samples, chunk=False) == plain_bytes(pack_rows(*samples))
    order = np.lexsort((samples[0].time, samples[0].slot))
    batch, scored = samples[0].take(order), samples[1].take(order)
    series = np.unique(batch.slot).size
    assert planes(batch, scored, chunk=True) == plain_bytes(pack_chunk(batch, scored))[8 * series :]


def plain_bytes(data: bytes) -> bytes:
    """What lies behind the header, decompressed."""
    return decompress(data[18:])


@settings(max_examples=80, deadline=None, derandomize=True)
@given(rows())
def test_chunk_round_trip(samples: tuple[Batch, Scored]) -> None:
    """A chunk gives back what went in, whole or series by series; an unknown series is not in it."""
    order = np.lexsort((samples[0].time, samples[0].slot))
    batch, scored = samples[0].take(order), samples[1].take(order)
    data = pack_chunk(batch, scored)
    assert bits((batch, scored)) == bits(unpack_rows(data))
    for slot in (*range(0, 121, 12), *np.unique(batch.slot).tolist()):
        mine = batch.slot == slot
        found = unpack_series(data, slot)
        if found is None:
            assert not mine.any()
        else:
            assert bits((batch.take(mine), scored.take(mine))) == bits(found)


@pytest.mark.parametrize("odd", [-np.nan, -0.0, 6.5535, -1e-4, np.inf, 3e38])
def test_scores_off_the_grid_keep_their_bits(odd: float) -> None:
    """A score that two bytes cannot hold, were it only the sign of a NaN, comes back with every bit."""
    score = np.array([0.25, odd, np.nan], np.float32)
    batch, blank = Batch.of([1, 1, 1], [1, 2, 3], [0.0, 1.0, 2.0]), Scored.blank(3)
    scored = Scored(blank.raw, score, score[::-1].copy(), blank.expected, blank.low, blank.high, blank.part)
    assert bits((batch, scored)) == bits(unpack_rows(pack_rows(batch, scored))) == bits(unpack_rows(pack_chunk(batch, scored)))


def test_scores_take_two_bytes() -> None:
    """Scores on the grid are kept as steps of 0.0001: what is packed is smaller than with any one off the grid."""
    tick = tick_of(1, 5000)
    off = Scored(*(getattr(tick.scored, name) for name in Scored.__slots__))
    score = off.score.copy()
    score[0] = 0.12345
    off = Scored(off.raw, score, off.segment, off.expected, off.low, off.high, off.part)
    assert len(pack_rows(tick.batch, tick.scored)) < len(pack_rows(tick.batch, off))


@pytest.mark.parametrize(
    "spoil", [lambda d: d[:10], lambda d: d[:-5], lambda d: b"\x07" + d[1:], lambda d: d[:-40] + b"\x55" + d[-39:]]
)
def test_damage_is_noticed(spoil: object) -> None:
    """A block cut short, of an unknown layout or with a changed byte is StoreCorrupt."""
    tick = tick_of(1)
    with pytest.raises(StoreCorrupt, match="cannot unpack"):
        unpack_rows(spoil(pack_rows(tick.batch, tick.scored)))  # type: ignore[operator]


def test_arrays_refuse_objects() -> None:
    """Checkpoint blocks hold plain arrays of any shape, never Python objects."""
    arrays_in = {"": np.arange(3), "scalar": np.array(2.5), "empty": np.zeros((0, 7), np.float32), "t": np.ones((2, 3)).T}
    again = unpack_arrays(pack_arrays(arrays_in))
    assert {k: (v.dtype, v.shape, v.tolist()) for k, v in arrays_in.items()} == {
        k: (v.dtype, v.shape, v.tolist()) for k, v in again.items()
    }
    with pytest.raises(ValueError, match="Object arrays"):
        pack_arrays({"o": np.array([{}])})


def test_json_is_packed_when_long() -> None:
    """JSON reads back alike whether it was worth packing or not."""
    from dataclasses import replace

    small = incident_of(1)
    large = replace(small, series=small.series * 200)
    assert [small, large] == [unpack_json(pack_json(i), type(i)) for i in (small, large)]
    assert len(pack_json(large)) < 2000


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.dictionaries(st.integers(0, 2**31 - 1), st.floats(), max_size=30))
def test_sent_round_trip(values: dict[int, float]) -> None:
    """What counters sent comes back bit for bit; nothing takes no byte."""
    rows = np.array(sorted(values), np.int32)
    sent = Sent(rows, np.array([values[row] for row in sorted(values)]))
    found = unpack_sent(pack_sent(sent))
    assert values or found is None
    assert found is None or (rows.tobytes(), sent.value.tobytes()) == (found.rows.tobytes(), found.value.tobytes())
    assert None is pack_sent(None)
