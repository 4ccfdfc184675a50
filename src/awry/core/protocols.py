"""The doors: what a detector, a source, a sink, a store, an archive and a notifier must do. At most seven methods each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Arrays, Batch, Raw, Scored, Slots
from awry.core.incident import Change, Incident
from awry.core.series_table import SeriesTable
from awry.core.tick import Block, Recovery, Rows, Samples, Tick


class Component(Protocol):
    """A dataclass: its fields are its options; entering connects, leaving closes (twice is fine)."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *exc: object) -> None: ...


class Detector(Protocol):
    """Scores samples and learns as it goes; one instance serves many series, state arrays have the slot as first axis.

    Several threads may call `step` at once with batches of disjoint slots. No clock, no randomness.
    """

    heads: tuple[str, ...]
    """Names of the strengths, one per column of `Raw.strength`."""
    parts: tuple[str, ...]
    """Names of the components that `Raw.part` points into."""
    warmup: int
    """Valid samples a series needs before its scores count; until then strength is NaN."""

    def grow(self, slots: int) -> None:
        """Have state for at least this many slots; no other call runs meanwhile."""
        ...

    def step(self, batch: Batch) -> Raw:
        """For each row in order: score it with what was known, then learn it. NaN: nothing learned, NaN out."""
        ...

    def dump(self, start: int = 0, stop: int | None = None) -> Arrays:
        """Copies of the state rows of slots [start, stop): enough to continue bit for bit."""
        ...

    def load(self, state: Arrays, start: int = 0) -> None:
        """Take over dumped state from slot `start` on, growing as needed."""
        ...


class Judge(Protocol):
    """A detector with its calibration: what the engine drives. The same thread rules as Detector."""

    parts: tuple[str, ...]

    def grow(self, slots: int) -> None: ...

    def step(self, batch: Batch) -> Scored: ...

    def dump(self, start: int = 0, stop: int | None = None) -> Arrays: ...

    def load(self, state: Arrays, start: int = 0) -> None: ...


@runtime_checkable
class Keyed(Protocol):
    """A judge that chooses by series key; told where keys stand before it grows or loads."""

    def use_keys(self, keys: Sequence[str]) -> None:
        """Look keys up here from now on: canonical key by slot, "" for a deleted series; it grows elsewhere."""
        ...


@runtime_checkable
class Laned(Protocol):
    """A judge that compares some series with each other, which therefore must not be spread over threads."""

    def lanes(self, slot: Slots) -> Slots:
        """A number for each of these series: those of one number are to be stepped in order by one thread."""
        ...


@runtime_checkable
class Parkable(Protocol):
    """A judge that can give the state of single series away, and take it back; slots in rising order."""

    def park(self, slots: Sequence[int]) -> list[bytes]:
        """The state of each, which costs nothing here any more; none of them is stepped until it is back."""
        ...

    def unpark(self, slots: Sequence[int], blobs: Sequence[bytes]) -> int:
        """Take it back; tells how many could be read. The others begin anew."""
        ...

    def forget(self, slots: Sequence[int]) -> None:
        """Let go of the state of series that are deleted, or parked already."""
        ...


class Source(Component, Protocol):
    """Where samples come from; yields until cancelled; raises Retry to be entered again later."""

    @property
    def name(self) -> str:
        """Name in counters and positions, unique in a process."""
        ...

    def rows(self, series: SeriesTable, resume: bytes | None) -> AsyncIterator[Rows]:
        """Decoded samples, from after `resume`; `series` gives slots. Waiting for the consumer is the back-pressure."""
        ...

    async def commit(self, position: bytes) -> None:
        """Everything up to `position` is stored."""
        ...


@runtime_checkable
class Finishing(Protocol):
    """A source that holds samples which nobody sends again, and hands them over before it is left."""

    async def finish(self) -> None:
        """Take nothing more in: `rows` hands over what came, then ends."""
        ...


class Sink(Component, Protocol):
    """Where scores go besides the store; takes all of a batch, or raises Retry and takes none."""

    async def write(self, batch: Batch, scored: Scored, keys: Sequence[str]) -> None: ...


class Store(Protocol):
    """The writing side; one thread calls it. Raises StoreUnavailable when it should be tried again, with nothing written."""

    def recover(self) -> Recovery:
        """Read back what a restart needs."""
        ...

    def commit(self, ticks: Sequence[Tick]) -> None:
        """Write ticks in one transaction, durable on return."""
        ...

    def save(self, blocks: Sequence[Block]) -> None:
        """Replace checkpoint blocks, in one transaction; of two with the same name and index, the later counts."""
        ...

    def upkeep(self, now_ms: int) -> bool:
        """Do one small slice of sealing or retention; True when more is waiting."""
        ...

    def close(self) -> None:
        """Release the file or connection; may be called twice."""
        ...


@runtime_checkable
class ParkingPlace(Protocol):
    """A store that keeps the state of parked series, and knows whose slots may have new series."""

    def parked(self, slots: Sequence[int], seq: int) -> dict[int, bytes]:
        """Of these slots, the state that was parked last before tick seq; any thread may ask."""
        ...

    def reusable(self) -> tuple[int, ...]:
        """Slots of deleted series of which nothing is left, each told once; the writer's thread asks after upkeep."""
        ...


class Archive(Protocol):
    """The reading side; any thread calls it, while the writer writes."""

    def samples(self, slot: int, start: int, end: int) -> Samples:
        """Stored samples of one series with start <= time < end (Unix ms), in order of time."""
        ...

    def recent(self, batch: Batch, by_time: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which rows equal a stored sample (NaN equals NaN), as far as it lies in the recent past; fast also for many series.

        by_time: (n,) rows of which the time alone is compared.
        """
        ...

    def incidents(
        self, *, state: str = "all", start: int | None = None, end: int | None = None, limit: int = 100, after: str = ""
    ) -> tuple[list[Incident], str | None]:
        """Incidents that overlap [start, end), newest start first, with the mark of the next page (None: no more).

        state: open, resolved or all. after: the mark a former call gave.
        """
        ...

    def incident(self, id: str) -> Incident | None:
        """One incident, or None."""
        ...

    def changes(self, incident_id: str = "", *, after: int = 0, limit: int = 1000) -> list[Change]:
        """Changes with number > after, oldest first: of one incident, or of all."""
        ...

    def stats(self) -> dict[str, int]:
        """bytes (of the database), samples, chunks, journal_rows, oldest and newest (Unix ms)."""
        ...

    def backup(self, path: Path) -> None:
        """A consistent copy while the writer goes on."""
        ...


class Notifier(Component, Protocol):
    """Tells people: one change of one incident, or raises Retry."""

    async def notify(self, change: Change) -> None: ...
