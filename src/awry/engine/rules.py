"""The state machine of each rule and series: pending -> firing -> resolved, by onset score, segment, `for` and `keep_for`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Batch, Floats, Scored
from awry.core.growth import grown
from awry.core.rule import Rule
from awry.core.selector import parse_selector
from awry.engine.threshold import lowest_scores, rule_clear, rule_threshold

Kind = Literal["score", "absent"]
LOWEST_THRESHOLD = 0.03
"""No budget asks for less: p is at most 1 in 2."""


@dataclass(slots=True)
class Held:
    """One rule holding one series. Times are the series' own, Unix ms."""

    rule: str
    slot: int
    kind: Kind
    state: Literal["pending", "firing"]
    since: int
    threshold: float
    clear: float
    why: str
    below: int | None = None
    """Since when the segment is under `clear`."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a series looked like at one sample: what people are shown."""

    time: int
    score: float
    raw: float
    value: float | None
    expected: float | None
    low: float | None
    high: float | None
    part: str
    interval: float = 0.0
    """Distance between the series' samples then, in ms."""


@dataclass(frozen=True, slots=True)
class Event:
    """A step of the machine that incidents care about."""

    kind: Literal["fired", "worse", "resolved"]
    rule: str
    slot: int
    cause: Kind
    time: int
    """fired: the onset; worse: of the sample; resolved: the end."""
    at: int
    """Time of the sample (or tick) that decided it: events of a batch are taken in this order."""
    seen: Sighting | None = None


class RuleStage:
    """All rules over all series. Only series that score high or are held cost anything beyond one comparison."""

    def __init__(self, parts: Sequence[str]) -> None:
        self.rules: dict[str, Rule] = {}
        self.held: dict[tuple[str, int, Kind], Held] = {}
        self.worst: dict[tuple[str, int], Sighting] = {}
        self._parts = tuple(parts)
        self._held_slots: NDArray[np.uint16] = np.zeros(256, np.uint16)
        self._hot: NDArray[np.bool_] = np.zeros(256, np.bool_)
        self._matching: dict[int, tuple[Rule, ...]] = {}

    def grow(self, slots: int) -> None:
        """Have room for this many slots."""
        self._held_slots, self._hot = grown(self._held_slots, slots), grown(self._hot, slots)

    def put(self, rule: Rule, keys: Sequence[str], now: int) -> list[Event]:
        """Add or replace a rule; what its former self held goes on unless the new one does not mean it."""
        self.rules[rule.name] = rule
        self._matching.clear()
        mine = [h for h in self.held.values() if h.rule == rule.name]
        lost = [h for h in mine if rule not in self.matching(h.slot, keys) or (h.kind == "absent" and not rule.absent)]
        return [e for h in lost for e in self._release(h, now)]

    def delete(self, name: str, now: int) -> list[Event]:
        """Remove a rule and let go of what it holds."""
        self.rules.pop(name, None)
        self._matching.clear()
        return [e for h in [h for h in self.held.values() if h.rule == name] for e in self._release(h, now)]

    def drop(self, slots: Sequence[int], now: int) -> list[Event]:
        """Let go of deleted series."""
        gone = set(slots)
        for slot in gone:
            self._matching.pop(slot, None)
        return [e for h in [h for h in self.held.values() if h.slot in gone] for e in self._release(h, now)]

    def begin(self, slots: Sequence[int]) -> None:
        """These slots have new series: which rules mean them is found anew."""
        for slot in slots:
            self._matching.pop(slot, None)

    def load(self, rules: Sequence[Rule], held: Sequence[Held], worst: Sequence[tuple[str, int, Sighting]]) -> None:
        """Take over dumped state."""
        self.rules = {r.name: r for r in rules}
        for h in held:
            self._hold(h)
        self.worst = {(rule, slot): seen for rule, slot, seen in worst}

    def update(self, batch: Batch, scored: Scored, interval: NDArray[Any], seen: NDArray[Any], keys: Sequence[str]) -> list[Event]:
        """Run the accepted rows of a tick through every rule. interval: by slot, ms. seen: by slot, samples."""
        near = self._near(batch.slot, scored.score, interval, seen)
        # A series that opens within this batch is held from there on: all of its rows are looked at.
        self._hot[batch.slot[near]] = True
        rows = np.flatnonzero(self._hot[batch.slot] | (self._held_slots[batch.slot] > 0))
        self._hot[batch.slot[near]] = False
        events: list[Event] = []
        for i in rows.tolist():
            slot, time = int(batch.slot[i]), int(batch.time[i])
            for rule in self.matching(slot, keys):
                back = self.held.get((rule.name, slot, "absent"))
                if back is not None:
                    events += self._release(back, time)
                if near[i] or (rule.name, slot, "score") in self.held:
                    events += self._judge(rule, slot, time, i, batch, scored, float(interval[slot]), int(seen[slot]))
        return events

    def stop(self, slot: int, since: int, score: float, keys: Sequence[str]) -> list[Event]:
        """A series became absent: it last sent at `since`."""
        events = []
        for rule in self.matching(slot, keys):
            if rule.absent and (rule.name, slot, "absent") not in self.held:
                self._hold(Held(rule.name, slot, "absent", "firing", since, 0.0, 0.0, "it stopped sending"))
                seen = Sighting(since, score, 0.0, None, None, None, None, "absent")
                events.append(Event("fired", rule.name, slot, "absent", since, since, seen))
        return events

    def release_silent(self, slots: NDArray[np.bool_], last_time: NDArray[np.int64], now: int) -> list[Event]:
        """Let go of series silent for so long that they count as parked: strangeness ended with the last sample, absence now."""
        gone = [h for h in self.held.values() if slots[h.slot]]
        return [e for h in gone for e in self._release(h, now if h.kind == "absent" else int(last_time[h.slot]), now)]

    def matching(self, slot: int, keys: Sequence[str]) -> tuple[Rule, ...]:
        """The enabled rules that mean this series."""
        found = self._matching.get(slot)
        if found is None:
            key = keys[slot]
            found = tuple(r for r in self.rules.values() if r.enabled and key and parse_selector(r.selector).matches_key(key))
            self._matching[slot] = found
        return found

    def _near(self, slot: NDArray[np.int32], score: Floats, interval: NDArray[Any], seen: NDArray[Any]) -> NDArray[np.bool_]:
        """Rows whose score may reach the threshold of some rule: the others are not looked at one by one."""
        near = score >= LOWEST_THRESHOLD
        rows = np.flatnonzero(near)
        near[rows] = score[rows] >= lowest_scores(list(self.rules.values()), interval[slot[rows]], seen[slot[rows]])
        return near

    def _judge(
        self, rule: Rule, slot: int, time: int, i: int, batch: Batch, scored: Scored, interval: float, seen: int
    ) -> list[Event]:
        held = self.held.get((rule.name, slot, "score"))
        score, segment = float(scored.score[i]), float(scored.segment[i])
        if held is None:
            threshold, why = rule_threshold(rule, interval, seen)
            if not score >= threshold:
                return []
            held = Held(rule.name, slot, "score", "pending", time, threshold, rule_clear(rule, threshold), why)
            self._hold(held)
        elif np.isnan(segment):
            return []
        events = self._witness(held, time, i, batch, scored, interval)
        if segment >= held.clear or time == held.since:
            held.below = None
            if held.state == "pending" and time - held.since >= rule.for_ms:
                held.state = "firing"
                return [Event("fired", rule.name, slot, "score", held.since, time, self.worst[(rule.name, slot)])]
            return events
        held.below = held.below if held.below is not None else time
        if held.state == "pending" or time - held.below >= rule.keep_for_ms:
            return events + self._release(held, held.below, time)
        return events

    def _witness(self, held: Held, time: int, i: int, batch: Batch, scored: Scored, interval: float) -> list[Event]:
        known, score = self.worst.get((held.rule, held.slot)), float(scored.score[i])
        if known is not None and not score > known.score:
            return []
        seen = Sighting(
            time, score, _number(scored.raw[i]) or 0.0, _number(batch.value[i]), _number(scored.expected[i]),
            _number(scored.low[i]), _number(scored.high[i]), self._parts[int(scored.part[i])],
            interval if interval > 0 else 0.0,
        )  # fmt: skip
        self.worst[(held.rule, held.slot)] = seen
        return [Event("worse", held.rule, held.slot, "score", time, time, seen)] if held.state == "firing" else []

    def _hold(self, held: Held) -> None:
        self.held[(held.rule, held.slot, held.kind)] = held
        self.grow(held.slot + 1)
        self._held_slots[held.slot] += 1

    def _release(self, held: Held, end: int, at: int | None = None) -> list[Event]:
        del self.held[(held.rule, held.slot, held.kind)]
        self._held_slots[held.slot] -= 1
        if held.kind == "score":
            self.worst.pop((held.rule, held.slot), None)
        if held.state == "pending":
            return []
        return [Event("resolved", held.rule, held.slot, held.kind, max(end, held.since), end if at is None else at)]


def _number(value: np.floating[Any]) -> float | None:
    return None if np.isnan(value) else float(value)
