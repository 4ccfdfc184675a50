"""Arrays by slot that grow in place: a million series may come without one long pause for copying.

A large array is a view of a reservation of address space, many times as long; the system gives it memory page by page as rows
are first written, so that growing is a longer view of the same memory. Where the system reserves nothing, it is copied.
"""

from __future__ import annotations

import mmap
import sys
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

RESERVED = 1 << 24
"""Rows reserved for an array; one that grows beyond is copied."""
RESERVED_BYTES = 1 << 30
"""Bytes reserved for one of narrow rows: text has one byte a row."""
LARGE_BYTES = 1 << 22
"""Smaller arrays are copied: that takes a millisecond."""
_NORESERVE = getattr(mmap, "MAP_NORESERVE", 0x4000 if sys.platform == "linux" else 0)

T = TypeVar("T", bound=np.generic)


def grown(array: NDArray[T], rows: int, axis: int = 0) -> NDArray[T]:
    """The array with at least `rows` rows along its first axis (or last: axis=-1), new ones zero; with room to grow.

    The former array may be a view of the same memory: it is to be given up.
    """
    have = array.shape[axis]
    if rows <= have:
        return array
    wanted = max(rows, have + have // 2)
    whole = _whole(array, axis)
    if whole is not None and wanted <= whole.shape[axis]:
        return _cut(whole, wanted, axis)
    each = max(1, array.itemsize * int(np.prod(_rest(array, axis))))
    wider: NDArray[T] | None = None
    if wanted * each > LARGE_BYTES:
        wider = _reserved(array, max(RESERVED, RESERVED_BYTES // each, 2 * wanted), axis)
    if wider is None:
        wider = np.zeros(_shape(array, wanted, axis), array.dtype)
    wider = _cut(wider, wanted, axis)
    _cut(wider, have, axis)[...] = array
    return wider


def _reserved(like: NDArray[T], rows: int, axis: int) -> NDArray[T] | None:
    """Zeros of which only what is written takes memory, or None."""
    shape = _shape(like, rows, axis)
    size = int(np.prod(shape)) * like.itemsize
    try:
        memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NORESERVE)
    except (AttributeError, OSError, OverflowError, ValueError):  # no such mapping on this system, or no room
        return None
    if hasattr(mmap, "MADV_HUGEPAGE"):
        # Rows are read at random: larger pages save the processor half of its misses.
        memory.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(memory, like.dtype).reshape(shape)


def _whole(array: NDArray[T], axis: int) -> NDArray[T] | None:
    """The reservation that an array begins, in its shape; None when it has one of its own memory."""
    root: Any = array
    while isinstance(root, np.ndarray) and isinstance(root.base, np.ndarray):
        root = root.base
    memory = root.base.obj if isinstance(root.base, memoryview) else root.base
    if not isinstance(memory, mmap.mmap) or root.dtype != array.dtype:
        return None
    if root.__array_interface__["data"][0] != array.__array_interface__["data"][0]:
        return None
    rows = root.size // int(np.prod(_rest(array, axis)))
    whole: NDArray[T] = root.reshape(_shape(array, rows, axis))
    return whole


def _rest(array: NDArray[Any], axis: int) -> tuple[int, ...]:
    return array.shape[1:] if axis == 0 else array.shape[:-1]


def _shape(array: NDArray[Any], rows: int, axis: int) -> tuple[int, ...]:
    return (rows, *array.shape[1:]) if axis == 0 else (*array.shape[:-1], rows)


def _cut(array: NDArray[T], rows: int, axis: int) -> NDArray[T]:
    return array[:rows] if axis == 0 else array[..., :rows]
