"""Columns of samples <-> bytes: delta and byte shuffle by column, then zstd; without loss. For journal rows and chunks.

Layout: header (version, flags, rows, series, base time), then one checksummed zstd frame holding, one after the other, the index
(of a chunk: slots and counts; of a journal row: slot deltas) and the columns, each with equal bytes of all rows side by side.
"""

from __future__ import annotations

import struct
import threading
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from awry.core.batch import Batch, Floats, Scored
from awry.core.errors import StoreCorrupt
from awry.core.tick import Sent
from awry.stores.planes import NAN16, STEPS, fits, shuffled, write_planes

JOURNAL_LEVEL, CHUNK_LEVEL = 1, 3
_HEADER = struct.Struct("<BBIIq")
_VERSION = 1
_WIDE_SCORE, _WIDE_SEGMENT = 1, 2  # flags: this column is kept as float32, being no multiple of 0.0001
_local = threading.local()


def compress(data: bytes | NDArray[np.uint8], level: int = CHUNK_LEVEL) -> bytes:
    """One zstd frame with a checksum; any thread."""
    name = f"compressor{level}"
    compressor: zstandard.ZstdCompressor | None = getattr(_local, name, None)
    if compressor is None:
        compressor = zstandard.ZstdCompressor(level=level, write_checksum=True)
        setattr(_local, name, compressor)
    return compressor.compress(data)  # type: ignore[arg-type]  # any buffer will do


def decompress(data: bytes | memoryview) -> bytes:
    """The content of one zstd frame. Raises StoreCorrupt when it is damaged."""
    decompressor: zstandard.ZstdDecompressor | None = getattr(_local, "decompressor", None)
    if decompressor is None:
        decompressor = _local.decompressor = zstandard.ZstdDecompressor()
    try:
        return decompressor.decompress(data, max_output_size=0)
    except zstandard.ZstdError as error:
        raise StoreCorrupt(
            f"cannot unpack a stored block: {error}", hint="restore the database from a backup, or start with an empty data folder"
        ) from error


def pack_rows(batch: Batch, scored: Scored) -> bytes:
    """A journal row: samples in order of arrival, any series."""
    if not len(batch):
        return b""
    return _pack(batch, scored, b"", 0, JOURNAL_LEVEL)


def unpack_rows(data: bytes) -> tuple[Batch, Scored]:
    """The samples of a journal row, bit for bit as they were packed."""
    if not data:
        return Batch.empty(), Scored.blank(0)
    flags, rows, series, base, plain = _open(data)
    reader = _Reader(plain, rows, 0, rows)
    if series:
        slots, counts = reader.index(series)
        slot = np.repeat(slots, counts)
        starts = np.cumsum(counts, dtype=np.int64) - counts
    else:
        slot = np.cumsum(reader.column(np.int32), dtype=np.int32)
        starts = None
    time, value, scored = _columns(reader, flags, base, starts)
    return Batch(slot, time, value), scored


def pack_sent(sent: Sent | None) -> bytes | None:
    """Of a journal row's counters, what was sent; None when there are none."""
    if sent is None or not sent.rows.shape[0]:
        return None
    rows = sent.rows.shape[0]
    steps = shuffled(np.diff(sent.rows, prepend=np.int32(0)).astype(np.int32))
    return _HEADER.pack(_VERSION, 0, rows, 0, 0) + compress(steps + shuffled(sent.value), JOURNAL_LEVEL)


def unpack_sent(data: bytes | None) -> Sent | None:
    """What the counters of a journal row sent, bit for bit as it was packed."""
    if not data:
        return None
    _, rows, _, _, plain = _open(data)
    reader = _Reader(plain, rows, 0, rows)
    return Sent(np.cumsum(reader.column(np.int32), dtype=np.int32), reader.column(np.float64))


def pack_chunk(batch: Batch, scored: Scored) -> bytes:
    """A chunk: at least one sample, sorted by (slot, time)."""
    starts = np.flatnonzero(np.diff(batch.slot, prepend=np.int32(-1)))
    counts = np.diff(starts, append=len(batch)).astype(np.uint32)
    return _pack(batch, scored, batch.slot[starts].tobytes() + counts.tobytes(), starts.shape[0], CHUNK_LEVEL)


def unpack_series(data: bytes, slot: int) -> tuple[Batch, Scored] | None:
    """The samples of one series in a chunk, or None; unpacks only its rows."""
    flags, rows, series, base, plain = _open(data)
    slots, counts = _Reader(plain, rows, 0, rows).index(series)
    at = int(np.searchsorted(slots, slot))
    if at == series or slots[at] != slot:
        return None
    first = int(counts[:at].sum())
    reader = _Reader(plain, rows, first, first + int(counts[at]))
    reader.index(series)
    time, value, scored = _columns(reader, flags, base, None)
    return Batch(np.full(time.shape[0], slot, np.int32), time, value), scored


def _pack(batch: Batch, scored: Scored, index: bytes, series: int, level: int) -> bytes:
    rows = len(batch)
    raw, score, segment, expected, low, high = (
        np.ascontiguousarray(column)
        for column in (scored.raw, scored.score, scored.segment, scored.expected, scored.low, scored.high)
    )
    value = np.ascontiguousarray(batch.value)
    wide_score, wide_segment = not fits(score, score.view(np.uint32)), not fits(segment, segment.view(np.uint32))
    plain = np.empty(len(index) + rows * ((0 if index else 4) + 37 + 2 * (wide_score + wide_segment)), np.uint8)
    plain[: len(index)] = np.frombuffer(index, np.uint8)
    write_planes(
        np.ascontiguousarray(batch.slot), np.ascontiguousarray(batch.time), value, value.view(np.uint64), raw.view(np.uint32),
        score, score.view(np.uint32), wide_score, segment, segment.view(np.uint32), wide_segment, expected.view(np.uint32),
        low.view(np.uint32), high.view(np.uint32), np.ascontiguousarray(scored.part), _guess(value), bool(index),
        plain[len(index) :],
    )  # fmt: skip
    flags = wide_score * _WIDE_SCORE | wide_segment * _WIDE_SEGMENT
    return _HEADER.pack(_VERSION, flags, rows, series, int(batch.time[0])) + compress(plain, level)


def _open(data: bytes) -> tuple[int, int, int, int, bytes]:
    try:
        version, flags, rows, series, base = _HEADER.unpack_from(data)
    except struct.error as error:
        raise StoreCorrupt(f"cannot unpack a stored block: {error}", hint="restore the database from a backup") from error
    if version != _VERSION:
        raise StoreCorrupt(f"cannot unpack a stored block: unknown layout {version}", hint="restore the database from a backup")
    return flags, rows, series, base, decompress(memoryview(data)[_HEADER.size :])


class _Reader:
    """Takes one column after the other out of the plain bytes, rows [first, stop) of each."""

    def __init__(self, plain: bytes, rows: int, first: int, stop: int) -> None:
        self._plain, self._rows, self._first, self._stop, self._at = plain, rows, first, stop, 0

    def index(self, series: int) -> tuple[NDArray[np.int32], NDArray[np.uint32]]:
        slots = np.frombuffer(self._plain, np.int32, series, self._at)
        counts = np.frombuffer(self._plain, np.uint32, series, self._at + 4 * series)
        self._at += 8 * series
        return slots, counts

    def column(self, dtype: type[np.generic]) -> NDArray[Any]:
        size = np.dtype(dtype).itemsize
        planes = np.frombuffer(self._plain, np.uint8, size * self._rows, self._at).reshape(size, self._rows)
        self._at += size * self._rows
        return np.ascontiguousarray(planes[:, self._first : self._stop].T).view(dtype).reshape(-1)


def _columns(
    reader: _Reader, flags: int, base: int, starts: NDArray[Any] | None
) -> tuple[NDArray[np.int64], NDArray[np.float64], Scored]:
    delta = reader.column(np.int64)
    if starts is None:
        time = np.cumsum(delta) + base
    else:
        time = np.cumsum(delta)
        before = time[starts] - delta[starts]
        time += base - np.repeat(before, np.diff(starts, append=time.shape[0]))
    value = reader.column(np.float64)
    raw = reader.column(np.float32)
    score = reader.column(np.float32) if flags & _WIDE_SCORE else _widen(reader.column(np.uint16))
    segment = reader.column(np.float32) if flags & _WIDE_SEGMENT else _widen(reader.column(np.uint16))
    expected = reader.column(np.uint32) ^ _guess(value)
    low = reader.column(np.uint32) ^ expected
    high = reader.column(np.uint32) ^ expected
    part = reader.column(np.uint8)
    return time, value, Scored(raw, score, segment, expected.view(np.float32), low.view(np.float32), high.view(np.float32), part)


def _guess(value: NDArray[np.float64]) -> NDArray[np.uint32]:
    """Bits of the value as float32: close to those of the expected value, so that their difference is mostly zeros."""
    with np.errstate(over="ignore", invalid="ignore"):
        near = value.astype(np.float32)
    near[np.isnan(near)] = 0
    return near.view(np.uint32)


def _widen(column: NDArray[np.uint16]) -> Floats:
    wide = (column / STEPS).astype(np.float32)
    wide[column == NAN16] = np.nan
    return wide
