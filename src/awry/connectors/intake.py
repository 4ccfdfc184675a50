"""One bounded buffer of whole lines or frames from many senders, taken by the consumer all at once; for doors on plain sockets."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from awry.core.clock import Clock
from awry.core.series_table import SeriesTable
from awry.core.tick import Rows
from awry.formats.decoded import Decoded
from awry.formats.graphite import SLACK

Decode = Callable[[NDArray[np.uint8], int, SeriesTable, int], tuple[Decoded, Sequence[int]]]
"""(data, end, table, now) -> what data[:end] holds, and where in it units begin whose sender is to be let go."""

READ_BYTES = 65_536
"""Most bytes taken from a socket at once; also the largest datagram."""
CAPACITY_BYTES = 524_288
"""The buffer counts as full from here on: TCP stops reading, UDP drops and counts."""


class Unit(Protocol):
    """What a stream is cut into."""

    @property
    def most_bytes(self) -> int:
        """Bytes of the longest one."""
        ...

    @property
    def resyncs(self) -> bool:
        """Whether a reader finds the next one behind one that is too long, and a last one may end with the stream."""
        ...

    def end(self, buffer: bytearray, start: int, stop: int) -> int:
        """Where the last whole one among buffer[start:stop] ends; `start` when there is none."""
        ...

    def hopeless(self, tail: bytes) -> bool:
        """Whether what began so is too long already."""
        ...


@dataclass(frozen=True, slots=True)
class Lines:
    """Text up to a line feed."""

    most_bytes: int
    resyncs: bool = True

    def end(self, buffer: bytearray, start: int, stop: int) -> int:
        """Behind the last line feed."""
        return max(buffer.rfind(b"\n", start, stop) + 1, start)

    def hopeless(self, tail: bytes) -> bool:
        """Longer than a line may be."""
        return len(tail) > self.most_bytes


@dataclass(frozen=True, slots=True)
class Frames:
    """Content behind its length in four bytes, the highest first."""

    most_bytes: int
    resyncs: bool = False

    def end(self, buffer: bytearray, start: int, stop: int) -> int:
        """Behind the last whole frame, or before the first that announces too much."""
        while stop - start >= 4:
            size = int.from_bytes(buffer[start : start + 4])
            if size > self.most_bytes or start + 4 + size > stop:
                break
            start += 4 + size
        return start

    def hopeless(self, tail: bytes) -> bool:
        """A length over the limit."""
        return len(tail) >= 4 and int.from_bytes(tail[:4]) > self.most_bytes


class Intake:
    """Whole units wait here between the sockets and the consumer, in order of arrival; both live on the event loop's thread."""

    def __init__(self, decode: Decode, unit: Unit, *, capacity_bytes: int = CAPACITY_BYTES) -> None:
        self.unit = unit
        self.ready = asyncio.Event()
        self.on_room: Callable[[], None] = lambda: None
        """Called when there is room again."""
        self._decode = decode
        self._capacity = capacity_bytes
        self._senders: list[tuple[int, Callable[[], None]]] = []
        self._fill = 0
        self._received = 0
        self._refused: Counter[str] = Counter()
        self._closed = False
        self._bytes = bytearray()
        self._view = memoryview(self._bytes)
        self._array = np.frombuffer(self._bytes, np.uint8)
        self._allocate(capacity_bytes + 2 * (READ_BYTES + unit.most_bytes) + SLACK)

    @property
    def full(self) -> bool:
        """Whether senders should wait."""
        return self._fill >= self._capacity

    @property
    def closed(self) -> bool:
        """Whether nothing more comes."""
        return self._closed

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

    def extend(self, size: int, skipping: bool, let_go: Callable[[], None]) -> tuple[bytes, bool]:
        """Keep the whole units among `size` reserved bytes; tells the unfinished rest and whether its unit is being skipped.

        skipping: the line that these bytes go on with was too long, so everything up to its end is thrown away.
        let_go: called later when one of these units turns out to be broken, if units of this kind can be.
        """
        start, stop = self._fill, self._fill + size
        if skipping:
            feed = self._bytes.find(b"\n", start, stop)
            if feed < 0:
                return b"", True
            kept = self._bytes[feed + 1 : stop]
            stop = start + len(kept)
            self._bytes[start:stop] = kept
        end = self.unit.end(self._bytes, start, stop)
        tail = bytes(self._view[end:stop])
        if end > start:
            self._fill = end
            if not self.unit.resyncs:
                self._senders.append((end, let_go))
            self.ready.set()
        if self.unit.hopeless(tail):
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
        """Decode and forget everything that waits, or as much as does not take long; None when nothing came of it."""
        self.ready.clear()
        decoded, broken = self._decode(self._array, self._fill, table, now_ms)
        ends = [end for end, _ in self._senders]
        for sender in {bisect_right(ends, place) for place in broken}:
            self._senders[sender][1]()
        self._bytes[: decoded.rest] = self._bytes[self._fill - decoded.rest : self._fill]
        self._fill = decoded.rest
        self._senders.clear()
        self.on_room()
        if self._fill:
            self.ready.set()
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
            if self._fill:  # left for later, lest others wait: it is their turn
                await asyncio.sleep(0)

    def _allocate(self, size: int) -> None:
        kept = bytes(self._view[: self._fill]) if self._fill else b""
        self._bytes = bytearray(size)
        self._bytes[: len(kept)] = kept
        self._view = memoryview(self._bytes)
        self._array = np.frombuffer(self._bytes, np.uint8)
