"""OTLP in JSON: proto3's mapping with OTLP's changes, unknown keys ignored, and mistakes told."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
from google.protobuf.json_format import MessageToJson, Parse, ParseError
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from awry.core.errors import AwryError, InvalidInput, TooLarge
from awry.formats.otlp_json import to_protobuf

from .otlp_requests import T0
from .test_otlp import BODY, MS, Door, same


def body(metric: dict[str, Any], **resource: Any) -> bytes:
    return json.dumps({"resourceMetrics": [{**resource, "scopeMetrics": [{"metrics": [metric]}]}]}).encode()


def point(**fields: Any) -> dict[str, Any]:
    return {"dataPoints": [{"timeUnixNano": str(T0), **fields}]}


def read(metric: dict[str, Any]) -> list[tuple[str, int, float]]:
    return Door(quantiles=(0.5,)).samples(to_protobuf(body(metric)))


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({"asInt": "-9007199254740993"}, -9007199254740992.0),
        ({"asInt": 5}, 5.0),
        ({"asInt": 5.0}, 5.0),
        ({"asDouble": 1}, 1.0),
        ({"asDouble": "2.5"}, 2.5),
        ({"asDouble": "-Infinity"}, float("-inf")),
        ({"asDouble": 0.25, "asInt": None}, 0.25),
        ({"asDouble": 7, "timeUnixNano": T0}, 7.0),
    ],
)
def test_numbers(fields: dict[str, Any], value: float) -> None:
    """64-bit integers as texts or numbers, doubles as numbers, texts or words; null is as if absent."""
    assert [("g", MS, value)] == read({"name": "g", "gauge": point(**fields)})


@pytest.mark.parametrize("temporality", [2, "AGGREGATION_TEMPORALITY_CUMULATIVE"])
def test_enums_as_numbers_or_names(temporality: int | str) -> None:
    """A name of proto3 means its number."""
    data = {**point(asInt="3"), "aggregationTemporality": temporality, "isMonotonic": True}
    door = Door()
    door.decode(to_protobuf(body({"name": "s", "sum": data})))
    assert {"s": 1} == door.kinds()


def test_unknown_keys_hex_ids_and_nulls() -> None:
    """What nobody knows is ignored; ids of exemplars are hex, not base64; snake case is unknown, as OTLP says."""
    exemplar = {"traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "EEE19B7EC3C1B174", "asDouble": 1}
    data = point(
        asDouble=1, exemplars=[exemplar], as_int=9, new={"x": [1]}, attributes=[None, {"key": "a", "value": {"stringValue": "b"}}]
    )
    assert [('g{a="b"}', MS, 1.0)] == read({"name": "g", "gauge": data, "sum": None, "unit": "s", "unknown": 3})


def test_attribute_values() -> None:
    """Of every kind."""
    values = {
        "s": {"stringValue": "x"}, "b": {"boolValue": False}, "i": {"intValue": "-1"}, "d": {"doubleValue": 0.5},
        "y": {"bytesValue": "AP8="}, "l": {"arrayValue": {"values": [{"intValue": 1}, {}]}},
        "m": {"kvlistValue": {"values": [{"key": "k", "value": {"stringValue": "v"}}]}}, "n": {},
    }  # fmt: skip
    data = point(asInt=1, attributes=[{"key": key, "value": value} for key, value in values.items()])
    ((key, _, _),) = read({"name": "g", "gauge": data})
    assert 'g{b="false",d="0.5",i="-1",l="[1,null]",m="{\\"k\\":\\"v\\"}",s="x",y="AP8="}' == key


def test_distributions() -> None:
    """Histograms, exponential ones and summaries."""
    bounds = {"explicitBounds": [1, 2.0], "bucketCounts": ["0", 4, "0"]}
    got = read(
        {"name": "h", "histogram": {**point(count="4", sum=6, **bounds, startTimeUnixNano=T0 - 10**9), "aggregationTemporality": 1}}
    )
    assert [("h_count", MS, 4.0), ("h_sum", MS, 6.0), ('h{quantile="0.5"}', MS, 1.5)] == got
    sides = {"scale": -1, "positive": {"offset": "-1", "bucketCounts": ["2"]}, "negative": {"bucketCounts": []}, "zeroCount": "0"}
    got = read(
        {
            "name": "e",
            "exponentialHistogram": {**point(count=2, **sides, startTimeUnixNano=T0 - 10**9), "aggregationTemporality": 1},
        }
    )
    assert [("e_count", MS, 2.0), ('e{quantile="0.5"}', MS, 0.5)] == got
    summary = point(count=3, sum=1.5, quantileValues=[{"quantile": 0.5, "value": 0.25}])
    assert [("s_count", MS, 3.0), ("s_sum", MS, 1.5), ('s{quantile="0.5"}', MS, 0.25)] == read({"name": "s", "summary": summary})


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"[]",
        b'{"resourceMetrics": 3}',
        b'{"resourceMetrics": [',
        b'{"a": "\xff"}' + b"{",
        body({"name": "g", "gauge": point(asInt="1.5")}),
        body({"name": "g", "gauge": point(asInt=1.5)}),
        body({"name": "g", "gauge": point(asInt=str(2**63))}),
        body({"name": "g", "gauge": point(asDouble="x")}),
        body({"name": "g", "gauge": point(asInt=1, timeUnixNano="-1")}),
        body({"name": "s", "sum": {**point(asInt=1), "aggregationTemporality": "SOMETIMES"}}),
        body({"name": "g", "gauge": point(asInt=1, attributes=[{"key": "a", "value": {"bytesValue": "é"}}])}),
        b'{"resourceMetrics":[{"resource":{"attributes":[{"key":"a","value":' + b'{"arrayValue":{"values":[' * 5000,
    ],
    ids=lambda bad: bad[-40:].decode(errors="replace"),
)
def test_mistakes_are_told(bad: bytes) -> None:
    """The whole request is refused, with the place."""
    with pytest.raises(InvalidInput, match=r"cannot (read the body|use)"):
        to_protobuf(bad)


def test_large_bodies_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """In JSON the limit is lower: it takes many times its size in memory."""
    monkeypatch.setattr("awry.formats.otlp_json.MAX_BYTES", 10)
    with pytest.raises(TooLarge, match="10 bytes"):
        to_protobuf(b" " * 11)


EVERYTHING = json.loads(MessageToJson(ExportMetricsServiceRequest.FromString(BODY)))
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**64), 2**65), st.floats(), st.text(max_size=5), st.integers(-(2**64), 2**65).map(str),
    st.sampled_from(["NaN", "Infinity", "1e3", "-0", "AP8=", "AGGREGATION_TEMPORALITY_DELTA"]),
    st.sampled_from([[], {}, [None], [[]], {"values": [{}]}]),
)  # fmt: skip


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths to every value within."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [path, *(deeper for key, value in inner for deeper in places(value, (*path, key)))]


@given(st.lists(st.tuples(st.sampled_from(places(EVERYTHING)[1:]), LEAVES), min_size=1, max_size=3))
@settings(max_examples=600, deadline=None, derandomize=True)
def test_changed_values_are_read_as_the_published_classes_read_them_or_told(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    """Values of a request of every kind of point replaced by others: told, or the same samples as Google's reader gives."""
    tree = json.loads(json.dumps(EVERYTHING))
    for path, value in changes:
        with suppress(KeyError, IndexError, TypeError):  # an earlier change took the place away
            at = tree
            for key in path[:-1]:
                at = at[key]
            at[path[-1]] = value
    try:
        ours = to_protobuf(json.dumps(tree).encode())
        got = Door().decode(ours)
    except AwryError:
        return
    assert got.points >= len(set(got.point.tolist())) + Counter(got.refused).total() - 1
    try:
        theirs = Parse(json.dumps(tree), ExportMetricsServiceRequest(), ignore_unknown_fields=True).SerializeToString()
    except ParseError:
        return
    assert same(Door(quantiles=(0.5,)).samples(theirs), Door(quantiles=(0.5,)).samples(ours))
