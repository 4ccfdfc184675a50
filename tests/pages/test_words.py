"""Words and numbers of the pages."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from pathlib import Path

import pytest

from awry.server.pages import words
from awry.server.pages.login import safe_next

MIN, HOUR, DAY = 60_000, 3_600_000, 86_400_000
NB = "\u00a0"


@pytest.mark.parametrize(
    ("score", "text"),
    [
        (None, "not judged"),
        (math.nan, "not judged"),
        (0.0, "ordinary"),
        (0.02, "ordinary"),
        (0.1, "1 in 10"),
        (0.3, "1 in 1,000"),
        (0.47, "1 in 50,000"),
        (0.5, "1 in 100,000"),
        (0.65, "1 in 3 million"),
        (0.93, "1 in 2 billion"),
        (1.0, "rarer than 1 in 10 billion"),
    ],
)
def test_rarity_reads_as_one_in_n(score: float | None, text: str) -> None:
    """A score is said as how rare it is, with one readable digit."""
    assert text == words.rarity(score)


@pytest.mark.parametrize(
    ("score", "interval", "text"),
    [
        (0.0, MIN, "once a minute"),
        (0.0, 1000, "all the time"),
        (0.3, MIN, "once in 17 hours"),
        (0.4, MIN, "once a week"),
        (0.5, MIN, "once in 2 months"),
        (0.5, 300_000, "once a year"),
        (0.9, MIN, "less than once in 2 months"),
        (None, MIN, ""),
        (0.5, math.nan, ""),
    ],
)
def test_every_says_the_score_as_a_stretch_of_time(score: float | None, interval: float, text: str) -> None:
    """Rarity times the series' interval."""
    assert text == words.every(score, interval)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (15.1, "%", f"15.1{NB}%"),
        (245_000_000, "B", f"245{NB}MB"),
        (1779, "", "1,779"),
        (999.7, "", "1,000"),
        (0.0, "", "0"),
        (0.0231, "s", f"0.0231{NB}s"),
        (5.0, "", "5"),
        (3.14159, "", "3.14"),
        (-42.66, "", "-42.7"),
        (1e308, "", "1e308"),
        (1e-9, "", "1e-9"),
        (9.1e-7, "s", f"910{NB}ns"),
        (4.2e-5, "s", f"42{NB}µs"),
        (40_701_942_297_045.0, "", f"40.7{NB}trillion"),
        (5_930_000_000_000_000.0, "", "5.93e15"),
        (None, "%", "no sample"),
        (math.nan, "", "no sample"),
    ],
)
def test_numbers_have_three_digits_and_their_unit(value: float | None, unit: str, text: str) -> None:
    """Three digits are enough."""
    assert text == words.num(value, unit)


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (-5, f"0{NB}s"),
        (40_000, f"40{NB}s"),
        (29 * MIN, f"29{NB}min"),
        (59 * MIN + 59_999, f"59{NB}min"),
        (3 * HOUR + 5 * MIN, f"3{NB}h{NB}05{NB}min"),
        (52 * HOUR, f"2{NB}d{NB}4{NB}h"),
    ],
)
def test_ages_are_said_in_two_units(ms: int, text: str) -> None:
    """Seconds, minutes, hours and minutes, days and hours; rounded down, so that no 60 shows."""
    assert text == words.ago(ms)


def test_moments_are_as_short_as_they_can_be() -> None:
    """Today without date, this week with the weekday, else with the date, and with the year of another year."""
    now = 1_773_114_060_000
    assert "03:41" == words.clock(now, now)
    assert "Mon 16:00" == words.clock(now - 11 * HOUR - 41 * MIN, now)
    assert "14 Feb 02:51" == words.clock(1_771_037_460_000, now)
    assert "31 Dec 2025 23:59" == words.clock(1_767_225_540_000, now)
    assert "03:41" == words.clock(now)


def test_moments_no_calendar_knows_are_shown_as_numbers() -> None:
    """A time stamp out of range does not break a page."""
    assert f"{10**18} ms" == words.clock(10**18, 0)
    assert "" == words.iso(10**18)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ('cpu{host="db-1",role="x"}', "cpu of db-1"),
        ('trips{region="nyc"}', "trips of nyc"),
        ('odd{zz="q"}', "odd of q"),
        ("servers.web.load", "servers.web.load"),
        ("broken{", "broken{"),
    ],
)
def test_a_series_is_named_as_people_say_it(key: str, name: str) -> None:
    """Metric and the most telling label; a key that does not parse is shown as it is."""
    assert name == words.subject(key)


def test_ranges_have_their_unit_once() -> None:
    """Both ends in the scale of the larger."""
    assert f"0.139–191{NB}kB" == words.span(139, 191_000, "B")
    assert "-5 to 3.2" == words.span(-5, 3.2)
    assert "not known yet" == words.span(None, 1)
    assert "not known yet" == words.span(math.nan, math.nan)


def test_units_come_from_names() -> None:
    """Prometheus' endings say the unit."""
    assert ["s", "B", "B/s", ""] == [words.unit_of(k) for k in ("a_seconds", 'b_bytes{x="1"}', "c_bytes_per_second", "d_total")]


@pytest.mark.parametrize(
    ("target", "kept"),
    [
        ("/series?key=a", "/series?key=a"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\evil", "/"),
        ("/\t/evil", "/"),
        ("", "/"),
    ],
)
def test_login_goes_on_only_within_this_server(target: str, kept: str) -> None:
    """What comes after the login cannot lead elsewhere."""
    assert kept == safe_next(target)


def test_javascript_says_the_same_words(tmp_path: Path) -> None:
    """words.js mirrors words.py: the server's text and the chart's text never differ."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node to run words.js with; the browser tests compare them as well")
    source = Path(words.__file__).parent.parent / "static" / "js" / "words.js"
    (tmp_path / "words.mjs").write_text(source.read_text())
    values = [
        0.0,
        0.0231,
        0.5,
        3.14159,
        15.1,
        99.96,
        123.4,
        999.7,
        1779.0,
        2.5e9,
        4.07e13,
        5.93e15,
        1e16,
        -4.2,
        9.1e-7,
        4.2e-5,
        9e-10,
    ]
    scores = [0.0, 0.1, 0.29, 0.3, 0.47, 0.5, 0.68, 0.93, 1.0]
    ages = [1000, 40_000, 29 * MIN, 3 * HOUR + 5 * MIN, 52 * HOUR]
    script = f"""import {{ num, span, rarity, every, ago }} from './words.mjs';
    console.log(JSON.stringify([{json.dumps(values)}.flatMap(v => [
      num(v), num(v, 'B'), num(v, 's'), span(-v, v * 3, 'B'), span(v, v, 's')]),
    {json.dumps(scores)}.flatMap(s => [rarity(s), every(s, 60000)]), {json.dumps(ages)}.map(ago)]))"""
    (tmp_path / "run.mjs").write_text(script)
    said = json.loads(subprocess.run([node, "run.mjs"], cwd=tmp_path, capture_output=True, check=True, text=True).stdout)
    expected = [
        [
            text
            for v in values
            for text in (words.num(v), words.num(v, "B"), words.num(v, "s"), words.span(-v, v * 3, "B"), words.span(v, v, "s"))
        ],
        [text for s in scores for text in (words.rarity(s), words.every(s, 60_000))],
        [words.ago(a) for a in ages],
    ]
    assert expected == said
