"""The slow, obvious twin of `stores.planes`: each column by NumPy, its bytes shuffled, one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Batch, Floats, Scored


def planes(batch: Batch, scored: Scored, chunk: bool) -> bytes:
    """The plain bytes of samples without their index."""
    time = batch.time
    delta = np.diff(time, prepend=time[0])
    if chunk:
        starts = np.flatnonzero(np.diff(batch.slot, prepend=np.int32(-1)))
        delta[starts] = time[starts] - time[0]
    expected = scored.expected.view(np.uint32)
    parts = [] if chunk else [_shuffle(np.diff(batch.slot, prepend=np.int32(0)).astype(np.int32))]
    parts += [
        _shuffle(delta),
        _shuffle(batch.value),
        _shuffle(scored.raw),
        _narrow(scored.score),
        _narrow(scored.segment),
        _shuffle(expected ^ _guess(batch.value)),
        _shuffle(scored.low.view(np.uint32) ^ expected),
        _shuffle(scored.high.view(np.uint32) ^ expected),
        scored.part.tobytes(),
    ]
    return b"".join(parts)


def _shuffle(column: NDArray[Any]) -> bytes:
    plain = np.ascontiguousarray(column)
    return plain.view(np.uint8).reshape(plain.shape[0], plain.itemsize).T.tobytes()


def _guess(value: NDArray[np.float64]) -> NDArray[np.uint32]:
    with np.errstate(over="ignore", invalid="ignore"):
        near = value.astype(np.float32)
    near[np.isnan(near)] = 0
    return near.view(np.uint32)


def _narrow(column: Floats) -> bytes:
    with np.errstate(invalid="ignore", over="ignore"):
        steps = np.rint(column.astype(np.float64) * 10_000)
        small = np.where(np.isnan(steps) | (steps < 0) | (steps >= 65_535), 65_535, steps).astype(np.uint16)
    wide = (small / 10_000.0).astype(np.float32)
    wide[small == 65_535] = np.nan
    return _shuffle(small if np.array_equal(wide.view(np.uint32), column.view(np.uint32)) else column)
