"""Replay: moved times, the loop, restarts, and the recordings that ship with Awry."""

from __future__ import annotations

from contextlib import aclosing

import numpy as np
import pytest

from awry.connectors.demo import demo_recordings
from awry.connectors.replay import Recording, ReplaySource, Timeline
from awry.core.clock import ManualClock
from awry.core.errors import InvalidInput
from awry.core.series_table import SeriesTable
from awry.core.tick import Rows

NOW = 1_700_000_000_000
MINUTE = 60_000


def recording(key: str, minutes: int, offset: int = 0) -> Recording:
    """One sample a minute, the value being its number."""
    return Recording(key, np.arange(minutes, dtype=np.int64) * MINUTE + offset, np.arange(minutes, dtype=np.float64))


class Replay:
    """A source over a clock that jumps to whatever the source waits for."""

    def __init__(self, *recordings: Recording, now: int = NOW) -> None:
        self.clock, self.table = ManualClock(now), SeriesTable()
        self.source = ReplaySource(
            recordings=recordings, held_back_seconds=600.0, rows_per_batch=16, clock=self.clock, sleep=self._sleep
        )

    async def _sleep(self, seconds: float) -> None:
        self.clock.advance(round(seconds * 1000))

    async def run(self, until: int, resume: bytes | None = None) -> list[Rows]:
        """Batches until one is later than `until`."""
        found = []
        async with aclosing(self.source.rows(self.table, resume)) as rows:  # type: ignore[type-var]
            async for batch in rows:
                if int(batch.batch.time[-1]) > until:
                    break
                found.append(batch)
        return found


def samples(found: list[Rows], slot: int = 0) -> list[tuple[int, float]]:
    """(time after NOW, value) of one series."""
    return [
        (t - NOW, v)
        for rows in found
        for s, t, v in zip(rows.batch.slot.tolist(), rows.batch.time.tolist(), rows.batch.value.tolist(), strict=True)
        if s == slot
    ]


async def test_history_ends_now_and_the_rest_comes_in_its_time() -> None:
    """Of 60 minutes, 50 are history that ends now; the last ten arrive a minute apart, and again, with rising times."""
    replay = Replay(recording("a", 60))
    found = samples(await replay.run(NOW + 25 * MINUTE))
    assert [((n - 49) * MINUTE, float(n)) for n in range(50)] == found[:50]
    assert [(n * MINUTE, float(50 + (n - 1) % 10)) for n in range(1, 26)] == found[50:]


async def test_nothing_comes_before_its_time() -> None:
    """No sample is stamped later than the clock that sent it."""
    replay = Replay(recording("a", 60), recording("b", 45, offset=17_000))
    async with aclosing(replay.source.rows(replay.table, None)) as rows:  # type: ignore[type-var]
        async for batch in rows:
            assert int(batch.batch.time.max()) <= replay.clock.now_ms()
            assert (np.diff(batch.batch.time) >= 0).all()
            if replay.clock.now_ms() > NOW + 30 * MINUTE:
                break


async def test_times_rise_over_loops() -> None:
    """Over many loops and for each recording, times are unique and rise, whatever its steps."""
    uneven = Recording("u", np.array([0, 1, 60_000, 1_200_000, 1_200_001, 1_799_999], np.int64), np.arange(6.0))
    replay = Replay(uneven, recording("b", 31, offset=5))
    found = await replay.run(NOW + 60 * MINUTE)
    for slot in (0, 1):
        times = [t for t, _ in samples(found, slot)]
        assert sorted(set(times)) == times
        assert len(times) > 18


async def test_a_restart_goes_on_where_it_stopped() -> None:
    """From any stored position, the rest of the stream is exactly what an uninterrupted run gives; time missed is caught up."""
    whole = await Replay(recording("a", 60), recording("b", 45)).run(NOW + 25 * MINUTE)
    expected = samples(whole), samples(whole, 1)
    for cut in range(1, len(whole)):
        again = Replay(recording("a", 60), recording("b", 45), now=NOW + 20 * MINUTE)
        rest = whole[:cut] + await again.run(NOW + 25 * MINUTE, whole[cut - 1].position)
        keep = [(t, v) for t, v in samples(rest) if t <= 24 * MINUTE], [(t, v) for t, v in samples(rest, 1) if t <= 24 * MINUTE]
        assert tuple([(t, v) for t, v in one if t <= 24 * MINUTE] for one in expected) == keep


async def test_other_recordings_begin_anew() -> None:
    """A position of other recordings does not fit: the history is sent again, ending now."""
    position = (await Replay(recording("a", 60)).run(NOW))[-1].position
    found = samples(await Replay(recording("a", 30), now=NOW + MINUTE).run(NOW + MINUTE, position))
    assert (MINUTE, 19.0) == found[-1]


@pytest.mark.parametrize("time", [[], [3, 3], [3, 2]])
def test_refuses_times_that_do_not_rise(time: list[int]) -> None:
    """A recording has samples, and their times rise."""
    with pytest.raises(InvalidInput, match="cannot replay x"):
        Recording("x", np.array(time, np.int64), np.zeros(len(time)))


def test_refuses_short_recordings() -> None:
    """What is held back must be shorter than the recording."""
    with pytest.raises(InvalidInput, match="shorter"):
        Timeline.of([recording("x", 5)], 600_000)


def test_demo_recordings() -> None:
    """Seven recordings of two weeks ship with Awry, under a megabyte together, with keys of their own."""
    found = demo_recordings()
    assert 7 == len({one.key for one in found})
    for one in found:
        days = (one.time[-1] - one.time[0]) / 86_400_000
        assert 13.9 < days <= 14.0
        assert np.isfinite(one.value).all()
