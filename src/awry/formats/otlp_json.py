"""OTLP metrics requests in JSON, written anew as protobuf so that one decoder reads both; for the door on HTTP.

Proto3's mapping with OTLP's changes: 64-bit integers as numbers or texts, enums as numbers or names, unknown keys ignored, null as
if absent. Of what is not kept (exemplars, descriptions, schemas) nothing is looked at. Source: opentelemetry.io, "OTLP", JSON.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from awry.core.errors import InvalidInput, TooLarge
from awry.formats.protobuf import double, fixed, message, number, varint, zigzag

MAX_BYTES = 32 * 1024 * 1024
"""Most bytes of a body in JSON: it takes many times that in memory while it is read."""
MAX_OBJECTS = 1_500_000
"""Most objects of a body: an empty one takes two bytes of it, and hundreds of memory while it is read."""
_WORD = (1 << 64) - 1
_URL_SAFE = str.maketrans("-_", "+/")
_TEMPORALITIES: dict[int | str | None, int] = {
    None: 0,
    "AGGREGATION_TEMPORALITY_UNSPECIFIED": 0,
    "AGGREGATION_TEMPORALITY_DELTA": 1,
    "AGGREGATION_TEMPORALITY_CUMULATIVE": 2,
}
_WORDS = {"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf"}
T = TypeVar("T")
Int = int | str | float | None
Double = float | int | str | None


class _Any(msgspec.Struct, rename="camel"):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: Int = None
    double_value: Double = None
    array_value: _Array | None = None
    kvlist_value: _Pairs | None = None
    bytes_value: str | None = None


class _Array(msgspec.Struct):
    values: list[_Any | None] | None = None


class _Pair(msgspec.Struct):
    key: str | None = None
    value: _Any | None = None


class _Pairs(msgspec.Struct):
    values: list[_Pair | None] | None = None


class _Side(msgspec.Struct, rename="camel"):
    offset: Int = None
    bucket_counts: list[int | str | float] | None = None


class _Quantile(msgspec.Struct):
    quantile: Double = None
    value: Double = None


class _Point(msgspec.Struct, rename="camel"):
    """The fields of all kinds of points; a kind looks at its own."""

    attributes: list[_Pair | None] | None = None
    start_time_unix_nano: Int = None
    time_unix_nano: Int = None
    flags: Int = None
    as_double: Double = None
    as_int: Int = None
    count: Int = None
    sum: Double = None
    bucket_counts: list[int | str | float] | None = None
    explicit_bounds: list[float | int | str] | None = None
    scale: Int = None
    zero_count: Int = None
    zero_threshold: Double = None
    positive: _Side | None = None
    negative: _Side | None = None
    quantile_values: list[_Quantile | None] | None = None


class _Data(msgspec.Struct, rename="camel"):
    data_points: list[_Point | None] | None = None
    aggregation_temporality: int | str | None = None
    is_monotonic: bool | None = None


class _Metric(msgspec.Struct, rename="camel"):
    name: str | None = None
    gauge: _Data | None = None
    sum: _Data | None = None
    histogram: _Data | None = None
    exponential_histogram: _Data | None = None
    summary: _Data | None = None


class _Named(msgspec.Struct):
    name: str | None = None


class _Scope(msgspec.Struct):
    scope: _Named | None = None
    metrics: list[_Metric | None] | None = None


class _Attributes(msgspec.Struct):
    attributes: list[_Pair | None] | None = None


class _Resource(msgspec.Struct, rename="camel"):
    resource: _Attributes | None = None
    scope_metrics: list[_Scope | None] | None = None


class _Request(msgspec.Struct, rename="camel"):
    resource_metrics: list[_Resource | None] | None = None


_DECODER = msgspec.json.Decoder(_Request)


def to_protobuf(body: bytes) -> bytes:
    """The same request in protobuf. Raises InvalidInput that says where it is wrong, or TooLarge."""
    if len(body) > MAX_BYTES:
        raise TooLarge(f"cannot take a JSON body of more than {MAX_BYTES} bytes", hint="send smaller requests, or protobuf")
    if body.count(b"{") > MAX_OBJECTS:
        raise TooLarge(f"cannot take a JSON body of more than {MAX_OBJECTS} objects", hint="send smaller requests, or protobuf")
    try:
        request = _DECODER.decode(body)
        return b"".join(message(1, _resource(resource)) for resource in _present(request.resource_metrics))
    except (msgspec.MsgspecError, UnicodeDecodeError, binascii.Error, ValueError, OverflowError, RecursionError) as error:
        text = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
        raise InvalidInput(f"cannot read the body: no OTLP metrics request in JSON: {text}") from error


def _present(items: Iterable[T | None] | None) -> list[T]:
    return [item for item in items or () if item is not None]


def _resource(resource: _Resource) -> bytes:
    attributes = _attributes(1, resource.resource.attributes) if resource.resource else b""
    return message(1, attributes) + b"".join(message(2, _scope(scope)) for scope in _present(resource.scope_metrics))


def _scope(scope: _Scope) -> bytes:
    name = _text(1, scope.scope.name) if scope.scope else b""
    return message(1, name) + b"".join(message(2, _metric(metric)) for metric in _present(scope.metrics))


def _metric(metric: _Metric) -> bytes:
    out = _text(1, metric.name)
    for field, data, point in (
        (5, metric.gauge, _number),
        (7, metric.sum, _number),
        (9, metric.histogram, _histogram),
        (10, metric.exponential_histogram, _exponential),
        (11, metric.summary, _summary),
    ):
        if data is not None:
            inner = b"".join(message(1, point(p)) for p in _present(data.data_points))
            inner += number(2, _temporality(data.aggregation_temporality)) + number(3, bool(data.is_monotonic))
            out += message(field, inner)
    return out


def _temporality(value: int | str | None) -> int:
    return _TEMPORALITIES[value] if value in _TEMPORALITIES else _integer(value)


def _times(point: _Point) -> bytes:
    return fixed(2, _integer(point.start_time_unix_nano, most=_WORD)) + fixed(3, _integer(point.time_unix_nano, most=_WORD))


def _number(point: _Point) -> bytes:
    out = _times(point) + _attributes(7, point.attributes) + number(8, _integer(point.flags))
    if point.as_double is not None:
        out += double(4, _float(point.as_double))
    return out if point.as_int is None else out + fixed(6, _integer(point.as_int))


def _histogram(point: _Point) -> bytes:
    out = _times(point) + _attributes(9, point.attributes) + number(10, _integer(point.flags)) + _count_and_sum(point)
    out += message(6, b"".join(_integer(n, most=_WORD).to_bytes(8, "little") for n in point.bucket_counts or ()))
    return out + message(7, struct.pack(f"<{len(point.explicit_bounds or ())}d", *map(_float, point.explicit_bounds or ())))


def _exponential(point: _Point) -> bytes:
    out = _times(point) + _attributes(1, point.attributes) + number(10, _integer(point.flags)) + _count_and_sum(point)
    out += varint(48) + zigzag(_integer(point.scale)) + fixed(7, _integer(point.zero_count, most=_WORD))
    out += double(14, _float(point.zero_threshold))
    for field, side in ((8, point.positive), (9, point.negative)):
        if side is not None:
            counts = b"".join(varint(_integer(n, most=_WORD)) for n in side.bucket_counts or ())
            out += message(field, varint(8) + zigzag(_integer(side.offset)) + message(2, counts))
    return out


def _summary(point: _Point) -> bytes:
    out = _times(point) + _attributes(7, point.attributes) + number(8, _integer(point.flags)) + _count_and_sum(point)
    values = _present(point.quantile_values)
    return out + b"".join(message(6, double(1, _float(v.quantile)) + double(2, _float(v.value))) for v in values)


def _count_and_sum(point: _Point) -> bytes:
    return fixed(4, _integer(point.count, most=_WORD)) + (b"" if point.sum is None else double(5, _float(point.sum)))


def _attributes(field: int, pairs: list[_Pair | None] | None) -> bytes:
    return b"".join(message(field, _pair(pair)) for pair in _present(pairs))


def _pair(pair: _Pair) -> bytes:
    return _text(1, pair.key) + (b"" if pair.value is None else message(2, _any(pair.value)))


def _any(value: _Any) -> bytes:
    out = b""
    if value.string_value is not None:
        out += message(1, value.string_value.encode())
    if value.bool_value is not None:
        out += varint(16) + varint(value.bool_value)
    if value.int_value is not None:
        out += varint(24) + varint(_integer(value.int_value))
    if value.double_value is not None:
        out += double(4, _float(value.double_value))
    if value.array_value is not None:
        out += message(5, b"".join(message(1, _any(v)) for v in _present(value.array_value.values)))
    if value.kvlist_value is not None:
        out += message(6, b"".join(message(1, _pair(p)) for p in _present(value.kvlist_value.values)))
    if value.bytes_value is not None:
        out += message(7, base64.b64decode(value.bytes_value.translate(_URL_SAFE) + "=="))
    return out


def _text(field: int, text: str | None) -> bytes:
    return message(field, text.encode()) if text else b""


def _integer(value: Int, *, most: int = _WORD >> 1) -> int:
    """A number, or a text of one, without a fraction."""
    if isinstance(value, float):
        if not value.is_integer():
            raise InvalidInput(f"cannot use {value!r}: a whole number is expected")
        value = int(value)
    whole = int(value or 0)
    if not (0 if most == _WORD else -(1 << 63)) <= whole <= most:
        raise InvalidInput(f"cannot use {whole}: it does not fit into 64 bits")
    return whole


def _float(value: Double) -> float:
    return float(_WORDS.get(value, value)) if isinstance(value, str) else float(value or 0)
