"""Named arrays and JSON <-> bytes, never pickle; for checkpoint blocks, incidents and changes."""

from __future__ import annotations

import io
from typing import TypeVar

import msgspec
import numpy as np

from awry.core.batch import Arrays
from awry.core.errors import StoreCorrupt
from awry.stores.pack import compress, decompress

T = TypeVar("T")
_SMALL = 1024  # bytes of JSON that are not worth packing
_ZSTD = b"\x28\xb5\x2f\xfd"


def pack_arrays(arrays: Arrays) -> bytes:
    """Arrays in the .npy format one after the other, each after its name; compressed lightly."""
    out = io.BytesIO()
    for name, array in arrays.items():
        label = name.encode()
        out.write(len(label).to_bytes(2, "little") + label)
        np.lib.format.write_array(out, np.ascontiguousarray(array).reshape(array.shape), allow_pickle=False)
    return compress(out.getvalue(), 1)


def unpack_arrays(data: bytes) -> Arrays:
    """What pack_arrays packed. Raises StoreCorrupt."""
    plain = decompress(data)
    source, arrays = io.BytesIO(plain), Arrays()
    try:
        while source.tell() < len(plain):
            size = int.from_bytes(source.read(2), "little")
            name = source.read(size).decode()
            arrays[name] = np.lib.format.read_array(source, allow_pickle=False)
    except ValueError as error:
        raise StoreCorrupt(f"cannot read a checkpoint block: {error}", hint="restore the database from a backup") from error
    return arrays


def pack_json(value: object) -> bytes:
    """JSON, compressed when it is long."""
    data = msgspec.json.encode(value)
    return data if len(data) < _SMALL else compress(data)


def unpack_json(data: bytes, kind: type[T]) -> T:
    """What pack_json packed, as `kind`. Raises StoreCorrupt."""
    plain = decompress(data) if data[:4] == _ZSTD else data
    try:
        return msgspec.json.decode(plain, type=kind)
    except msgspec.MsgspecError as error:
        raise StoreCorrupt(f"cannot read a stored {kind.__name__}: {error}", hint="restore the database from a backup") from error
