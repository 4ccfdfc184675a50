"""The words of a change."""

from __future__ import annotations

from dataclasses import replace

from awry.notifiers.message import body, title
from tests.notifiers.receiver import change


def test_title_says_what_happened() -> None:
    """Kind, severity and the incident's own sentence."""
    assert 'Opened [warning] cpu{host="web-3"} is 14.2, expected 2.1–3.9' == title(change(kind="opened"))
    assert title(change(kind="resolved")).startswith("Resolved [warning]")


def test_body_of_an_open_incident() -> None:
    """Since when, how strange, which series, where to look."""
    assert [
        "Since 2023-11-14 22:13:20 UTC",
        "Score 0.62, rule default",
        '- cpu{host="web-0"} is 14.2, a level or a change hardly ever seen before (expected 2.1\u20133.9), score 0.62',
        "http://awry.example/incidents/i1",
    ] == body(change(), "http://awry.example").splitlines()


def test_body_says_how_often_that_comes() -> None:
    """Where the distance between samples is known, the score is told as a stretch of time too."""
    found = change()
    member = replace(found.incident.series[0], part="jump", score=0.47, interval=60_000.0)
    text = body(replace(found, incident=replace(found.incident, series=(member,))))
    assert '- cpu{host="web-0"} jumped to 14.2 (expected 2.1\u20133.9), score 0.47, about once a month for this series' in text


def test_body_of_a_resolved_incident() -> None:
    """From, to, and how long."""
    assert "From 2023-11-14 22:13:20 UTC to 2023-11-14 22:23:20 UTC, 10 min" == body(change(kind="resolved")).splitlines()[0]


def test_long_incidents_are_cut() -> None:
    """Ten series are listed, the rest are counted."""
    lines = body(change(series=25)).splitlines()
    assert 13 == len(lines)
    assert "- and 15 more" == lines[-1]
