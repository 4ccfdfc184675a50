"""The shipped default rule on labelled files, as the engine would run it on each metric; for `awry bench suite`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Batch, Scored
from awry.core.rule import Rule
from awry.detection.evaluation.contestants import Contestant, Severity
from awry.detection.evaluation.labelled import Labelled
from awry.detection.evaluation.metrics import events_of
from awry.engine.incidents import IncidentStage
from awry.engine.rules import Event, RuleStage
from awry.engine.threshold import rule_threshold

WEEK_MS = 604_800_000
RULE = Rule(name="default", absent=False)
"""The rule of a fresh installation, without absence: gaps are no part of a file's labels."""
CHUNK_ROWS = 64


@dataclass(frozen=True, slots=True)
class Span:
    """An incident of one metric, Unix ms: from its onset to its end (exclusive)."""

    metric: int
    start: int
    end: int
    false: bool = False


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """What the rule did on one file from its first scored row on, each metric with incidents of its own."""

    events: int
    found: int
    """Events that an incident of any metric overlaps."""
    opened: int
    """Events in whose rows one opened: an incident that was open before them is no news."""
    incidents: int
    false: int
    """Incidents that overlap no event."""
    metric_weeks: float
    held_weeks: float
    """Of these, time within incidents."""
    delays_ms: tuple[float, ...]
    """Of the events counted in `opened`: from the first row to the first opening."""
    spans: tuple[Span, ...] = ()


def run_rule(file: Labelled, contestant: Contestant, severity: Severity) -> RuleOutcome | None:
    """Every metric of a file through the default rule; None for a contestant that is not calibrated."""
    if severity.judged is None:
        return None
    begin, last_time = int(file.time[file.scored_from]), int(file.time.max())
    rows = events_of(file.truth[file.scored_from :]) + file.scored_from
    truths = [(int(file.time[first]), int(file.time[last])) for first, last in rows]
    every = [span for span in _incidents(file, contestant, severity) if span.end > begin]
    judged = [replace(s, false=not any(s.start <= last and s.end > first for first, last in truths)) for s in every]
    found, delays = 0, []
    for first, last in truths:
        found += any(s.start <= last and s.end > first for s in every)
        inside = [s.start - first for s in every if first <= s.start <= last]
        delays += [float(min(inside))] if inside else []
    counted = tuple(s for s in judged if s.start >= begin)
    weeks = (last_time - begin + file.step_ms) / WEEK_MS * file.value.shape[1]
    held = sum(min(s.end, last_time) - max(s.start, begin) for s in every) / WEEK_MS
    false = sum(s.false for s in counted)
    return RuleOutcome(len(truths), found, len(delays), len(counted), false, weeks, held, tuple(delays), counted)


def sum_up(outcomes: Sequence[RuleOutcome]) -> dict[str, float | int | None]:
    """The figures of a set: recall, false incidents per metric and week, median delay in ms."""
    events, weeks = sum(o.events for o in outcomes), sum(o.metric_weeks for o in outcomes)
    delays = [delay for outcome in outcomes for delay in outcome.delays_ms]
    return {
        "recall": sum(o.found for o in outcomes) / events if events else None,
        "recall_opened": sum(o.opened for o in outcomes) / events if events else None,
        "false_per_metric_week": sum(o.false for o in outcomes) / weeks if weeks else None,
        "incidents": sum(o.incidents for o in outcomes),
        "false": sum(o.false for o in outcomes),
        "metric_weeks": weeks,
        "share_of_time_open": sum(o.held_weeks for o in outcomes) / weeks if weeks else None,
        "delay_ms": float(np.median(delays)) if delays else None,
    }


def _incidents(file: Labelled, contestant: Contestant, severity: Severity) -> list[Span]:
    assert severity.judged is not None
    batch, scored = severity.judged.batch, severity.judged.scored
    columns = file.value.shape[1]
    keys = [f'metric{{column="{k}"}}' for k in range(columns)]
    interval = np.full(columns, file.step_ms, np.float32)
    order = np.argsort(batch.slot, kind="stable")
    cuts = np.searchsorted(batch.slot[order], np.arange(columns + 1))
    rules, out = RuleStage(contestant.parts or ("none",)), []
    rules.put(RULE, keys, 0)
    for column in range(columns):
        rows = order[cuts[column] : cuts[column + 1]]
        events = _events(rules, batch.take(rows), scored.take(rows), interval, keys)
        out += _spans(events, keys, column, int(file.time.max()) + 1)
    return out


def _events(rules: RuleStage, batch: Batch, scored: Scored, interval: NDArray[np.float32], keys: Sequence[str]) -> list[Event]:
    """What the live rule stage says of one metric; rows that cannot open or end anything are passed over."""
    loud = np.flatnonzero(scored.score >= 0.1)
    opening = [int(i) for i in loud if scored.score[i] >= rule_threshold(RULE, float(interval[0]), int(i) + 1)[0]]
    out: list[Event] = []
    at = next_one = 0
    n = len(batch)
    while at < n:
        if rules.held:
            rows = slice(at, min(at + CHUNK_ROWS, n))
        else:
            while next_one < len(opening) and opening[next_one] < at:
                next_one += 1
            if next_one == len(opening):
                break
            rows = slice(opening[next_one], opening[next_one] + 1)
        seen = np.full(len(keys), rows.stop, np.uint32)
        out += rules.update(batch.take(rows), scored.take(rows), interval, seen, keys)
        at = rows.stop
    return out + (rules.drop([int(batch.slot[0])], int(batch.time[-1]) + 1) if rules.held else [])


def _spans(events: Sequence[Event], keys: Sequence[str], metric: int, until: int) -> list[Span]:
    """The incidents that the live incident stage makes of one metric's events, closed ones and the open one."""
    stage, last = IncidentStage(), {}
    for event in events:
        for incident in stage.apply([event], {RULE.name: RULE}, keys, event.at)[0]:
            last[incident.id] = incident
    return [Span(metric, incident.start, until if incident.end is None else max(incident.end, incident.start + 1))
            for incident in last.values()]  # fmt: skip
