"""A few simulated days with churn, a restart and silences: memory stays where it is; the month is benchmarks/soak.py's."""

from __future__ import annotations

from pathlib import Path

import pytest

from awry.core.rule import Silence
from awry.engine.incidents import SILENCE_KEPT_MS, IncidentStage
from benchmarks.soak import soak, thirds


@pytest.mark.long
@pytest.mark.timeout(900)
def test_three_days_are_flat(tmp_path: Path) -> None:
    """A hundred series, five of them replaced each day: the third day takes the memory of the second, and incidents end."""
    run = soak(tmp_path, series=100, days=3, step_ms=300_000)
    middle, last = thirds(run.days, "memory_mib")
    assert last <= 1.1 * middle
    assert run.changes > 0
    assert all(day.incidents < 20 for day in run.days)


def test_silences_that_ended_are_forgotten() -> None:
    """A week after its end a silence is dropped; until then it is listed."""
    stage = IncidentStage()
    stage.silences["a"] = Silence(id="a", selector="", start=0, end=1000)
    stage.tick({}, 1000 + SILENCE_KEPT_MS - 1)
    assert ["a"] == list(stage.silences)
    stage.tick({}, 1000 + SILENCE_KEPT_MS)
    assert [] == list(stage.silences)
