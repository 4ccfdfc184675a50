"""Counters through a whole server: rates by every door, kinds by the configuration, and restarts that nobody notices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from awry.core.clock import ManualClock
from awry.core.placement import Placing
from awry.server.app import AppOptions
from tests.server.live import Live
from tests.server.remote_write import HEADERS, request
from tests.serving import wait_for

T0 = 1_760_000_000_000
STEP = 10_000


def live(folder: Path, *tables: Placing) -> Live:
    return Live(folder, AppOptions(clock=ManualClock(T0 + 100 * STEP)), series=tables)


def values(server: Live, key: str) -> list[float | None]:
    answer = server.client.get("/api/v1/samples", params={"series": key, "start": 0, "end": T0 + 1000 * STEP})
    found: list[float | None] = answer.json()["value"]
    return found


def shown(server: Live, key: str) -> dict[str, Any]:
    (found,) = server.client.get("/api/v1/series", params={"match": key}).json()["series"]
    return dict(found)


def test_counters_are_rates_by_every_door(tmp_path: Path) -> None:
    """JSON, Graphite's way of names and remote-write; resets are no rises, and gauges stay as they are."""
    with live(tmp_path) as server:
        for i, value in enumerate([100.0, 150.0, 30.0, 30.0]):
            server.send([("jobs_total", T0 + i * STEP, value), ('jobs{x="_total"}', T0 + i * STEP, value)])
            body = request([({"__name__": n}, [(T0 + i * STEP, value)]) for n in ("wait_seconds_bucket", "wait_seconds")])
            assert 204 == server.client.post("/api/v1/write", content=body, headers=HEADERS).status_code
        wait_for("the picture of the last sample", lambda: 4 == shown(server, "wait_seconds")["seen"])
        for key in ("jobs_total", "wait_seconds_bucket"):
            assert [None, 5.0, 3.0, 0.0] == values(server, key)
            assert ("counter", 0.0) == (shown(server, key)["kind"], shown(server, key)["value"])
        for key in ("jobs", "wait_seconds"):
            assert [100.0, 150.0, 30.0, 30.0] == values(server, key + ('{x="_total"}' if key == "jobs" else ""))
            assert ("gauge", 30.0) == (shown(server, key)["kind"], shown(server, key)["value"])
        page = server.client.get("/series", params={"key": "jobs_total"}).text
        assert "counter, shown as its rate per second" in page
        assert "counter, shown" not in server.client.get("/series", params={"key": "wait_seconds"}).text


def test_a_repeated_sample_of_a_counter_is_a_duplicate(tmp_path: Path) -> None:
    """The newest one by what was sent; an older one by its time."""
    rows: list[tuple[str, int | str, Any]] = [("jobs_total", T0 + i * STEP, 100.0 * i) for i in range(4)]
    with live(tmp_path) as server:
        server.send(rows)
        answer = server.send([*rows, ("jobs_total", T0 + 3 * STEP, 10.0), ("jobs_total", T0 + STEP + 1, 5.0)])
        assert ["duplicate"] * 5 + ["late"] == [r["reason"] for r in answer["refused"]]
        assert 0 == answer["accepted"]
        assert [None, 10.0, 10.0, 10.0] == values(server, "jobs_total")


@pytest.mark.parametrize("after", [1, 3])
def test_a_restart_between_two_samples_leaves_no_trace(tmp_path: Path, after: int) -> None:
    """The rate over a restart is what it would have been."""
    for i in range(6):
        if i in (0, after):
            with live(tmp_path) as server:
                for j in range(i, after if i < after else 6):
                    server.send([("jobs_total", T0 + j * STEP, 7.0 * j)])
                found = values(server, "jobs_total")
    assert [None, 0.7, 0.7, 0.7, 0.7, 0.7] == found


def test_the_configuration_says_the_kind_and_changes_it(tmp_path: Path) -> None:
    """From the first sample on; of a known series at the next start, and what is no longer said stays."""
    gauge, counter = Placing.of("a", "jobs_total", kind="gauge"), Placing.of("a", "jobs_total", kind="counter")
    for i, tables in enumerate([[gauge], [counter], [], [gauge]]):
        with live(tmp_path, *tables) as server:
            for j in range(2 * i, 2 * i + 2):
                server.send([("jobs_total", T0 + j * STEP, 50.0 * j)])
            assert ["gauge", "counter", "counter", "gauge"][i] == shown(server, "jobs_total")["kind"]
            found = values(server, "jobs_total")
    assert [0.0, 50.0, None, 5.0, 5.0, 5.0, 300.0, 350.0] == found
