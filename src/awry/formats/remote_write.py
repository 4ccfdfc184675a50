"""Bodies of Prometheus remote-write 1.0 and 2.0 to columns; for `POST /api/v1/write`.

A series whose labels cannot be kept costs only itself; a body that is no snappy block or no protobuf is refused whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Batch
from awry.core.errors import InvalidInput, InvalidSelector, TooLarge, UnsupportedMedia
from awry.core.kind import counts
from awry.core.series_key import MAX_KEY_BYTES, MAX_LABELS, format_key
from awry.core.series_table import SeriesTable
from awry.core.tick import REASONS
from awry.formats import protobuf_walk as wire
from awry.formats.decoded import intern
from awry.formats.protobuf import message
from awry.formats.snappy import decompress

PROTOCOL = "remote_write"
MAX_BYTES = 32 * 1024 * 1024
"""Most decompressed bytes of a request, unless told otherwise."""
MAX_SAMPLES = 1_000_000
"""Most samples of a request."""
MAX_SYMBOLS = 4 * MAX_SAMPLES
"""Most symbols of a 2.0 request: their places take 16 bytes each, and an empty symbol only two of the body."""
_PROTO_V1, _PROTO_V2 = "prometheus.WriteRequest", "io.prometheus.write.v2.Request"
_USUAL_SAMPLE_BYTES = 16
"""A sample rarely takes less; where many do, the body is walked again with more room."""
_TYPES = {1: True, 2: False, 4: False, 6: False, 7: False}
"""Metadata's type -> whether that is a counter: counter, gauge, gauge histogram, info, state set; the rest have several parts."""
_REFUSALS = {wire.TOO_LONG: "too_long", wire.MALFORMED: "malformed"}


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """Samples of one request; staleness markers are rows whose value is NaN.

    received: samples and histograms seen. refused: reason -> how many. stale: staleness markers among the rows. histograms,
    exemplars: how many came; none of them is kept (histograms are counted as refused, exemplars are ignored).
    """

    batch: Batch
    received: int
    refused: Mapping[str, int] = field(default_factory=dict)
    stale: int = 0
    histograms: int = 0
    exemplars: int = 0


def negotiate(content_type: str | None, content_encoding: str | None) -> int:
    """Version (1 or 2) that the request's headers announce. Raises UnsupportedMedia (HTTP 415)."""
    kind, *parameters = [part.strip() for part in (content_type or "application/x-protobuf").split(";")]
    encoding = (content_encoding or "snappy").strip().lower()
    if encoding != "snappy":
        raise UnsupportedMedia(f"cannot read the content encoding {encoding[:80]!r}", hint="send Content-Encoding: snappy")
    proto = _PROTO_V1
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "proto":
            proto = value.strip().strip('"')
    if kind.lower() == "application/x-protobuf" and proto in (_PROTO_V1, _PROTO_V2):
        return 1 if proto == _PROTO_V1 else 2
    raise UnsupportedMedia(
        f"cannot read the content type {(content_type or '')[:120]!r}",
        hint=f"send application/x-protobuf;proto={_PROTO_V1} or ;proto={_PROTO_V2}",
    )


def written_headers(samples: int) -> dict[str, str]:
    """The response headers of 2.0: how many samples were stored; histograms and exemplars never are."""
    prefix = "X-Prometheus-Remote-Write"
    return {f"{prefix}-Samples-Written": str(samples), f"{prefix}-Histograms-Written": "0", f"{prefix}-Exemplars-Written": "0"}


def decode_remote_write(
    body: bytes, table: SeriesTable, *, version: int, max_bytes: int = MAX_BYTES, max_samples: int = MAX_SAMPLES
) -> WriteRequest:
    """Decode a compressed request of version 1 or 2; new series are added to `table`.

    Raises TooLarge over a limit and InvalidInput when the body does not parse; nothing of it is to be stored then.
    """
    data = np.frombuffer(decompress(body, max_bytes), np.uint8)
    end = len(data)
    places = _symbols(data, end) if version == 2 else np.empty((0, 2), np.int64)
    room = min(end // _USUAL_SAMPLE_BYTES + 64, max_samples)
    rows = -1
    while rows < 0:
        slot, owner = np.empty(room, np.int32), np.empty(room, np.int32)
        time, bits, first = np.empty(room, np.int64), np.empty(room, np.uint64), np.empty(room, np.int64)
        span, counts = np.empty((room, 2), np.int64), np.zeros(4, np.int64)
        arrays = table.index(PROTOCOL).arrays
        rows, series, broken = wire.walk(
            data, end, version, places, *arrays, slot, time, bits, owner, span, first, counts
        )  # fmt: skip
        if rows < 0 and room == max_samples:
            raise TooLarge(f"cannot take more than {max_samples} samples in one request", hint="send smaller requests")
        room = min(end // 2 + 1, max_samples)
    if broken >= 0:
        raise InvalidInput(f"cannot read the body: no remote-write {version}.0 message at byte {broken} of {end}")
    histograms, exemplars, stale, out_of_range = counts.tolist()
    refused: Counter[str] = Counter({r: n for r, n in (("histogram", histograms), ("out_of_range", out_of_range)) if n})
    slot = slot[:rows].copy()
    batch = Batch(slot, time[:rows].copy(), bits[:rows].copy().view(np.float64))
    unknown = np.flatnonzero(slot[first[:series]] < 0)
    if len(unknown):
        answers = np.zeros(series, np.int32)
        codes = table.inadmissible(batch.time, batch.value)
        bounds = np.append(first[:series], rows)
        answers[unknown] = _resolve(data, table, version, places, unknown, slot[first[unknown]], span, refused, bounds, codes)
        mask = slot < 0
        slot[mask] = answers[owner[:rows][mask]]
        if slot.size and slot.min() < 0:
            batch = batch.take(slot >= 0)
    return WriteRequest(batch, rows + histograms + out_of_range, refused, stale, histograms, exemplars)


def _symbols(data: NDArray[np.uint8], end: int) -> NDArray[np.int64]:
    places = np.empty((min(end // 2 + 1, 65_536), 2), np.int64)
    count, broken = wire.symbols(data, end, places)
    if count > MAX_SYMBOLS:
        raise TooLarge(f"cannot take more than {MAX_SYMBOLS} symbols in one request", hint="send smaller requests")
    if broken < 0 and count > len(places):
        places = np.empty((count, 2), np.int64)
        wire.symbols(data, end, places)
    if broken >= 0:
        raise InvalidInput(f"cannot read the body: no remote-write 2.0 message at byte {broken} of {end}")
    return places[:count]


def _resolve(
    data: NDArray[np.uint8], table: SeriesTable, version: int, places: NDArray[np.int64], unknown: NDArray[np.intp],
    states: NDArray[np.int32], span: NDArray[np.int64], refused: Counter[str], bounds: NDArray[np.int64], codes: NDArray[np.uint8],
) -> list[int]:  # fmt: skip
    """A slot for each series never seen, or -1 with its samples counted under a reason.

    bounds: (series + 1,) rows of series i are [bounds[i], bounds[i + 1]). codes: (rows,) why no series may begin with a row, or 0.
    """
    slots: list[int] = []
    seen: dict[bytes, int | str] = {}
    for number, state in zip(unknown.tolist(), states.tolist(), strict=True):
        answer: int | str
        of_rows = codes[bounds[number] : bounds[number + 1]]
        if state in _REFUSALS:
            answer = _REFUSALS[state]
        elif of_rows.all():
            refused.update(REASONS[code] for code in of_rows.tolist())
            slots.append(-1)
            continue
        else:
            raw = whole = data[span[number, 0] : span[number, 1]].tobytes()
            pairs = _pairs_v1(raw) if version == 1 else _pairs_v2(raw, data, places)
            raw = raw if state == wire.UNKNOWN and version == 1 else encode_labels(pairs)
            known = seen.get(raw)
            told = _told(whole) if version == 2 else None
            answer = seen[raw] = _admit(table, raw, pairs, told) if known is None else known
        if isinstance(answer, str):
            refused[answer] += len(of_rows)
            answer = -1
        slots.append(answer)
    return slots


def _admit(table: SeriesTable, raw: bytes, pairs: list[tuple[bytes, bytes]], told: bool | None) -> int | str:
    """Slot of labels seen for the first time, or why they are refused. told: what the request's metadata says of their kind."""
    if len(raw) > wire.MAX_RAW_BYTES or len(pairs) > MAX_LABELS or sum(len(v) for _, v in pairs) > MAX_KEY_BYTES:
        return "too_long"
    try:
        text = [(name.decode(), value.decode()) for name, value in pairs]
    except UnicodeDecodeError:
        return "not_utf8"
    labels = dict(text)
    if len(labels) < len(text):
        return "duplicate_label"
    if "" in labels:
        return "empty_label"
    name = labels.pop("__name__", "")
    if not name:
        return "missing_name"
    try:
        key = format_key(name, labels)
    except InvalidSelector:
        return "bad_key"
    counter = True if told is None and counts(name) else told
    slot = intern(table, PROTOCOL, raw, key, counter)
    return slot if slot >= 0 else "series_limit"


def encode_labels(pairs: list[tuple[bytes, bytes]]) -> bytes:
    """The labels as they stand in a 1.0 message."""
    out = bytearray()
    for name, value in pairs:
        out += message(1, message(1, name) + message(2, value))
    return bytes(out)


def _pairs_v1(raw: bytes) -> list[tuple[bytes, bytes]]:
    pairs = []
    for tag, content in _fields(raw):
        if tag == 10:
            label = dict(_fields(content))
            pairs.append((label.get(10, b""), label.get(18, b"")))
    return pairs


def _pairs_v2(raw: bytes, data: NDArray[np.uint8], places: NDArray[np.int64]) -> list[tuple[bytes, bytes]]:
    refs: list[int] = []
    for tag, content in _fields(raw):
        at = 0
        while tag in (8, 10) and at < len(content):
            ref, at = _varint(content, at)
            refs.append(ref)
    words = [data[places[ref, 0] : places[ref, 1]].tobytes() for ref in refs]
    return list(zip(words[::2], words[1::2], strict=True))


def _told(series: bytes) -> bool | None:
    """Whether the metadata of a 2.0 series calls it a counter; None when there is none, or the name has to say which part it is."""
    try:
        types = [_varint(content, 0)[0] for tag, body in _fields(series) if tag == 42 for at, content in _fields(body) if at == 8]
    except InvalidInput:
        return None
    return _TYPES.get(types[-1]) if types else None


def _fields(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """(tag, content) of the fields of a message that the kernel walked already; labels within are seen for the first time."""
    at = 0
    while at < len(raw):
        tag, at = _varint(raw, at)
        start = at
        match tag & 7:
            case 0:
                _, at = _varint(raw, at)
            case 1:
                at += 8
            case 5:
                at += 4
            case 2:
                size, start = _varint(raw, at)
                at = start + size
            case _:
                raise InvalidInput("cannot read the body: a label of unknown wire type")
        if at > len(raw):
            raise InvalidInput("cannot read the body: a label ends before its content")
        yield tag, raw[start:at]


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(raw) and shift < 70:
        value |= (raw[at] & 127) << shift
        shift += 7
        at += 1
        if raw[at - 1] < 128:
            return value, at
    raise InvalidInput("cannot read the body: a number ends before its last byte")
