"""Calendars: the kernel against the standard library, holidays as rest days, and what names nobody knows are told."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from awry.core.batch import Batch, Times
from awry.core.errors import InvalidInput
from awry.detection.calendar import DAY_MS, FIRST_YEAR, LAST_YEAR, MOST, Calendar

ZONES = (
    "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Africa/Casablanca", "Africa/Cairo", "Asia/Tokyo", "Asia/Kolkata",
    "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia", "Antarctica/Troll", "UTC",
)  # fmt: skip


def ms(moment: datetime) -> int:
    """Unix ms of a moment with a zone, or the same number for a local time without one."""
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def times(entry: tuple[str, str], *moments: int) -> list[int]:
    """Profile times of moments (Unix ms)."""
    found = Calendar.of([entry]).times(np.zeros(1, np.uint16), Batch.of([0] * len(moments), list(moments), [0.0] * len(moments)))
    return [int(t) for t in found]


@pytest.mark.parametrize("zone", ZONES)
def test_local_time_is_that_of_the_standard_library(zone: str) -> None:
    """2,000 random instants of 130 years, and each second around every change of the clocks, agree with zoneinfo."""
    rng = np.random.default_rng(11)
    moments = rng.integers(0, ms(datetime(2099, 12, 31, tzinfo=UTC)), 2000).tolist()
    changes = [int(b) for b in Calendar.of([(zone, "")]).begins[1:]]
    moments += [change + d for change in changes for d in (-1000, -1, 0, 1000)]
    there = ZoneInfo(zone)
    expected = [m + ms(datetime.fromtimestamp(m // 1000, there).replace(tzinfo=None)) - m // 1000 * 1000 for m in moments]
    assert expected == times((zone, ""), *moments)


def test_outside_its_years_the_last_offset_holds() -> None:
    """Before 1970 the offset of its first instant counts, after 2099 that of the last, also for times that no date can hold."""
    hour = 3_600_000
    assert [-(10**15) + hour, -1 + hour, hour] == times(("Europe/Berlin", ""), -(10**15), -1, 0)
    assert [10**16 + hour] == times(("Europe/Berlin", ""), 10**16)
    assert [-1, 10**16] == times(("UTC", "DE"), -1, 10**16)
    assert (1970, 2099) == (FIRST_YEAR, LAST_YEAR)


def test_a_holiday_is_the_rest_day_of_its_week() -> None:
    """German Unity Day 2023, a Tuesday, counts hour by hour as the Sunday before it, from midnight to midnight where it is."""
    start = ms(datetime(2023, 10, 3, tzinfo=ZoneInfo("Europe/Berlin")))
    moments = [start - 1, start, start + 9 * 3_600_000, start + DAY_MS - 1, start + DAY_MS]
    local = [datetime(1970, 1, 1) + timedelta(milliseconds=t) for t in times(("Europe/Berlin", "DE"), *moments)]
    assert [(2, 23), (1, 0), (1, 9), (1, 23), (4, 0)] == [(t.day, t.hour) for t in local]
    assert ["Mon", "Sun", "Sun", "Sun", "Wed"] == [f"{t:%a}" for t in local]


REST = [
    ("SA", date(2024, 9, 23), "Sat"),
    ("DE-BY", date(2025, 1, 6), "Sun"),
    ("DE", date(2025, 1, 6), "Mon"),
    ("US", date(2024, 11, 28), "Sun"),
]


@pytest.mark.parametrize(("name", "day", "kind"), REST)
def test_countries_have_their_own_rest_day_and_their_parts_their_own_holidays(name: str, day: date, kind: str) -> None:
    """Saudi holidays count as Saturdays; Epiphany is one in Bavaria and not in all of Germany."""
    noon = ms(datetime(day.year, day.month, day.day, 12, tzinfo=UTC))
    assert [kind] == [f"{datetime(1970, 1, 1) + timedelta(milliseconds=t):%a}" for t in times(("UTC", name), noon)]


def test_series_have_their_own_entry_and_are_asked_for_it_once() -> None:
    """Slots in turn in three zones, in any cut, get their own local times; equal pairs share an entry."""
    calendar = Calendar.of([("UTC", ""), ("Asia/Tokyo", "JP"), ("America/New_York", "US"), ("UTC", "")])
    assert 3 == len(calendar.entries)
    assert 1 == calendar.index("Asia/Tokyo", "JP")
    asked: list[int] = []

    def zone_of(slot: int) -> int:
        asked.append(slot)
        return slot % 3

    rng = np.random.default_rng(5)
    batch = Batch.of(rng.integers(0, 9, 500), np.sort(rng.integers(0, 4 * 10**12, 500)), np.zeros(500))
    entry = np.zeros(9, np.uint16)
    cuts: list[Times] = [calendar.times(entry, batch.take(slice(a, a + 50)), zone_of) for a in range(0, 500, 50)]
    whole = calendar.times(np.zeros(9, np.uint16), batch, lambda slot: slot % 3)
    assert sorted(set(batch.slot.tolist())) == sorted(asked)
    assert whole.tolist() == np.concatenate(cuts).tolist()
    for k, pair in enumerate(calendar.entries):
        rows = batch.slot % 3 == k
        assert times(pair, *batch.time[rows].tolist()) == whole[rows].tolist()


@pytest.mark.parametrize(("entry", "message", "hint"), [
    (("Europe/Berln", ""), "the time zone 'Europe/Berln'", "did you mean 'Europe/Berlin'?"),
    (("europe/berlin", ""), "the time zone 'europe/berlin'", "did you mean 'Europe/Berlin'?"),
    (("Berlin", ""), "the time zone 'Berlin'", "did you mean 'Europe/Berlin'?"),
    (("../passwd", ""), "the time zone '../passwd'", "names are those of IANA"),
    (("UTC", "de"), "the holidays of 'de': no such country", "did you mean 'DE'?"),
    (("UTC", "Germany"), "the holidays of 'Germany': no such country", "two letters"),
    (("UTC", "DE-XX"), "the holidays of 'DE-XX': DE has no part 'XX'", "BY"),
])  # fmt: skip
def test_names_nobody_knows_are_refused_with_what_to_write(entry: tuple[str, str], message: str, hint: str) -> None:
    """Zones, countries and their parts that do not exist are named, with the nearest or the form of one that does."""
    with pytest.raises(InvalidInput) as caught:
        Calendar.of([entry])
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_calendar_has_limited_room_and_says_so() -> None:
    """The index of an entry fits two bytes; equal pairs take one."""
    countries = [("UTC", name) for name in ("", "DE", "FR")]
    assert 3 == len(Calendar.of(countries * 100).entries)
    with pytest.raises(InvalidInput, match=f"the most is {MOST}"):
        Calendar.of([(str(k), "") for k in range(MOST + 1)])
    with pytest.raises(InvalidInput, match="cannot find"):
        Calendar.of(countries).index("UTC", "JP")


def test_the_package_holidays_is_loaded_only_when_named() -> None:
    """A calendar of zones alone does not import it."""
    code = "import sys; from awry.detection.calendar import Calendar; Calendar.of([('Asia/Tokyo', '')])"
    ran = subprocess.run(
        [sys.executable, "-c", f"{code}; print('holidays' in sys.modules)"], check=True, capture_output=True, text=True
    )
    assert "False" == ran.stdout.strip()
