"""The published protobuf schemas of remote-write 1.0 and 2.0, built at run time; the oracle of the decoder's tests."""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_F = descriptor_pb2.FieldDescriptorProto
_TYPES = {
    "double": _F.TYPE_DOUBLE,
    "int64": _F.TYPE_INT64,
    "uint32": _F.TYPE_UINT32,
    "uint64": _F.TYPE_UINT64,
    "string": _F.TYPE_STRING,
}

_V1 = {
    "Label": [(1, "name", "string"), (2, "value", "string")],
    "Sample": [(1, "value", "double"), (2, "timestamp", "int64")],
    "Exemplar": [(1, "labels", "*Label"), (2, "value", "double"), (3, "timestamp", "int64")],
    "Histogram": [(1, "count_int", "uint64"), (3, "sum", "double"), (15, "timestamp", "int64")],
    "TimeSeries": [
        (1, "labels", "*Label"),
        (2, "samples", "*Sample"),
        (3, "exemplars", "*Exemplar"),
        (4, "histograms", "*Histogram"),
    ],
    "MetricMetadata": [(2, "metric_family_name", "string"), (4, "help", "string"), (5, "unit", "string")],
    "WriteRequest": [(1, "timeseries", "*TimeSeries"), (3, "metadata", "*MetricMetadata")],
}
_V2 = {
    "Sample": [(1, "value", "double"), (2, "timestamp", "int64"), (3, "start_timestamp", "int64")],
    "Exemplar": [(1, "labels_refs", "*uint32"), (2, "value", "double"), (3, "timestamp", "int64")],
    "Histogram": [(1, "count_int", "uint64"), (3, "sum", "double"), (15, "timestamp", "int64")],
    "Metadata": [(1, "type", "uint32"), (3, "help_ref", "uint32"), (4, "unit_ref", "uint32")],
    "TimeSeries": [
        (1, "labels_refs", "*uint32"),
        (2, "samples", "*Sample"),
        (3, "histograms", "*Histogram"),
        (4, "exemplars", "*Exemplar"),
        (5, "metadata", "Metadata"),
        (6, "created_timestamp", "int64"),
    ],
    "Request": [(4, "symbols", "*string"), (5, "timeseries", "*TimeSeries")],
}


def _build(package: str, messages: dict[str, list[tuple[int, str, str]]]) -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for number, field, kind in fields:
            bare = kind.lstrip("*")
            added = message.field.add(name=field, number=number, label=_F.LABEL_REPEATED if kind[0] == "*" else _F.LABEL_OPTIONAL)
            if bare in _TYPES:
                added.type = _TYPES[bare]
            else:
                added.type, added.type_name = _F.TYPE_MESSAGE, f".{package}.{bare}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}")) for name in messages}


V1 = _build("prometheus", _V1)
V2 = _build("io.prometheus.write.v2", _V2)

Series = tuple[dict[str, str], list[tuple[int, float]]]


def request_v1(series: list[Series]) -> bytes:
    """A 1.0 message of (labels, [(Unix ms, value)])."""
    request = V1["WriteRequest"]()
    for labels, samples in series:
        one = request.timeseries.add()
        for name, value in labels.items():
            one.labels.add(name=name, value=value)
        for time, value in samples:
            one.samples.add(value=value, timestamp=time)
    return bytes(request.SerializeToString())


def request_v2(series: list[Series]) -> bytes:
    """A 2.0 message of the same."""
    request, refs = V2["Request"](), {"": 0}
    for labels, samples in series:
        one = request.timeseries.add()
        for pair in labels.items():
            one.labels_refs.extend(refs.setdefault(word, len(refs)) for word in pair)
        for time, value in samples:
            one.samples.add(value=value, timestamp=time)
        one.created_timestamp = 1
        one.metadata.type = 2
    request.symbols.extend(refs)
    return bytes(request.SerializeToString())
