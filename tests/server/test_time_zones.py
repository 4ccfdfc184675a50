"""Time zones and holidays in the server: what the config file may say, whose hours a series keeps, and the line of its page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from awry.core.batch import Batch
from awry.core.placement import Place, Placement, Placing
from awry.detection import state as at
from awry.detection.catalogue import make_judge
from awry.detection.router import Router
from awry.detection.scorer import Scorer
from awry.server.config import check_config, load_config
from awry.server.profiles import profile_line

STEP_MS = 300_000
MONDAY_MS = 1_704_672_000_000  # 2024-01-08


def office(days: int, hours: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Times and values of a load at 5 minutes that peaks at 13:00 UTC less `hours`."""
    times = MONDAY_MS + STEP_MS * np.arange(days * 288, dtype=np.int64)
    hour = (times / 3_600_000 + hours) % 24
    return times, 80 * np.exp(-0.5 * ((hour - 13) / 3) ** 2) + np.random.default_rng(4).normal(20, 3, len(times))


@pytest.mark.parametrize(
    ("body", "line", "message", "hint"),
    [
        ('[detection]\ntime_zone = "Europe/Berln"', 2, "the time zone 'Europe/Berln'", "did you mean 'Europe/Berlin'?"),
        ('[detection]\n\nholidays = "de"', 3, "the holidays of 'de'", "did you mean 'DE'?"),
        ('[series.shop]\nselector = "orders"\nholidays = "DE-XX"', 3, "DE has no part 'XX'", "BY"),
        ('[series.shop]\nselector = "orders"\ntime_zone = "Tokio"', 3, "the time zone 'Tokio'", "Asia/Tokyo"),
        ("[detection]\ntime_zone = 3", 2, "a text in quotes is expected", ""),
    ],
)
def test_mistakes_are_found_with_their_line(tmp_path: Path, body: str, line: int, message: str, hint: str) -> None:
    """Zones and countries that nobody knows, with the nearest that exists."""
    path = tmp_path / "awry.toml"
    path.write_text(body + "\n")
    (finding,) = check_config(path)
    assert line == finding.line
    assert message in finding.message
    assert hint in finding.hint


def test_the_file_places_series(tmp_path: Path) -> None:
    """The default of [detection], and what a table [series.NAME] says of its selector."""
    path = tmp_path / "awry.toml"
    path.write_text(
        '[detection]\ntime_zone = "Europe/Berlin"\nholidays = "DE"\n'
        '[series.tokyo]\nselector = "{region=\\"jp\\"}"\ntime_zone = "Asia/Tokyo"\nholidays = "JP"\n'
    )
    placement = load_config(path).placement
    assert ("Europe/Berlin", "DE") == (placement.of("cpu").time_zone, placement.of("cpu").holidays)
    assert ("Asia/Tokyo", "JP") == (placement.of('cpu{region="jp"}').time_zone, placement.of('cpu{region="jp"}').holidays)


def test_each_series_keeps_the_hours_of_its_place() -> None:
    """Two series with the same local day, 14 hours apart, learn the same day profile, and are told so on their pages."""
    tables = (Placing.of("tokyo", '{region="jp"}', time_zone="Asia/Tokyo"),)
    router = Router(Placement(tables, Place(time_zone="America/New_York")))
    router.use_keys(["load", 'load{region="jp"}'])
    router.grow(2)
    times, there = office(14, hours=-5)
    _, here = office(14, hours=9)
    router.step(Batch.of(np.arange(2 * len(times)) % 2, np.repeat(times, 2), np.stack([there, here], 1).ravel()))
    means = []
    for slot in range(2):
        judge, row = router.seat(slot) or (None, 0)
        assert isinstance(judge, Scorer)
        state = judge.detector.dump(row, row + 1)
        day = state["f"][0, at.DAY : at.DAY + 96].astype(float)
        means.append(day * state["d"][0, at.UNIT] + state["d"][0, at.ANCHOR])
        assert 52 == pytest.approx(int(np.argmax(means[slot])), abs=6), "quarter hours: about 13:00"
        assert profile_line(router, slot).startswith("day profile: sure (1")
    assert means[0] == pytest.approx(means[1], abs=12)


def test_the_line_of_the_page() -> None:
    """A scorer's series has its line; a detector without profiles, no judge and a slot nobody used have none."""
    times, values = office(3)
    scorer = Scorer()
    scorer.grow(1)
    scorer.step(Batch.of(np.zeros(len(times)), times, values))
    assert "day profile: sure (3 days)" == profile_line(scorer, 0)
    assert ["", "", "", ""] == [profile_line(make_judge("ewma"), 0), profile_line(None, 0), profile_line(scorer, 7),
                                profile_line(Router(), 0)]  # fmt: skip
