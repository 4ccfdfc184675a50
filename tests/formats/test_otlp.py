"""OTLP metrics: what the published classes build comes out as columns; what is broken is refused without its neighbours."""

from __future__ import annotations

import math
from collections import Counter
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from google.protobuf.json_format import MessageToJson
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from awry.core.errors import AwryError, InvalidInput, TooLarge
from awry.core.kind import COUNTER, GAUGE
from awry.core.series_table import SeriesLimits, SeriesTable
from awry.formats.otlp import OtlpDecoder, OtlpRequest
from awry.formats.otlp_json import to_protobuf
from awry.formats.otlp_settings import RESOURCE_ATTRIBUTES

from .otlp_requests import CUMULATIVE, DELTA, SECOND, T0, Sample, attributes, expected_numbers, fill, point, request


class Door:
    """A decoder with its table."""

    def __init__(self, limits: SeriesLimits | None = None, **options: Any) -> None:
        self.table, self.decoder = SeriesTable(limits), OtlpDecoder(**options)

    def decode(self, made: Any, **limits: int) -> OtlpRequest:
        body = made if isinstance(made, bytes) else made.SerializeToString()
        got = self.decoder.decode(body, self.table, **limits)
        self.decoder.keep(got)
        return got

    def samples(self, made: Any) -> list[Sample]:
        batch = self.decode(made).batch
        columns = (batch.slot.tolist(), batch.time.tolist(), batch.value.tolist())
        return [(self.table.keys[s], t, v) for s, t, v in zip(*columns, strict=True)]

    def kinds(self) -> dict[str, int]:
        return dict(zip(self.table.keys, self.table.kinds, strict=True))


def gauge(name: str, value: float, labels: dict[str, Any] | None = None, time: int = T0, **resource: Any) -> Any:
    made, scope = request(resource)
    point(scope.metrics.add(name=name).gauge, time, labels, as_double=value)
    return made


MS = T0 // 1_000_000


def test_numbers_of_every_kind() -> None:
    """Gauges and falling sums are gauges, rising ones counters, deltas rates, of integers and doubles alike."""
    made, scope = request({"service.name": "shop", "process.pid": 7})
    point(scope.metrics.add(name="temp").gauge, labels={"room": "a"}, as_double=-1.5)
    total = scope.metrics.add(name="requests", unit="1", description="d").sum
    total.aggregation_temporality, total.is_monotonic = CUMULATIVE, True
    point(total, as_int=-(2**62))
    queue = scope.metrics.add(name="queue").sum
    queue.aggregation_temporality = CUMULATIVE
    point(queue, as_int=3)
    bytes_in = scope.metrics.add(name="bytes_total").sum
    bytes_in.aggregation_temporality, bytes_in.is_monotonic = DELTA, True
    point(bytes_in, as_int=50, start_time_unix_nano=T0 - 10 * SECOND)
    door = Door()
    shop = 'service.name="shop"'
    expected = [
        (f'temp{{room="a",{shop}}}', MS, -1.5),
        (f"requests{{{shop}}}", MS, -(2.0**62)),
        (f"queue{{{shop}}}", MS, 3.0),
        (f"bytes_total{{{shop}}}", MS, 5.0),
    ]
    assert expected == door.samples(made)
    assert expected == door.samples(made)
    assert [GAUGE, COUNTER, GAUGE, GAUGE] == list(door.kinds().values())


def test_a_delta_without_a_start_counts_from_the_last_point() -> None:
    """Its first point says nothing of a rate; a request that never got into the queue may be sent again."""
    door = Door()

    def delta(seconds: int) -> Any:
        made, scope = request()
        data = scope.metrics.add(name="d").sum
        data.aggregation_temporality = DELTA
        point(data, T0 + seconds * SECOND, as_int=20)
        return made

    assert math.isnan(door.samples(delta(0))[0][2])
    for _ in range(2):
        lost = door.decoder.decode(delta(10).SerializeToString(), door.table)
        assert [2.0] == lost.batch.value.tolist()
    assert [2.0, 1.0] == [door.samples(delta(10))[0][2], door.samples(delta(30))[0][2]]


def test_nothing_recorded_is_no_observation() -> None:
    """The flag makes NaN whatever value stands beside it; NaN stays; a point with neither value nor flag is refused."""
    made, scope = request()
    data = scope.metrics.add(name="g").gauge
    point(data, T0, flags=1)
    point(data, T0 + SECOND, flags=1, as_double=3.0)
    point(data, T0 + 2 * SECOND, as_double=math.nan)
    point(data, T0 + 3 * SECOND)
    point(data, T0 + 4 * SECOND, as_double=math.inf)
    got = Door().decode(made)
    assert [True, True, True, False] == np.isnan(got.batch.value).tolist()
    assert (5, {"no_value": 1}, [0, 1, 2, 4]) == (got.points, dict(got.refused), got.point.tolist())


def test_which_resource_attributes_are_kept() -> None:
    """Those listed; all of them with "*"; the scope's name when it is listed; what a point says of itself wins."""
    made, scope = request({"service.name": "shop", "host.name": "h", "os.type": "linux"}, scope="lib")
    point(scope.metrics.add(name="g").gauge, labels={"host.name": "other"}, as_double=1.0)
    for listed, labels in (
        ((), 'host.name="other"'),
        (("os.type",), 'host.name="other",os.type="linux"'),
        (("*",), 'host.name="other",os.type="linux",service.name="shop"'),
        (("otel.scope.name",), 'host.name="other",otel.scope.name="lib"'),
        (RESOURCE_ATTRIBUTES, 'host.name="other",service.name="shop"'),
    ):
        assert [f"g{{{labels}}}"] == [key for key, _, _ in Door(resource_attributes=listed).samples(made)]


def test_values_and_names_become_text() -> None:
    """Every kind of attribute value has a text; what a key does not allow becomes an underscore; nothing is no label."""
    labels = {
        "s": "é",
        "b": True,
        "i": -(2**63),
        "d": 0.5,
        "y": b"\x00\xff",
        "l": [1, "a", [None]],
        "m": {"k": False},
        "n": None,
        "e": "",
    }
    made = gauge('a b{"c"}', 1.0, {"x y=z": "1", **labels})
    key = (
        'a_b__c__{b="true",d="0.5",i="-9223372036854775808",l="[1,\\"a\\",[null]]",m="{\\"k\\":false}",'
        's="é",x_y_z="1",y="AP8="}'
    )  # fmt: skip
    assert [(key, MS, 1.0)] == Door().samples(made)


def bad_series() -> list[tuple[Any, str]]:
    deep: Any = "x"
    for _ in range(9):
        deep = [deep]
    twice = gauge("g", 1.0, {"a": "1"})
    attributes(twice.resource_metrics[0].scope_metrics[0].metrics[0].gauge.data_points[0].attributes, {"a": "2"})
    unspecified, scope = request()
    point(scope.metrics.add(name="s").sum, as_int=1)
    return [
        (gauge("", 1.0), "missing_name"),
        (gauge("g", 1.0, {"": "x"}), "empty_label"),
        (gauge("g", 1.0, {f"l{i}": "x" for i in range(65)}), "too_long"),
        (gauge("g", 1.0, {"l": "x" * 9000}), "too_long"),
        (gauge("g", 1.0, {"l": "x" * 4090}), "bad_key"),
        (gauge("g", 1.0, {"l": deep}), "too_deep"),
        (gauge("g", 1.0, time=2**63), "out_of_range"),
        (twice, "duplicate_label"),
        (unspecified, "no_temporality"),
    ]


@pytest.mark.parametrize(("bad", "reason"), bad_series(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_bad_series_costs_only_itself(bad: Any, reason: str) -> None:
    """Its neighbours before and after are kept, and it is counted."""
    good = gauge("good", 1.0)
    made = ExportMetricsServiceRequest()
    for one in (good, bad, good):
        made.MergeFrom(one)
    door = Door()
    got = door.decode(made)
    assert ({reason: 1}, 3, [0, 2]) == (dict(got.refused), got.points, got.point.tolist())
    assert ["good"] == door.table.keys


def test_text_that_is_not_utf8_costs_only_its_series() -> None:
    """Names and values alike."""
    body = gauge("g", 1.0, {"aa": "bb"}).SerializeToString()
    for old, new in ((b"aa", b"\xff\xff"), (b"bb", b"\xc3\x28")):
        got = Door().decode(gauge("good", 1.0).SerializeToString() + body.replace(old, new))
        assert ({"not_utf8": 1}, 1) == (dict(got.refused), len(got.batch))


def test_limits() -> None:
    """On points the whole request is refused, on series only what is new."""
    made, scope = request()
    for i in range(5):
        point(scope.metrics.add(name=f"g{i}").gauge, as_double=1.0)
    with pytest.raises(TooLarge, match="4 data points"):
        Door().decode(made, max_points=4)
    got = Door(SeriesLimits(total=2)).decode(made)
    assert ({"series_limit": 3}, 2) == (dict(got.refused), len(got.batch))


def test_very_many_small_points_and_new_series() -> None:
    """More than the usual room holds, more keys than fit into the buffer at once."""
    made, scope = request()
    data = scope.metrics.add(name="g").gauge
    for i in range(20_000):
        data.data_points.add(as_double=float(i), time_unix_nano=T0 + i * SECOND)
    wide = scope.metrics.add(name="w").gauge
    for i in range(1500):
        point(wide, labels={"big": f"{i:01000d}"}, as_int=i)
    door = Door()
    for _ in range(2):
        got = door.decode(made)
        assert (21_500, 1501, {}) == (len(got.batch), len(door.table), dict(got.refused))
        assert list(range(20_000)) == got.batch.value[:20_000].tolist()
        assert list(range(1500)) == got.batch.value[20_000:].tolist()


def test_a_deleted_series_begins_anew() -> None:
    """Its raw key means nothing after the table forgot it, for numbers and histograms alike."""
    made = gauge("g", 1.0)
    histogram = made.resource_metrics[0].scope_metrics[0].metrics.add(name="h").histogram
    histogram.aggregation_temporality = CUMULATIVE
    point(histogram, count=1, sum=1.0)
    door = Door()
    door.decode(made)
    before = len(door.table)
    door.table.forget(range(before))
    assert ["g", "h_count", "h_sum"] == [key for key, _, _ in door.samples(made)]
    assert before == door.table.live


def test_a_cut_message_is_refused_whole() -> None:
    """Wherever a message is cut, it is InvalidInput or a shorter message, never anything else."""
    made = gauge("g", 1.0, {"a": "b"}, **{"service.name": "s"})
    point(made.resource_metrics[0].scope_metrics[0].metrics.add(name="h").summary, count=3, sum=2.0, labels={"x": [1]})
    body, outcomes = made.SerializeToString(), set()
    for stop in range(len(body)):
        try:
            Door().decode(body[:stop])
            outcomes.add(stop)
        except InvalidInput as error:
            assert "no OTLP metrics request at byte" in error.message  # noqa: PT017
    assert {0} == outcomes


def test_fields_in_any_order_and_in_pieces() -> None:
    """Protobuf lets a name stand behind the points, a resource behind the metrics, and one message in two fields."""

    def field(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2, len(content)]) + content

    def times(value: int) -> bytes:
        return b"\x19" + T0.to_bytes(8, "little") + b"\x31" + value.to_bytes(8, "little")

    attribute = field(7, field(1, b"a") + field(2, field(1, b"b")))
    total = field(7, field(1, times(1) + attribute)) + field(5, field(1, times(9))) + field(7, field(1, attribute + times(2)))
    metric = total + field(7, b"\x18\x01") + field(7, b"\x10\x02") + field(1, b"late") + b"\xa0\x06\x01"
    resource = field(1, field(1, field(1, b"host.name") + field(2, field(1, b"h"))))
    body = field(1, field(2, field(2, metric)) + resource)
    door = Door()
    assert expected_numbers(ExportMetricsServiceRequest.FromString(body), RESOURCE_ATTRIBUTES) == door.samples(body)
    assert {'late{a="b",host.name="h"}': COUNTER} == door.kinds()


NAMES = st.text("abc._é/", min_size=1, max_size=5)
LEAVES = st.one_of(
    st.text(max_size=4), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.binary(max_size=4)
)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=2), max_leaves=5)
LABELS = st.dictionaries(NAMES | st.sampled_from(RESOURCE_ATTRIBUTES), VALUES, max_size=4)
NUMBERS = st.one_of(
    st.floats(allow_nan=False).map(lambda v: {"as_double": v}), st.integers(-(2**63), 2**63 - 1).map(lambda v: {"as_int": v})
)
POINTS = st.lists(st.tuples(st.integers(2, 2**62), LABELS, NUMBERS, st.integers(0, 1)), max_size=3)


@st.composite
def requests(draw: Any) -> Any:
    """Requests of gauges and sums with all there may be around them."""
    made = ExportMetricsServiceRequest()
    for _ in range(draw(st.integers(0, 2))):
        resource = made.resource_metrics.add(schema_url="u")
        attributes(resource.resource.attributes, draw(LABELS))
        for _ in range(draw(st.integers(0, 2))):
            scope = resource.scope_metrics.add()
            scope.scope.name = draw(st.sampled_from(["", "lib"]))
            for _ in range(draw(st.integers(0, 3))):
                metric = scope.metrics.add(name=draw(NAMES), unit="s", description="d")
                data = draw(st.sampled_from([metric.gauge, metric.sum]))
                data.SetInParent()
                if data is metric.sum:
                    metric.sum.aggregation_temporality = draw(st.sampled_from([DELTA, CUMULATIVE]))
                    metric.sum.is_monotonic = draw(st.booleans())
                for time, labels, number, flags in draw(POINTS):
                    one = point(data, time, labels, start_time_unix_nano=time // 2, flags=flags, **number)
                    exemplar = one.exemplars.add(as_double=1.0, time_unix_nano=5, span_id=b"12345678")
                    fill(exemplar.filtered_attributes.add(key="x").value, "y")
    return made


def same(one: list[Sample], two: list[Sample]) -> bool:
    """Equal, NaN being equal to NaN."""
    return len(one) == len(two) and all(
        a[:2] == b[:2] and (a[2] == b[2] or (a[2] != a[2] and b[2] != b[2])) for a, b in zip(one, two, strict=True)
    )


@given(requests())
@settings(max_examples=100, deadline=None, derandomize=True)
def test_every_request_is_read_as_the_published_classes_read_it(made: Any) -> None:
    """Keys, times and values of protobuf bodies, seen for the first time and known, and of the same request in JSON."""
    expected = expected_numbers(made, RESOURCE_ATTRIBUTES)
    door = Door()
    for body in (made.SerializeToString(), made.SerializeToString(), to_protobuf(MessageToJson(made).encode())):
        got = door.samples(body)
        assert same(expected, got), (expected, got)


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_random_bytes_raise_nothing_unexpected(body: bytes) -> None:
    """As protobuf and as JSON."""
    with suppress(AwryError):
        Door().decode(body)
    with suppress(AwryError):
        Door().decode(to_protobuf(body))


def everything() -> bytes:
    """A request with every kind of point."""
    made = gauge("g", 1.0, {"a": [1, {"b": "c"}]}, **{"service.name": "s"})
    metrics = made.resource_metrics[0].scope_metrics[0].metrics
    for name in ("histogram", "exponential_histogram"):
        data = getattr(metrics.add(name=name), name)
        data.aggregation_temporality = CUMULATIVE
        for i in (1, 2):
            one = point(data, T0 + i * SECOND, {"k": "v"}, count=3 * i, sum=4.0 * i, start_time_unix_nano=T0)
            if name == "histogram":
                one.bucket_counts.extend([i, 2 * i])
                one.explicit_bounds.append(1.5)
            else:
                one.scale, one.zero_count = 2, i
                one.positive.offset, one.negative.offset = -3, 4
                one.positive.bucket_counts.extend([i, 300 * i])
                one.negative.bucket_counts.append(i)
    quantile = point(metrics.add(name="summary").summary, count=3, sum=2.0).quantile_values.add()
    quantile.quantile, quantile.value = 0.5, 1.0
    body: bytes = made.SerializeToString()
    return body


BODY = everything()


@given(st.integers(0, len(BODY) - 1), st.integers(0, 255))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_a_changed_byte_raises_nothing_unexpected(at: int, byte: int) -> None:
    """Any one byte of a good message may change; counts of what came and what was refused still add up."""
    body = bytearray(BODY)
    body[at] = byte
    with suppress(AwryError):
        got = Door().decode(bytes(body))
        assert got.points >= len(set(got.point.tolist())) + Counter(got.refused).total() - 1
        assert got.batch.slot.size == got.point.size
