"""Frames of Graphite's pickle protocol to columns, for the TCP door on 2004; never by Python's `pickle`.

A frame is a length in four bytes (the highest first) and a pickle of [(path, (time, value)), …]. What carbon-relay writes is read
by a kernel, other layouts by a small machine that knows plain data only.
"""

from __future__ import annotations

import math
import threading
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Batch
from awry.core.errors import InvalidInput, InvalidSelector
from awry.core.series_table import SeriesTable
from awry.core.tick import REASONS
from awry.formats import pickle_walk
from awry.formats.decoded import Decoded, intern
from awry.formats.graphite import PROTOCOL, key_of
from awry.formats.numbers import MAX_TIME_MS, MIN_TIME_MS
from awry.formats.pickle_machine import read_points

FRAME_BYTES = 1_048_576
"""Longest pickle, as carbon has it."""
_OUT_OF_RANGE = -2


def decode_frames(data: NDArray[np.uint8], end: int, table: SeriesTable, now_ms: int) -> tuple[Decoded, list[int]]:
    """Decode data[:end], whole frames with 16 readable bytes behind them; tells too where frames begin that are no such pickle.

    A broken frame costs itself and counts once, as "malformed_frame"; a bad datapoint costs only itself.
    """
    if not hasattr(_scratch, "columns"):
        _scratch.columns = _Columns()
    columns: _Columns = _scratch.columns
    columns.reserve(end // pickle_walk.LEAST_BYTES + 1)
    refused: Counter[str] = Counter()
    broken: list[int] = []
    batches: list[Batch] = []
    late: list[tuple[bytes, float, float] | None] = []
    at = received = 0
    while at < end:
        rows, at, frames = pickle_walk.walk(
            data, at, end, now_ms, columns.mark, columns.memo, *table.index(PROTOCOL).arrays, columns.slot, columns.time,
            columns.value, columns.name,
        )  # fmt: skip
        columns.mark += frames
        received += rows
        if rows:
            _take(late, table, now_ms, refused, batches)
            paths = columns.name[:rows]
            batches.append(_batch(data, table, columns.slot[:rows], columns.time[:rows], columns.value[:rows], paths, refused))
        if at < end:
            size = int.from_bytes(data[at : at + 4].tobytes())
            try:
                points = read_points(data[at + 4 : at + 4 + size].tobytes())
            except InvalidInput:
                broken.append(at)
                refused["malformed_frame"] += 1
                received += 1
            else:
                received += len(points)
                late += points
            at += 4 + size
    _take(late, table, now_ms, refused, batches)
    return Decoded(Batch.concat(batches), received, refused), broken


class _Columns:
    """Room for the rows of a buffer, and the memo; kept, because fresh memory costs more than the decoding."""

    def __init__(self) -> None:
        self.memo = np.zeros((pickle_walk.MEMO, 3), np.int64)
        self.mark = 1
        self.slot, self.time, self.value = np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0)
        self.name = np.empty((0, 2), np.int64)

    def reserve(self, rows: int) -> None:
        """Have room for so many."""
        if len(self.slot) < rows:
            rows += rows // 4
            self.slot, self.time, self.value = np.empty(rows, np.int32), np.empty(rows, np.int64), np.empty(rows)
            self.name = np.empty((rows, 2), np.int64)


_scratch = threading.local()


def _take(
    points: list[tuple[bytes, float, float] | None], table: SeriesTable, now_ms: int, refused: Counter[str], batches: list[Batch]
) -> None:
    """Add the rows of frames that the kernel did not know: of many at once, for small frames come by the thousand."""
    if not points:
        return
    rows = [point for point in points if point is not None]
    if len(rows) < len(points):
        refused["malformed"] += len(points) - len(rows)
    slot, time = np.empty(len(rows), np.int32), np.empty(len(rows), np.int64)
    ends = np.cumsum([0, *(len(path) for path, _, _ in rows)])
    index = table.index(PROTOCOL)
    for i, (path, seconds, _) in enumerate(rows):
        ms = milliseconds(seconds, now_ms)
        slot[i], time[i] = (_OUT_OF_RANGE, 0) if ms is None else (index.find(path), ms)
    data = np.frombuffer(b"".join(path for path, _, _ in rows), np.uint8)
    value = np.array([v for _, _, v in rows], np.float64)
    batches.append(_batch(data, table, slot, time, value, np.column_stack((ends[:-1], ends[1:])), refused))
    points.clear()


def milliseconds(seconds: float, now_ms: int) -> int | None:
    """Unix ms of a time in seconds, rounded half up; -1 means now; None when it is out of range."""
    if seconds == -1:
        return now_ms
    if not math.isfinite(seconds):
        return None
    ms = seconds * 1000.0 + 0.5
    return math.floor(ms) if math.isfinite(ms) and MIN_TIME_MS <= math.floor(ms) <= MAX_TIME_MS else None


def _batch(
    data: NDArray[np.uint8], table: SeriesTable, slot: NDArray[np.int32], time: NDArray[np.int64], value: NDArray[np.float64],
    name: NDArray[np.int64], refused: Counter[str],
) -> Batch:  # fmt: skip
    """The decoded rows, copied out, with their new paths resolved."""
    batch = Batch(slot.copy(), time.copy(), value.copy())
    unknown = np.flatnonzero(batch.slot < 0)
    if not len(unknown):
        return batch
    answers: dict[bytes, int | str] = {}
    codes = table.inadmissible(batch.time[unknown], batch.value[unknown]).tolist()
    for row, (begin, stop), code in zip(unknown.tolist(), name[unknown].tolist(), codes, strict=True):
        answer: int | str | None
        if batch.slot[row] == _OUT_OF_RANGE:
            answer = "out_of_range"
        elif code:
            answer = REASONS[code]
        else:
            raw = data[begin:stop].tobytes()
            answer = answers.get(raw)
            if answer is None:
                answer = answers[raw] = _admit(table, raw)
        if isinstance(answer, str):
            refused[answer] += 1
            batch.slot[row] = -1
        else:
            batch.slot[row] = answer
    return batch.take(batch.slot >= 0)


def _admit(table: SeriesTable, raw: bytes) -> int | str:
    """Slot of a path seen for the first time, or why it is refused."""
    try:
        key = key_of(raw.decode())
    except UnicodeDecodeError:
        return "not_utf8"
    except InvalidSelector:
        return "bad_key"
    slot = intern(table, PROTOCOL, raw, key)
    return slot if slot >= 0 else "series_limit"
