"""Episodes of a table: open at the threshold, hold by the segment, never run over into another series; thinning keeps extremes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from awry.core.batch import Batch, Scored
from awry.library.episodes import find_episodes, intervals, thin


def scored(score, segment=None, raw=None) -> Scored:
    """Scores from lists; the segment is the score unless given."""
    out = Scored.blank(len(score))
    out.score[:] = score
    out.segment[:] = score if segment is None else segment
    out.raw[:] = score if raw is None else raw
    return out


def spans(slot, judged: Scored, threshold=0.4, clear=0.3) -> list[tuple[int, int, int]]:
    """(first, last, peak) of each episode."""
    slots = max(slot) + 1
    found = find_episodes(
        Batch.of(slot, range(len(slot)), [0.0] * len(slot)), judged, np.full(slots, threshold), np.full(slots, clear)
    )
    return list(zip(found.start.tolist(), found.end.tolist(), found.peak.tolist(), strict=True))


def test_an_episode_holds_while_the_segment_does():
    """NaN neither opens nor ends; the peak is the highest score."""
    nan = np.nan
    judged = scored([nan, 0.1, 0.4, 0, nan, 0.6, 0, 0, 0.5], [nan, 0.1, 0.4, 0.35, nan, 0.6, 0.3, 0.2, 0.5])
    assert [(2, 6, 5), (8, 8, 8)] == spans([0] * 9, judged)


def test_episodes_end_with_their_series_and_the_worst_come_first():
    """Two series, back to back; equal scores are ranked by raw strength."""
    assert [(2, 3, 3), (1, 1, 1)] == spans([0, 0, 1, 1], scored([0, 0.5, 0.5, 0.5], raw=[0, 1, 2, 3]))


def test_no_rows_no_episodes():
    """An empty table."""
    assert 0 == len(find_episodes(Batch.empty(), Scored.blank(0), np.zeros(0), np.zeros(0)))


def test_intervals_are_medians_by_series():
    """A gap does not matter; one sample has no interval."""
    batch = Batch.of([0, 0, 0, 0, 1, 2, 2], [0, 10, 20, 900, 5, 7, 8], [0.0] * 7)
    np.testing.assert_array_equal([10, np.nan, 1, np.nan], intervals(batch, 4))


@settings(max_examples=30, deadline=None)
@given(value=st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=300), points=st.integers(3, 60))
def test_thinning_keeps_extremes_and_order(value, points):
    """At most so many rows, rising, with the least, the greatest and the most marked."""
    column = np.array([0.0, *value, 0.0])
    marks = np.linspace(0, 1, len(column), dtype=np.float32)[::-1].copy()
    rows = thin(column, marks, 1, len(column) - 1, points)
    assert len(rows) <= max(points, 3)
    assert (np.diff(rows) > 0).all()
    assert (rows >= 1).all()
    assert (rows < len(column) - 1).all()
    if not np.isnan(column[1:-1]).all():
        kept, whole = column[rows], column[1:-1]
        assert (np.nanmin(whole), np.nanmax(whole)) == pytest.approx((np.nanmin(kept), np.nanmax(kept)))
