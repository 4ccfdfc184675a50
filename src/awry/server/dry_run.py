"""Replays a rule over stored scores with the live code, to tell beforehand how often it would have opened an incident."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from awry.core.batch import Batch
from awry.core.incident import Incident
from awry.core.protocols import Archive
from awry.core.rule import Rule
from awry.core.selector import parse_selector
from awry.engine.incidents import IncidentStage
from awry.engine.rules import Event, RuleStage
from awry.engine.snapshot import Snapshot
from awry.engine.threshold import rule_threshold
from awry.server.series_search import find_series

MAX_DAYS = 30
MAX_SERIES = 1000
MAX_SECONDS = 5.0
EXAMPLES = 10


def dry_run(
    rule: Rule, archive: Archive, keys: Sequence[str], snapshot: Snapshot, parts: Sequence[str], start: int, end: int
) -> dict[str, Any]:
    """How many incidents the rule would have opened over [start, end) in Unix ms; series that stopped are not replayed.

    parts: names of the components that may have spoken.

    At most MAX_SERIES series within MAX_SECONDS are replayed; the answer says how many, and whether that was all.
    """
    slots, more = find_series(keys, parse_selector(rule.selector), stop=snapshot.series, limit=MAX_SERIES)
    stage = RuleStage([*parts, "absent"])
    stage.grow(snapshot.series)
    stage.put(rule, keys, start)
    events: list[Event] = []
    thresholds: list[float] = []
    replayed, until = 0, time.monotonic() + MAX_SECONDS
    for slot in slots:
        if time.monotonic() > until:
            break
        samples = archive.samples(slot, start, end)
        threshold = rule_threshold(rule, float(np.nan_to_num(snapshot.interval_ms[slot])), int(snapshot.seen[slot]))[0]
        thresholds.append(threshold)
        replayed += 1
        crossing = np.flatnonzero(samples.scored.score >= threshold)
        if crossing.size:
            rows = slice(int(crossing[0]), None)
            column = samples.time[rows]
            batch = Batch.of(np.full(column.shape[0], slot, np.int32), column, samples.value[rows])
            events += stage.update(batch, samples.scored.take(rows), snapshot.interval_ms, snapshot.seen, keys)
    incidents = _gather(rule, events, keys)
    found = sorted(incidents.values(), key=lambda i: i.start, reverse=True)
    return {
        "start": start,
        "end": end,
        "series": len(slots),
        "replayed": replayed,
        "complete": more is None and replayed == len(slots),
        "episodes": sum(e.kind == "fired" for e in events),
        "incidents": len(found),
        "per_week": round(len(found) * 604_800_000 / max(1, end - start), 3),
        "threshold_low": round(min(thresholds), 4) if thresholds else None,
        "threshold_high": round(max(thresholds), 4) if thresholds else None,
        "examples": [{"start": i.start, "end": i.end, "score": round(i.score, 4), "title": i.title} for i in found[:EXAMPLES]],
    }


def _gather(rule: Rule, events: list[Event], keys: Sequence[str]) -> dict[str, Incident]:
    stage, incidents = IncidentStage(), {}
    for event in sorted(events, key=lambda e: e.time):
        changed, _ = stage.apply([event], {rule.name: rule}, keys, event.time)
        incidents.update({incident.id: incident for incident in changed})
    return incidents
