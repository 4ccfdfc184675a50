"""Watches this machine: CPU, memory, load, disks, network and top processes, read once a second, as 10-second means and maxima."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Self

from awry.connectors.host_reader import Labels, PsutilReader, Reader
from awry.connectors.host_window import HostWindow, Row, TopProcesses
from awry.core.batch import Batch
from awry.core.clock import Clock, SystemClock
from awry.core.errors import InvalidSelector, Overloaded
from awry.core.series_key import format_key
from awry.core.series_table import SeriesTable
from awry.core.tick import Rows


@dataclass(slots=True)
class HostSource:
    """This machine as a source of some fifty series, labelled host="…" and stat="mean" or "max"."""

    name: str = "host"
    """Name in counters and positions."""
    host: str = ""
    """Value of the label `host`; empty means this machine's name."""
    interval_seconds: float = 10.0
    """A sample per series and this many seconds."""
    read_seconds: float = 1.0
    """How often the machine is looked at."""
    processes: int = 10
    """Process names watched at most; 0 leaves processes out."""
    reader: Reader | None = None
    """What looks at the machine; None means psutil."""
    clock: Clock = field(default_factory=SystemClock)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def __aenter__(self) -> Self:
        if self.reader is None:
            self.reader = await asyncio.to_thread(PsutilReader)
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Nothing is held open."""

    async def commit(self, position: bytes) -> None:
        """Nothing to tell the machine."""

    async def rows(self, series: SeriesTable, resume: bytes | None) -> AsyncIterator[Rows]:
        """One batch per window, stamped with the window's end; a window never repeats, even if the clock steps back."""
        reader = self.reader or PsutilReader()
        host = self.host or socket.gethostname()
        window, top = HostWindow(), TopProcesses(limit=self.processes)
        total = await asyncio.to_thread(reader.memory_total)
        last, watched = _resume(resume)
        now = self.clock.now_ms()
        top.names.update(dict.fromkeys(watched[: self.processes], now))
        width = max(1, round(self.interval_seconds * 1000))
        step = max(1, round(self.read_seconds * 1000))
        if self.processes:
            top.step(now, await asyncio.to_thread(reader.processes), total)
        window.add(now, await asyncio.to_thread(reader.measures))
        end = now - now % width + width
        while True:
            await self.sleep((step - self.clock.now_ms() % step) / 1000.0)
            now = self.clock.now_ms()
            window.add(now, await asyncio.to_thread(reader.measures))
            if now < end:
                continue
            found = window.close()
            if self.processes:
                found += top.step(now, await asyncio.to_thread(reader.processes), total)
            # a window begun late (start, a suspended machine) is stamped with the last boundary passed
            stamp, end = now - now % width, now - now % width + width
            if stamp > last:
                last = stamp
                yield _rows(series, host, stamp, found, json.dumps({"end": stamp, "processes": sorted(top.names)}).encode())


def _resume(position: bytes | None) -> tuple[int, list[str]]:
    if position is None:
        return 0, []
    stored = json.loads(position)
    return int(stored["end"]), [str(name) for name in stored["processes"]]


def _rows(series: SeriesTable, host: str, stamp: int, found: list[Row], position: bytes) -> Rows:
    slots: list[int] = []
    values: list[float] = []
    refused: dict[str, int] = {}
    for name, labels, value in found:
        try:
            slots.append(series.intern(_key(host, name, labels)))
        except Overloaded:
            refused["series_limit"] = refused.get("series_limit", 0) + 1
            continue
        except InvalidSelector:
            refused["bad_key"] = refused.get("bad_key", 0) + 1
            continue
        values.append(value)
    return Rows(Batch.of(slots, [stamp] * len(slots), values), len(found), refused, position)


@lru_cache(maxsize=1024)
def _key(host: str, name: str, labels: Labels) -> str:
    return format_key(name, (*labels, ("host", host)))
