"""Which parked series are over for good, because no sample of them is stored any more; for the engine, which deletes them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from awry.core.errors import StoreUnavailable
from awry.core.protocols import ParkingPlace, Store
from awry.engine.parking import AWAY, Fetch
from awry.engine.pipeline import Pipeline

RETRY_SECONDS = 0.5


class Departed:
    """forget_ms: a parked series is over when its last sample is older; None: none ever is."""

    def __init__(self, pipeline: Pipeline, forget_ms: int | None) -> None:
        self._pipeline, self._forget_ms = pipeline, forget_ms
        self._told: set[int] = set()

    def find(self, now: int) -> list[int]:
        """Some that are over at `now` and were not told of yet; the engine's thread."""
        if self._forget_ms is None:
            return []
        pipeline = self._pipeline
        self._told = set(self.still(sorted(self._told)))
        dead = pipeline.parking.dead(now - self._forget_ms, pipeline.arrivals.columns, pipeline.slots)
        new = [slot for slot in dead if slot not in self._told]
        self._told |= set(new)
        return new

    def still(self, slots: Sequence[int]) -> tuple[int, ...]:
        """Those that are parked at this moment; any thread."""
        return tuple(slot for slot in slots if self._pipeline.parking.where[slot] == AWAY)


def reusable(store: Store) -> tuple[int, ...]:
    """Slots of deleted series that new ones may have, as the store tells them."""
    return store.reusable() if isinstance(store, ParkingPlace) else ()


def patient(store: Store, closed: Callable[[], bool]) -> Fetch | None:
    """Reads parked state, and waits while the store is away: scoring cannot go on without. Raises StoreUnavailable when closed.

    None: the store keeps no such state.
    """
    if not isinstance(store, ParkingPlace):
        return None

    def fetch(slots: Sequence[int], seq: int) -> Mapping[int, bytes]:
        while True:
            try:
                return store.parked(slots, seq)
            except StoreUnavailable:
                if closed():
                    raise
                time.sleep(RETRY_SECONDS)

    return fetch
