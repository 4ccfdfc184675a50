"""The strangest lanes of the overview's heat map, ranked from the engine's snapshot: 16 rows, never all series."""

from __future__ import annotations

import threading
from collections import Counter as Tally
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from awry.core.series_table import SeriesTable
from awry.server.pages import words
from awry.server.pages.render import match_url, series_url

if TYPE_CHECKING:
    from awry.engine.snapshot import Snapshot

COLUMN_MS = 600_000
LANES = 16
HOURS = (6, 24)
_SAMPLED = 400


@dataclass(frozen=True, slots=True)
class Lane:
    """One row: cells are the worst segment * 254 of ten minutes each, -1 where no sample came."""

    key: str
    title: str
    labels: str
    href: str
    now: str
    cells: list[int]
    interval: float
    since: int | None


class Groups:
    """Label value of each slot, learnt once per series and kept; for grouping lanes without parsing keys on every request.

    Several requests may ask at once, each in a thread: one of them learns the new series, the others wait for it.
    """

    def __init__(self, table: SeriesTable, by: str) -> None:
        self.by = by
        self.names: list[str] = []
        self._table = table
        self._codes: dict[str, int] = {}
        self._of_slot: list[int] = []
        self._reused = table.reused
        self._learning = threading.Lock()

    def codes(self, slots: int) -> NDArray[np.int32]:
        """Index into `names` for each slot below `slots`, -1 where the series has no such label."""
        with self._learning:
            if self._reused != self._table.reused:  # some slots have other series now
                self._reused = self._table.reused
                self._of_slot.clear()
            for key in self._table.keys[len(self._of_slot) : slots]:
                self._of_slot.append(self._code(key))
            return np.array(self._of_slot[:slots], np.int32)

    def _code(self, key: str) -> int:
        if self.by == "name":
            value = key.partition("{")[0]
        else:
            if f'{self.by}="' not in key:
                return -1
            value = dict(words.split_key.__wrapped__(key)[1]).get(self.by, "")
        if not value:
            return -1
        if value not in self._codes:
            self._codes[value] = len(self.names)
            self.names.append(value)
        return self._codes[value]


def groupings(table: SeriesTable) -> list[str]:
    """Labels worth grouping by, most common first: what a sample of the series carries with more than one value."""
    keys = table.keys
    n = len(keys)
    # spread without a stride: label values often repeat with a period
    chosen = range(n) if n <= _SAMPLED else sorted({k * 2_654_435_761 % n for k in range(_SAMPLED)})
    tally: Tally[str] = Tally()
    values: dict[str, set[str]] = {}
    for slot in chosen:
        for label, value in words.split_key(keys[slot])[1]:
            tally[label] += 1
            values.setdefault(label, set()).add(value)
    return [label for label, _ in tally.most_common(8) if len(values[label]) > 1][:5]


def _columns(snapshot: Snapshot, count: int) -> NDArray[np.uint8]:
    """Newest `count` columns in order of time, 0 = no judged sample, else worst segment * 254 + 1."""
    last = snapshot.heat_end // COLUMN_MS - 1
    order = (np.arange(last - count + 1, last + 1) % snapshot.heat.shape[1]).astype(np.intp)
    return snapshot.heat[: snapshot.series, order] + np.uint8(1)


def _weights(cells: NDArray[np.uint8]) -> NDArray[np.float64]:
    """What makes a lane strange: its last 40 minutes three times, its worst cell once, each strange cell a little."""
    recent = np.maximum(cells[:, -4:].max(axis=1).astype(np.float64) - 1, 0)
    worst = np.maximum(cells.max(axis=1).astype(np.float64) - 1, 0)
    many = (cells > 77).sum(axis=1)
    weights: NDArray[np.float64] = recent * 3 + worst + many * 5.0
    return weights


def _top(weights: NDArray[np.float64], limit: int) -> NDArray[np.intp]:
    if len(weights) > limit:
        chosen = np.argpartition(-weights, limit - 1)[:limit]
    else:
        chosen = np.arange(len(weights))
    return chosen[np.lexsort((chosen, -weights[chosen]))]


def _finite(value: Any) -> float:
    return float(value) if np.isfinite(value) else 0.0


def _onsets(snapshot: Snapshot) -> dict[int, int]:
    """Slot -> since when it belongs to an open incident."""
    since: dict[int, int] = {}
    for incident in snapshot.incidents:
        for series in incident.series:
            if series.end is None:
                since[series.slot] = min(series.start, since.get(series.slot, series.start))
    return since


def lanes(snapshot: Snapshot, table: SeriesTable, hours: int, groups: Groups | None = None, limit: int = LANES) -> list[Lane]:
    """The strangest series (or label values), those of open incidents first."""
    n = snapshot.series
    if n == 0:
        return []
    cells = _columns(snapshot, hours * 6)
    onsets = _onsets(snapshot)
    if groups is not None:
        return _group_lanes(snapshot, cells, groups, onsets, limit)
    weights = _weights(cells)
    if onsets:
        weights[[s for s in onsets if s < n]] += 10_000
    gone = np.fromiter((not key for key in table.keys[:n]), bool, n)
    weights[gone] = -1
    found = []
    for slot in _top(weights, limit):
        if weights[slot] < 0:
            continue
        key = table.keys[slot]
        found.append(
            Lane(
                key=key,
                title=words.name_of(key),
                labels=words.labels_of(key),
                href=series_url(key),
                now=words.num(float(snapshot.last_value[slot]), words.unit_of(key)),
                cells=(cells[slot].astype(np.int16) - 1).tolist(),
                interval=_finite(snapshot.interval_ms[slot]),
                since=onsets.get(int(slot)),
            )
        )
    return found


def _group_lanes(snapshot: Snapshot, cells: NDArray[np.uint8], groups: Groups, onsets: dict[int, int], limit: int) -> list[Lane]:
    codes = groups.codes(snapshot.series)
    slots = np.flatnonzero(codes >= 0)
    if len(slots) == 0:
        return []
    slots = slots[np.argsort(codes[slots], kind="stable")]
    heads = np.flatnonzero(np.diff(codes[slots], prepend=-1))
    merged = np.maximum.reduceat(cells[slots], heads, axis=0)
    counts = np.diff(np.append(heads, len(slots)))
    names = [groups.names[codes[slots[h]]] for h in heads]
    since: dict[str, int] = {}
    for slot, start in onsets.items():
        if slot < len(codes) and codes[slot] >= 0:
            name = groups.names[codes[slot]]
            since[name] = min(start, since.get(name, start))
    weights = _weights(merged) + np.array([10_000.0 if name in since else 0.0 for name in names])
    label = "__name__" if groups.by == "name" else groups.by
    found = []
    for row in _top(weights, limit):
        name, count = names[row], int(counts[row])
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        found.append(
            Lane(
                key=name,
                title=name,
                labels="",
                href=match_url(f'{{{label}="{escaped}"}}'),
                now=words.plural(count, "series", "series"),
                cells=(merged[row].astype(np.int16) - 1).tolist(),
                interval=_finite(np.median(snapshot.interval_ms[slots[heads[row] : heads[row] + count]])),
                since=since.get(name),
            )
        )
    return found
