"""The doors that `fuzz` feeds: how bytes reach each decoder, what must hold of its answer, and what it is to start from."""

from __future__ import annotations

import gzip
import json
import pickle
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import cramjam
import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Batch
from awry.core.clock import ManualClock
from awry.core.series_table import SeriesLimits, SeriesTable
from awry.formats import graphite, influx, protobuf
from awry.formats.json_samples import decode_json_lines, decode_json_samples
from awry.formats.otlp import OtlpDecoder
from awry.formats.otlp_json import to_protobuf
from awry.formats.pickle_rows import decode_frames
from awry.formats.remote_write import decode_remote_write, encode_labels
from awry.formats.statsd import MAX_METRICS, StatsdWindow

NOW = 1_700_000_000_000
SLACK = 16
MAX_POINTS = 5_000
"""Low limits, so that inputs of a few KiB reach them."""
Answer = tuple[Batch, int, Mapping[str, int]]
"""Samples, received, refused."""


@dataclass(frozen=True)
class Door:
    """A decoder with what it remembers, over a table of series of its own.

    decode: bytes -> what it made of them. valid: a body of three good samples of three series. seeds: where mutation begins.
    shape: what the bytes are ("lines", "protobuf", "json", "pickle"), for mutation.
    """

    name: str
    shape: str
    seeds: tuple[bytes, ...]
    valid: bytes
    open: Callable[[SeriesTable], Callable[[bytes], Answer]] = field(repr=False)
    words: tuple[bytes, ...] = ()
    gathers: bool = False
    """Whether it answers of a while rather than of one body."""


def table_of(kind: int) -> SeriesTable:
    """A table without limits, or one that is soon full, or one that lets no strange sample begin a series."""
    clock = ManualClock(NOW)
    limits = (SeriesLimits(), SeriesLimits(total=8), SeriesLimits(future_ms=600_000))[kind % 3]
    return SeriesTable(limits, clock)


def padded(body: bytes) -> NDArray[np.uint8]:
    """The bytes with exactly the slack behind them that a decoder may read; 0xFF, which no kernel takes for an end."""
    data = np.full(len(body) + SLACK, 0xFF, np.uint8)
    data[: len(body)] = np.frombuffer(body, np.uint8)
    return data


def _graphite(table: SeriesTable) -> Callable[[bytes], Answer]:
    def decode(body: bytes) -> Answer:
        whole = body + b"\n"
        got = graphite.decode_lines(padded(whole), len(whole), table, NOW)
        return got.batch, got.received, got.refused

    return decode


def _influx(table: SeriesTable) -> Callable[[bytes], Answer]:
    precisions = ("ns", "us", "ms", "s", "m", "h")

    def decode(body: bytes) -> Answer:
        precision = precisions[len(body) % 6] if body.startswith(b"#") else "ns"
        got = influx.decode_influx(body, table, NOW, precision=precision)
        return got.batch, got.received, got.refused

    return decode


def _statsd(table: SeriesTable) -> Callable[[bytes], Answer]:
    window = StatsdWindow(most=min(table.limits.total, MAX_METRICS))

    def decode(body: bytes) -> Answer:
        whole = body + b"\n"
        got, _ = window.gather(padded(whole), len(whole), table, NOW)
        assert (0, got.received) == (len(got.batch), sum(got.refused.values())), "lines that were refused are counted"
        out = window.settle(10.0, 10.0)
        window.forget(10.0)
        refused: Counter[str] = Counter()
        batch = window.batch(out, table, NOW, refused)
        assert len(window) <= window.most, "there are not more metrics than the limit"
        return batch, len(batch) + refused.total(), refused

    return decode


def _pickle(table: SeriesTable) -> Callable[[bytes], Answer]:
    def decode(body: bytes) -> Answer:
        at = end = 0
        while at + 4 <= len(body):  # as the listener cuts: whole frames only
            at += 4 + int.from_bytes(body[at : at + 4])
            end = at if at <= len(body) else end
        got, broken = decode_frames(padded(body[:end]), end, table, NOW)
        assert len(broken) == got.refused.get("malformed_frame", 0), "each broken frame is told"
        return got.batch, got.received, got.refused

    return decode


def _remote_write(version: int) -> Callable[[SeriesTable], Callable[[bytes], Answer]]:
    def opened(table: SeriesTable) -> Callable[[bytes], Answer]:
        def decode(body: bytes) -> Answer:
            packed = body[1:] if body[:1] == b"\xff" else bytes(cramjam.snappy.compress_raw(body))
            got = decode_remote_write(packed, table, version=version, max_bytes=1 << 20, max_samples=MAX_POINTS)
            assert len(got.batch) <= MAX_POINTS, "there are not more samples than the limit"
            return got.batch, got.received, got.refused

        return decode

    return opened


def _otlp(read: Callable[[bytes], bytes]) -> Callable[[SeriesTable], Callable[[bytes], Answer]]:
    def opened(table: SeriesTable) -> Callable[[bytes], Answer]:
        decoder = OtlpDecoder(resource_attributes=("service.name", "host.name", "otel.scope.name"))

        def decode(body: bytes) -> Answer:
            got = decoder.decode(read(body), table, max_points=MAX_POINTS)
            assert got.points <= MAX_POINTS, "there are not more points than the limit"
            assert len(got.point) == len(got.batch), "each sample comes of a point"
            assert sum(got.refused.values()) + len(np.unique(got.point)) <= got.points, "no point is refused and kept"
            if len(body) % 4 == 3:
                decoder.keep(got)
                return Batch.empty(), 0, {}  # what it remembers has changed: asked again, it answers otherwise
            return got.batch, got.received, got.refused

        return decode

    return opened


def _samples(table: SeriesTable) -> Callable[[bytes], Answer]:
    def decode(body: bytes) -> Answer:
        coded = "gzip" if body[:2] == b"\x1f\x8b" else None
        kind = "application/x-ndjson" if body[:1] == b" " else None
        if body[:1] == b"\t":
            got = decode_json_lines(body.split(b"\n"), table)
        else:
            got = decode_json_samples(
                body, table, content_type=kind, content_encoding=coded, max_bytes=1 << 20, max_samples=MAX_POINTS
            )
        refused: dict[str, int] = {}
        for _, reason in got.refused:
            refused[reason] = refused.get(reason, 0) + 1
        return got.batch, got.received, refused

    return decode


def even(body: bytes, filler: bytes) -> bytes:
    """The body with something harmless behind it if the OTLP doors would keep it."""
    return body + filler if len(body) % 4 == 3 else body


def frame(points: object, protocol: int = 2) -> bytes:
    """A frame of Graphite's pickle protocol."""
    packed = pickle.dumps(points, protocol)
    return len(packed).to_bytes(4) + packed


def otlp_body(kinds: tuple[int, ...], points: int, seed: int = 1) -> bytes:
    """A request with metrics of these fields (5 gauge, 7 sum, 9 histogram, 10 exponential, 11 summary)."""
    rng, m, number, fixed, double = random.Random(seed), protobuf.message, protobuf.number, protobuf.fixed, protobuf.double

    def pair(key: bytes, value: bytes) -> bytes:
        return m(1, key) + m(2, value)

    values = (m(1, b"eu"), protobuf.varint(16) + b"\x01", number(3, 7), double(4, 0.5), m(5, m(1, m(1, b"x"))),
              m(6, m(1, pair(b"k", m(1, b"v")))), m(7, b"\x00\xff"))  # fmt: skip
    metrics = b""
    for kind in kinds:
        data = b""
        for i in range(points):
            own = 1 if kind == 10 else 9 if kind == 9 else 7
            point = fixed(2, (NOW - 60_000) * 1_000_000) + fixed(3, (NOW + i) * 1_000_000)
            point += m(own, pair(b"path", m(1, b"/%d" % i))) + m(own, pair(b"more", values[(i + kind) % len(values)]))
            if kind < 9:
                point += double(4, rng.random()) if i % 2 else fixed(6, 12)
            elif kind == 9:
                point += fixed(4, 6) + double(5, 9.0) + m(6, (2).to_bytes(8, "little") * 3) + double(7, 1.0) + double(7, 2.0)
            elif kind == 10:
                point += fixed(4, 6) + double(5, 9.0) + protobuf.varint(48) + protobuf.zigzag(3) + fixed(7, 1) + double(14, 0.1)
                for side in (8, 9):
                    point += m(side, protobuf.varint(8) + protobuf.zigzag(-2) + m(2, b"\x01\x02\x03"))
            else:
                point += fixed(4, 6) + double(5, 9.0) + m(6, double(1, 0.5) + double(2, 3.0))
            data += m(1, point)
        data += number(2, 2 - (kind + points) % 2) + number(3, 1)
        metrics += m(2, m(1, b"metric.%d" % kind) + m(3, b"s") + m(kind, data))
    resource = m(1, m(1, pair(b"service.name", m(1, b"shop"))) + m(1, pair(b"process.pid", number(3, 77))))
    return m(1, resource + m(2, m(1, m(1, b"scope")) + metrics))


def otlp_json_body(points: int) -> bytes:
    """A request of each kind in JSON."""
    at = {"timeUnixNano": str(NOW * 1_000_000), "startTimeUnixNano": 5, "attributes": [{"key": "a", "value": {"intValue": "3"}}]}
    side = {"offset": -3, "bucketCounts": ["1", 2]}
    metrics = [
        {"name": "g", "gauge": {"dataPoints": [at | {"asDouble": 1.5}, at | {"asInt": "4", "flags": 1}] * points}},
        {"name": "s", "sum": {"aggregationTemporality": 2, "isMonotonic": True, "dataPoints": [at | {"asDouble": "NaN"}]}},
        {"name": "h", "histogram": {"aggregationTemporality": "AGGREGATION_TEMPORALITY_DELTA", "dataPoints": [
            at | {"count": "3", "sum": 4.5, "bucketCounts": ["1", "2"], "explicitBounds": [1.0]}]}},
        {"name": "e", "exponentialHistogram": {"aggregationTemporality": 2, "dataPoints": [
            at | {"count": 3, "scale": 2, "zeroCount": 1, "positive": side, "negative": side}]}},
        {"name": "q", "summary": {"dataPoints": [at | {"count": 3, "sum": 2, "quantileValues": [{"quantile": 0.5, "value": 1}]}]}},
    ]  # fmt: skip
    values = [
        {"stringValue": "x"}, {"boolValue": True}, {"doubleValue": 1.5}, {"bytesValue": "AAE="},
        {"arrayValue": {"values": [{"stringValue": "y"}]}}, {"kvlistValue": {"values": [{"key": "k", "value": {}}]}},
    ]  # fmt: skip
    resource = {"attributes": [{"key": f"k{i}", "value": value} for i, value in enumerate(values)]}
    return json.dumps({"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"scope": {}, "metrics": metrics}]}]}).encode()


def write_v1(series: int, samples: int) -> bytes:
    """A remote-write 1.0 request, not compressed."""
    m, body = protobuf.message, b""
    for i in range(series):
        labels = encode_labels([(b"__name__", b"up"), (b"instance", b"host-%d" % i)])
        rows = b"".join(m(2, protobuf.double(1, float(k)) + protobuf.varint(16) + protobuf.varint(NOW + k)) for k in range(samples))
        body += m(1, labels + rows)
    return body


def write_v2(series: int, samples: int) -> bytes:
    """A remote-write 2.0 request, not compressed."""
    m, words, body = protobuf.message, [b"", b"__name__", b"up", b"instance"], b""
    for i in range(series):
        words.append(b"host-%d" % i)
        refs = m(1, bytes((1, 2, 3, len(words) - 1)))
        rows = b"".join(m(2, protobuf.double(1, float(k)) + protobuf.varint(16) + protobuf.varint(NOW + k)) for k in range(samples))
        body += m(5, refs + rows + m(5, protobuf.number(1, 1)))
    return b"".join(m(4, word) for word in words) + body


_LINES = b"a.b.c 1.5 1700000000\na.b;host=x;zone=y -2e-3 1700000001.25\nd nan N\ne inf -1\n 7 8 9\r\n"
_INFLUX = (
    b'cpu,host=a usage=1.5,idle=2i,up=true,name="x y" 1700000000000000000\nm\\ 1,t\\,a=b\\=c value=3u\n# note\nq a=nan,b=-inf\r\n'
)
_STATSD = b"a:1|c|@0.5|#k:v,z\nb:+2:3.5:-4|ms\ng:7|g\ng:-1|g\ns:you|s\n_e{1,1}:a|b\n_sc|x|0\nh:1e3|h|c:abc|T17\nd:2|d\r\n"
_POINTS = [("a.b;k=v", (1_700_000_000, 1.5)), ("a.c", (-1, 2)), ("a.b;k=v", (1.7e9 + 0.5, -3))]
_ROWS = [{"series": 'cpu{host="a"}', "time": NOW, "value": 1.5}, {"series": "b", "time": "2023-11-14T22:13:20Z", "value": None}]
_COLUMNS = {"series": ["a", "b"], "time": [NOW, NOW + 0.5], "value": [1, "2.5"]}
_NUMBERS = (b"1e308", b"1.7976931348623159e308", b"5e-324", b"18446744073709551616", b"-9223372036854775809", b"nan", b"infinity",
            b"0" * 30, b"9" * 30, b"1e99999999999", b".", b"-", b"+.5e", b"253402300800")  # fmt: skip
_TEXTS = (b"\\", b'"', b"\xff\xfe", b"\xed\xa0\x80", b"\x00", b"\r", b"\t", b"#", b"{}", b"~", b" " * 9, b"x" * 300)

_LINE_WORDS: dict[str, tuple[bytes, ...]] = {
    "graphite": (b"N", b"-1", b";a=b", b";", b"=", *_NUMBERS, *_TEXTS),
    "influx": (b",", b"=", b" ", b"\\,", b"\\ ", b"i", b"u", b"t", b"FALSE", b'a="', b",t=u", *_NUMBERS, *_TEXTS),
    "statsd": (b"|c", b"|g", b"|ms", b"|s", b"|@0.1", b"|@", b"|#", b"|#a:b", b":", b"::", b"|", b",", *_NUMBERS, *_TEXTS),
}
_OPCODES = (
    b"(", b"0", b"1", b"I1\n", b"I01\n", b"L9L\n", b"F1e9\n", b"S'a'\n", b"S'\\q'\n", b"V\\ud800\n", b"Vx\n", b"]", b")",
    b"l", b"t", b"a", b"e", b"q\x00", b"h\x00", b"p0\n", b"g0\n", b"\x85", b"\x86", b"\x87", b"\x94",
    b"\x8a\x01\x01", b"\x8b\x01\x00\x00\x00\x01", b"\x95" + b"\x00" * 8, b"N", b"\x88", b"K\x01", b"M\x01\x01",
    b"J\xff\xff\xff\xff", b"G\x7f\xf8" + b"\x00" * 6, b"U\x01x", b"X\x01\x00\x00\x00x", b"c__builtin__\neval\n", b"R", b".",
    b"j\xff\xff\xff\x7f", b"r\xff\xff\xff\xff", b"\x8d" + b"\xff" * 8,
)  # fmt: skip
_JSON_WORDS = (
    b"\\ud800", b"null", b"[" * 600, b"true", b"NaN", b"-Infinity", b'"Infinity"', b'"2023-11-14"', b'"0001-01-01T00:00+23:59"',
    b"9" * 5000, *_NUMBERS,
)  # fmt: skip
_FRAMES = (*(frame(_POINTS, p) for p in range(6)), frame([list(p) for p in _POINTS]), frame(_POINTS * 40, 4))
_JSON = (
    json.dumps({"samples": _ROWS}).encode(), json.dumps(_COLUMNS).encode(), b"\n".join(json.dumps(row).encode() for row in _ROWS),
    b" " + json.dumps(_ROWS[1]).encode(), b"\t" + json.dumps(_ROWS[0]).encode(),
    gzip.compress(json.dumps(_COLUMNS).encode(), mtime=0),
)  # fmt: skip
_OTLP = tuple(otlp_body(kinds, n) for kinds, n in (((5, 7, 9, 10, 11), 2), ((5,), 12), ((9, 10), 3), ((11, 7), 1)))
_GOOD = {
    "graphite": b"x.1 1 1700000000\nx.2 2 1700000000\nx.3 3 1700000000\n",
    "influx": b"x v=1,w=2 1700000000000000000\ny value=3\n",
    "statsd": b"x.1:1|g\nx.2:2|g\nx.3:3|g\n",
    "pickle": frame([(f"x.{i}", (NOW // 1000, float(i))) for i in range(3)]),
    "json": json.dumps({"series": ["x", "y", "z"], "time": [NOW] * 3, "value": [1, 2, 3]}).encode(),
    "otlp": even(otlp_body((5,), 3), b"\x1d1234"),
    "otlp_json": even(otlp_json_body(1), b" "),
}

DOORS: dict[str, Door] = {
    door.name: door
    for door in (
        Door("graphite", "lines", (_LINES,), _GOOD["graphite"], _graphite, _LINE_WORDS["graphite"]),
        Door("influx", "lines", (_INFLUX, b"#" + _INFLUX), _GOOD["influx"], _influx, _LINE_WORDS["influx"]),
        Door("statsd", "lines", (_STATSD,), _GOOD["statsd"], _statsd, _LINE_WORDS["statsd"], gathers=True),
        Door("pickle", "pickle", _FRAMES, _GOOD["pickle"], _pickle, _OPCODES),
        Door("remote_write_1", "protobuf", (write_v1(3, 2), write_v1(1, 40)), write_v1(3, 1), _remote_write(1)),
        Door("remote_write_2", "protobuf", (write_v2(3, 2), write_v2(1, 40)), write_v2(3, 1), _remote_write(2)),
        Door("otlp", "protobuf", _OTLP, _GOOD["otlp"], _otlp(bytes)),
        Door("otlp_json", "json", (otlp_json_body(1), otlp_json_body(3)), _GOOD["otlp_json"], _otlp(to_protobuf), _JSON_WORDS),
        Door("json", "json", _JSON, _GOOD["json"], _samples, _JSON_WORDS),
    )
}
"""By name; the doors of remote-write take what would be inside snappy, or a snappy block behind 0xFF."""
