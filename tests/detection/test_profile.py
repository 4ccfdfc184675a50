"""The day and week profile where a series lives: holidays, changes of the clocks, weeks of its own, and how sure it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from numpy.typing import NDArray

from awry.core.batch import Batch
from awry.detection import state as at
from awry.detection.calendar import DAY_MS, Calendar
from awry.detection.catalogue import make_detector
from awry.detection.default import DefaultDetector
from awry.detection.profile import Confidence, confidence, profile_confidence, profile_words
from awry.detection.scorer import Scorer
from awry.engine.settings import DEFAULT_RULE
from awry.engine.threshold import rule_threshold
from awry.testing import check_detector

STEP_MS = 300_000
DAY_ROWS = DAY_MS // STEP_MS
GERMAN_HOLIDAYS = {"2024-03-29", "2024-04-01", "2024-05-01", "2024-05-09", "2024-05-20"}


def office(
    zone: str, start: datetime, days: int, seed: int = 0, off: frozenset[str] = frozenset(), *, always: bool = False
) -> tuple[Batch, list[datetime]]:
    """Load at 5 minutes and its local times: 80 more around 13:00 of its own time on workdays (or always), else 20; noise of 3."""
    there = ZoneInfo(zone)
    first = int(start.replace(tzinfo=there).timestamp())
    times = np.arange(days * DAY_ROWS, dtype=np.int64) * STEP_MS + first * 1000
    local = [datetime.fromtimestamp(t // 1000, there) for t in times.tolist()]
    hour = np.array([moment.hour + moment.minute / 60 for moment in local])
    works = np.array([always or (moment.weekday() < 5 and str(moment.date()) not in off) for moment in local])
    noise = np.random.default_rng(seed).normal(0, 3, len(times))
    values = 20 + 80 * np.exp(-0.5 * ((hour - 13) / 3) ** 2) * works + noise
    return Batch.of(np.zeros(len(times), np.int32), times, values), local


def profile(detector: DefaultDetector, start: int, buckets: int) -> NDArray[np.float64]:
    """Means of the first series' profile in its own numbers."""
    state = detector.dump()
    anchor, unit = state["d"][0, at.ANCHOR], state["d"][0, at.UNIT]
    means: NDArray[np.float64] = state["f"][0, start : start + buckets].astype(np.float64) * unit + anchor
    return means


def learned(batch: Batch, calendar: Calendar | None) -> DefaultDetector:
    detector = DefaultDetector(calendar=calendar)
    detector.grow(1)
    detector.step(batch)
    return detector


def test_a_holiday_opens_no_incident_once_sundays_are_known() -> None:
    """Five German holidays of 2024, the first after four Sundays, four times over: none reaches the default rule."""
    threshold, _ = rule_threshold(DEFAULT_RULE, STEP_MS, 5000)
    calendar = Calendar.of([("Europe/Berlin", "DE")])
    worst = []
    for seed in range(4):
        batch, local = office("Europe/Berlin", datetime(2024, 2, 26), 90, seed, frozenset(GERMAN_HOLIDAYS))
        day = np.array([str(moment.date()) for moment in local])
        scorer = Scorer(DefaultDetector(calendar=calendar))
        scorer.grow(1)
        score = scorer.step(batch).score
        worst += [float(np.nanmax(score[day == holiday])) for holiday in sorted(GERMAN_HOLIDAYS)]
    assert 20 == len(worst)
    assert max(worst) < threshold


def test_a_holiday_does_not_blur_the_week_profile() -> None:
    """After a holiday on a Wednesday the Wednesdays' mean is that of workdays, and the Sundays' that of rest days."""
    batch, _ = office("Europe/Berlin", datetime(2024, 3, 4), 66, off=frozenset(GERMAN_HOLIDAYS))
    noon = {"Wed": (6 * 24 + 13), "Sun": (3 * 24 + 13)}  # the week begins on Thursday
    zoned = profile(learned(batch, Calendar.of([("Europe/Berlin", "")])), at.WEEK, 168)
    aware = profile(learned(batch, Calendar.of([("Europe/Berlin", "DE")])), at.WEEK, 168)
    assert aware[noon["Sun"]] == pytest.approx(20, abs=3)
    assert aware[noon["Wed"]] == pytest.approx(99, abs=3)
    assert aware[noon["Wed"]] > zoned[noon["Wed"]] + 5


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
def test_a_change_of_the_clocks_does_not_shift_the_profile(zone: str) -> None:
    """The week after, the day profile fits as well as the week before; read in UTC it is an hour off."""
    batch, local = office(zone, datetime(2024, 9, 2), 80, always=True)
    after = next(i for i, m in enumerate(local) if m.utcoffset() != local[0].utcoffset()) // DAY_ROWS * DAY_ROWS + DAY_ROWS
    error = {}
    for name, calendar in (("UTC", None), ("local", Calendar.of([(zone, "")]))):
        means = profile(learned(batch.take(slice(0, after)), calendar), at.DAY, 96)
        for week, start in (("before", after - 6 * DAY_ROWS), ("after", after + DAY_ROWS)):
            rows = batch.take(slice(start, start + 5 * DAY_ROWS))
            times = rows.time if calendar is None else calendar.times(np.zeros(1, np.uint16), rows)
            error[name, week] = float(np.abs(rows.value - means[times // 900_000 % 96]).mean())
    assert error["local", "after"] < 1.1 * error["local", "before"]
    assert error["UTC", "after"] > 2 * error["local", "after"]


def test_a_series_in_tokyo_learns_its_own_week() -> None:
    """After six weeks every hour of Saturday and Sunday in Tokyo is at rest, and no hour of its workdays shares their buckets."""
    batch, _ = office("Asia/Tokyo", datetime(2024, 5, 6), 42)
    means = profile(learned(batch, Calendar.of([("Asia/Tokyo", "")])), at.WEEK, 168)
    bump = 80 * np.exp(-0.5 * ((np.arange(24) + 0.46 - 13) / 3) ** 2)
    for day, name in enumerate(("Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed")):
        expected = 20 + (0 if name in ("Sat", "Sun") else 1) * bump
        assert means[24 * day : 24 * day + 24] == pytest.approx(expected, abs=4), name


def test_restarts_and_cuts_leave_the_same_bits() -> None:
    """State dumped in the middle and loaded into a detector with the same calendar continues bit for bit, zones asked anew."""
    calendar = Calendar.of([("Asia/Tokyo", "JP"), ("America/New_York", "US")])
    rng = np.random.default_rng(2)
    n = 4000
    batch = Batch.of(np.arange(n) % 2, 1_714_000_000_000 + np.arange(n, dtype=np.int64) // 2 * STEP_MS, rng.normal(9, 1, n))

    def fresh() -> DefaultDetector:
        detector = DefaultDetector(calendar=calendar, zone_of=lambda slot: slot)
        detector.grow(2)
        return detector

    whole, first, second = fresh(), fresh(), fresh()
    expected = whole.step(batch).strength[2500:]
    first.step(batch.take(slice(0, 2500)))
    second.load(first.dump())
    assert expected.tobytes() == second.step(batch.take(slice(2500, n))).strength.tobytes()
    assert all(whole.dump()[name].tobytes() == second.dump()[name].tobytes() for name in "fubcd")


def sine(size: float) -> Callable[[NDArray[np.float64], np.random.Generator], NDArray[np.float64]]:
    """A day of a sine of that amplitude in unit noise."""
    return lambda hour, rng: size * np.sin(hour / 24 * 2 * np.pi) + rng.normal(0, 1, len(hour))


def sureness(
    make: Callable[[NDArray[np.float64], np.random.Generator], NDArray[np.float64]], step_ms: int, days: int
) -> Confidence:
    """Of the day profile after that many days."""
    n = days * DAY_MS // step_ms
    times = 19_675 * DAY_MS + np.arange(n, dtype=np.int64) * step_ms
    values = make((times % DAY_MS) / 3_600_000, np.random.default_rng(8))
    return profile_confidence(learned(Batch.of(np.zeros(n, np.int32), times, values), None).dump())["day"]


@pytest.mark.parametrize("step_ms", [60_000, 300_000, 900_000])
def test_a_clear_daily_pattern_is_sure_within_days(step_ms: int) -> None:
    """Nothing is claimed on the first day; after a week a pattern of 3 sigma is fairly sure, after two sure, with its days."""
    assert "learning" == sureness(sine(3), step_ms, 1).words
    week = sureness(sine(3), step_ms, 7)
    assert week.sure > 0.75
    assert 7 == week.visits
    month = sureness(sine(3), step_ms, 28)
    assert sureness(sine(3), step_ms, 3).sure < week.sure < month.sure
    assert month.share == pytest.approx(9 / 2 / (1 + 9 / 2), abs=0.1)
    assert "sure" == sureness(sine(3), step_ms, 14).words


@pytest.mark.parametrize("step_ms", [60_000, 900_000, 3_600_000])
def test_noise_and_walks_are_not_called_a_pattern(step_ms: int) -> None:
    """White noise and a random walk have no day, however long they are watched."""
    for days in (3, 14, 40):
        assert "no pattern" == sureness(lambda hour, rng: rng.normal(0, 1, len(hour)), step_ms, days).words
        assert "no pattern" == sureness(lambda hour, rng: np.cumsum(rng.normal(0, 1, len(hour))), step_ms, days).words


def test_week_confidence_comes_with_weeks() -> None:
    """The week profile of an office learns in the first week, and is surer with every one."""
    batch, _ = office("UTC", datetime(2024, 5, 6), 35)
    found = [profile_confidence(learned(batch.take(slice(0, w * 7 * DAY_ROWS)), None).dump())["week"] for w in (1, 2, 3, 5)]
    assert "learning" == found[0].words
    assert sorted(c.sure for c in found) == [c.sure for c in found]
    assert [1, 2, 3, 5] == [c.visits for c in found]
    assert found[-1].sure > 0.8


def test_a_profile_never_seen_has_no_confidence() -> None:
    """Zero state, and one bucket, give 0 and no division by nothing."""
    nothing = confidence(np.zeros(96, np.float32), np.zeros(96, np.uint8), 0.0, 0)
    assert (0.0, 0, "learning") == (nothing.sure, nothing.visits, nothing.words)
    one = np.zeros(96, np.uint8)
    one[5] = 200
    assert 0.0 == confidence(np.zeros(96, np.float32), one, 1.0, 5000).sure
    flat = confidence(np.zeros(96, np.float32), np.full(96, 9, np.uint8), 0.0, 900)
    assert (0.0, "no pattern") == (flat.sure, flat.words)


def test_confidence_in_words() -> None:
    """The line of the series page: what is learning or without a pattern is said of the day only."""
    sure, unsure = Confidence(0.93, 21, 1.0, 0.8), Confidence(0.4, 3, 1.0, 0.5)
    assert "day profile: sure (21 days), week profile: unsure (3 weeks)" == profile_words({"day": sure, "week": unsure})
    learning, flat = Confidence(0.0, 1, 0.0, 0.0), Confidence(0.0, 255, 1.0, 0.0)
    assert "day profile: learning (1 day)" == profile_words({"day": learning, "week": learning})
    assert "day profile: no pattern (255 days or more)" == profile_words({"day": flat, "week": flat})


@pytest.mark.parametrize("name", ["default", "lean"])
def test_the_promises_hold_with_a_calendar(name: str) -> None:
    """The public suite passes on detectors that read hours in Berlin."""
    calendar = Calendar.of([("Europe/Berlin", "DE")])
    check_detector(lambda: make_detector(name, calendar=calendar))
