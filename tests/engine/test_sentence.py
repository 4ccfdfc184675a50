"""The sentence of an incident reads as a person would say it."""

from __future__ import annotations

import math

import pytest

from awry.core.errors import InvalidInput
from awry.core.incident import IncidentSeries
from awry.core.rule import Rule
from awry.detection.calibration import FLOOR_P, GROWN
from awry.engine.sentence import title
from awry.engine.threshold import EARLY, check_rule, rule_threshold

AT = 1_760_066_000_000


def series(key: str, value: float | None = 14.2, low: float = 2.1, high: float = 3.9, part: str = "shape") -> IncidentSeries:
    return IncidentSeries(key=key, slot=0, start=AT, value=value, expected=3.0, low=low, high=high, part=part)


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        (
            [series('cpu_load1{host="web-3"}')],
            "cpu_load1 of web-3 is 14.2, in a pattern not seen before (expected 2.1\u20133.9), since 03:13 UTC",
        ),
        (
            [series('cpu_load1{host="web-3"}'), series('cpu{host="web-3"}')],
            "cpu_load1 of web-3 is 14.2, in a pattern not seen before (expected 2.1\u20133.9), since 03:13 UTC; "
            "1 other series of web-3 moved with it",
        ),
        (
            [series("web.cpu"), series("db.cpu"), series("db.mem")],
            "web.cpu is 14.2, in a pattern not seen before (expected 2.1\u20133.9), since 03:13 UTC; 2 other series moved with it",
        ),
        ([series("web.cpu", part="absent", value=None)], "web.cpu stopped sending, since 03:13 UTC"),
        ([series("web.jobs", part="heartbeat")], "web.jobs is 14.2 and its usual activity did not come, since 03:13 UTC"),
        (
            [series("web.cpu", value=3.0)],
            "web.cpu is 3, within the expected 2.1\u20133.9 but in a pattern not seen before, since 03:13 UTC",
        ),
    ],
)
def test_title(members: list[IncidentSeries], sentence: str) -> None:
    """Subject, value, expected, since, what else."""
    assert title(members, len(members), AT) == sentence


def test_old_incident_names_its_day() -> None:
    """What did not start today says when it did."""
    assert title([series("a")], 1, AT + 86_400_000).endswith("since 10 Oct 03:13 UTC")


@pytest.mark.parametrize(("interval", "score"), [(300_000, 0.3937), (3_600_000, 0.2857), (1_000, -math.log10(FLOOR_P) / 10)])
def test_budget_becomes_threshold(interval: int, score: float) -> None:
    """p = interval / 30 d, floored at the smallest p that calibration keeps."""
    threshold, why = rule_threshold(Rule(name="r", budget="1 per 30d"), interval)
    assert threshold == pytest.approx(score, abs=1e-4)
    assert ("calibration" in why) == (interval == 1_000)


def test_rule_that_states_nothing_has_the_default_budget_in_words_too() -> None:
    """Its threshold and the reason for it are those of the budget it stands for."""
    assert rule_threshold(Rule(name="r", budget="1 per 30d"), 300_000) == rule_threshold(Rule(name="r"), 300_000)


@pytest.mark.parametrize("budget", [f"1 per {'9' * 400}d", f"{'9' * 400} per 1d", f"{'9' * 30} per 1h", "1 per 1000000000d"])
def test_budget_without_odds_is_refused(budget: str) -> None:
    """A rate that rounds to never or always would divide by zero in the middle of the stream, and at every replay of it."""
    with pytest.raises(InvalidInput):
        check_rule(Rule(name="r", budget=budget))


def test_young_series_open_at_shorter_odds() -> None:
    """Until a series has a history, no sample can prove odds as long as the budget asks for; the words say so."""
    rule = Rule(name="r", budget="1 per 30d")
    least = 0.0
    for until, odds in EARLY:
        young, why = rule_threshold(rule, 60_000, until - 1)
        assert young == pytest.approx(-math.log10(odds) / 10, abs=1e-3)
        assert least < young < rule_threshold(rule, 60_000, GROWN)[0]
        assert f"until {until:,} samples have been seen" in why
        least = young
    assert rule_threshold(rule, 3_600_000, 5) == rule_threshold(rule, 3_600_000, GROWN)
