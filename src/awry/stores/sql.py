"""The SQL store: journal, chunks, incidents and checkpoints in one database, behind the doors Store and Archive."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Batch
from awry.core.errors import StoreUnavailable
from awry.core.incident import Change, Incident
from awry.core.tick import Block, Recovery, Samples, Tick
from awry.stores import archive
from awry.stores.backup import copy_database
from awry.stores.commit import newest_seq, write_blocks, write_ticks
from awry.stores.connect import AWAY_AT_START, TRIED_AGAIN, Database, database_url, guarded
from awry.stores.export import export_state
from awry.stores.migrations import migrate
from awry.stores.options import Fault, StoreOptions, no_fault
from awry.stores.parked import read_parked
from awry.stores.recovery import recover
from awry.stores.state import State, load_state
from awry.stores.upkeep import Upkeep


def open_store(target: str | Path, *, fault: Fault = no_fault, **options: Any) -> SqlStore:
    """A store at a URL, a file or a data folder; `options` are the fields of StoreOptions.

    Raises StoreInUse, StoreCorrupt, StoreTooNew, StoreUnavailable, InvalidConfig, or StoreError where the folder cannot be written.
    """
    return SqlStore(target, StoreOptions(**options), fault=fault)


class SqlStore:
    """Store and Archive over SQLite, PostgreSQL or MySQL/MariaDB.

    recover, commit, save, upkeep and compact belong to one thread at a time; everything else to any thread. `fault` is called at
    named points, where a chaos test raises.
    """

    def __init__(self, target: str | Path, options: StoreOptions | None = None, *, fault: Fault = no_fault) -> None:
        self.options = options or StoreOptions()
        self._fault = fault
        self._unclear = False
        self._database = Database(database_url(target), synchronous=self.options.synchronous)
        try:
            self._database.lock()
            migrate(self._database)
            with self._database.read("read the database") as connection:
                self._state: State = load_state(connection)
        except StoreUnavailable as error:
            self._database.close()
            raise StoreUnavailable(error.message, hint=error.hint.replace(TRIED_AGAIN, AWAY_AT_START)) from error
        except BaseException:
            self._database.close()
            raise
        self._upkeep = Upkeep(self._database, self._state, self.options, fault)

    def recover(self) -> Recovery:
        """Read back what a restart needs; the ticks are read as they are iterated."""
        return recover(self._database, self._state)

    def commit(self, ticks: Sequence[Tick]) -> None:
        """Write ticks in one transaction, durable on return. Repeating a commit that raised is safe."""
        if not ticks:
            return
        unclear, self._unclear = self._unclear, True
        with guarded("write to the database"):
            self._fault("commit.begin")
            with self._database.write("write to the database") as connection:
                stored = newest_seq(connection) if unclear else self._state.last_seq
                write_ticks(connection, [tick for tick in ticks if tick.seq > stored], self._state.slots)
                self._fault("commit.before")
            self._fault("commit.after")
        self._unclear = False
        for tick in ticks:
            if tick.seq > self._state.last_seq:
                self._state.head.append(tick.batch, tick.scored, tick.time)
                self._state.last_seq, self._state.last_tick = tick.seq, tick.time
                self._state.settle(tick)

    def save(self, blocks: Sequence[Block]) -> None:
        """Replace checkpoint blocks, in one transaction."""
        if not blocks:
            return
        with self._database.write("write a checkpoint") as connection:
            write_blocks(connection, blocks)
            self._fault("save.before")
        self._state.blocks.update({(block.name, block.index): block.seq for block in blocks})

    def upkeep(self, now_ms: int) -> bool:
        """Do one small slice of sealing or retention; True when more is waiting."""
        return self._upkeep.slice(now_ms)

    def compact(self, now_ms: int) -> dict[str, int]:
        """Seal, expire and merge everything at once and give free space back; tells bytes before and after. Takes its time."""
        return self._upkeep.compact(now_ms)

    def close(self) -> None:
        """Release the file or connection; may be called twice. What is not sealed waits in the journal."""
        self._database.close()

    def parked(self, slots: Sequence[int], seq: int) -> dict[int, bytes]:
        """Of these slots, the state that was parked last before tick seq."""
        return read_parked(self._database, slots, seq)

    def reusable(self) -> tuple[int, ...]:
        """Slots of deleted series of which nothing is left, each told once; upkeep finds them."""
        found, self._state.reusable = tuple(self._state.reusable), []
        return found

    def samples(self, slot: int, start: int, end: int) -> Samples:
        """Stored samples of one series with start <= time < end (Unix ms), in order of time."""
        return archive.read_samples(self._database, self._state, slot, start, end)

    def recent(self, batch: Batch, by_time: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which rows equal a stored sample that is not sealed yet (NaN equals NaN); of those `by_time` the time alone counts."""
        return archive.find_recent(self._state, batch, by_time)

    def incidents(
        self, *, state: str = "all", start: int | None = None, end: int | None = None, limit: int = 100, after: str = ""
    ) -> tuple[list[Incident], str | None]:
        """Incidents that overlap [start, end), newest start first, with the mark of the next page (None: no more)."""
        return archive.read_incidents(self._database, state=state, start=start, end=end, limit=limit, after=after)

    def incident(self, id: str) -> Incident | None:
        """One incident, or None."""
        return archive.read_incident(self._database, id)

    def changes(self, incident_id: str = "", *, after: int = 0, limit: int = 1000) -> list[Change]:
        """Changes with number > after, oldest first: of one incident, or of all."""
        return archive.read_changes(self._database, incident_id, after=after, limit=limit)

    def stats(self) -> dict[str, int]:
        """bytes (of the database), samples, chunks, journal_rows, oldest and newest (Unix ms)."""
        return archive.read_stats(self._database, self._state)

    def backup(self, path: Path) -> None:
        """A consistent copy while the writer goes on. SQLite only; InvalidInput names the tool for other databases."""
        copy_database(self._database.url, path)

    def export(self, *, history: bool, awry: str, now_ms: int) -> Generator[bytes, None, None]:
        """Everything as it stands, as the pieces of a file for another machine or database; see `export.export_state`."""
        return export_state(self._database.url, history=history, awry=awry, now_ms=now_ms)
