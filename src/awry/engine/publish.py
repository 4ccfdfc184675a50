"""Makes the snapshot that readers see, once a second and after every change."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from awry.engine.heat import COLUMN_MS
from awry.engine.snapshot import Active, Snapshot

if TYPE_CHECKING:
    from awry.engine.pipeline import Pipeline

RATE_MS = 5_000
RATE_STEPS = 180
SILENT_INTERVALS = 5
SILENT_MS = 60_000
"""A series is called silent after 5 intervals, and never before a minute."""


class Publisher:
    """`publish`, `count` are called by the engine's thread; `delay` by the event loop; `snapshot` is read by anyone."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._rate: deque[tuple[int, int]] = deque(maxlen=RATE_STEPS)
        self._delays: deque[int] = deque(maxlen=1024)
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
        p, n = self._pipeline, self._pipeline.slots
        c, latest = p.arrivals.columns, p.latest
        held = sorted(p.rules.held.values(), key=lambda h: -h.since)
        open_incidents = sorted((o.incident for o in p.incidents.open.values()), key=lambda i: -i.start)
        delays = list(self._delays)
        since = now - RATE_MS * RATE_STEPS
        return Snapshot(
            seq=p.seq,
            time=now,
            series=n,
            last_time=c["last_time"][:n].copy(),
            last_value=p.rates.shown(c["last_value"][:n].copy()),
            score=latest.score[:n].copy(),
            segment=latest.segment[:n].copy(),
            expected=latest.expected[:n].copy(),
            low=latest.low[:n].copy(),
            high=latest.high[:n].copy(),
            interval_ms=c["interval"][:n].copy(),
            seen=c["count"][:n].copy(),
            state=self._states(now, n),
            heat=p.heat.cells[:n],
            heat_end=(p.heat.newest + 1) * COLUMN_MS,
            rules=tuple(p.rules.rules.values()),
            silences=tuple(p.incidents.silences.values()),
            active=tuple(Active(h.rule, h.slot, h.state, h.since, h.threshold, h.why) for h in held),
            incidents=tuple(open_incidents),
            rate=tuple(r for r in list(self._rate) if r[0] >= since),
            store_error=store_error,
            delay_ms=float(np.percentile(delays, 99)) / 1e6 if delays else 0.0,
        )

    def _states(self, now: int, n: int) -> NDArray[np.uint8]:
        c: dict[str, NDArray[Any]] = self._pipeline.arrivals.columns
        quiet = now - c["last_seen"][:n]
        state = np.where(np.isnan(self._pipeline.latest.segment[:n]), 0, 1).astype(np.uint8)
        limit = np.maximum(SILENT_INTERVALS * c["interval"][:n], SILENT_MS)
        state[(quiet > limit) | (c["absent"][:n] == 1)] = 2
        state[quiet > self._pipeline.silent_ms] = 3
        state[c["count"][:n] == 0] = 0
        return state
