"""Incident rows as lists show them: state, sentence, meta line, sparkline, age; and the sentence split for bold type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from awry.core.incident import Incident
from awry.core.selector import parse_selector
from awry.server.pages import words
from awry.server.pages.spark import Points, points

if TYPE_CHECKING:
    from awry.server.app import App

DRAWN = 12
"""Rows with a sparkline; further ones do without, so that a page costs a bounded number of reads."""


STEP = 10_000
"""An open incident's sparkline is drawn anew this often, in milliseconds, however many pages show it."""
KEPT = 500
_drawn: WeakKeyDictionary[App, dict[tuple[str, int, int, int], Points]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Row:
    """One incident in a list."""

    id: str
    kind: str
    word: str
    sub: str
    head: str
    tail: str
    meta: str
    age: str
    since: str
    spark: Points
    calm: bool


def size(incident: Incident) -> int:
    """How many series an incident holds, listed or not."""
    return max(incident.total, len(incident.series))


def head_and_tail(incident: Incident) -> tuple[str, str]:
    """The title cut after its subject, which is set bold."""
    for series in incident.series[:1]:
        name = words.subject(series.key)
        if incident.title.startswith(name):
            return name, incident.title[len(name) :]
        if incident.title.startswith(series.key):
            return series.key, incident.title[len(series.key) :]
    return "", incident.title


def silenced_by(app: App, incident: Incident, now: int) -> str:
    """Comment (or selector) of the silence that holds all of an incident's series back now, or ""."""
    for silence in app.engine.snapshot.silences:
        if silence.start <= now < silence.end:
            selector = parse_selector(silence.selector)
            if incident.series and all(selector.matches_key(s.key) for s in incident.series):
                return silence.comment or silence.selector or "every series"
    return ""


async def rows(app: App, incidents: Sequence[Incident]) -> list[Row]:
    """Rows for a list, in the order given."""
    now = app.clock.now_ms()
    return [
        _row(app, incident, now, await _spark(app, incident, now) if i < DRAWN else Points(()))
        for i, incident in enumerate(incidents)
    ]


def _row(app: App, incident: Incident, now: int, line: Points) -> Row:
    is_open = incident.end is None
    head, tail = head_and_tail(incident)
    held = silenced_by(app, incident, now) if is_open else ""
    end = incident.end or now
    meta = [
        words.plural(size(incident), "series", "series"),
        f"rule {incident.rule}",
        f"worst {words.rarity(incident.score)}",
    ]
    if all(series.part == "absent" for series in incident.series):
        meta[2] = "stopped sending"
    if held:
        meta.insert(0, f"silenced: {held}")
    return Row(
        id=incident.id,
        kind=incident.severity if is_open else "resolved",
        word="Open" if is_open else "Resolved",
        sub=("silenced" if held else incident.severity) if is_open else f"at {words.clock(incident.end, now)}",
        head=head,
        tail=tail,
        meta=" · ".join(meta),
        age=words.ago(end - incident.start),
        since=f"{'since' if is_open else 'from'} {words.clock(incident.start, now)}",
        spark=line,
        calm=not is_open or bool(held),
    )


async def _spark(app: App, incident: Incident, now: int) -> Points:
    """The strongest series from before the onset to now (or to a little after the end)."""
    if not incident.series or app.table.keys[incident.series[0].slot] != incident.series[0].key:
        return Points(())  # the series was deleted, and another may have its slot
    series = incident.series[0]
    end = now // STEP * STEP + STEP if incident.end is None else min(now, incident.end + 10 * words.MINUTE)
    length = min(max(end - incident.start, 30 * words.MINUTE), 2 * words.DAY)
    start = end - length * 3 // 2
    kept = _drawn.setdefault(app, {})
    mark = (incident.id, series.slot, series.start, end)
    if mark not in kept:
        samples = await app.read(app.archive.samples, series.slot, start, end + 1)
        if len(kept) >= KEPT:
            kept.clear()
        kept[mark] = points(samples.time, samples.value, start, end + 1, series.start)
    return kept[mark]
