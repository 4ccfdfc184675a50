"""OTLP requests built with the published classes, and what they must become by an obvious walk; the decoder's oracle."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from awry.core.series_key import format_key

SECOND = 1_000_000_000
T0 = 1_700_000_000 * SECOND
Request = Any
Sample = tuple[str, int, float]
CUMULATIVE, DELTA = 2, 1


def request(resource: dict[str, Any] | None = None, scope: str = "") -> tuple[Request, Any]:
    """A request of one resource and scope, and the ScopeMetrics to add to."""
    made = ExportMetricsServiceRequest()
    one = made.resource_metrics.add()
    attributes(one.resource.attributes, resource or {})
    inside = one.scope_metrics.add()
    inside.scope.name = scope
    return made, inside


def attributes(into: Any, pairs: dict[str, Any]) -> None:
    """Add attributes; the values are what Python has for them."""
    for key, value in pairs.items():
        pair = into.add()
        pair.key = key
        fill(pair.value, value)


def fill(into: Any, value: Any) -> None:
    """Set an AnyValue."""
    match value:
        case bool():
            into.bool_value = value
        case str():
            into.string_value = value
        case int():
            into.int_value = value
        case float():
            into.double_value = value
        case bytes():
            into.bytes_value = value
        case list():
            into.array_value.SetInParent()
            for one in value:
                fill(into.array_value.values.add(), one)
        case dict():
            into.kvlist_value.SetInParent()
            attributes(into.kvlist_value.values, value)


def point(into: Any, time: int = T0, labels: dict[str, Any] | None = None, **fields: Any) -> Any:
    """Add a data point."""
    made = into.data_points.add(time_unix_nano=time, **fields)
    attributes(made.attributes, labels or {})
    return made


def any_value(value: Any) -> Any:
    """An AnyValue as JSON has it."""
    match value.WhichOneof("value"):
        case None:
            return None
        case "array_value":
            return [any_value(one) for one in value.array_value.values]
        case "kvlist_value":
            return {pair.key: any_value(pair.value) for pair in value.kvlist_value.values}
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        case kind:
            return getattr(value, kind)


def labels_of(pairs: Any) -> dict[str, str]:
    """Labels of attributes."""
    found = {}
    for pair in pairs:
        value = any_value(pair.value)
        text = (
            value
            if isinstance(value, str)
            else ""
            if value is None
            else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        )
        found[pair.key] = text
    return found


def expected_numbers(made: Request, kept: tuple[str, ...]) -> list[Sample]:
    """Samples of gauges and sums, in order, for requests whose names need no change and whose points all have a value."""
    rows = []
    for resource in made.resource_metrics:
        shared = {k: v for k, v in labels_of(resource.resource.attributes).items() if k in kept}
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                kind = metric.WhichOneof("data")
                if kind not in ("gauge", "sum"):
                    continue
                delta = kind == "sum" and metric.sum.aggregation_temporality == DELTA
                for one in getattr(metric, kind).data_points:
                    value = float(getattr(one, one.WhichOneof("value"))) if not one.flags & 1 else math.nan
                    if delta:
                        value /= (one.time_unix_nano - one.start_time_unix_nano) / 1e9
                    key = format_key(metric.name, shared | labels_of(one.attributes))
                    rows.append((key, one.time_unix_nano // 1_000_000, value))
    return rows
