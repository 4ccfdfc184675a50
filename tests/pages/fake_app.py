"""What the pages read of an app, made up: a snapshot, a few stored samples and incidents; for tests without an engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.testclient import TestClient

from awry.core.batch import Scored
from awry.core.clock import ManualClock
from awry.core.incident import Change, Incident, IncidentSeries
from awry.core.rule import Rule, Silence
from awry.core.series_table import SeriesTable
from awry.core.tick import Samples
from awry.engine.counters import Counters
from awry.engine.snapshot import Active, Snapshot
from awry.server.dispatch import NotifierStatus
from awry.server.pages import routes

NOW = 1_773_114_060_000  # Tue 10 Mar 2026 03:41 UTC
MINUTE = 60_000
DEFAULT = Rule(name="default", origin="default")
HOSTILE = 'evil{label="<script>alert(1)</script>",q="\\"\'&"}'


def snapshot(keys: Sequence[str], **columns: Any) -> Snapshot:
    """A quiet picture of these series, each a sample a minute; `columns` replace what a test is about."""
    n = len(keys)
    wave = np.linspace(1, 2, n) if n else np.zeros(0)
    base: dict[str, Any] = {
        "seq": 7,
        "time": NOW,
        "series": n,
        "last_time": np.full(n, NOW - MINUTE, np.int64),
        "last_value": wave * 10,
        "score": np.full(n, 0.05, np.float32),
        "segment": np.full(n, 0.05, np.float32),
        "expected": (wave * 10).astype(np.float32),
        "low": (wave * 9).astype(np.float32),
        "high": (wave * 11).astype(np.float32),
        "interval_ms": np.full(n, 60_000, np.float32),
        "seen": np.full(n, 500, np.uint32),
        "state": np.ones(n, np.uint8),
        "heat": np.full((n, 144), 12, np.uint8),
        "heat_end": NOW // 600_000 * 600_000 + 600_000,
        "rules": (DEFAULT,),
        "rate": tuple((NOW - 5000 * i, 40) for i in range(20, 0, -1)),
        "delay_ms": 120.0,
    }
    return Snapshot(**{**base, **columns})


def incident(key: str, slot: int, *, id: str = "i1", end: int | None = None, **fields: Any) -> Incident:
    """An incident of one series that began 29 minutes ago."""
    start = NOW - 29 * MINUTE
    one = IncidentSeries(
        key=key, slot=slot, start=start, end=end, score=0.47, raw=9.0, value=15.0, expected=6.0, low=5.2, high=6.8, part="records"
    )
    base: dict[str, Any] = {
        "id": id,
        "state": "open" if end is None else "resolved",
        "rule": "default",
        "severity": "critical",
        "start": start,
        "end": end,
        "score": 0.47,
        "title": f"{key} is 15, expected 5.2–6.8, since 03:12 UTC",
        "series": (one,),
    }
    return Incident(**{**base, **fields})


@dataclass
class FakeArchive:
    """Stored things by hand; samples are the same slow wave for every series."""

    resolved: list[Incident] = field(default_factory=list)
    open: list[Incident] = field(default_factory=list)
    log: list[Change] = field(default_factory=list)

    def samples(self, slot: int, start: int, end: int) -> Samples:
        """A sample a minute."""
        time = np.arange(start // MINUTE * MINUTE, min(end, NOW), MINUTE, dtype=np.int64)
        return Samples(time, np.sin(time / 3e6) + slot, Scored.blank(len(time)))

    def incidents(
        self, *, state: str = "all", start: int | None = None, end: int | None = None, limit: int = 100, after: str = ""
    ) -> tuple[list[Incident], str | None]:
        """Newest first."""
        found = (self.open if state != "resolved" else []) + (self.resolved if state != "open" else [])
        return found[:limit], "more" if len(found) > limit else None

    def incident(self, id: str) -> Incident | None:
        """By id."""
        return next((i for i in self.open + self.resolved if i.id == id), None)

    def stats(self) -> dict[str, int]:
        """A store of two days."""
        return {"bytes": 4_200_000, "samples": 120_000, "oldest": NOW - 2880 * MINUTE, "newest": NOW - MINUTE}

    def changes(self, incident_id: str = "", *, after: int = 0, limit: int = 1000) -> list[Change]:
        """Of one incident."""
        return [c for c in self.log if c.incident.id == incident_id]


class FakeApp:
    """The part of `App` that pages use."""

    def __init__(
        self, keys: Sequence[str] = (), *, silences: tuple[Silence, ...] = (), resolved: Sequence[Incident] = (), **columns: Any
    ) -> None:
        self.clock = ManualClock(NOW)
        self.table = SeriesTable()
        self.table.restore(keys)
        self.archive = FakeArchive(list(resolved), list(columns.get("incidents", ())))
        self.engine = SimpleNamespace(snapshot=snapshot(keys, silences=silences, **columns), counters=Counters())
        self.judge = None
        self.dispatcher = SimpleNamespace(status={"hook": NotifierStatus("hook")})
        self.auth = SimpleNamespace(needed=False)
        self.sources: list[Any] = []
        self.pumps: list[Any] = []
        self.config = SimpleNamespace(limits=SimpleNamespace(series=1_000_000, new_series_per_minute=200_000))
        self.version, self.started, self.ready = "1.2.3", NOW - 60 * MINUTE, True
        self.stopping = asyncio.Event()
        self.reads: list[str] = []

    async def read(self, fn: Callable[..., Any], *args: Any) -> Any:
        """At once, in this thread."""
        self.reads.append(getattr(fn, "__name__", str(fn)))
        return fn(*args)

    def client(self) -> TestClient:
        """A client of the pages alone."""
        app: Any = self
        return TestClient(Starlette(routes=routes(app)), base_url="http://127.0.0.1")


def firing(slot: int, since: int = NOW - 29 * MINUTE) -> Active:
    """A rule that holds a series."""
    return Active(rule="default", slot=slot, state="firing", since=since, threshold=0.4, why="1 in 10,000, from the budget")
