"""`awry bench capacity`: the load it sends, the figures it prints, and a small run of the whole."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import cramjam
import numpy as np
import pytest

from awry.cli.capacity import chart, figures
from awry.cli.capacity.load import GraphiteLoad, RemoteWriteLoad, Waves
from awry.cli.capacity.sender import pieces
from awry.cli.capacity.table import print_tables
from awry.cli.main import main
from awry.core.series_table import SeriesTable
from awry.formats import graphite
from awry.formats.remote_write import decode_remote_write

NOW = 1_767_225_600_000
REQUIRED = {
    "series", "end_to_end_samples_per_second", "bytes_per_series", "p99_ingest_to_score_ms", "p99_ingest_to_change_ms",
    "recovery_seconds", "database_bytes_per_sample", "machine_share",
}  # fmt: skip


def made_run(series: int, **given: Any) -> dict[str, Any]:
    """A run with round figures, some of which grow with the series."""
    level = {figure.key: 10.0 for figure in figures.FIGURES}
    run = {**level, "series": series, "resident_bytes": 1e5 * series, "machine_share": 1e-6 * series, **given}
    return run | {
        "longest_pause_ms": {"load": 5.0, "history": 2.0},
        "acknowledged_lost": 0,
        "changes_missed": 0,
        "faults": 10,
        "sender_behind_seconds": 0.0,
    }


def test_graphite_lines_are_what_the_door_reads() -> None:
    """Every series has its own key, and the values and time that were meant."""
    table = SeriesTable()
    batch = graphite.decode(GraphiteLoad(45).encode(NOW), table, NOW).batch
    assert "capacity.host000002.metric04" == table.keys[44]
    assert 45 == len(set(table.keys))
    assert [NOW] * 45 == batch.time.tolist()
    np.testing.assert_array_equal(Waves(45).at(NOW, 0, 45) / 100.0, batch.value)


def test_remote_write_requests_are_what_the_door_reads() -> None:
    """The same over remote-write, whose requests hold any stretch of the series."""
    table, load = SeriesTable(), RemoteWriteLoad(45)
    load.encode(NOW - 60_000)  # what is sent later leaves nothing of it behind
    batch = decode_remote_write(load.encode(NOW + 1, 40, 45), table, version=1).batch
    assert [NOW + 1] * 5 == batch.time.tolist()
    assert 'capacity_metric04{instance="host000002",job="node"}' == table.keys[4]
    assert ((batch.value > 0.0) & (batch.value < 2000.0)).all()


@pytest.mark.parametrize(("load", "count"), [(GraphiteLoad(50_000), 3), (RemoteWriteLoad(5000), 3)])
def test_pieces_hold_every_series_once(load: GraphiteLoad | RemoteWriteLoad, count: int) -> None:
    """A step is cut into pieces without a gap or an overlap."""
    cut = pieces(load, NOW)
    assert count == len(cut)
    if isinstance(load, GraphiteLoad):
        assert load.series == sum(piece.count(b"\n") for piece in cut)
    else:
        whole = sum(len(bytes(cramjam.snappy.decompress_raw(piece))) for piece in cut)
        assert len(bytes(cramjam.snappy.decompress_raw(load.encode(NOW)))) == whole


def test_growth_is_told_for_ten_times_the_series() -> None:
    """A figure that grows with the series is multiplied by ten, one that does not by one, whatever the step between two sizes."""
    grown = figures.growth([made_run(1_000), made_run(10_000), made_run(1_000_000)])
    assert [10.0, 10.0] == grown["resident_bytes"]
    assert [1.0, 1.0] == grown["bytes_per_series"]
    assert [None] == figures.growth([made_run(10, recovery_seconds=None), made_run(100)])["recovery_seconds"]


def test_json_of_one_run_and_of_several() -> None:
    """The last run stands at the top of the object; several are listed beside it."""
    one, two = made_run(1_000), made_run(10_000)
    single = figures.as_json([one], {"cores": 2})
    assert set(single) >= REQUIRED
    assert "runs" not in single
    body = figures.as_json([one, two], {"cores": 2})
    assert 10_000 == body["series"]
    assert [1_000, 10_000] == [run["series"] for run in body["runs"]]
    assert 5.0 == body["longest_pause"]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "", "–"), (0.0379, "%", "3.8%"), (0.0004, "%", "0.04%"), (13_800.0, "B", "13.8 KB"), (13.83, "B", "13.8 B"),
        (250_123.0, "", "250,123"), (0.0052, "", "0.0052"), (80.6, "ms", "80.6 ms"), (1234.0, "ms", "1,234 ms"),
    ],
)  # fmt: skip
def test_figures_are_shown_with_their_units(value: float | None, unit: str, text: str) -> None:
    """Three digits and a unit."""
    assert text == figures.shown(value, unit)


def test_chart_draws_every_size() -> None:
    """Each panel has a point for each size; a title with a sign of markup is text; the page holds the table too."""
    runs = [made_run(1_000), made_run(10_000), made_run(100_000)]
    drawn = ET.fromstring(chart.svg(runs, "a < b"))
    panels = sum(figure.chart for figure in figures.FIGURES)
    assert 3 * panels == len(drawn.findall(".//{http://www.w3.org/2000/svg}circle"))
    page = chart.page(runs, "a < b")
    assert "<th>100 k</th>" in page
    assert "a &lt; b" in page


@pytest.mark.parametrize(
    "arguments", [["--chart", "x.png"], ["--folder", "/nowhere"], ["--seconds", "0"], ["--out", "/nowhere/x.json"]]
)
def test_what_cannot_be_done_is_said_before_the_work(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2 and the reason; nothing was started."""
    assert 2 == main(["bench", "capacity", *arguments])
    assert "cannot" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(900)  # on a busy machine with kernels to compile
@pytest.mark.parametrize("protocol", ["graphite", "remote-write"])
def test_a_small_run_measures_everything(protocol: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A real server is started, loaded, killed and started again; every figure comes out and nothing acknowledged is lost."""
    drawn, kept = tmp_path / "capacity.svg", tmp_path / "capacity.json"
    command = ["bench", "capacity", "--series", "200", "--interval", "10", "--seconds", "3", "--protocol", protocol, "--json"]
    assert 0 == main([*command, "--folder", str(tmp_path), "--chart", str(drawn), "--out", str(kept)])
    body = json.loads(capsys.readouterr().out)
    assert json.loads(kept.read_text(encoding="utf-8")) == body
    assert set(body) >= REQUIRED
    assert [] == [name for name in REQUIRED if not body[name] > 0]
    assert 200 == body["series"]
    assert 0 == body["acknowledged_lost"]
    assert body["recovery_samples"] >= body["accepted_before_kill"]
    assert 0 == body["changes_missed"]
    # 200 series may be there before the server is asked for the first time, a tenth of a second later
    assert {"history", "load"} <= set(body["longest_pause_ms"]) <= {"first_sight", "history", "load"}
    assert ET.parse(drawn).getroot().tag.endswith("svg")
    assert {drawn, kept} == set(tmp_path.iterdir())


def test_tables_hold_growth_prediction_and_what_went_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    """Lost samples, a load that was not kept up and faults that were not told stand below the figures."""
    pair = {"predicted": 0.1, "measured": 0.2, "error": -0.5, "within_15_percent": False}
    wrong = {"acknowledged_lost": 3, "changes_missed": 2, "sender_behind_seconds": 9.0, "prediction": {"cores": pair}}
    print_tables([made_run(1_000), made_run(10_000) | wrong], "what it was")
    text = capsys.readouterr().out
    assert all(words in text for words in ("what it was", "1 k", "10 k", "×10", "3 acknowledged", "9 s late", "2 of 10 faults"))
    assert "-50%  more than 15 %" in text
