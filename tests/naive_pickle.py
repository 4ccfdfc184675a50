"""Frames of pickled datapoints read by Python's own `pickle` with nothing to import: the oracle of `formats.pickle_rows`."""

from __future__ import annotations

import io
import math
import pickle
import struct

from awry.core.errors import InvalidSelector
from awry.formats.graphite import key_of
from awry.formats.numbers import MAX_TIME_MS, MIN_TIME_MS

Row = tuple[str, int, float]


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        raise pickle.UnpicklingError("no class")


def frame(pickled: bytes) -> bytes:
    """A pickle behind its length."""
    return struct.pack(">I", len(pickled)) + pickled


def read(frames: list[bytes], now_ms: int) -> tuple[list[Row], dict[str, int]]:
    """(rows, refusals by reason) of pickles of well-formed lists."""
    rows: list[Row] = []
    refused: dict[str, int] = {}
    for one in frames:
        for item in _Plain(io.BytesIO(one), encoding="bytes").load():
            try:
                path, (seconds, value) = item
                raw = path.encode() if isinstance(path, str) else path
                seconds, value = float(seconds), float(value)
            except (TypeError, ValueError, AttributeError, OverflowError):
                refused["malformed"] = refused.get("malformed", 0) + 1
                continue
            ms = (
                now_ms
                if seconds == -1
                else (math.floor(seconds * 1000 + 0.5) if math.isfinite(seconds * 1000) else MAX_TIME_MS + 1)
            )
            if not MIN_TIME_MS <= ms <= MAX_TIME_MS:
                reason = "out_of_range"
            else:
                try:
                    rows.append((key_of(raw.decode()), ms, value))
                    continue
                except UnicodeDecodeError:
                    reason = "not_utf8"
                except InvalidSelector:
                    reason = "bad_key"
            refused[reason] = refused.get(reason, 0) + 1
    return rows, refused
