"""Plays recorded series as if they were happening: history at once, then the held-back rest at its own pace, looped; for demo."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from awry.core.batch import Batch, Times, Values
from awry.core.clock import Clock, SystemClock
from awry.core.errors import InvalidInput, InvalidSelector, Overloaded
from awry.core.series_table import SeriesTable
from awry.core.tick import Rows


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded series, its times strictly rising (Unix ms)."""

    key: str
    time: Times
    value: Values

    def __post_init__(self) -> None:
        if self.time.shape != self.value.shape or not len(self.time) or (np.diff(self.time) <= 0).any():
            raise InvalidInput(f"cannot replay {self.key}: its times do not rise, or there are none")


@dataclass(frozen=True, slots=True)
class Timeline:
    """All recordings as one sequence in order of time. Times are relative to the moment at which the history ends.

    Each recording is moved by itself, so that all histories end together. The loop holds the times in (0, period].
    """

    keys: tuple[str, ...]
    which: Times
    """Row -> index into keys; history first, then one loop."""
    time: Times
    value: Values
    history: int
    """How many rows are history."""
    period_ms: int

    @staticmethod
    def of(recordings: Sequence[Recording], held_back_ms: int) -> Timeline:
        """Hold back the last `held_back_ms` of each recording. Raises InvalidInput when one is shorter than that."""
        which, times, values = [], [], []
        for index, recording in enumerate(recordings):
            time = recording.time - (recording.time[-1] - held_back_ms)
            if time[0] > 0:
                raise InvalidInput(f"cannot replay {recording.key}: it is shorter than the part to hold back")
            which.append(np.full(len(time), index, np.int64))
            times.append(time)
            values.append(recording.value)
        order = np.argsort(np.concatenate(times), kind="stable")
        time = np.concatenate(times)[order].astype(np.int64)
        keys = tuple(recording.key for recording in recordings)
        history = int(np.searchsorted(time, 0, side="right"))
        return Timeline(keys, np.concatenate(which)[order], time, np.concatenate(values)[order], history, held_back_ms)

    def due(self, start: int, until: int, limit: int) -> tuple[Times, Times, Values]:
        """Rows from number `start` on with time <= `until`, at most `limit`: (which, time, value). Numbers go on over the loops."""
        numbers = np.arange(start, start + limit)
        loop = len(self.time) - self.history
        laps = np.maximum(numbers - self.history, 0) // loop
        rows = np.where(numbers < self.history, numbers, self.history + (numbers - self.history) % loop)
        time = self.time[rows] + laps * self.period_ms
        count = int(np.searchsorted(time, until, side="right"))
        return self.which[rows[:count]], time[:count], self.value[rows[:count]]

    def time_of(self, number: int) -> int:
        """Relative time of one row."""
        return int(self.due(number, 2**62, 1)[1][0])


@dataclass(slots=True)
class ReplaySource:
    """Recordings whose history ends at the first start, and which go on from there for ever; a restart catches up."""

    recordings: tuple[Recording, ...] = field(repr=False)
    name: str = "replay"
    """Name in counters and positions."""
    held_back_seconds: float = 86_400.0
    """The last part of each recording arrives at its own pace, again and again."""
    rows_per_batch: int = 2_000
    clock: Clock = field(default_factory=SystemClock)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Nothing is held open."""

    async def commit(self, position: bytes) -> None:
        """Nobody to tell."""

    async def rows(self, series: SeriesTable, resume: bytes | None) -> AsyncIterator[Rows]:
        """All rows that are due, then each when its time comes. Times depend on the first start only, so none comes twice."""
        timeline = Timeline.of(self.recordings, round(self.held_back_seconds * 1000))
        shape = [len(timeline.time), timeline.history]
        stored = json.loads(resume) if resume is not None else {}
        # other recordings than last time: begin anew, and let the engine refuse what is not newer than it knows
        known = stored.get("rows") == shape
        anchor = int(stored["anchor"]) if known else self.clock.now_ms()
        following = int(stored["next"]) if known else 0
        while True:
            which, time, value = timeline.due(following, self.clock.now_ms() - anchor, self.rows_per_batch)
            if not len(time):
                wait = timeline.time_of(following) + anchor - self.clock.now_ms()
                # the clock may be set meanwhile: look again at least once a minute
                await self.sleep(min(max(wait, 1), 60_000) / 1000.0)
                continue
            following += len(time)
            position = json.dumps({"anchor": anchor, "next": following, "rows": shape}).encode()
            yield _rows(series, timeline.keys, which, time + anchor, value, position)


def _rows(series: SeriesTable, keys: tuple[str, ...], which: Times, time: Times, value: Values, position: bytes) -> Rows:
    slots = np.full(len(keys), -1, np.int32)
    refused: dict[str, int] = {}
    for index in np.unique(which).tolist():
        try:
            slots[index] = series.intern_text(keys[index])
        except (Overloaded, InvalidSelector) as error:
            reason = "series_limit" if isinstance(error, Overloaded) else "bad_key"
            refused[reason] = refused.get(reason, 0) + int((which == index).sum())
    kept = slots[which] >= 0
    return Rows(Batch.of(slots[which][kept], time[kept], value[kept]), len(which), refused, position)
