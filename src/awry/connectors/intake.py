"""One bounded buffer of whole text lines from many senders, taken by the consumer all at once; for the Graphite doors."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable

import numpy as np

from awry.core.clock import Clock
from awry.core.series_table import SeriesTable
from awry.core.tick import Rows
from awry.formats.graphite import SLACK, decode_lines

READ_BYTES = 65_536
"""Most bytes taken from a socket at once; also the largest datagram."""
CAPACITY_BYTES = 524_288
"""The buffer counts as full from here on: TCP stops reading, UDP drops and counts."""


class Intake:
    """Lines wait here between the sockets and the consumer, in order of arrival; both live on the event loop's thread."""

    def __init__(
        self, line_bytes: int, *, capacity_bytes: int = CAPACITY_BYTES, on_room: Callable[[], None] = lambda: None
    ) -> None:
        self.line_bytes = line_bytes
        self.ready = asyncio.Event()
        self._capacity = capacity_bytes
        self._on_room = on_room
        self._fill = 0
        self._received = 0
        self._refused: Counter[str] = Counter()
        self._closed = False
        self._bytes = bytearray()
        self._view = memoryview(self._bytes)
        self._array = np.frombuffer(self._bytes, np.uint8)
        self._allocate(capacity_bytes + 2 * (READ_BYTES + line_bytes) + SLACK)

    @property
    def full(self) -> bool:
        """Whether senders should wait."""
        return self._fill >= self._capacity

    def refuse(self, reason: str, lines: int = 0) -> None:
        """Count something dropped before it could be decoded: so many lines, or (0) one connection."""
        self._refused[reason] += max(lines, 1)
        self._received += lines
        self.ready.set()

    def reserve(self, tail: bytes) -> memoryview:
        """Room for READ_BYTES behind the unfinished line of a sender; nothing else may reserve until `extend` or `append`."""
        need = self._fill + len(tail) + READ_BYTES + 1 + SLACK
        if need > len(self._bytes):
            self._allocate(need + READ_BYTES)
        at = self._fill + len(tail)
        self._bytes[self._fill : at] = tail
        return self._view[at : at + READ_BYTES]

    def extend(self, size: int, skipping: bool) -> tuple[bytes, bool]:
        """Keep the whole lines among `size` reserved bytes; tells the unfinished rest and whether its line is being skipped.

        skipping: the line that these bytes go on with was too long, so everything up to its end is thrown away.
        """
        start, stop = self._fill, self._fill + size
        if skipping:
            feed = self._bytes.find(b"\n", start, stop)
            if feed < 0:
                return b"", True
            kept = self._bytes[feed + 1 : stop]
            stop = start + len(kept)
            self._bytes[start:stop] = kept
        last = self._bytes.rfind(b"\n", start, stop)
        tail = bytes(self._view[last + 1 if last >= 0 else start : stop])
        if last >= 0:
            self._fill = last + 1
            self.ready.set()
        if len(tail) > self.line_bytes:
            self.refuse("too_long", 1)
            return b"", True
        return tail, False

    def append(self, size: int) -> None:
        """Keep `size` reserved bytes as whole lines, the last one with or without its line feed."""
        if size and self._bytes[self._fill + size - 1] != 10:
            self._bytes[self._fill + size] = 10
            size += 1
        self._fill += size
        self.ready.set()

    def finish(self, tail: bytes) -> None:
        """Keep the last line of a sender that closed without a line feed."""
        self.reserve(tail)
        self.append(len(tail))

    def take(self, table: SeriesTable, now_ms: int) -> Rows | None:
        """Decode and forget everything that waits, or None."""
        self.ready.clear()
        decoded = decode_lines(self._array, self._fill, table, now_ms, line_bytes=self.line_bytes)
        self._fill = 0
        self._on_room()
        refused, received = self._refused, self._received + decoded.received
        refused.update(decoded.refused)
        self._refused, self._received = Counter(), 0
        if not received and not refused:
            return None
        return Rows(decoded.batch, received=received, refused=refused)

    def open(self) -> None:
        """Take lines (again)."""
        self._closed = False

    def close(self) -> None:
        """Take no more lines: `rows` hands over what waits, then ends."""
        self._closed = True
        self.ready.set()

    async def rows(self, table: SeriesTable, clock: Clock) -> AsyncIterator[Rows]:
        """Everything that arrived since the last time round, until closed."""
        while True:
            await self.ready.wait()
            rows = self.take(table, clock.now_ms())
            if rows is not None:
                yield rows
            elif self._closed:
                return
            if self._closed:
                self.ready.set()

    def _allocate(self, size: int) -> None:
        kept = bytes(self._view[: self._fill]) if self._fill else b""
        self._bytes = bytearray(size)
        self._bytes[: len(kept)] = kept
        self._view = memoryview(self._bytes)
        self._array = np.frombuffer(self._bytes, np.uint8)
