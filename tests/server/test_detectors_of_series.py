"""Which detector a series has, and why: by the configuration and by its samples, over the API, on the page, after a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from awry.core.clock import ManualClock
from awry.core.kind import kind_of
from awry.core.placement import Place, Placing
from awry.server.app import AppOptions
from awry.server.config import check_config, load_config
from awry.server.settings import DetectionSection
from tests.server.live import Live

NOW = 1_700_000_000_000
ROWS = 900
TABLES = (Placing.of("little", 'cpu{tier="dev"}', detector="lean"), Placing.of("up", "up", detector="static"))


def shown(live: Live, key: str) -> dict[str, Any]:
    """The API's answer about one series."""
    (found,) = live.client.get("/api/v1/series", params={"match": key}).json()["series"]
    answer: dict[str, Any] = found
    return answer


def send(live: Live, key: str, values: np.ndarray[Any, Any], first: int = 0) -> None:
    """A sample a minute, the last one `ROWS` minutes after the start."""
    times = [NOW - (ROWS - first - i) * 60_000 for i in range(len(values))]
    body = {"series": [key] * len(values), "time": times, "value": values.tolist()}
    assert live.client.post("/api/v1/samples", json=body).status_code in (200, 204)


def sparse() -> np.ndarray[Any, Any]:
    """Zero in 95 % of the samples, else 1 to 3."""
    rng = np.random.default_rng(1)
    return np.where(rng.random(ROWS) < 0.05, rng.integers(1, 4, ROWS), 0).astype(float)


def test_a_series_says_its_detector_and_why(tmp_path: Path) -> None:
    """Configured, found sparse, or as every series begins: in the API's list and on the series page."""
    with Live(tmp_path, AppOptions(clock=ManualClock(NOW)), series=TABLES) as live:
        send(live, 'cpu{tier="dev"}', np.arange(20.0))
        send(live, "errors", sparse())
        send(live, "load", np.arange(20.0))
        assert ("lean", "[series.little] of the configuration says so") == take(shown(live, 'cpu{tier="dev"}'))
        assert ("default", "every series begins with it") == take(shown(live, "load"))
        detector, reason = take(shown(live, "errors"))
        assert "counts" == detector
        assert reason.endswith("% of 512 samples are zero: judged by its events")
        page = live.client.get("/series", params={"key": "errors"}).text
        assert f"Judged by the detector <b>counts</b>: {reason}" in page


def take(series: dict[str, Any]) -> tuple[str, str]:
    """Detector and reason of an answer."""
    return series["detector"], series["detector_reason"]


def test_a_restart_goes_on_with_the_same_detectors_and_scores(tmp_path: Path) -> None:
    """Stopped within a change of detectors and started again: the same choice, and the same scores as without the stop."""
    values = sparse()

    def scores(live: Live) -> list[float | None]:
        answer = live.client.get("/api/v1/samples", params={"series": "errors", "start": 0, "end": NOW}).json()
        found: list[float | None] = answer["score"]
        return found

    with Live(tmp_path / "one", AppOptions(clock=ManualClock(NOW))) as live:
        send(live, "errors", values)
        wanted, choice = scores(live), take(shown(live, "errors"))
    with Live(tmp_path / "two", AppOptions(clock=ManualClock(NOW))) as live:
        send(live, "errors", values[:600])
        assert "default" == shown(live, "errors")["detector"]
        assert "counts takes over in 168 samples" in shown(live, "errors")["detector_reason"]
    with Live(tmp_path / "two", AppOptions(clock=ManualClock(NOW))) as live:
        send(live, "errors", values[600:], 600)
        assert choice == take(shown(live, "errors"))
        assert wanted == scores(live)


def test_a_changed_configuration_holds_after_a_restart(tmp_path: Path) -> None:
    """A table that is new moves its series; the default of [detection] moves the rest."""
    with Live(tmp_path, AppOptions(clock=ManualClock(NOW))) as live:
        send(live, 'cpu{tier="dev"}', np.arange(50.0))
        send(live, "load", np.arange(50.0))
    detection = DetectionSection(detector="ewma")
    with Live(tmp_path, AppOptions(clock=ManualClock(NOW)), series=TABLES, detection=detection) as live:
        assert ("lean", "[series.little] of the configuration says so") == take(shown(live, 'cpu{tier="dev"}'))
        assert ("ewma", "[detection] of the configuration says so") == take(shown(live, "load"))


def test_the_tables_of_the_file_become_the_placement(tmp_path: Path) -> None:
    """[series.NAME] in the order of the file over the defaults of [detection]."""
    file = tmp_path / "awry.toml"
    file.write_text(
        '[detection]\ntime_zone = "America/New_York"\nmemory_bytes = "1GiB"\n\n'
        '[series.shop]\nselector = \'orders{shop="berlin"}\'\ntime_zone = "Europe/Berlin"\n\n'
        '[series.orders]\nselector = "orders"\ndetector = "counts"\n'
    )
    config = load_config(file)
    assert Place("counts", "Europe/Berlin", "", "orders") == config.placement.of('orders{shop="berlin"}')
    assert Place("counts", "America/New_York", "", "orders") == config.placement.of("orders")
    assert Place("auto", "America/New_York") == config.placement.of("cpu")
    assert 1 << 30 == config.detection.memory_bytes


def test_the_first_table_that_states_a_kind_decides_it(tmp_path: Path) -> None:
    """Over what the protocol says and the name suggests, which decide where no table does."""
    file = tmp_path / "awry.toml"
    file.write_text(
        "[series.zone]\nselector = 'jobs_total'\ntime_zone = \"Europe/Berlin\"\n\n"
        "[series.memory]\nselector = 'mem_total{}'\nkind = \"gauge\"\n\n"
        '[series.packets]\nselector = \'{__name__=~"packets|mem_total"}\'\nkind = "counter"\n'
    )
    placement = load_config(file).placement
    keys = ["mem_total", 'mem_total{host="a"}', "packets", "jobs_total", "jobs_totals", "jobs", 'a{b="_total"}']
    for told, expected in [(None, [0, 0, 1, 1, 0, 0, 0]), (True, [0, 0, 1, 1, 1, 1, 1]), (False, [0, 0, 1, 0, 0, 0, 0])]:
        assert expected == [kind_of(key, placement, told) for key in keys]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('[detection]\ndetector = "defualt"\n', 2, "did you mean 'default'?"),
        ('[detection]\ntime_zone = "Berlin"\n', 2, "cannot find the time zone 'Berlin'"),
        ("[detection]\nmemory = 5\n", 2, "did you mean 'memory_bytes'?"),
        ('[series.a]\nselector = "x"\n\ndetector = "leen"\n', 4, "did you mean 'lean'?"),
        ('[series.a]\nselector = "x{"\n', 2, "no closing brace"),
        ('[series.a]\ndetector = "lean"\n', 1, "cannot do without the key 'selector'"),
        ('[series.a]\nselector = "x"\nselctor = "x"\n', 3, "did you mean 'selector'?"),
        ('[series.a]\nselector = "x"\ntime_zone = "Mars/Olympus"\n', 3, "cannot find the time zone"),
        ('[series.a]\nselector = "x"\ndetector = 3\n', 3, "a text in quotes is expected"),
        ('[series.a]\nselector = "x"\ndetector = "peers"\n', 3, "compares a series with its siblings"),
        ('[detection]\ndetector = "peers"\n', 2, "compares a series with its siblings"),
        ('[series.a]\nselector = "x"\nsiblings_by = "host"\n', 3, "looks at no siblings"),
        ('[series.a]\nselector = "x"\ndetector = "peers"\nsiblings_by = "ho st"\n', 4, "cannot use the label"),
        ('[series.a]\nselector = "x"\nkind = "conter"\n', 3, "did you mean 'counter'?"),
        ('[series]\nselector = "x"\n', 2, "write [series.NAME]"),
    ],
)
def test_a_mistake_is_found_with_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    """Every mistake names its line and says what would do."""
    file = tmp_path / "awry.toml"
    file.write_text(text)
    (finding,) = check_config(file)
    assert (line, True) == (finding.line, words in str(finding)), str(finding)
