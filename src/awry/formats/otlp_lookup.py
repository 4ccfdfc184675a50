"""Finds the series of the points of an OTLP request by raw keys in parts, none of which is written for a point; for `otlp`.

What points share is a stem with a number: of a resource and scope (under ROOT, what is kept of them as a little message), and below
that of a metric (the stem's number and the kind, then the name). A point is looked up by its metric's stem and the bytes of its
attributes where they lie. Every part is compared in full. Attributes in another order are another key of the same series.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from awry.core.hashing import probe, probe_after
from awry.core.kernel import copy, kernel
from awry.formats.otlp_walk import DELTA, MAX_RAW_BYTES, TOO_LONG, UNKNOWN, Metrics, Rows
from awry.formats.protobuf_walk import field, put_size

RESOURCE_TAG, SCOPE_TAG = 10, 42
"""Tags of the raw key of a resource and scope."""
ROOT = 2**64 - 1
"""The word before the raw key of a resource and scope."""
KIND_BITS = 4
"""A metric's word is the stem of its resource and scope, and in the lowest bits its kind."""


class Index(NamedTuple):
    """The four arrays of a RawIndex, see `core.hashing.probe`."""

    hashes: NDArray[np.uint64]
    slots: NDArray[np.int32]
    starts: NDArray[np.int64]
    blob: NDArray[np.uint8]


class Keep(NamedTuple):
    """Which resource attributes are part of a key: the arrays of a RawIndex of their names, or `every`; if the scope's name is."""

    hashes: NDArray[np.uint64]
    slots: NDArray[np.int32]
    starts: NDArray[np.int64]
    blob: NDArray[np.uint8]
    every: bool
    scope: bool


@kernel
def _append(data: NDArray[np.uint8], start: int, end: int, tag: int, key: NDArray[np.uint8], size: int) -> int:
    """Add data[start:end] to a raw key as a field; its new size, or TOO_LONG."""
    length = end - start
    if size < 0 or size + length + 12 > MAX_RAW_BYTES:
        return TOO_LONG
    key[size] = tag
    size = put_size(key, size + 1, length)
    copy(data, start, end, key, size)
    return size + length


@kernel
def _kept(data: NDArray[np.uint8], at: int, end: int, keep: Keep) -> bool:
    """Whether a KeyValue's key is among the kept ones; its last one counts."""
    start, stop = at, at
    while at < end:
        tag, inner, after = field(data, at, end)
        if after < 0:
            return False
        if tag == 10:
            start, stop = inner, after
        at = after
    return bool(probe(keep.hashes, keep.slots, keep.starts, keep.blob, data, start, stop) >= 0)


@kernel
def shared_key(data: NDArray[np.uint8], met: int, metrics: Metrics, keep: Keep, key: NDArray[np.uint8]) -> int:
    """Write what is kept of a metric's resource and scope into `key` (MAX_RAW_BYTES,); its size, or TOO_LONG."""
    size, name, name_end = 0, 0, 0
    at, end = metrics.resource[met, 0], metrics.resource[met, 1]
    while at < end:
        tag, inner, after = field(data, at, end)
        at = after
        while tag == 10 and inner < after:
            own, pair, inner = field(data, inner, after)
            if own == 10 and (keep.every or _kept(data, pair, inner, keep)):
                size = _append(data, pair, inner, RESOURCE_TAG, key, size)
    at, end = metrics.scope[met, 0], metrics.scope[met, 1]
    while at < end:
        tag, inner, after = field(data, at, end)
        at = after
        while tag == 10 and inner < after:
            own, word, inner = field(data, inner, after)
            if own == 10:
                name, name_end = word, inner
    return _append(data, name, name_end, SCOPE_TAG, key, size) if keep.scope and name_end > name else size


@kernel
def look_up(
    data: NDArray[np.uint8], rows: Rows, metrics: Metrics, keep: Keep, stems: Index, numbers: Index, distributions: Index,
    key: NDArray[np.uint8], slots: NDArray[np.int32],
) -> None:  # fmt: skip
    """Fill slots (rows,): of the series, or the number of the distribution; UNKNOWN; or why not. key: (MAX_RAW_BYTES,), scratch."""
    faults, kinds, owns, own_stops, owners = rows.fault, rows.kind, rows.own, rows.own_stop, rows.metric
    names, scopes = metrics.name, metrics.scope
    hashes_0, stem_of, starts_0, blob_0 = stems
    hashes, known, starts, blob = numbers
    hashes_2, known_2, starts_2, blob_2 = distributions
    met = scope = -1
    shared = stem = UNKNOWN
    for row in range(slots.shape[0]):
        if faults[row] != 0:
            slots[row] = faults[row]
            continue
        if owners[row] != met:
            met = int(owners[row])
            if scopes[met, 0] != scope:
                scope = int(scopes[met, 0])
                shared = int(shared_key(data, met, metrics, keep, key))
                if shared >= 0:
                    shared = int(probe_after(hashes_0, stem_of, starts_0, blob_0, np.uint64(ROOT), key, 0, shared))
            name, name_end = names[met, 0], names[met, 1]
            stem = TOO_LONG if name_end - name > MAX_RAW_BYTES else shared
            if stem >= 0:
                word = np.uint64(stem) << np.uint64(KIND_BITS) | np.uint64(kinds[row])
                stem = int(probe_after(hashes_0, stem_of, starts_0, blob_0, word, data, name, name_end))
        if stem < 0:
            slots[row] = stem
        elif owns[row] < 0:  # its attributes are not in one piece: read anew each time
            slots[row] = UNKNOWN
        elif kinds[row] <= DELTA:
            slots[row] = probe_after(hashes, known, starts, blob, np.uint64(stem), data, owns[row], own_stops[row])
        else:
            slots[row] = probe_after(hashes_2, known_2, starts_2, blob_2, np.uint64(stem), data, owns[row], own_stops[row])
