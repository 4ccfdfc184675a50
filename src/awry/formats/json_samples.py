"""JSON bodies of samples (rows, columns, or one row a line) to columns; for `POST /api/v1/samples`.

Rows: {"samples": [{"series": "cpu{host=\"a\"}", "time": 1700000000000, "value": 21.0}]}. Columns: {"series": [...] or one string,
"time": [...], "value": [...]}. A row that does not fit is refused with its index and a reason; a body that is no JSON is
refused whole.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Batch
from awry.core.errors import InvalidInput, InvalidSelector, Overloaded, TooLarge
from awry.core.series_table import SeriesTable
from awry.core.tick import REASONS
from awry.formats.gzipped import unpack
from awry.formats.numbers import MAX_TIME_MS, MIN_TIME_MS
from awry.formats.rfc3339 import parse_time

MAX_BYTES = 32 * 1024 * 1024
"""Most bytes of a body after decompression, unless told otherwise."""
MAX_SAMPLES = 1_000_000
"""Most samples of a body."""
_LINES = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines", "application/json-lines")
_SHAPES = 'send {"samples": [{"series", "time", "value"}]}, {"series": [], "time": [], "value": []} or one such row a line'


@dataclass(frozen=True, slots=True)
class JsonSamples:
    """Samples of one body.

    index: for each row of the batch, its place in the body. refused: (place, reason) of the others, in order.
    """

    batch: Batch
    index: NDArray[np.intp]
    received: int
    refused: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Parsed:
    """Rows of a body as columns, before anybody looked their series up."""

    series: Sequence[Any]
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    reasons: dict[int, str]
    """Place in the body -> why the row is refused."""


class _Row(msgspec.Struct):
    series: str
    time: int
    value: float | None


class _Fast(msgspec.Struct):
    """The common bodies: every field of the expected type."""

    samples: list[_Row] | None = None
    series: list[str] | str | None = None
    time: list[int] | None = None
    value: list[float | None] | None = None


_NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_FAST = msgspec.json.Decoder(_Fast)
_FAST_LINES = msgspec.json.Decoder(_Row)


def decode_json_samples(
    body: bytes,
    table: SeriesTable,
    *,
    content_type: str | None = None,
    content_encoding: str | None = None,
    max_bytes: int = MAX_BYTES,
    max_samples: int = MAX_SAMPLES,
) -> JsonSamples:
    """Decode a body; new series are added to `table`. Raises TooLarge, InvalidInput or UnsupportedMedia, and nothing is stored.

    Reasons of refused rows: malformed, bad_key, series_limit, bad_time, out_of_range, bad_value.
    """
    parsed = parse_json_samples(
        body, content_type=content_type, content_encoding=content_encoding, max_bytes=max_bytes, max_samples=max_samples
    )
    return find_series(parsed, table)


def parse_json_samples(
    body: bytes,
    *,
    content_type: str | None = None,
    content_encoding: str | None = None,
    max_bytes: int = MAX_BYTES,
    max_samples: int = MAX_SAMPLES,
) -> Parsed:
    """The part of `decode_json_samples` that any thread may do: all but looking series up, which takes a tenth of the time."""
    plain = unpack(body, content_encoding, max_bytes)
    if is_lines(content_type):
        series, time, value, malformed = _lines(plain, max_samples)
    else:
        series, time, value, malformed = _document(plain, max_samples)
    _bounded(value, max_samples)
    return _parsed(series, time, value, dict.fromkeys(malformed, "malformed"))


def is_lines(content_type: str | None) -> bool:
    """Whether a body of this type is one row a line."""
    return (content_type or "").partition(";")[0].strip().lower() in _LINES


def decode_json_lines(lines: Sequence[bytes | None], table: SeriesTable) -> JsonSamples:
    """Decode some lines of a stream, one row each; None stands for one that was too long to keep, and is refused as "too_long"."""
    series, time, value, malformed = _parse_lines([line or b"" for line in lines])
    reasons = {i: "malformed" if lines[i] is not None else "too_long" for i in malformed}
    return find_series(_parsed(series, time, value, reasons), table)


_Rows = TypeVar("_Rows", bound=Sequence[Any])
_Read = tuple[Sequence[Any], Sequence[Any], Sequence[Any], list[int]]
"""series, time and value of every row as JSON has them, and the indices of rows that are no rows."""


def _document(body: bytes, most: int) -> _Read:
    try:
        fast = _FAST.decode(body)
    except _NO_JSON:
        try:
            tree = _loads(body)
        except InvalidInput:
            if _starts_a_line(body):
                return _lines(body, most)
            raise
        return _tree(tree, most)
    if fast.samples is not None:
        rows = fast.samples
        return [r.series for r in rows], [r.time for r in rows], [r.value for r in rows], []
    if fast.series is None or fast.time is None or fast.value is None:
        return _tree(_loads(body), most)
    return _equal(fast.series, fast.time, fast.value)


def _tree(tree: Any, most: int) -> _Read:
    if isinstance(tree, dict) and isinstance(tree.get("samples"), list):
        return _rows(_bounded(tree["samples"], most))
    if isinstance(tree, dict) and all(isinstance(tree.get(name), list) for name in ("time", "value")):
        series = tree.get("series")
        if isinstance(series, str | list):
            return _equal(series, tree["time"], tree["value"])
    if isinstance(tree, dict) and tree.keys() >= {"series", "time", "value"}:
        return _rows([tree])
    raise InvalidInput("cannot read the body: neither rows nor columns of samples", hint=_SHAPES)


def _equal(series: str | list[Any], time: list[Any], value: list[Any]) -> _Read:
    names = [series] * len(value) if isinstance(series, str) else series
    if not len(names) == len(time) == len(value):
        raise InvalidInput(
            f"cannot read the columns: series has {len(names)} rows, time {len(time)}, value {len(value)}",
            hint="send columns of equal length",
        )
    return names, time, value, []


def _rows(rows: list[Any]) -> _Read:
    malformed = [i for i, row in enumerate(rows) if not (isinstance(row, dict) and row.keys() >= {"series", "time", "value"})]
    if malformed:
        bad = set(malformed)
        rows = [_NO_ROW if i in bad else row for i, row in enumerate(rows)]
    return [r["series"] for r in rows], [r["time"] for r in rows], [r["value"] for r in rows], malformed


_NO_ROW = {"series": "", "time": 0, "value": None}


def _lines(body: bytes, most: int) -> _Read:
    return _parse_lines(_bounded([line for line in body.splitlines() if line.strip()], most))


def _bounded(rows: _Rows, most: int) -> _Rows:
    """The rows, if there are not too many of them: asked before more is made of them."""
    if len(rows) > most:
        raise TooLarge(f"cannot take more than {most} samples in one request", hint="send smaller requests")
    return rows


def _parse_lines(lines: Sequence[bytes]) -> _Read:
    try:
        rows = [_FAST_LINES.decode(line) for line in lines]
    except _NO_JSON:
        return _rows([_line(line) for line in lines])
    return [r.series for r in rows], [r.time for r in rows], [r.value for r in rows], []


def _line(line: bytes) -> Any:
    try:
        return _loads(line)
    except InvalidInput:
        return None


def _starts_a_line(body: bytes) -> bool:
    """Whether the first line is an object by itself: then the body is one row a line, whatever its content type says."""
    first, feed, _ = body.lstrip().partition(b"\n")
    return bool(feed) and isinstance(_line(first), dict)


def _loads(body: bytes) -> Any:
    """Any JSON, also with the bare NaN and Infinity that Python and JavaScript tools write."""
    try:
        return msgspec.json.decode(body)
    except _NO_JSON:
        pass  # read again by the decoder that allows NaN and says where it stopped
    try:
        return json.loads(body)
    except json.JSONDecodeError as error:
        raise InvalidInput(
            f"cannot read the body: no JSON at line {error.lineno}, column {error.colno} ({error.msg})", hint=_SHAPES
        ) from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"cannot read the body: no JSON ({error})", hint=_SHAPES) from error


def _parsed(series: Sequence[Any], time: Sequence[Any], value: Sequence[Any], reasons: dict[int, str]) -> Parsed:
    """Rows to columns; `reasons` has the indices of those that are no rows, and gets those of others refused."""
    times = _times(time, reasons)
    return Parsed(series, times, _values(value, reasons), reasons)


def find_series(parsed: Parsed, table: SeriesTable) -> JsonSamples:
    """Look the series up, adding new ones: for the thread that owns the table, at one go, so that none is deleted in between."""
    reasons = parsed.reasons
    slots = _slots(table, parsed.series, parsed.times, parsed.values, reasons)
    batch, index = Batch(slots, parsed.times, parsed.values), np.arange(len(slots))
    if reasons:
        index = np.delete(index, sorted(reasons))
        batch = batch.take(index)
    return JsonSamples(batch, index, len(slots), sorted(reasons.items()))


def _times(time: Sequence[Any], reasons: dict[int, str]) -> NDArray[np.int64]:
    if set(map(type, time)) <= {int}:
        try:
            times = np.array(time, dtype=np.int64)
        except OverflowError:
            times = np.array([min(max(t, MIN_TIME_MS - 1), MAX_TIME_MS + 1) for t in time], dtype=np.int64)
        for i in np.flatnonzero((times < MIN_TIME_MS) | (times > MAX_TIME_MS)).tolist():
            reasons.setdefault(i, "out_of_range")
        return times
    times = np.zeros(len(time), np.int64)
    for i, one in enumerate(time):
        if not isinstance(one, int | float | str):
            reasons.setdefault(i, "bad_time")
            continue
        try:
            times[i] = parse_time(one)
        except InvalidInput:
            far = isinstance(one, int) or (isinstance(one, float) and math.isfinite(one))
            reasons.setdefault(i, "out_of_range" if far and not isinstance(one, bool) else "bad_time")
    return times


def _values(value: Sequence[Any], reasons: dict[int, str]) -> NDArray[np.float64]:
    if set(map(type, value)) <= {float, int, type(None)}:
        with suppress(OverflowError):  # an integer that is no double: find out which
            return np.array(value, dtype=np.float64)
    values = np.full(len(value), np.nan)
    for i, one in enumerate(value):
        if one is None:
            continue
        try:
            if isinstance(one, bool) or not isinstance(one, int | float | str) or (isinstance(one, str) and "_" in one):
                raise ValueError
            values[i] = float(one)
        except (ValueError, OverflowError):
            reasons.setdefault(i, "bad_value")
    return values


def _slots(
    table: SeriesTable, series: Sequence[Any], times: NDArray[np.int64], values: NDArray[np.float64], reasons: dict[int, str]
) -> NDArray[np.int32]:
    answers: dict[str, int | str] = {}
    if set(map(type, series)) <= {str}:
        slots = np.fromiter(map(table.find, series), np.int32, len(series))
    else:
        slots = np.full(len(series), -1, np.int32)
    unknown = np.flatnonzero(slots < 0)
    codes = table.inadmissible(times[unknown], values[unknown]).tolist()
    for i, code in zip(unknown.tolist(), codes, strict=True):
        text = series[i]
        if i in reasons:
            continue
        if code:
            reasons[i] = REASONS[code]
            continue
        if type(text) is not str:
            reasons[i] = "bad_key"
            continue
        answer = answers.get(text)
        if answer is None:
            answer = answers[text] = _slot(table, text)
        if isinstance(answer, str):
            reasons[i] = answer
        else:
            slots[i] = answer
    return slots


def _slot(table: SeriesTable, text: str) -> int | str:
    try:
        return table.intern_text(text)
    except InvalidSelector:
        return "bad_key"
    except Overloaded:
        return "series_limit"
