"""Gathers firing series that start together into incidents, and says what changed about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from awry.core.incident import Change, ChangeKind, Incident, IncidentSeries
from awry.core.rule import Rule, Silence
from awry.core.selector import parse_selector
from awry.core.series_key import parse_key
from awry.engine.rules import Event
from awry.engine.sentence import title

LISTED = 1000
"""Most series an incident lists; the strongest stay."""
HISTORY, HISTORY_MS = "history", 3_600_000
"""An incident that was over for so long when its samples came is kept, but nobody is paged for it."""
SILENCE_KEPT_MS = 7 * 86_400_000
"""A silence that ended is listed for so long, and then forgotten."""
MEMBERS = 5000
"""Members an open incident keeps; of further ones only whether they still fire: a million series may stop at once."""
UPDATE_MS = 60_000
"""An open incident that grows is told of at most this often."""


@dataclass(slots=True)
class Open:
    """An incident while it is open."""

    incident: Incident
    group: tuple[str, ...]
    latest: int
    """Latest onset of a member, Unix ms."""
    members: dict[str, IncidentSeries] = field(default_factory=dict)
    """By "slot/cause"; a series that fires again while the incident is open goes on where it was."""
    firing: int = 0
    """How many of the members have not ended."""
    further: dict[str, None] = field(default_factory=dict)
    """Those beyond MEMBERS that still fire, by "slot/cause"."""
    beyond: int = 0
    """How many joined beyond MEMBERS, those that came again counted again."""
    told: int = 0
    """Tick of the last change that was made, Unix ms; 0: nobody knows of it yet."""
    grown: bool = False
    """Members joined since then."""
    muted: str = ""
    """The silence that held back the last change."""
    notify: tuple[str, ...] = ()
    """Whom the rule tells, kept for the last word about an incident whose rule was deleted."""


class IncidentStage:
    """Open incidents and the numbers of the next ones."""

    def __init__(self) -> None:
        self.open: dict[str, Open] = {}
        self.silences: dict[str, Silence] = {}
        self.next_incident = 1
        self.next_change = 1

    def number_after(self, incident: int, change: int) -> None:
        """Give no number again that the store has.

        A replay counts the same only with the same code and settings: an upgrade after a crash may decide otherwise.
        """
        self.next_incident = max(self.next_incident, incident + 1)
        self.next_change = max(self.next_change, change + 1)

    def apply(
        self, events: Sequence[Event], rules: Mapping[str, Rule], keys: Sequence[str], now: int
    ) -> tuple[list[Incident], list[Change]]:
        """Incidents as they stand after these events (changed ones only), and the changes to tell people."""
        touched: dict[str, Open] = {}
        changes: list[Change] = []
        for event in sorted(events, key=lambda e: e.at):
            if event.kind == "fired":
                self._join(self._home(event, rules[event.rule], keys, touched), event, keys)
                continue
            for found in [o for o in self.open.values() if o.incident.rule == event.rule]:
                if self._update(found, event):
                    touched[found.incident.id] = found
                    if found.firing == 0 and not found.further:
                        changes += self._resolve(found, rules, now)
        for found in touched.values():
            if found.incident.id in self.open:
                self._refresh(found, now)
                if not found.told:
                    changes.append(self._tell("opened", found, rules, now))
        changes += self.tick(rules, now)
        return [f.incident for f in touched.values()], changes

    def tick(self, rules: Mapping[str, Rule], now: int) -> list[Change]:
        """Changes that are due by time alone: growth not yet told of, and silences that ended."""
        changes = []
        for id in [silence.id for silence in self.silences.values() if silence.end + SILENCE_KEPT_MS <= now]:
            del self.silences[id]  # it has no effect any more, so no tick needs to tell of this
        for found in self.open.values():
            if found.muted and not self._silence(found, now):
                changes.append(self._tell("opened", found, rules, now))
            elif found.grown and now - found.told >= UPDATE_MS:
                changes.append(self._tell("updated", found, rules, now))
        return changes

    def _home(self, event: Event, rule: Rule, keys: Sequence[str], touched: dict[str, Open]) -> Open:
        """The open incident that the event belongs to, or a new one; either way it is touched."""
        labels = dict(parse_key(keys[event.slot])[1])
        group = tuple(labels.get(name, "") for name in rule.group_by)
        for found in self.open.values():
            same = found.incident.rule == rule.name and found.group == group
            if same and found.incident.start - rule.together_ms <= event.time <= found.latest + rule.together_ms:
                touched[found.incident.id] = found
                return found
        id, self.next_incident = f"i{self.next_incident}", self.next_incident + 1
        incident = Incident(
            id=id, state="open", rule=rule.name, severity=rule.severity, start=event.time, end=None, score=0.0, title=""
        )
        self.open[id] = touched[id] = Open(incident, group, event.time)
        return touched[id]

    def _join(self, found: Open, event: Event, keys: Sequence[str]) -> None:
        identity = _identity(event)
        known = found.members.get(identity)
        found.latest = max(found.latest, event.time)
        if known is None and len(found.members) >= MEMBERS:
            found.beyond += identity not in found.further
            found.further[identity] = None
            found.grown = True
            return
        series = replace(known, end=None) if known else IncidentSeries(key=keys[event.slot], slot=event.slot, start=event.time)
        found.members[identity] = _seen(series, event)
        found.firing += known is None or known.end is not None
        found.grown = found.grown or known is None

    def _update(self, found: Open, event: Event) -> bool:
        identity = _identity(event)
        series = found.members.get(identity)
        if series is None or series.end is not None:
            if event.kind != "resolved" or identity not in found.further:
                return False
            del found.further[identity]
            return True
        found.members[identity] = replace(series, end=event.time) if event.kind == "resolved" else _seen(series, event)
        found.firing -= event.kind == "resolved"
        return True

    def _refresh(self, found: Open, now: int) -> None:
        ranked = _by_series(sorted(found.members.values(), key=lambda s: (s.start, -s.raw, s.key)))
        listed = tuple(ranked[:LISTED])
        found.incident = replace(
            found.incident,
            start=ranked[0].start,
            score=max(s.score for s in ranked),
            title=title(listed, len(ranked) + found.beyond, now),
            series=listed,
            total=len(ranked) + found.beyond,
            updated=now,
        )

    def _resolve(self, found: Open, rules: Mapping[str, Rule], now: int) -> list[Change]:
        self._refresh(found, now)
        end = max(s.end or 0 for s in found.members.values())
        held = HISTORY if not found.told and now - end > HISTORY_MS else ""
        told = [] if found.told else [self._tell("opened", found, rules, now, held)]
        del self.open[found.incident.id]
        found.incident = replace(found.incident, state="resolved", end=end)
        return [*told, self._tell("resolved", found, rules, now, held)]

    def _tell(self, kind: ChangeKind, found: Open, rules: Mapping[str, Rule], now: int, held: str = "") -> Change:
        number, self.next_change = self.next_change, self.next_change + 1
        found.told, found.grown, found.muted = now, False, held or self._silence(found, now)
        rule = rules.get(found.incident.rule)
        if rule is not None:
            found.notify = rule.notify
        return Change(number=number, kind=kind, time=now, incident=found.incident, notify=found.notify, silenced=found.muted)

    def _silence(self, found: Open, now: int) -> str:
        """The silence that covers every series still firing, or ""."""
        firing = [s.key for s in found.members.values() if s.end is None] or [s.key for s in found.members.values()]
        for silence in self.silences.values():
            if silence.start <= now < silence.end and all(parse_selector(silence.selector).matches_key(k) for k in firing):
                return silence.id
        return ""


def _identity(event: Event) -> str:
    return f"{event.slot}/{event.cause}"


def _by_series(members: Sequence[IncidentSeries]) -> list[IncidentSeries]:
    """One row a series, in the order given: what it did first speaks, and it is open while any of its causes is."""
    rows: dict[int, IncidentSeries] = {}
    for member in members:
        first = rows.get(member.slot)
        if first is None:
            rows[member.slot] = member
        else:
            end = None if first.end is None or member.end is None else max(first.end, member.end)
            rows[member.slot] = replace(first, end=end, score=max(first.score, member.score), raw=max(first.raw, member.raw))
    return list(rows.values())


def _seen(series: IncidentSeries, event: Event) -> IncidentSeries:
    seen = event.seen
    if seen is None:
        return series
    return replace(
        series, score=max(series.score, seen.score), raw=max(series.raw, seen.raw), value=seen.value,
        expected=seen.expected, low=seen.low, high=seen.high, part=seen.part, interval=seen.interval,
    )  # fmt: skip
