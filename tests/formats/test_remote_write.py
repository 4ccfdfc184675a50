"""Remote-write 1.0 and 2.0: what protobuf builds comes out as columns; what is broken is refused without its neighbours."""

from __future__ import annotations

import struct
from contextlib import suppress

import cramjam
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from awry.core.errors import AwryError, InvalidInput, TooLarge, UnsupportedMedia
from awry.core.series_table import SeriesLimits, SeriesTable
from awry.formats.remote_write import WriteRequest, decode_remote_write, encode_labels, negotiate, written_headers

from .prometheus_schema import V1, V2, Series, request_v1, request_v2

BUILD = {1: request_v1, 2: request_v2}
STALE = struct.unpack("<d", (0x7FF0000000000002).to_bytes(8, "little"))[0]


def pack(message: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(message))


def decode(message: bytes, version: int, table: SeriesTable | None = None, **limits: int) -> tuple[SeriesTable, WriteRequest]:
    table = SeriesTable() if table is None else table
    return table, decode_remote_write(pack(message), table, version=version, **limits)


def samples(table: SeriesTable, got: WriteRequest) -> list[tuple[str, int, float]]:
    batch = got.batch
    return [(table.keys[s], t, v) for s, t, v in zip(batch.slot.tolist(), batch.time.tolist(), batch.value.tolist(), strict=True)]


GOOD: Series = ({"__name__": "up", "job": "a b"}, [(1000, 1.0), (2000, 0.5)])


@pytest.mark.parametrize("version", [1, 2])
def test_samples_arrive_in_order_and_known_series_are_found_again(version: int) -> None:
    """Two requests of two series give the same slots, in order, with every sample."""
    body = BUILD[version]([GOOD, ({"__name__": "node:load:avg"}, [(1000, -7.25)])])
    table, first = decode(body, version)
    _, again = decode(body, version, table)
    expected = [('up{job="a b"}', 1000, 1.0), ('up{job="a b"}', 2000, 0.5), ("node:load:avg", 1000, -7.25)]
    assert expected == samples(table, first)
    assert expected == samples(table, again)
    assert (3, {}) == (first.received, dict(first.refused))
    assert 2 == len(table)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ({"job": "a"}, "missing_name"),
        ({"__name__": ""}, "missing_name"),
        ({"__name__": "m", "": "x"}, "empty_label"),
        ({"__name__": "m", "big": "x" * 65_536}, "too_long"),
        ({"__name__": "m", "big": "x" * 5_000}, "too_long"),
        ({"__name__": "m", "a=b": "x"}, "bad_key"),
        ({"__name__": "m{}"}, "bad_key"),
        ({"__name__": "m", **{f"l{i:03}": "v" for i in range(70)}}, "too_long"),
    ],
)
def test_a_bad_series_costs_only_itself(version: int, labels: dict[str, str], reason: str) -> None:
    """The neighbours before and after a series with bad labels are kept; its samples are counted under the reason."""
    table, got = decode(BUILD[version]([GOOD, (labels, [(1, 1.0), (2, 2.0)]), GOOD]), version)
    assert {reason: 2} == dict(got.refused)
    assert 6 == got.received
    assert 4 == len(got.batch)
    assert ['up{job="a b"}'] == table.keys


@pytest.mark.parametrize(
    "labels", [[(b"__name__", b"m"), (b"a", b"1"), (b"a", b"2")], [(b"__name__", b"m"), (b"a", b"1"), (b"a", b"1")]]
)
def test_a_label_given_twice_is_refused(labels: list[tuple[bytes, bytes]]) -> None:
    """Whether its values differ or not."""
    blob = encode_labels(labels) + b"\x12\x00"
    body = b"\x0a" + bytes([len(blob)]) + blob + request_v1([GOOD])
    _, got = decode(body, 1)
    assert ({"duplicate_label": 1}, 2) == (dict(got.refused), len(got.batch))


def test_labels_that_are_not_utf8_are_refused() -> None:
    """Bytes that do not decode cost their series only."""
    blob = encode_labels([(b"__name__", b"m"), (b"a", b"\xff\xfe")]) + b"\x12\x00"
    body = b"\x0a" + bytes([len(blob)]) + blob + request_v1([GOOD])
    _, got = decode(body, 1)
    assert ({"not_utf8": 1}, 2) == (dict(got.refused), len(got.batch))


def test_empty_label_values_name_the_same_series() -> None:
    """A label with an empty value is no label, as Prometheus reads it."""
    table, got = decode(request_v1([({"__name__": "m", "a": ""}, [(1, 1.0)]), ({"__name__": "m"}, [(2, 2.0)])]), 1)
    assert [("m", 1, 1.0), ("m", 2, 2.0)] == samples(table, got)


@pytest.mark.parametrize("version", [1, 2])
def test_the_staleness_marker_is_no_observation(version: int) -> None:
    """It becomes NaN and is counted; another NaN becomes NaN too; infinities are passed on for the engine to refuse."""
    _, got = decode(BUILD[version]([({"__name__": "m"}, [(1, STALE), (2, float("nan")), (3, float("inf")), (4, 1e308)])]), version)
    assert [True, True, False, False] == np.isnan(got.batch.value).tolist()
    assert [float("inf"), 1e308] == got.batch.value[2:].tolist()
    assert 1 == got.stale


@pytest.mark.parametrize("version", [1, 2])
def test_times_far_off_do_not_crash(version: int) -> None:
    """1970, before it and the year 9999 are passed on; what lies beyond is refused."""
    times = [0, -1, 253_402_300_799_999, 253_402_300_800_000, 2**63 - 1, -(2**63)]
    _, got = decode(BUILD[version]([({"__name__": "m"}, [(t, 1.0) for t in times])]), version)
    assert times[:3] == got.batch.time.tolist()
    assert {"out_of_range": 3} == dict(got.refused)


def test_the_name_says_which_series_are_counters() -> None:
    """Those of histograms and summaries too; where the name says nothing, it is a gauge."""
    names = ["a_total", "a_count", "a_sum", "a_bucket", "a_created", "a", "total"]
    series: list[Series] = [({"__name__": name, "le": "_total"}, [(1000, 1.0)]) for name in names]
    table, _ = decode(request_v1(series), 1)
    assert [1, 1, 1, 1, 0, 0, 0] == list(table.kinds)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [(0, [1, 1, 0]), (1, [1, 1, 1]), (2, [0, 0, 0]), (3, [1, 1, 0]), (5, [1, 1, 0]), (7, [0, 0, 0]), (99, [1, 1, 0])],
)
def test_metadata_says_it_better(kind: int, expected: list[int]) -> None:
    """A counter is one whatever its name, a gauge is none; the parts of histograms and summaries go by their names."""
    request = V2["Request"]()
    request.ParseFromString(request_v2([({"__name__": name}, [(1000, 1.0)]) for name in ("a_total", "a_count", "a")]))
    for series in request.timeseries:
        series.metadata.type = kind
    table, _ = decode(request.SerializeToString(), 2)
    assert expected == list(table.kinds)


def test_broken_metadata_costs_nothing() -> None:
    """The series is taken, by its name."""
    request = V2["Request"]()
    request.ParseFromString(request_v2([({"__name__": "a_total"}, [(1000, 1.0)])]))
    series = request.timeseries[0].SerializeToString() + b"\x2a\x01\x08"
    del request.timeseries[:]
    body = request.SerializeToString() + b"\x2a" + bytes([len(series)]) + series
    table, got = decode(body, 2)
    assert ([1], 1) == (list(table.kinds), len(got.batch))


@pytest.mark.parametrize(("version", "schema", "root"), [(1, V1, "WriteRequest"), (2, V2, "Request")])
def test_histograms_and_exemplars_are_counted(version: int, schema: dict, root: str) -> None:  # type: ignore[type-arg]
    """Histograms are refused with a reason, exemplars only counted; the samples beside them are kept."""
    request = schema[root].FromString(BUILD[version]([GOOD]))
    request.timeseries[0].histograms.add(count_int=3, timestamp=5)
    request.timeseries[0].exemplars.add(value=1.0)
    _, got = decode(request.SerializeToString(), version)
    assert (1, 1, {"histogram": 1}, 2, 3) == (got.histograms, got.exemplars, dict(got.refused), len(got.batch), got.received)


def test_labels_in_pieces_are_read_whole() -> None:
    """Protobuf lets labels stand on both sides of the samples."""
    one, two = encode_labels([(b"__name__", b"m")]), encode_labels([(b"a", b"1")])
    sample = V1["Sample"](value=2.0, timestamp=3).SerializeToString()
    series = one + b"\x12" + bytes([len(sample)]) + sample + two
    table, got = decode((b"\x0a" + bytes([len(series)]) + series) * 2, 1)
    assert [('m{a="1"}', 3, 2.0)] * 2 == samples(table, got)


def test_unpacked_references_and_symbols_at_the_end_are_read() -> None:
    """Both are legal in 2.0."""
    sample = V2["Sample"](value=2.0, timestamp=3).SerializeToString()
    series = b"\x08\x01\x08\x02\x12" + bytes([len(sample)]) + sample
    body = b"\x2a" + bytes([len(series)]) + series + b"".join(b"\x22" + bytes([len(w)]) + w for w in (b"", b"__name__", b"m"))
    table, got = decode(body, 2)
    assert [("m", 3, 2.0)] == samples(table, got)


@pytest.mark.parametrize("refs", [[1, 2, 3], [1, 99], [1, 2**32 - 1]])
def test_references_to_nowhere_are_refused(refs: list[int]) -> None:
    """An odd number of references, or one beyond the symbols, costs its series only."""
    request = V2["Request"].FromString(request_v2([GOOD]))
    request.timeseries.add(labels_refs=refs).samples.add(value=1.0)
    _, got = decode(request.SerializeToString(), 2)
    assert ({"malformed": 1}, 2) == (dict(got.refused), len(got.batch))


@pytest.mark.parametrize("version", [1, 2])
def test_a_cut_message_is_refused_whole(version: int) -> None:
    """Wherever a message is cut, it is InvalidInput or a shorter message, never anything else."""
    body = BUILD[version]([GOOD, ({"__name__": "m"}, [(1, 1.0)])])
    outcomes = set()
    for stop in range(len(body)):
        try:
            decode(body[:stop], version)
            outcomes.add("read")
        except InvalidInput:
            outcomes.add("refused")
    assert {"read", "refused"} == outcomes


def test_half_a_block_and_a_bomb_are_refused() -> None:
    """The declared size counts before anything is decompressed."""
    body = pack(request_v1([GOOD] * 50))
    with pytest.raises(InvalidInput, match="cannot decompress the body"):
        decode_remote_write(body[: len(body) // 2], SeriesTable(), version=1)
    with pytest.raises(TooLarge, match="declares 4294967295 bytes"):
        decode_remote_write(b"\xff\xff\xff\xff\x0f" + body, SeriesTable(), version=1)
    with pytest.raises(InvalidInput, match="cannot hold"):
        decode_remote_write(b"\xff\xff\xff\x07" + body, SeriesTable(), version=1)
    with pytest.raises(InvalidInput, match="no snappy block"):
        decode_remote_write(b"", SeriesTable(), version=1)
    with pytest.raises(TooLarge, match="3 samples"):
        decode(request_v1([GOOD] * 2), 1, max_samples=3)


def test_very_many_symbols_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty symbol takes two bytes of a body and eight times as many of our memory: they are limited like samples."""
    monkeypatch.setattr("awry.formats.remote_write.MAX_SYMBOLS", 10)
    assert 0 == len(decode(b"\x22\x00" * 10, 2)[1].batch)
    with pytest.raises(TooLarge, match="10 symbols"):
        decode(b"\x22\x00" * 11, 2)


def test_many_tiny_samples_are_all_read() -> None:
    """A sample of value 0 at time 0 takes two bytes."""
    table, got = decode(request_v1([({"__name__": "m"}, [(0, 0.0)] * 5000)]), 1)
    assert [("m", 0, 0.0)] * 5000 == samples(table, got)


def test_a_limit_on_series_keeps_the_known_ones() -> None:
    """New series beyond the limit are refused with a reason; known ones go on."""
    table = SeriesTable(SeriesLimits(total=1))
    _, got = decode(request_v1([GOOD, ({"__name__": "m"}, [(1, 1.0)]), GOOD]), 1, table)
    assert ({"series_limit": 1}, 4) == (dict(got.refused), len(got.batch))


@pytest.mark.parametrize(
    ("kind", "encoding", "version"),
    [
        (None, None, 1),
        ("application/x-protobuf", "snappy", 1),
        ("application/x-protobuf;proto=prometheus.WriteRequest", "snappy", 1),
        ("application/x-protobuf; proto=io.prometheus.write.v2.Request", "Snappy", 2),
        ("application/x-protobuf;proto=io.prometheus.write.v9.Request", "snappy", 0),
        ("application/json", "snappy", 0),
        ("application/x-protobuf", "gzip", 0),
    ],
)
def test_negotiation(kind: str | None, encoding: str | None, version: int) -> None:
    """The headers say which version a request is; anything else is 415."""
    if version:
        assert version == negotiate(kind, encoding)
    else:
        with pytest.raises(UnsupportedMedia):
            negotiate(kind, encoding)


def test_written_headers() -> None:
    """2.0 answers say what was written."""
    assert "3" == written_headers(3)["X-Prometheus-Remote-Write-Samples-Written"]


LABELS = st.dictionaries(st.text("abcé_", min_size=1, max_size=6), st.text(min_size=1, max_size=8), max_size=4)
MANY = st.lists(
    st.tuples(
        LABELS.map(lambda d: {"__name__": "m", **d}),
        st.lists(st.tuples(st.integers(-(10**12), 10**13), st.floats(allow_nan=False)), max_size=4),
    ),
    max_size=6,
)


@given(MANY)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_versions_agree(series: list[Series]) -> None:
    """Any series give the same samples through 1.0 and 2.0, bit for bit, and none is lost."""
    got = [samples(*decode(BUILD[version](series), version)) for version in (1, 2)]
    assert got[0] == got[1]
    assert [v for _, rows in series for v in rows] == [(t, v) for _, t, v in got[0]]


@given(st.binary(max_size=300), st.sampled_from([1, 2]))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_random_bytes_raise_nothing_unexpected(body: bytes, version: int) -> None:
    """As a compressed body and as a message."""
    for sent in (body, pack(body)):
        with suppress(AwryError):
            decode_remote_write(sent, SeriesTable(), version=version)


@given(st.integers(0, 10_000), st.integers(0, 255), st.sampled_from([1, 2]))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_a_changed_byte_raises_nothing_unexpected(at: int, byte: int, version: int) -> None:
    """Any one byte of a good message may change."""
    body = bytearray(BUILD[version]([GOOD, ({"__name__": "m", "x": "y" * 200}, [(1, 1.0)])]))
    body[at % len(body)] = byte
    with suppress(AwryError):
        decode(bytes(body), version)
