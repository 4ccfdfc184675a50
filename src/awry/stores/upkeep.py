"""The order of the store's small chores, one slice a call: seal, forget the deleted, trim, expire, merge, give space back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from awry.stores.connect import Database
from awry.stores.options import Fault, StoreOptions
from awry.stores.retention import Keeper
from awry.stores.rewrite import Rewriter
from awry.stores.seal import Sealer
from awry.stores.state import State, count_chunks

_LOOK_EVERY_MS = 60_000  # between two looks for things to trim or expire, when the last found none


class Upkeep:
    """Called by the writer's thread between commits."""

    def __init__(self, database: Database, state: State, options: StoreOptions, fault: Fault) -> None:
        self._database = database
        self._sealer = Sealer(database, state, options, fault)
        self._keeper = Keeper(database, state, options, fault)
        self._rewriter = Rewriter(database, state, options, fault)
        self._state = state
        self._looked_ms: int | None = None
        self._doubt = False

    def slice(self, now_ms: int) -> bool:
        """Do one thing of a few milliseconds; True when more is waiting."""
        with self._counted():
            return self._slice(now_ms)

    def _slice(self, now_ms: int) -> bool:
        if self._seal(now_ms, force=False):
            return True
        if self._rewriter.purge() or self._rewriter.merge():
            return True
        if self._looked_ms is not None and 0 <= now_ms - self._looked_ms < _LOOK_EVERY_MS:
            return False
        if self._tidy(now_ms):
            return True
        self._state.find_reusable()
        self._looked_ms = now_ms
        return False

    def compact(self, now_ms: int) -> dict[str, int]:
        """All chores at once, small chunks merged wherever there are two, and the file rewritten without holes."""
        before = self._keeper.used_bytes()
        with self._counted():
            self._compact(now_ms)
        return {"bytes_before": before, "bytes_after": self._keeper.used_bytes()}

    def _compact(self, now_ms: int) -> None:
        while self._seal(now_ms, force=True):
            pass
        while self._rewriter.purge():
            pass
        while self._tidy(now_ms):
            pass
        self._rewriter.look(many=2)
        while self._rewriter.merge():
            pass
        if self._database.sqlite:
            self._database.vacuum()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """After an error nobody knows whether the last slice was written: what is known by heart is read again."""
        if self._doubt:
            with self._database.read("read the database") as connection:
                count_chunks(self._state, connection)
                self._sealer.settle(connection)
        self._doubt = True
        yield
        self._doubt = False

    def _seal(self, now_ms: int, *, force: bool) -> bool:
        sealer = self._sealer
        if sealer.active:
            sealer.slice()
            if not sealer.active:
                self._rewriter.look()
            return True
        if sealer.due(now_ms) or (force and sealer.waiting):
            sealer.begin()
            return True
        return False

    def _tidy(self, now_ms: int) -> bool:
        keeper = self._keeper
        return (
            keeper.trim_journal(now_ms) or keeper.trim_parked() or keeper.expire(now_ms) or keeper.shrink(now_ms) or keeper.vacuum()
        )
