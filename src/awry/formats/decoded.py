"""What a decoder hands over: the batch, and how many samples it refused for which reason; for every door."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from awry.core.batch import Batch
from awry.core.errors import Overloaded
from awry.core.series_table import SeriesTable


@dataclass(frozen=True, slots=True)
class Decoded:
    """Samples of one buffer or body.

    received counts every sample or line seen, refused ones included. refused: reason -> how many.
    """

    batch: Batch
    received: int
    refused: Mapping[str, int] = field(default_factory=dict)
    rest: int = 0
    """Bytes at the end that were left for the next time."""


def intern(table: SeriesTable, protocol: str, raw: bytes, key: str, counter: bool | None = None) -> int:
    """Slot of a key, remembering its raw bytes; -1 when a limit on series refuses it (the table counts that).

    counter: the protocol says that the series is one, or a gauge; None: it says nothing.
    """
    try:
        return table.intern_raw(protocol, raw, key, counter)
    except Overloaded:
        return -1
