"""The strangest lanes of the overview's heat map, ranked from the engine's snapshot: 16 rows, never all series."""

from __future__ import annotations

import threading
from collections import Counter as Tally
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from awry.core.kernel import allocating
from awry.core.series_table import SeriesTable
from awry.server.pages import words
from awry.server.pages.render import match_url, series_url

if TYPE_CHECKING:
    from awry.engine.snapshot import Snapshot

COLUMN_MS = 600_000
LANES = 16
HOURS = (6, 24)
RECENT = 4
"""Columns that count as now."""
STRANGE = 77
"""Cells above are strange."""
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
        self._of_slot: NDArray[np.int32] = np.zeros(0, np.int32)
        self._reused = table.reused
        self._learning = threading.Lock()

    def codes(self, slots: int) -> NDArray[np.int32]:
        """Index into `names` for each slot below `slots`, -1 where the series has no such label."""
        with self._learning:
            if self._reused != self._table.reused:  # some slots have other series now
                self._reused = self._table.reused
                self._of_slot = self._of_slot[:0]
            new = [self._code(key) for key in self._table.keys[len(self._of_slot) : slots]]
            if new:
                self._of_slot = np.concatenate([self._of_slot, np.array(new, np.int32)])
            return self._of_slot[:slots]

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


def _columns(snapshot: Snapshot, count: int) -> NDArray[np.int64]:
    """Places of the newest `count` columns in order of time."""
    last = snapshot.heat_end // COLUMN_MS - 1
    places: NDArray[np.int64] = np.arange(last - count + 1, last + 1) % snapshot.heat.shape[1]
    return places


@allocating
def weigh(heat: NDArray[np.uint8], columns: NDArray[np.int64]) -> NDArray[np.float64]:
    """How strange each series is, from its cells in these columns: what `weigh_lanes` says of them, without copying all of them.

    heat: (series, 144), as in Snapshot.
    """
    weights = np.zeros(heat.shape[0])
    for s in range(heat.shape[0]):
        worst, recent, many = 0, 0, 0
        for k in range(columns.shape[0]):
            cell = (int(heat[s, columns[k]]) + 1) & 255
            worst = max(worst, cell)
            if k >= columns.shape[0] - RECENT:
                recent = max(recent, cell)
            many += cell > STRANGE
        weights[s] = 3.0 * max(recent - 1, 0) + max(worst - 1, 0) + 5.0 * many
    return weights


@allocating
def merge(heat: NDArray[np.uint8], columns: NDArray[np.int64], codes: NDArray[np.int32], groups: int) -> NDArray[np.uint8]:
    """The worst cell of each group's series in each of these columns, (groups, columns): 0 = no judged sample, else shade + 1.

    heat: (series, 144). codes: (series,) number of the group, or -1.
    """
    merged = np.zeros((groups, columns.shape[0]), np.uint8)
    for s in range(codes.shape[0]):
        if codes[s] >= 0:
            for k in range(columns.shape[0]):
                merged[codes[s], k] = max(merged[codes[s], k], np.uint8((int(heat[s, columns[k]]) + 1) & 255))
    return merged


def weigh_lanes(cells: NDArray[np.uint8]) -> NDArray[np.float64]:
    """What makes a lane strange: its last 40 minutes three times, its worst cell once, each strange cell a little."""
    recent = np.maximum(cells[:, -RECENT:].max(axis=1).astype(np.float64) - 1, 0)
    worst = np.maximum(cells.max(axis=1).astype(np.float64) - 1, 0)
    many = (cells > STRANGE).sum(axis=1)
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
    columns = _columns(snapshot, hours * 6)
    onsets = _onsets(snapshot)
    if groups is not None:
        return _group_lanes(snapshot, columns, groups, onsets, limit)
    weights = weigh(snapshot.heat[:n], columns)
    if onsets:
        weights[[s for s in onsets if s < n]] += 10_000
    weights[snapshot.seen[:n] == 0] = -1  # deleted
    found = []
    for slot in _top(weights, limit):
        key = table.keys[slot]
        if weights[slot] < 0 or not key:
            continue
        cells = snapshot.heat[slot, columns] + np.uint8(1)
        found.append(
            Lane(
                key=key,
                title=words.name_of(key),
                labels=words.labels_of(key),
                href=series_url(key),
                now=words.num(float(snapshot.last_value[slot]), words.unit_of(key)),
                cells=(cells.astype(np.int16) - 1).tolist(),
                interval=_finite(snapshot.interval_ms[slot]),
                since=onsets.get(int(slot)),
            )
        )
    return found


def _group_lanes(snapshot: Snapshot, columns: NDArray[np.int64], groups: Groups, onsets: dict[int, int], limit: int) -> list[Lane]:
    codes = groups.codes(snapshot.series)
    counts = np.bincount(codes[codes >= 0], minlength=len(groups.names))
    if not counts.any():
        return []
    names = list(groups.names)
    merged = merge(snapshot.heat[: snapshot.series], columns, codes, len(names))
    since: dict[str, int] = {}
    for slot, start in onsets.items():
        if slot < len(codes) and codes[slot] >= 0:
            name = names[codes[slot]]
            since[name] = min(start, since.get(name, start))
    weights = weigh_lanes(merged) + np.array([10_000.0 if name in since else 0.0 for name in names])
    label = "__name__" if groups.by == "name" else groups.by
    found = []
    for row in _top(weights, limit):
        name, count = names[row], int(counts[row])
        if not count:  # its series were deleted
            continue
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        found.append(
            Lane(
                key=name,
                title=name,
                labels="",
                href=match_url(f'{{{label}="{escaped}"}}'),
                now=words.plural(count, "series", "series"),
                cells=(merged[row].astype(np.int16) - 1).tolist(),
                interval=_finite(np.median(snapshot.interval_ms[codes == row])),
                since=since.get(name),
            )
        )
    return found
