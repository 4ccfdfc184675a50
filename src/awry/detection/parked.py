"""The state of one series as bytes, by itself: what a Router gives away when a series is parked, and takes when it comes back.

A blob is the series' row of a Router's dump, numbers of 64 bits with their own count before them, then its rows of the bench that
speaks for it and of the one that is learning. Each bench is named by a number that stands for the layout of its rows, so a series
whose detector is gone or has changed is learned anew, alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Arrays
from awry.detection.bench import Bench
from awry.detection.columns import NEXT_ROW, ROW, SAVED, by_bench

ROLES = 2
"""The bench that speaks, and the one that learns."""


def sections(slots: NDArray[np.int64]) -> Iterator[tuple[int, int, NDArray[np.intp], slice]]:
    """How the `rows` of a dump follow each other: (bench id, role, which series, bytes); slots: (series, columns) of the dump.

    Columns: id of the bench of each role, then the bytes of one row of each; 0 where there is none.
    """
    offset = 0
    for id_ in np.unique(slots[:, :ROLES][slots[:, :ROLES] > 0]).tolist():
        for role in range(ROLES):
            where = np.flatnonzero(slots[:, role] == id_)
            if where.size:
                size = int(slots[where[0], ROLES + role]) * where.size
                yield id_, role, where, slice(offset, offset + size)
                offset += size


def dump_columns(at: NDArray[np.int32], benches: Sequence[Bench]) -> Arrays:
    """The dump of the series with these columns (columns, series): `slots` by series, and `rows`, those of all benches as bytes."""
    slots = np.zeros((at.shape[1], 2 * ROLES + len(SAVED)), np.int64)
    packed = []
    for bench, role, where in by_bench(at, benches):
        slots[where, role], slots[where, ROLES + role] = bench.id, bench.row_bytes
    slots[:, 2 * ROLES :] = at[list(SAVED)].T
    for id_ in np.unique(slots[:, :ROLES]).tolist():
        for bench, role, where in by_bench(at, benches):
            if bench.id == id_:
                packed.append(bench.pack(at[NEXT_ROW if role else ROW][where]))
    return {"slots": slots, "rows": np.frombuffer(b"".join(packed), np.uint8)}


def to_blobs(state: Arrays, benches: Mapping[int, Bench]) -> list[bytes]:
    """A blob for each series of a dump. benches: by id, all that the dump names."""
    slots, rows = np.asarray(state["slots"], np.int64), np.asarray(state["rows"], np.uint8)
    mine: defaultdict[int, dict[int, bytes]] = defaultdict(dict)
    for id_, role, where, span in sections(slots):
        single = benches[id_].row_by_row(rows[span], where.size)
        for at, one in zip(where.tolist(), single, strict=True):
            mine[at][role] = one.tobytes()
    count = np.int64(slots.shape[1]).tobytes()
    return [count + head.tobytes() + b"".join(mine[at].get(r, b"") for r in range(ROLES)) for at, head in enumerate(slots)]


def from_blobs(blobs: Sequence[bytes], columns: int, benches: Mapping[int, Bench]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """`slots` and `rows` of a dump of these series; a series of which nothing can be read has no bench in it."""
    slots = np.zeros((len(blobs), columns), np.int64)
    for at, blob in enumerate(blobs):
        slots[at] = _head(blob, columns)
    begin, parts = 8 * (1 + columns), []
    for id_, role, where, _ in sections(slots):
        single = []
        for at in where.tolist():
            start = begin + (int(slots[at, ROLES]) if role else 0)
            single.append(blobs[at][start : start + int(slots[at, ROLES + role])])
        rows = np.frombuffer(b"".join(single), np.uint8).reshape(where.size, -1)
        parts.append(benches[id_].key_by_key(rows) if id_ in benches else rows.tobytes())
    return slots, np.frombuffer(b"".join(parts), np.uint8)


def _head(blob: bytes, columns: int) -> NDArray[np.int64]:
    head = np.frombuffer(blob[: 8 * (1 + columns)], np.int64) if len(blob) >= 8 * (1 + columns) else np.zeros(1, np.int64)
    if head[0] != columns or len(blob) != 8 * (1 + columns) + int(head[1 + ROLES : 1 + 2 * ROLES].sum()):
        return np.zeros(columns, np.int64)
    return head[1:]
