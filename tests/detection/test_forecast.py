"""Forecasts over hours: what they follow, what their bands hold, when limits are reached, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from awry.core.batch import Batch
from awry.core.errors import Conflict, InvalidInput
from awry.core.placement import Placement, Placing
from awry.detection.calendar import Calendar
from awry.detection.catalogue import make_judge
from awry.detection.default import DefaultDetector
from awry.detection.ewma import Ewma
from awry.detection.forecast import Outlook, interpolated, outlook
from awry.detection.lean import LeanDetector
from awry.detection.router import Router

MINUTE, HOUR, DAY = 60_000, 3_600_000, 1440
START = 1_700_000_000_000 // 86_400_000 * 86_400_000


def seen(values: NDArray[np.float64], detector: DefaultDetector | LeanDetector | None = None, step: int = MINUTE) -> Outlook:
    """What a detector knows after these values, one a step."""
    detector = detector or DefaultDetector()
    detector.grow(1)
    time = START + np.arange(len(values)) * step
    detector.step(Batch.of(np.zeros(len(values), np.int32), time, values))
    return outlook(detector, 0, int(time[-1]), step)


def after(view: Outlook, *hours: float) -> NDArray[np.int64]:
    return np.array([view.last + round(h * HOUR) for h in hours], np.int64)


@pytest.mark.parametrize("written", ["exact", "whole tenths", "in bursts"])
@pytest.mark.parametrize("detector", [DefaultDetector, LeanDetector])
def test_a_filling_disk_is_a_ramp(written: str, detector: type[DefaultDetector | LeanDetector]) -> None:
    """0.72 % a day, however it is written or rounded: three days on it is 2.16 % fuller, and the band is honest about it."""
    rng = np.random.default_rng(1)
    i = np.arange(5000)
    values = 40 + 0.0005 * i
    if written == "whole tenths":
        values = np.round(values, 1)
    if written == "in bursts":
        values = 40 + np.cumsum(rng.exponential(0.005, 5000) * (rng.random(5000) < 0.1))
    view = seen(values.astype(np.float64), detector())
    found = view.forecast(after(view, 6, 24, 72))
    assert "ramp" == found.how
    assert values[-1] + 2.16 == pytest.approx(found.expected[-1], abs=0.45)
    assert (found.low < found.expected).all()
    assert (found.expected < found.high).all()
    assert (np.diff(found.high - found.low) > 0).all()


def test_a_jump_is_no_slope() -> None:
    """A disk at rest that lost 20 % ten hours ago is not forecast to lose more."""
    values = 60 + 0.05 * np.random.default_rng(2).normal(size=4000)
    values[-600:] -= 20
    view = seen(values)
    found = view.forecast(after(view, 24))
    assert 40 == pytest.approx(found.expected[0], abs=3)


@pytest.mark.parametrize("detector", [DefaultDetector, LeanDetector])
def test_a_daily_series_follows_its_day(detector: type[DefaultDetector | LeanDetector]) -> None:
    """After six days each hour of the next day is within three deviations of the wave, and the present offset fades."""
    i = np.arange(6 * DAY)
    wave = 100 + 40 * np.sin(2 * np.pi * np.arange(7 * DAY) / DAY)
    view = seen(wave[: 6 * DAY] + np.random.default_rng(3).normal(size=len(i)), detector())
    hours = np.arange(1, 24)
    found = view.forecast(after(view, *hours))
    assert "day" == found.how
    assert np.abs(found.expected - wave[6 * DAY - 1 + hours * 60]).max() < 4
    assert ((found.low < wave[6 * DAY - 1 + hours * 60]) & (wave[6 * DAY - 1 + hours * 60] < found.high)).all()


def test_the_day_is_read_in_the_series_time_zone() -> None:
    """Across the end of summer time the forecast keeps to the clock of the people, an hour later in UTC."""
    calendar = Calendar.of([("Europe/Berlin", "")])
    end = 1_761_440_400_000  # Sunday 2025-10-26 01:00 UTC: the clocks go back
    time = end - 8 * 86_400_000 + np.arange(int(7.9 * DAY)) * MINUTE
    local = calendar.times(np.ones(1, np.uint16), Batch.of(np.zeros(len(time), np.int32), time, np.zeros(len(time))))
    values = np.where(local // HOUR % 24 == 9, 100.0, 10.0) + np.random.default_rng(4).normal(size=len(time))
    detector = DefaultDetector(calendar=calendar)
    detector.grow(1)
    detector.step(Batch.of(np.zeros(len(time), np.int32), time, values))
    view = outlook(detector, 0, int(time[-1]), MINUTE)
    half_past_eight = end + 13 * HOUR // 2  # 07:30 UTC, and an hour later it is 09:30 in Berlin
    found = view.forecast(np.array([half_past_eight, half_past_eight + HOUR], np.int64))
    assert found.expected[0] < 40
    assert found.expected[1] > 70


def test_a_restart_keeps_the_time_zone() -> None:
    """Loaded and not stepped yet, a series is forecast by the clock of its own place, not by the calendar's first entry."""
    placement = Placement((Placing.of("here", "cpu", time_zone="Europe/Berlin"),))
    time = START + np.arange(4 * DAY) * MINUTE
    values = np.where(time // HOUR % 24 == 9, 100.0, 10.0) + np.random.default_rng(9).normal(size=len(time))
    routers = [Router(placement), Router(placement)]
    for router in routers:
        router.use_keys(["cpu"])
        router.grow(1)
    routers[0].step(Batch.of(np.zeros(len(time), np.int32), time, values))
    routers[1].load(routers[0].dump())
    before, restarted = (outlook(router, 0, int(time[-1]), MINUTE).forecast(time[-1:] + 9 * HOUR + HOUR // 2) for router in routers)
    assert 70 < before.expected[0]
    assert before.expected.tolist() == restarted.expected.tolist()


def test_noise_stays() -> None:
    """White noise is forecast at its mean, as wide as its one-step band, an hour and a week on."""
    view = seen(20 + np.random.default_rng(5).normal(size=5000))
    found = view.forecast(after(view, 1, 24, 168))
    assert [20] * 3 == pytest.approx(found.expected.tolist(), abs=1)
    assert 5 < (found.high - found.low).min() <= (found.high - found.low).max() < 12


def test_the_next_value_is_the_one_step_forecast() -> None:
    """`next` gives what the detector then says of the next sample."""
    values = 20 + np.random.default_rng(6).normal(size=600)
    detector = DefaultDetector()
    view = seen(values, detector)
    raw = detector.step(Batch.of(np.zeros(1, np.int32), np.array([view.last + MINUTE]), np.array([20.0])))
    found = view.next()
    assert (raw.expected[0], raw.low[0], raw.high[0]) == pytest.approx((found.expected[0], found.low[0], found.high[0]), rel=1e-5)


def test_when_a_limit_is_reached() -> None:
    """From below and from above, between points, and not at all; earliest and latest lie around it."""
    view = seen(50 + 0.001 * np.arange(4000) + 0.01 * np.random.default_rng(7).normal(size=4000))
    found = view.forecast(after(view, *range(1, 49)))
    full = found.reaches(56)
    at, earliest, latest = full["time"], full["earliest"], full["latest"]
    assert at is not None
    assert earliest is not None
    assert latest is not None
    assert 2001 * MINUTE == pytest.approx(at - view.last, rel=0.1)
    assert earliest < at < latest
    assert {"time": None, "earliest": None, "latest": None} == found.reaches(90)
    down = seen(50 - 0.001 * np.arange(4000) + 0.01 * np.random.default_rng(7).normal(size=4000))
    empty = down.forecast(after(down, *range(1, 49))).reaches(44)["time"]
    assert empty is not None
    assert 2001 * MINUTE == pytest.approx(empty - down.last, rel=0.1)


def test_errors_between_those_measured() -> None:
    """Log-log through the three that are known; unknown ones grow like a root up to the cap; beyond, no faster than a root."""
    step = np.array([1, 48, 384, 1536], np.float64)
    assert [1, 3, 9, 18] == pytest.approx(interpolated(step, 1, 3, 9, 100, 0.5).tolist())
    assert [1, 48**0.5, 384**0.5, 20] == pytest.approx(interpolated(step, 1, 0, 0, 20, 0.5).tolist())


@pytest.mark.slow
def test_bands_ahead_hold_what_they_promise() -> None:
    """Four kinds of seeded series, 30 origins each, 1 and 6 h ahead: over 96 % in the 99 % band, 82 to 97.5 % in the 90 % band."""
    rng = np.random.default_rng(8)
    rows, inside = 12_000, []
    day = 2 * np.pi * np.arange(rows) / DAY
    smooth = np.convolve(rng.normal(size=rows), np.exp(-np.arange(200) / 60), "same")
    kinds = (
        rng.normal(size=rows),
        10 * np.sin(day) + rng.normal(size=rows),
        smooth,
        0.01 * np.arange(rows) + rng.normal(size=rows),
    )
    for values in kinds:
        detector, done = DefaultDetector(), 0
        detector.grow(1)
        for stop in np.linspace(6000, rows - 400, 30).astype(int).tolist():
            detector.step(Batch.of(np.zeros(stop - done, np.int32), np.arange(done, stop) * MINUTE, values[done:stop]))
            done = stop
            view = outlook(detector, 0, (stop - 1) * MINUTE, MINUTE)
            for confidence in (90, 99):
                found = view.forecast(after(view, 1, 6), confidence)
                real = values[[stop + 59, stop + 359]]
                inside.append([confidence, float(np.mean((real >= found.low) & (real <= found.high)))])
    share = {c: 100 * np.mean([s for k, s in inside if k == c]) for c in (90, 99)}
    assert 96 <= share[99]
    assert 82 <= share[90] <= 97.5


def test_what_is_refused() -> None:
    """A young series, a detector without such state, a confidence nobody offers, an unknown interval: each says what is wrong."""
    with pytest.raises(Conflict, match="10 samples are known"):
        seen(np.arange(10.0))
    other = Ewma()
    other.grow(1)
    with pytest.raises(Conflict, match="keeps no state to forecast from"):
        outlook(other, 0, START, MINUTE)
    view = seen(np.arange(100.0))
    with pytest.raises(InvalidInput, match="confidence of 95 %"):
        view.forecast(after(view, 1), 95)
    detector = DefaultDetector()
    seen(np.arange(100.0), detector)
    with pytest.raises(Conflict, match="interval"):
        outlook(detector, 0, START, 0.0)


def test_scorers_and_routers_have_the_same_outlook() -> None:
    """A Scorer and a Router hand on what their detector knows."""
    values = 20 + np.random.default_rng(9).normal(size=300)
    batch = Batch.of(np.zeros(300, np.int32), START + np.arange(300) * MINUTE, values)
    found = []
    for judge in (make_judge("default"), Router()):
        judge.grow(1)
        judge.step(batch)
        view = outlook(judge, 0, int(batch.time[-1]), MINUTE)
        found.append(view.forecast(after(view, 1, 2)).expected.tolist())
    assert found[0] == found[1]
