"""`awry detect` and `awry bench nab` at the command line: tables, JSON, files, reports, and errors that say what to do."""

from __future__ import annotations

import io
import json
import sys

import numpy as np
import polars as pl
import pytest

from awry.cli.main import main

N = 600


@pytest.fixture
def csv(tmp_path):
    """A file with one fault at row 500, and a quiet second series."""
    rng = np.random.default_rng(7)
    load, calm = rng.normal(10, 1, N), rng.normal(size=N)
    load[500:505] = 60
    path = tmp_path / "cpu.csv"
    stamps = np.datetime64("2024-01-01T00:00:00") + 300 * np.arange(N)
    pl.DataFrame({"time": [str(s) for s in stamps], "load": load, "calm <b>": calm}).write_csv(path)
    return path


def test_prints_the_anomaly_as_tab_separated_rows_into_a_pipe(csv, capsys):
    """The fault comes first, with its times."""
    assert 0 == main(["detect", str(csv), "--threshold", "0.35"])
    lines = capsys.readouterr().out.splitlines()
    assert "series\tfrom\tto\tworst at\tscore\tvalue\texpected\tspoke\twhy" == lines[0]
    series, _, _, worst, *_ = lines[1].split("\t")
    assert ("load", True) == (series, "2024-01-02 17:40:00" <= worst <= "2024-01-02 18:05:00")
    assert lines[-1].startswith("1,200 samples of 2 series, ")


def test_names_the_strangest_sample_when_no_anomaly_was_found(csv, capsys):
    """Who sees a fault in the chart and no row in the table is told how near it came."""
    assert 0 == main(["detect", str(csv), "--threshold", "1"])
    said = capsys.readouterr()
    assert said.out.splitlines()[-1].startswith("1,200 samples of 2 series, 0 anomalies")
    assert said.err.splitlines()[-1].startswith("the strangest sample was load at 2024-01-02 17:40:00: 60, expected ")


def test_says_which_cells_are_no_numbers(tmp_path, capsys):
    """An example tells a decimal comma from a sensor's error text."""
    path = tmp_path / "de.csv"
    path.write_text("time;value\n2024-01-01 00:00:00;1,5\n2024-01-01 00:01:00;1,6\n")
    assert 0 == main(["detect", str(path)])
    assert "such as '1,5', are left out; decimals are written with a point" in capsys.readouterr().err


def test_json_and_limits(csv, capsys):
    """One object; a high threshold leaves fewer."""
    assert 0 == main(["detect", str(csv), "--json", "--threshold", "0.2", "--limit", "1"])
    body = json.loads(capsys.readouterr().out)
    (worst,) = body["anomalies"]
    assert (1200, 2, {}, "load", 60.0) == (body["samples"], body["series"], body["refused"], worst["series"], worst["value"])
    assert 1704217200000 <= worst["time"] <= worst["end"]
    assert 0 == main(["detect", str(csv), "--json", "--threshold", "1"])
    assert [] == json.loads(capsys.readouterr().out)["anomalies"]


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_writes_all_scores(csv, tmp_path, kind):
    """Ten columns, a row per sample, in each kind of file."""
    out = tmp_path / f"scores.{kind}"
    assert 0 == main(["detect", str(csv), "--out", str(out)])
    frame = {"parquet": pl.read_parquet, "csv": pl.read_csv, "jsonl": pl.read_ndjson}[kind](out)
    assert ["series", "time", "value", "expected", "low", "high", "raw", "score", "segment", "part"] == frame.columns
    assert (2 * N, 60.0) == (frame.height, frame["value"][500])


def test_the_report_is_one_file_without_addresses(csv, tmp_path):
    """No link leaves it, and a series' name is data, never markup."""
    page = tmp_path / "report.html"
    assert 0 == main(["detect", str(csv), "--html", str(page), "--threshold", "0.15"])
    text = page.read_text()
    assert not any(word in text for word in ("http:", "https:", "//cdn", "<b>", " src=", "@DATA@"))
    body = text.split('type="application/json">')[1].split("</script>")[0]
    assert "load" == json.loads(body)["charts"][0]["series"]


@pytest.mark.browser
def test_the_report_draws_in_a_browser(csv, tmp_path):
    """Chromium shows table and charts, by mouse and keyboard, without errors or requests."""
    from playwright.sync_api import sync_playwright

    page_file = tmp_path / "report.html"
    assert 0 == main(["detect", str(csv), "--html", str(page_file), "--threshold", "0.35"])
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 400, "height": 800})
        said: list[str] = []
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith("file:") else said.append(request.url))
        page.goto(page_file.as_uri())
        page.focus("canvas")
        page.keyboard.press("ArrowRight")
        assert "value" in (page.text_content(".read") or "")
        page.click("#theme")
        assert ("load", []) == (page.text_content("td a"), said)
        browser.close()


def test_standard_input_with_an_interval(monkeypatch, capsys):
    """Rows instead of times."""
    values = np.random.default_rng(1).normal(size=400)
    values[350] = 50
    text = "value\n" + "\n".join(map(str, values))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert 0 == main(["detect", "-", "--interval", "5m", "--threshold", "0.35"])
    assert "\trow 350\t" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (["none.csv"], "No such file"),
        (["FILE", "--threshold", "2"], "threshold"),
        (["FILE", "--threshold", "0.3", "--budget", "1 per 30d"], "both"),
        (["FILE", "--budget", "some"], "budget"),
        (["FILE", "--out", "scores.xls"], "kind of file"),
        (["FILE", "--html", "nowhere/report.html"], "no folder"),
        (["FILE", "--detector", "magic"], "detector"),
        (["FILE", "--value", "temp"], "temp"),
        (["FILE", "--limit", "-1"], "limit"),
    ],
)
def test_errors_exit_with_2_and_say_why(csv, words, cause, capsys):
    """One line on standard error."""
    assert 2 == main(["detect", *(str(csv) if word == "FILE" else word for word in words)])
    assert cause in capsys.readouterr().err


def test_names_cannot_steer_the_terminal(tmp_path, capsys):
    """Control characters of a series' name are replaced."""
    path = tmp_path / "x.csv"
    rows = [f"\x1b[2Jbad,{60 * k},{50 if k == 300 else k % 7}" for k in range(400)]
    path.write_text("\n".join(["series,time,value", *rows]))
    assert 0 == main(["detect", str(path), "--threshold", "0.3"])
    out = capsys.readouterr().out
    assert (False, True) == ("\x1b" in out, "\ufffd[2Jbad" in out)


def test_what_was_left_out_is_said(tmp_path, capsys):
    """By reason, on standard error."""
    path = tmp_path / "x.csv"
    path.write_text("time,value\n1,1\n2,two\n3,3\n3,4\n")
    assert 0 == main(["detect", str(path)])
    assert "left out: 1 bad_value, 1 duplicate" in capsys.readouterr().err


def nab(folder):
    """A benchmark of one file whose fault lies in its window."""
    rng = np.random.default_rng(3)
    value = rng.normal(10, 1, N)
    value[400:410] = 90
    stamps = [str(np.datetime64("2024-01-01T00:00:00") + 300 * k).replace("T", " ") for k in range(N)]
    (folder / "labels").mkdir()
    (folder / "data" / "real").mkdir(parents=True)
    pl.DataFrame({"timestamp": stamps, "value": value}).write_csv(folder / "data" / "real" / "a.csv")
    (folder / "labels" / "combined_windows.json").write_text(
        json.dumps({"real/a.csv": [[stamps[395] + ".000000", stamps[425] + ".000000"]]})
    )
    row = {"standard": 50.0, "reward_low_FP_rate": 40.0, "reward_low_FN_rate": 60.0}
    (folder / "final_results.json").write_text(json.dumps({"numenta": row}))


def test_bench_nab_prints_the_board_and_json(tmp_path, capsys):
    """Ours in its place among the published ones; JSON has the promised fields."""
    nab(tmp_path)
    assert 0 == main(["bench", "nab", "--data", str(tmp_path)])
    out = capsys.readouterr().out
    assert 0 < out.index("awry (default)") < out.index("Numenta HTM *")
    assert 0 == main(["bench", "nab", "--data", str(tmp_path), "--detector", "records", "--json"])
    body = json.loads(capsys.readouterr().out)
    assert {"standard", "reward_low_FP", "reward_low_FN", "seconds", "samples_per_second"} <= set(body)
    assert (1, 1, "records") == (body["windows"], body["found"]["standard"], body["detector"])
    assert 80 < body["standard"] <= 100


def test_bench_nab_in_the_wrong_folder(tmp_path, capsys):
    """Says what the folder should hold."""
    assert 2 == main(["bench", "nab", "--data", str(tmp_path)])
    assert "data/<category>" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [(["--time-zone", "Berlin"], "did you mean 'Europe/Berlin'?"), (["--holidays", "DE-XY"], "DE has no part 'XY'")],
)
def test_places_nobody_knows_are_refused(csv, capsys, flags, message):
    """With what to write instead, and status 2."""
    assert 2 == main(["detect", str(csv), *flags])
    assert message in capsys.readouterr().err


def test_a_place_is_taken(csv, capsys):
    """Zone and holidays are accepted together."""
    assert 0 == main(["detect", str(csv), "--time-zone", "Asia/Tokyo", "--holidays", "JP"])
    assert "1,200 samples" in capsys.readouterr().out


@pytest.mark.parametrize(("detector", "message"), [("static", "static has no limits here"), ("peers", "five series or more")])
def test_detectors_that_lack_something_say_so(csv, capsys, detector, message):
    """Who asks for limits without limits, or for siblings that are not there, is told why nothing was found."""
    assert 0 == main(["detect", str(csv), "--detector", detector])
    assert message in capsys.readouterr().err
