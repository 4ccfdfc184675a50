"""Search over all series by words or by selector, and the strangest ones; a page of hits at a time, never all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from awry.core.errors import InvalidSelector
from awry.core.selector import parse_selector
from awry.core.series_table import SeriesTable
from awry.server.pages import words

if TYPE_CHECKING:
    from awry.engine.snapshot import Snapshot

_STATES = ("warming", "watching", "silent", "parked")


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
    return Hit(key, float(snapshot.segment[slot]), _STATES[int(snapshot.state[slot])], value)


def find(snapshot: Snapshot, table: SeriesTable, text: str, limit: int, start: int = 0) -> tuple[list[Hit], int | None]:
    """Hits from slot `start` on, and the slot to go on from (None: no more).

    Text with a brace or an operator is a selector; anything else is words that must all occur in the key.
    Raises InvalidSelector.
    """
    hits: list[Hit] = []
    matches = _matcher(text)
    total = len(table.keys)
    for slot in range(start, total):
        key = table.keys[slot]
        if key and matches(key):
            if len(hits) == limit:
                return hits, slot
            hits.append(_hit(snapshot, table, slot))
    return hits, None


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


def strangest(snapshot: Snapshot, table: SeriesTable, limit: int) -> list[Hit]:
    """Series with the highest segment now; quiet ones only fill up the list."""
    n = min(snapshot.series, len(table.keys))
    if n == 0:
        return []
    segment = np.nan_to_num(snapshot.segment[:n].astype(np.float32), nan=-1.0)
    take = min(n, limit * 2)
    chosen = np.argpartition(-segment, take - 1)[:take]
    chosen = chosen[np.lexsort((chosen, -segment[chosen]))]
    return [_hit(snapshot, table, int(slot)) for slot in chosen if table.keys[slot]][:limit]
