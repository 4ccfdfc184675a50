"""Ticks with known samples, and what a store should answer for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from awry.core.batch import Batch, Scored
from awry.core.incident import Change, Incident, IncidentSeries
from awry.core.tick import Samples, Tick
from awry.stores import SqlStore

T0 = 1_700_000_000_000
MINUTE = 60_000
ALL = (0, 2**60)


def scored_of(rows: int, seed: int) -> Scored:
    """Scores as the engine makes them, some rows still warming up."""
    rng = np.random.default_rng(seed)

    def floats() -> np.ndarray:
        column = rng.normal(50, 10, rows).astype(np.float32)
        column[rng.random(rows) < 0.1] = np.nan
        return column

    def score() -> np.ndarray:
        return np.where(rng.random(rows) < 0.1, np.nan, np.round(rng.random(rows), 4)).astype(np.float32)

    return Scored(floats(), score(), score(), floats(), floats(), floats(), rng.integers(0, 5, rows).astype(np.uint8))


def tick_of(seq: int, series: int = 250, *, first: int = 0, **more: object) -> Tick:
    """One sample of each series a minute: seq is the minute; the first tick names the series."""
    slot = np.arange(first, first + series)
    batch = Batch.of(slot, T0 + seq * MINUTE + slot, np.round(np.sin(seq + slot), 3))
    new = tuple((int(s), f'cpu{{host="web-{s}"}}') for s in slot) if seq == 1 else ()
    return Tick(seq=seq, time=T0 + seq * MINUTE, batch=batch, scored=scored_of(series, seq), series=new, **more)  # type: ignore[arg-type]


def expected_of(ticks: Sequence[Tick], slot: int) -> Samples:
    """What the store should say of one series after these ticks."""
    rows = [tick.batch.slot == slot for tick in ticks]
    batch = Batch.concat([tick.batch.take(mask) for tick, mask in zip(ticks, rows, strict=True)])
    scored = Scored.concat([tick.scored.take(mask) for tick, mask in zip(ticks, rows, strict=True)])
    return Samples(batch.time, batch.value, scored)


def same(left: Samples, right: Samples) -> bool:
    """Bit for bit the same columns."""
    a, b = columns_of(left), columns_of(right)
    return all(x.dtype == y.dtype and x.tobytes() == y.tobytes() for x, y in zip(a, b, strict=True))


def columns_of(samples: Samples | tuple[Batch, Scored]) -> list[np.ndarray]:
    """All columns of samples, or of a batch and its scores."""
    if isinstance(samples, Samples):
        batch: list[np.ndarray] = [samples.time, samples.value]
        s = samples.scored
    else:
        batch, s = [samples[0].slot, samples[0].time, samples[0].value], samples[1]
    return [*batch, s.raw, s.score, s.segment, s.expected, s.low, s.high, s.part]


def work_off(store: SqlStore, now: int) -> int:
    """Call upkeep until nothing is waiting; tells how often it had something to do."""
    calls = 0
    while store.upkeep(now):
        calls += 1
        assert calls < 10_000
    return calls


def incident_of(number: int, *, end: int | None = None) -> Incident:
    """An incident that began `number` minutes in."""
    key = 'cpu{host="wéb"}'
    return Incident(
        id=f"inc-{number:03}",
        state="open" if end is None else "resolved",
        rule="default",
        severity="warning",
        start=T0 + number * MINUTE,
        end=end,
        score=0.5,
        title="cpu is 14.2, expected 2.1-3.9",
        series=(IncidentSeries(key=key, slot=3, start=T0, score=0.5, value=14.2),),
    )


def change_of(number: int, incident: Incident) -> Change:
    """A change of that incident."""
    kind = "opened" if incident.end is None else "resolved"
    return Change(number=number, kind=kind, time=incident.start, incident=incident, notify=("hook",))  # type: ignore[arg-type]
