"""A preview opens the incidents that the live engine opened on the same samples."""

from __future__ import annotations

import numpy as np

from awry.core.batch import Scored
from awry.core.rule import Rule
from awry.core.tick import Samples
from awry.engine.preview import preview

T0 = 1_760_000_000_000


def samples(at: list[int]) -> Samples:
    """Two hundred quiet minutes with a full score at the given ones."""
    scored = Scored.blank(200)
    scored.score[:] = scored.segment[:] = scored.raw[:] = 0.0
    for i in at:
        scored.score[i] = scored.segment[i] = 0.8
    return Samples(T0 + 60_000 * np.arange(200), np.ones(200), scored)


def test_preview_counts_incidents() -> None:
    """Series that start together are one, apart two; the threshold decides."""
    history = {"a": samples([20, 120]), "b": samples([20])}
    found = preview(Rule(name="r", threshold=0.5), history, ("level",))
    assert [(i.start, i.total) for i in found.incidents] == [(T0 + 20 * 60_000, 2), (T0 + 120 * 60_000, 1)]
    assert (found.series, found.samples) == (2, 400)
    assert preview(Rule(name="r", threshold=0.9), history, ("level",)).incidents == ()
    assert preview(Rule(name="r", threshold=0.5, selector="b"), history, ("level",)).incidents[0].total == 1


def test_preview_of_nothing() -> None:
    """No history, no incident."""
    assert preview(Rule(name="r", threshold=0.5), {}, ("level",)).incidents == ()
