"""Very many series in one incident: all are counted, a bounded number is kept, and it ends with the last of them."""

from __future__ import annotations

import pytest

from awry.core.rule import Rule
from awry.engine import incidents
from awry.engine.incidents import IncidentStage
from awry.engine.rules import Event, Sighting

T0 = 1_700_000_000_000
RULE = Rule(name="r", absent=True)
KEYS = [f'up{{host="h{i}"}}' for i in range(50)]


def fired(slot: int, at: int = T0) -> Event:
    """A series stopped."""
    return Event("fired", "r", slot, "absent", at, at, Sighting(at, 0.5, 0.0, None, None, None, None, "absent"))


def resolved(slot: int, at: int) -> Event:
    """It sends again."""
    return Event("resolved", "r", slot, "absent", at, at)


def test_further_members_are_counted_and_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    """50 series join an incident that keeps 10: its total says 50, and it is open until the last one is back."""
    monkeypatch.setattr(incidents, "MEMBERS", 10)
    stage, rules = IncidentStage(), {"r": RULE}
    for slot in range(50):
        stage.apply([fired(slot)], rules, KEYS, T0)
    (found,) = stage.open.values()
    assert (10, 40, 50) == (len(found.members), len(found.further), found.incident.total)
    assert "49 other series" in found.incident.title
    for slot in range(49):
        stage.apply([resolved(slot, T0 + 60_000)], rules, KEYS, T0 + 60_000)
        assert stage.open
    _, changes = stage.apply([resolved(49, T0 + 90_000)], rules, KEYS, T0 + 90_000)
    assert ["resolved"] == [change.kind for change in changes]
    assert not stage.open


def test_one_that_comes_back_and_goes_again_is_awaited_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A series beyond the kept ones that fires twice keeps the incident open until it ends twice."""
    monkeypatch.setattr(incidents, "MEMBERS", 1)
    stage, rules = IncidentStage(), {"r": RULE}
    stage.apply([fired(0), fired(1), fired(1)], rules, KEYS, T0)
    stage.apply([resolved(1, T0 + 1000)], rules, KEYS, T0 + 1000)
    stage.apply([fired(1, T0 + 2000)], rules, KEYS, T0 + 2000)
    stage.apply([resolved(0, T0 + 3000)], rules, KEYS, T0 + 3000)
    assert stage.open
    stage.apply([resolved(1, T0 + 4000)], rules, KEYS, T0 + 4000)
    assert not stage.open
