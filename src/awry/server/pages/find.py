"""Search over all series by words or by selector, the strangest first; a page of hits at a time, never all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from awry.core.errors import InvalidSelector
from awry.core.selector import parse_selector
from awry.core.series_table import SeriesTable
from awry.engine.snapshot import STATES
from awry.server.pages import words

if TYPE_CHECKING:
    from awry.engine.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Hit:
    """One found series."""

    key: str
    score: float
    state: str
    value: str


def _hit(snapshot: Snapshot, table: SeriesTable, slot: int) -> Hit:
    key = table.keys[slot]
    if slot >= snapshot.series:
        return Hit(key, float("nan"), "warming", "no sample")
    value = words.num(float(snapshot.last_value[slot]), words.unit_of(key))
    return Hit(key, float(snapshot.segment[slot]), STATES[int(snapshot.state[slot])], value)


@dataclass(frozen=True, slots=True)
class Found:
    """One page of hits out of all that match, the strangest first."""

    hits: list[Hit]
    total: int
    start: int = 0

    @property
    def more(self) -> int:
        """How many match beyond this page."""
        return max(0, self.total - self.start - len(self.hits))


def find(snapshot: Snapshot, table: SeriesTable, text: str, limit: int, start: int = 0) -> Found:
    """Hits number `start` to `start + limit`, the strangest now first, then in order of appearance.

    Text with a brace or an operator is a selector; anything else is words that must all occur in the key.
    Raises InvalidSelector.
    """
    matches = _matcher(text)
    keys = table.keys
    slots = np.array([slot for slot, key in enumerate(keys[: len(keys)]) if key and matches(key)], np.int64)
    chosen = by_strangeness(snapshot, slots)[start : start + limit]
    return Found([_hit(snapshot, table, int(slot)) for slot in chosen if keys[slot]], len(slots), start)


def by_strangeness(snapshot: Snapshot, slots: NDArray[np.int64]) -> NDArray[np.int64]:
    """The slots by falling segment, then falling score; the sort is stable, so equals stay where they were."""
    segment, score = (np.full(len(slots), -1.0, np.float32) for _ in range(2))
    seen = slots < snapshot.series
    for column, source in ((segment, snapshot.segment), (score, snapshot.score)):
        column[seen] = np.nan_to_num(source[slots[seen]], nan=-1.0)
    return slots[np.lexsort((-score, -segment))]


class _Words:
    def __init__(self, text: str) -> None:
        self._parts = text.casefold().split()

    def __call__(self, key: str) -> bool:
        folded = key.casefold()
        return all(part in folded for part in self._parts)


def _matcher(text: str) -> Callable[[str], bool]:
    if "{" in text:
        return parse_selector(text).matches_key
    if '="' in text or '~"' in text:
        body = text.replace("name=", "__name__=").replace("name!", "__name__!") if text.startswith("name") else text
        try:
            return parse_selector("{" + body + "}").matches_key
        except InvalidSelector:
            if not text.endswith('"'):
                return _Words(text)
            raise
    return _Words(text)


def strangest(snapshot: Snapshot, table: SeriesTable, limit: int) -> Found:
    """Series with the highest segment now; quiet ones only fill up the list."""
    n = min(snapshot.series, len(table.keys))
    if n == 0:
        return Found([], 0)
    segment = np.nan_to_num(snapshot.segment[:n].astype(np.float32), nan=-1.0)
    take = min(n, limit * 2)
    chosen = np.argpartition(-segment, take - 1)[:take]
    chosen = chosen[np.lexsort((chosen, -segment[chosen]))]
    return Found([_hit(snapshot, table, int(slot)) for slot in chosen if table.keys[slot]][:limit], table.live)
