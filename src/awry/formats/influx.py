"""Influx line protocol, `measurement,tag=v field=1,other=2i time`, to columns; for `POST /write` and `POST /api/v2/write`.

A field is a series `measurement_field` (a field called value: `measurement`), tags are labels. Booleans are 0 and 1, text fields
are left out and counted. A bad line costs only itself.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Batch
from awry.core.errors import InvalidInput, InvalidSelector
from awry.core.series_key import format_key, parse_key
from awry.core.series_table import SeriesTable
from awry.core.tick import REASONS
from awry.formats import influx_walk
from awry.formats.decoded import Decoded, intern

PROTOCOL = "influx"
LINE_BYTES = 65_536
"""Longest line, in bytes without its line feed."""
UNITS = {
    "": (1, 1_000_000), "n": (1, 1_000_000), "ns": (1, 1_000_000), "u": (1, 1000), "us": (1, 1000), "µ": (1, 1000), "ms": (1, 1),
    "s": (1000, 1), "m": (60_000, 1), "h": (3_600_000, 1),
}  # fmt: skip
"""The `precision` of a request -> milliseconds of one unit, as (times, parts)."""
_SLACK = 16
_PIECE_ROWS = 16_896
_ESCAPED = re.compile(r"\\([,= ])")
_COMMA = re.compile(r"(?<!\\),")
_EQUALS = re.compile(r"(?<!\\)=")


def unit_of(precision: str) -> tuple[int, int]:
    """Milliseconds of one unit of time, as (times, parts). Raises InvalidInput."""
    try:
        return UNITS[precision.strip().lower()]
    except KeyError as error:
        raise InvalidInput(f"cannot use the precision {precision[:20]!r}", hint="send ns, us, ms, s, m or h") from error


def decode_influx(body: bytes, table: SeriesTable, now_ms: int, *, precision: str = "ns", line_bytes: int = LINE_BYTES) -> Decoded:
    """Decode all lines of a body; new series are added to `table`. Raises InvalidInput for an unknown precision only.

    received counts fields, and each line that could not be read as one.
    """
    times, parts = unit_of(precision)
    end = len(body) + 1
    data = np.zeros(end + _SLACK, np.uint8)
    data[: end - 1] = np.frombuffer(body, np.uint8)
    data[end - 1] = 10
    if not hasattr(_scratch, "columns"):
        _scratch.columns = _Columns()
    columns: _Columns = _scratch.columns
    counts = np.zeros(len(influx_walk.REASONS), np.int64)
    refused: Counter[str] = Counter()
    batches: list[Batch] = []
    at = received = 0
    limit = min(line_bytes, LINE_BYTES)
    while at < end:
        rows, unsure, at = influx_walk.walk(
            data, at, end, now_ms, times, parts, limit, *table.index(PROTOCOL).arrays, columns.raw, columns.slot, columns.time,
            columns.value, columns.name, columns.digits, counts,
        )  # fmt: skip
        received += rows
        if rows:
            batches.append(_batch(data, table, columns, rows, unsure, refused))
    refused.update({reason: n for reason, n in zip(influx_walk.REASONS, counts.tolist(), strict=True) if n})
    return Decoded(Batch.concat(batches), received + int(counts.sum()), refused)


class _Columns:
    """Room for the rows of one piece of a body; kept, because fresh memory costs more than the decoding."""

    def __init__(self) -> None:
        self.slot, self.time, self.value = np.empty(_PIECE_ROWS, np.int32), np.empty(_PIECE_ROWS, np.int64), np.empty(_PIECE_ROWS)
        self.name, self.digits = np.empty((_PIECE_ROWS, 4), np.int64), np.empty((_PIECE_ROWS, 3), np.int64)
        self.raw = np.empty(LINE_BYTES + _SLACK, np.uint8)


_scratch = threading.local()


def _batch(data: NDArray[np.uint8], table: SeriesTable, columns: _Columns, rows: int, unsure: int, refused: Counter[str]) -> Batch:
    """The decoded rows of one piece, copied out, with their new names resolved and their long values read."""
    slot, time, value = columns.slot[:rows].copy(), columns.time[:rows].copy(), columns.value[:rows].copy()
    for row, begin, stop in columns.digits[:unsure].tolist():
        value[row] = float(data[begin:stop].tobytes())
    unknown = np.flatnonzero(slot < 0)
    batch = Batch(slot, time, value)
    if not len(unknown):
        return batch
    answers: dict[tuple[bytes, bytes], int | str] = {}
    codes = table.inadmissible(time[unknown], value[unknown]).tolist()
    for row, (begin, stop, field, after), code in zip(unknown.tolist(), columns.name[unknown].tolist(), codes, strict=True):
        answer: int | str | None
        if code:
            answer = REASONS[code]
        else:
            raw = (data[begin:stop].tobytes(), data[field:after].tobytes())
            answer = answers.get(raw)
            if answer is None:
                answer = answers[raw] = _admit(table, *raw)
        if isinstance(answer, str):
            refused[answer] += 1
        else:
            slot[row] = answer
    return batch.take(slot >= 0)


def _admit(table: SeriesTable, point: bytes, field: bytes) -> int | str:
    """Slot of a field seen for the first time, or why it is refused."""
    try:
        key = key_of(point.decode(), field.decode())
    except UnicodeDecodeError:
        return "not_utf8"
    except InvalidSelector:
        return "bad_key"
    slot = intern(table, PROTOCOL, point + b" " + field, key)
    return slot if slot >= 0 else "series_limit"


def key_of(point: str, field: str) -> str:
    """Series key of `measurement,tag=v` and a field's name, both as they stand in the line. Raises InvalidSelector."""
    measurement, *tags = _COMMA.split(point)
    pairs = []
    for tag in tags:
        label, *values = _EQUALS.split(tag, maxsplit=1)
        if not values or not label or not values[0]:
            raise InvalidSelector(f"cannot read the tag {tag[:80]!r} of {measurement[:80]!r}: expected label=value")
        pairs.append((_unescape(label), _unescape(values[0])))
    name, field = _unescape(measurement), _unescape(field)
    return format_key(name if field == "value" else f"{name}_{field}", tuple(pairs))


def _unescape(text: str) -> str:
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


def encode(samples: Iterable[tuple[str, int, float]]) -> bytes:
    """Lines of (series key, Unix ms, value), each with one field called value, times in ns; for tests and benches."""
    lines = []
    for key, ms, value in samples:
        name, labels = parse_key(key)
        point = ",".join([_escape(name), *(f"{_escape(label)}={_escape(text)}" for label, text in labels)])
        lines.append(f"{point} value={value!r} {ms * 1_000_000}\n")
    return "".join(lines).encode()


def _escape(text: str) -> str:
    return re.sub(r"([,= ])", r"\\\1", text)
