"""`awry size`: what it predicts from measured runs, in which units, and when it says to leave one machine."""

from __future__ import annotations

import argparse
import json
from typing import Any

import pytest

from awry.cli.capacity.compare import compared
from awry.cli.capacity.prediction import cost, head_samples, interpolate, predict, shipped
from awry.cli.main import main
from awry.cli.quantities import parse_count, parse_seconds
from awry.core.errors import InvalidInput

DAY_MS = 86_400_000


def run_of(series: int, **given: Any) -> dict[str, Any]:
    """A measured run of samples once a minute: half a core hour a million samples, 4 KB a series, 10 bytes a sample."""
    rate = series / 60
    return {
        "series": series, "interval_seconds": 60.0, "committed_per_second": rate, "idle_cores": 0.01,
        "busy_cores": 0.01 + rate * 10e-6, "samples_per_core_second": 200_000, "end_to_end_samples_per_second": 300_000,
        "empty_bytes": 200e6, "bytes_per_series": 4000 + 45 * 6, "accepted_before_kill": 6 * series,
        "database_bytes_per_sample": 10.0, "journal_bytes_per_sample": 12.0, "database_bytes_per_series": 3000,
        "recovery_seconds": 2.0, "p99_ingest_to_score_ms": 10.0, "p99_ingest_to_change_ms": 20.0, **given,
    }  # fmt: skip


MEASURED = {"machine": {"cores": 2}, "profiles": {"auto": [run_of(1_000), run_of(100_000)]}}


def test_a_prediction_adds_up() -> None:
    """Processor, memory and disk in cores and bytes: rates times costs, plus what a server takes by itself."""
    told = predict(100_000, 60_000, 30 * DAY_MS, measured=MEASURED)
    rate = 100_000 / 60
    assert rate == told.samples_per_second
    assert pytest.approx(0.01 + rate * 10e-6) == told.cores
    assert pytest.approx(200e6 + 100_000 * 4000 + 45 * 1_000_000) == told.memory_bytes
    assert pytest.approx(rate * (30 * 86_400 * 10 + 7200 * 12) + 100_000 * 3000) == told.disk_bytes
    assert 2.0 == told.recovery_seconds


def test_a_run_that_was_fitted_is_predicted_as_it_was() -> None:
    """Put beside the run that it comes from, the prediction is off by nothing."""
    run = run_of(1_000) | {"detector": "auto", "resident_bytes": 200e6 + 4270e3, "database_samples": 6000}
    found = compared(run | {"database_bytes": 6000 * 22 + 3e6}, MEASURED)
    assert found is not None
    assert [0.0, 0.0, 0.0] == [round(pair["error"], 6) for pair in found.values()]
    assert all(pair["within_15_percent"] for pair in found.values())
    assert compared(run | {"detector": "lean"}, MEASURED) is None


def test_a_sample_costs_less_the_more_come_at_once() -> None:
    """Between the stated load and full speed the cost of a sample falls; beyond both it stays."""
    run = run_of(1_000)
    rates = [1.0, 1_000 / 60, 100.0, 10_000.0, 300_000.0, 1e6]
    costs = [cost(run, rate) for rate in rates]
    assert sorted(costs, reverse=True) == costs
    assert pytest.approx(10e-6) == costs[0] == costs[1]
    assert pytest.approx(5e-6) == costs[4] == costs[5]


def test_sizes_between_and_beyond_the_measured_ones() -> None:
    """Between two sizes on logarithmic scales; beyond the outermost as there, and said to be beyond."""
    points = [(1_000, 10.0), (100_000, 1_000.0)]
    found = [interpolate(n, points) for n in (1, 1_000, 10_000, 100_000, 10**7)]
    assert pytest.approx([10.0, 10.0, 100.0, 1_000.0, 1_000.0]) == found
    assert 5.0 == interpolate(10_000, [(1_000, 10.0), (100_000, 0.0)])
    assert predict(10**7, 60_000, 0, measured=MEASURED).beyond
    assert not predict(5_000, 60_000, 0, measured=MEASURED).beyond


def test_samples_wait_in_memory_no_longer_than_the_store_lets_them() -> None:
    """An hour of them, or a million, or eight of each series, whichever the store seals at."""
    assert 60_000 == round(head_samples(1_000, 1_000 / 60))
    assert 1_000_000 == head_samples(100_000, 100_000 / 60)
    assert 8_000_000 == head_samples(1_000_000, 1_000_000 / 60)


def test_reasons_to_leave_one_machine() -> None:
    """Each limit that a load breaks is named; a load that keeps all of them has no reason."""
    assert [] == predict(100_000, 60_000, 0, measured=MEASURED).leave(2, 8e9)
    busy = predict(100_000, 100, 0, measured=MEASURED).leave(2, 8e9)
    assert 2 == len(busy)
    assert "cores" in busy[0]
    assert "half" in busy[1] or "full speed" in busy[1]
    assert "memory" in predict(100_000, 60_000, 0, measured=MEASURED).leave(2, 5e8)[0]
    slow = {**MEASURED, "profiles": {"auto": [run_of(1_000, recovery_seconds=90.0)]}}
    assert "90 s" in predict(1_000, 60_000, 0, measured=slow).leave(2, 8e9)[0]


def test_nothing_cannot_be_sized() -> None:
    """No series, or a detector that nobody measured."""
    with pytest.raises(InvalidInput, match="cannot size"):
        predict(0, 60_000, 0, measured=MEASURED)
    with pytest.raises(InvalidInput, match="measured"):
        predict(1, 60_000, 0, lean=True, measured=MEASURED)


def test_command_prints_and_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    """The shipped figures are used: the machine they come from is named, and JSON has plain units."""
    assert shipped()["profiles"]["auto"]
    assert 0 == main(["size", "--series", "10k", "--interval", "60s", "--retention", "30d", "--cores", "2", "--memory", "8GiB"])
    text = capsys.readouterr().out
    assert all(word in text for word in ("10 k series", "cores", "memory", "disk", "measured on"))
    assert 0 == main(["size", "--series", "10k", "--cores", "4", "--json"])
    body = json.loads(capsys.readouterr().out)
    assert pytest.approx(10_000 / 60, abs=0.01) == body["samples_per_second"]
    assert pytest.approx(body["cores"] / 4, abs=1e-4) == body["machine_share"]
    assert body["memory_bytes"] > 1e6
    assert body["fits"] is not bool(body["reasons"])


@pytest.mark.parametrize(
    ("text", "count"), [("1000", 1000), ("1_000", 1000), ("1e6", 10**6), ("250k", 250_000), ("1.5M", 1_500_000)]
)
def test_counts_as_people_type_them(text: str, count: int) -> None:
    """Plain, in thousands or in millions."""
    assert count == parse_count(text)


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "k", "1kk", "1e99", "many", "nan"])
def test_what_is_no_count(text: str) -> None:
    """Refused with what to write instead."""
    with pytest.raises(argparse.ArgumentTypeError, match="250k"):
        parse_count(text)


@pytest.mark.parametrize(("text", "seconds"), [("60", 60.0), ("0.5", 0.5), ("60s", 60.0), ("5m", 300.0), ("30d", 2_592_000.0)])
def test_times_as_people_type_them(text: str, seconds: float) -> None:
    """A duration, or seconds."""
    assert seconds == parse_seconds(text)


@pytest.mark.parametrize("text", ["0", "soon", "-5", "", "1e9d"])
def test_what_is_no_time(text: str) -> None:
    """Refused."""
    with pytest.raises(argparse.ArgumentTypeError):
        parse_seconds(text)
