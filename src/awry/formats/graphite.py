"""Graphite plaintext lines, `name value time`, to columns and back; for the TCP and UDP doors.

Read as carbon reads them: seconds since 1970, fractions allowed, `-1` (or `N`) means now, `a.b;k=v` carries tags. A NaN means "no
observation". A bad line costs only itself.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Batch
from awry.core.errors import InvalidSelector
from awry.core.hashing import probe
from awry.core.kernel import kernel
from awry.core.series_key import format_key, parse_key
from awry.core.series_table import SeriesTable
from awry.core.tick import REASONS
from awry.formats.decoded import Decoded, intern
from awry.formats.numbers import (
    CUT,
    EXACT,
    INFINITE,
    NAN,
    NOT_A_NUMBER,
    exact_float,
    line_end,
    milliseconds,
    scan_number,
    word_end,
)

PROTOCOL = "graphite"
LINE_BYTES = 8192
"""Longest line, in bytes without its line feed."""
SLACK = 16
"""Bytes that must be readable behind the last line feed of a buffer."""
_PIECE_ROWS = 16_384
_REASONS = ("malformed", "too_long", "out_of_range")


@kernel
def _decode(
    data: NDArray[np.uint8], at: int, end: int, now_ms: int, limit: int, hashes: NDArray[np.uint64], slots: NDArray[np.int32],
    starts: NDArray[np.int64], blob: NDArray[np.uint8], slot: NDArray[np.int32], time: NDArray[np.int64],
    value: NDArray[np.float64], name: NDArray[np.int64], digits: NDArray[np.int64], refused: NDArray[np.int64], most_new: int,
) -> tuple[int, int, int, int, int]:  # fmt: skip
    """Decode the lines of data[at:end], which ends with a line feed, until the columns are full or `most_new` rows have no slot.

    Tells (rows, rows without a slot, rows whose value Python must read, lines, where it stopped).

    slot, time, value: (room,) filled; slot -1 = not in the table, its name at data[name[row, 0]:name[row, 1]].
    digits: (room, 3): row, start and end of values that need `float()`. refused: (3,) counts by _REASONS.
    """
    row = new = unsure = lines = 0
    while at < end and row < slot.shape[0] and new < most_new:
        line = at
        while data[at] == 32 or data[at] == 9:
            at += 1
        if data[at] == 10 or (data[at] == 13 and data[at + 1] == 10):
            at = line_end(data, at) + 1
            continue
        lines += 1
        begin = at
        at = word_end(data, at)
        stop = at
        while data[at] == 32 or data[at] == 9:
            at += 1
        number_at = at
        kind, negative, mantissa, power, at = scan_number(data, at)
        number_to = at
        good = kind != NOT_A_NUMBER and stop > begin and number_at > stop and (data[at] == 32 or data[at] == 9)
        fits, ms = True, 0
        if good:
            while data[at] == 32 or data[at] == 9:
                at += 1
            if data[at] == 78:
                ms = now_ms
                at += 1
            else:
                t_kind, t_negative, t_mantissa, t_power, at = scan_number(data, at)
                good = t_kind in (EXACT, CUT)
                fits, ms = milliseconds(t_negative, t_mantissa, t_power)
                if ms == -1000:
                    ms = now_ms
            while data[at] == 32 or data[at] == 9:
                at += 1
            if data[at] == 13:
                at += 1
            good = good and data[at] == 10
        at = line_end(data, at) + 1
        if at - 1 - line > limit:
            refused[1] += 1
            continue
        if not good:
            refused[0] += 1
            continue
        if not fits:
            refused[2] += 1
            continue
        if kind == NAN:
            value[row] = np.nan
        elif kind == INFINITE:
            value[row] = -np.inf if negative else np.inf
        else:
            sure = False
            if kind == EXACT:
                sure, value[row] = exact_float(negative, mantissa, power)
            if not sure:
                digits[unsure, 0], digits[unsure, 1], digits[unsure, 2] = row, number_at, number_to
                unsure += 1
        found = probe(hashes, slots, starts, blob, data, begin, stop)
        slot[row] = found
        time[row] = ms
        if found < 0:
            name[row, 0], name[row, 1] = begin, stop
            new += 1
        row += 1
    return row, new, unsure, lines, at


def decode(data: bytes | bytearray | memoryview, table: SeriesTable, now_ms: int, *, line_bytes: int = LINE_BYTES) -> Decoded:
    """Decode all lines of a buffer; the last one may lack its line feed. New names become series of `table`."""
    size = len(data)
    padded = np.zeros(size + 1 + SLACK, np.uint8)
    padded[:size] = np.frombuffer(data, np.uint8)
    padded[size] = 10
    return decode_lines(padded, size + 1, table, now_ms, line_bytes=line_bytes)


def decode_lines(
    data: NDArray[np.uint8], end: int, table: SeriesTable, now_ms: int, *, line_bytes: int = LINE_BYTES, most_new: int = 0
) -> Decoded:
    """Decode data[:end] without copying it: it ends with a line feed, and SLACK readable bytes follow.

    most_new: stop behind so many lines with names never seen, which take long; 0: go on to the end.
    """
    if not hasattr(_scratch, "columns"):
        _scratch.columns = _Columns()
    columns: _Columns = _scratch.columns
    counts = np.zeros(len(_REASONS), np.int64)
    refused: Counter[str] = Counter()
    batches: list[Batch] = []
    at = received = seen = 0
    while at < end and (not most_new or seen < most_new):
        arrays = table.index(PROTOCOL).arrays
        rows, new, unsure, lines, at = _decode(
            data, at, end, now_ms, line_bytes, *arrays, columns.slot, columns.time, columns.value, columns.name,
            columns.digits, counts, most_new - seen if most_new else _PIECE_ROWS,
        )  # fmt: skip
        received += lines
        seen += new
        if rows:
            batches.append(_batch(data, table, columns, rows, unsure, refused))
    refused.update({reason: n for reason, n in zip(_REASONS, counts.tolist(), strict=True) if n})
    return Decoded(Batch.concat(batches), received, refused, end - at)


class _Columns:
    """Room for the rows of one piece of a buffer; kept, because fresh memory costs more than the decoding."""

    def __init__(self) -> None:
        self.slot, self.time, self.value = np.empty(_PIECE_ROWS, np.int32), np.empty(_PIECE_ROWS, np.int64), np.empty(_PIECE_ROWS)
        self.name, self.digits = np.empty((_PIECE_ROWS, 2), np.int64), np.empty((_PIECE_ROWS, 3), np.int64)


_scratch = threading.local()


def _batch(data: NDArray[np.uint8], table: SeriesTable, columns: _Columns, rows: int, unsure: int, refused: Counter[str]) -> Batch:
    """The decoded rows of one piece, copied out, with their new names resolved and their long values read."""
    slot, time, value = columns.slot[:rows].copy(), columns.time[:rows].copy(), columns.value[:rows].copy()
    for row, begin, stop in columns.digits[:unsure].tolist():
        value[row] = float(data[begin:stop].tobytes())
    unknown = np.flatnonzero(slot < 0)
    batch = Batch(slot, time, value)
    if len(unknown) and _resolve(data, table, unknown, columns.name, batch, refused):
        return batch.take(slot >= 0)
    return batch


def _resolve(
    data: NDArray[np.uint8], table: SeriesTable, unknown: NDArray[np.intp], name: NDArray[np.int64],
    batch: Batch, refused: Counter[str],
) -> bool:  # fmt: skip
    """Give slots to rows with names never seen; tells whether any was refused."""
    answers: dict[bytes, int | str] = {}
    any_refused = False
    codes = table.inadmissible(batch.time[unknown], batch.value[unknown]).tolist()
    places = name[unknown]
    first, text = int(places[0, 0]), data[int(places[0, 0]) : int(places[-1, 1])].tobytes()
    for row, (begin, stop), code in zip(unknown.tolist(), (places - first).tolist(), codes, strict=True):
        if code:
            refused[REASONS[code]] += 1
            any_refused = True
            continue
        raw = text[begin:stop]
        answer = answers.get(raw)
        if answer is None:
            answer = answers[raw] = _admit(table, raw)
        if isinstance(answer, str):
            refused[answer] += 1
            any_refused = True
        else:
            batch.slot[row] = answer
    return any_refused


def _admit(table: SeriesTable, raw: bytes) -> int | str:
    """Slot of a name seen for the first time, or why it is refused."""
    try:
        key = key_of(raw.decode())
    except UnicodeDecodeError:
        return "not_utf8"
    except InvalidSelector:
        return "bad_key"
    slot = intern(table, PROTOCOL, raw, key)
    return slot if slot >= 0 else "series_limit"


def key_of(name: str) -> str:
    """Series key of a Graphite name: a dotted path is a name without labels, `path;k=v` carries tags. Raises InvalidSelector."""
    path, *tags = name.split(";")
    pairs = []
    for tag in tags:
        label, equals, value = tag.partition("=")
        if not equals or not value:
            raise InvalidSelector(f"cannot read the tag {tag[:80]!r} of {path[:80]!r}: expected label=value")
        pairs.append((label, value))
    return format_key(path, tuple(pairs))


def encode(samples: Iterable[tuple[str, int, float]]) -> bytes:
    """Plaintext lines of (series key, Unix ms, value); for demos, tests and replay."""
    lines = []
    for key, ms, value in samples:
        name, labels = parse_key(key)
        path = ";".join([name, *(f"{label}={text}" for label, text in labels)])
        seconds = f"{ms // 1000}.{ms % 1000:03d}" if ms % 1000 else str(ms // 1000)
        lines.append(f"{path} {value!r} {seconds}\n")
    return "".join(lines).encode()
