"""What a rule would have done on samples already scored: the bill before the button."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from awry.core.batch import Batch, Scored
from awry.core.incident import Incident
from awry.core.rule import Rule
from awry.core.tick import Samples
from awry.engine.incidents import IncidentStage
from awry.engine.rules import RuleStage
from awry.engine.threshold import check_rule

TICK_MS = 60_000


@dataclass(frozen=True, slots=True)
class Preview:
    """Incidents the rule would have opened, oldest first, and how many series and samples were looked at."""

    incidents: tuple[Incident, ...]
    series: int
    samples: int


def preview(rule: Rule, history: Mapping[str, Samples], parts: tuple[str, ...]) -> Preview:
    """Run one rule over stored samples by series key, minute by minute, as if it had been there. Raises InvalidInput.

    Stopped series are not part of it: stored samples do not say when nothing came.
    """
    check_rule(rule)
    keys = list(history)
    stage, incidents = RuleStage([*parts, "absent"]), IncidentStage()
    stage.grow(len(keys))
    stage.put(rule, keys, 0)
    intervals = np.array([_interval(history[k]) for k in keys], np.float32)
    seen: dict[str, Incident] = {}
    batch, scored = _merged(history)
    edges = np.flatnonzero(np.diff(batch.time // TICK_MS)) + 1 if len(batch) else np.zeros(0, np.intp)
    for start, stop in zip([0, *edges.tolist()], [*edges.tolist(), len(batch)], strict=True):
        rows = slice(start, stop)
        events = stage.update(batch.take(rows), scored.take(rows), intervals, keys)
        changed, _ = incidents.apply(events, stage.rules, keys, int(batch.time[stop - 1]) if stop else 0)
        seen |= {i.id: i for i in changed}
    return Preview(tuple(sorted(seen.values(), key=lambda i: i.start)), len(keys), len(batch))


def _interval(samples: Samples) -> float:
    return float(np.median(np.diff(samples.time))) if len(samples) > 1 else 60_000.0


def _merged(history: Mapping[str, Samples]) -> tuple[Batch, Scored]:
    columns = list(history.values())
    if not columns:
        return Batch.empty(), Scored.blank(0)
    slot = np.repeat(np.arange(len(columns), dtype=np.int32), [len(s) for s in columns])
    batch = Batch(slot, np.concatenate([s.time for s in columns]), np.concatenate([s.value for s in columns]))
    order = np.argsort(batch.time, kind="stable")
    return batch.take(order), Scored.concat([s.scored for s in columns]).take(order)
