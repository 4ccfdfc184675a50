"""Makes the snapshot that readers see, once a second and after every change."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from awry.core.kernel import allocating
from awry.engine.heat import COLUMN_MS
from awry.engine.parking import AWAY
from awry.engine.snapshot import Active, Snapshot

if TYPE_CHECKING:
    from awry.engine.pipeline import Pipeline

RATE_MS = 5_000
RATE_STEPS = 180
SILENT_INTERVALS = 5
SILENT_MS = 60_000
"""A series is called silent after 5 intervals, and never before a minute."""


COPY_ALWAYS, COPY_SHARE, COPY_AGE_SECONDS = 20_000, 0.03, 1.0
"""Slots up to which the columns for readers are copied at every publication; with more, copying them may take this part of the
time, so that with a million series they are up to a second old."""


@allocating
def states(
    now: int, where: NDArray[np.uint8], last_seen: NDArray[np.int64], interval: NDArray[np.float32], absent: NDArray[np.uint8],
    count: NDArray[np.uint32], segment: NDArray[np.float32],
) -> NDArray[np.uint8]:  # fmt: skip
    """State of each slot as an index into STATES; times in ms, all arrays by slot. where: see `Parking`."""
    found = np.zeros(segment.shape[0], np.uint8)
    for s in range(segment.shape[0]):
        quiet = now - last_seen[s]
        if count[s] == 0:
            found[s] = 0
        elif where[s] == AWAY:
            found[s] = 3
        elif quiet > max(SILENT_INTERVALS * interval[s], SILENT_MS) or absent[s] == 1:
            found[s] = 2
        else:
            found[s] = 0 if np.isnan(segment[s]) else 1
    return found


class Publisher:
    """`publish`, `count` are called by the engine's thread; `delay` by the event loop; `snapshot` is read by anyone."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._rate: deque[tuple[int, int]] = deque(maxlen=RATE_STEPS)
        self._delays: deque[int] = deque(maxlen=1024)
        self._columns: dict[str, Any] = {}
        self._copied = 0.0
        self._cost = 0.0
        self.snapshot = self._make(0, "")

    def count(self, now: int, samples: int) -> None:
        """So many samples were accepted at `now`."""
        at = now - now % RATE_MS
        if self._rate and self._rate[-1][0] == at:
            self._rate[-1] = (at, self._rate[-1][1] + samples)
        else:
            self._rate.append((at, samples))

    def delay(self, ns: int) -> None:
        """One intake took so long from arrival to commit."""
        self._delays.append(ns)

    def publish(self, now: int, store_error: str) -> None:
        """Replace the snapshot."""
        self.snapshot = self._make(now, store_error)

    def ended(self, cause: str) -> None:
        """The engine decides nothing any more: the last picture stays, and says so, lest it pass for a quiet day."""
        self.snapshot = replace(self.snapshot, store_error=cause)

    def _make(self, now: int, store_error: str) -> Snapshot:
        p = self._pipeline
        held = sorted(p.rules.held.values(), key=lambda h: -h.since)
        open_incidents = sorted((o.incident for o in p.incidents.open.values()), key=lambda i: -i.start)
        delays = list(self._delays)
        since = now - RATE_MS * RATE_STEPS
        return Snapshot(
            seq=p.seq,
            time=now,
            **self._by_slot(now, max((h.slot for h in held), default=-1)),
            rules=tuple(p.rules.rules.values()),
            silences=tuple(p.incidents.silences.values()),
            active=tuple(Active(h.rule, h.slot, h.state, h.since, h.threshold, h.why) for h in held),
            incidents=tuple(open_incidents),
            rate=tuple(r for r in list(self._rate) if r[0] >= since),
            store_error=store_error,
            delay_ms=float(np.percentile(delays, 99)) / 1e6 if delays else 0.0,
        )

    def _by_slot(self, now: int, most: int) -> dict[str, Any]:
        """The columns, copied anew unless there are many and that was done lately; they reach beyond slot `most`."""
        began = time.perf_counter()
        wait = min(self._cost / COPY_SHARE, COPY_AGE_SECONDS)
        late = not self._columns or began - self._copied >= wait or self._columns["series"] <= most
        if self._pipeline.slots <= COPY_ALWAYS or late:
            self._columns = self._copy(now)
            self._copied = time.perf_counter()
            self._cost = self._copied - began
        return self._columns

    def _copy(self, now: int) -> dict[str, Any]:
        p, n = self._pipeline, self._pipeline.slots
        c: dict[str, NDArray[Any]] = {name: column[:n] for name, column in p.arrivals.columns.items()}
        latest = p.latest.take(slice(0, n))
        return {
            "series": n,
            "last_time": c["last_time"].copy(),
            "last_value": p.rates.shown(c["last_value"].copy()),
            "score": latest.score.copy(),
            "segment": latest.segment.copy(),
            "expected": latest.expected.copy(),
            "low": latest.low.copy(),
            "high": latest.high.copy(),
            "interval_ms": c["interval"].copy(),
            "seen": c["count"].copy(),
            "state": states(now, p.parking.where[:n], c["last_seen"], c["interval"], c["absent"], c["count"], latest.segment),
            "heat": p.heat.cells[:n],
            "heat_end": (p.heat.newest + 1) * COLUMN_MS,
        }
