"""`awry inject`, `awry bench inject` and `awry bench calibration` at the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest

from awry.cli.main import main


@pytest.fixture
def csv(tmp_path):
    """Two series of noise, a minute apart, and one that is too short."""
    rng = np.random.default_rng(11)
    path = tmp_path / "load.csv"
    lines = ["series,time,value"]
    for name, rows in (("a", 1500), ("b", 1500), ("short", 50)):
        lines += [f"{name},{1_700_000_000 + 60 * i},{v:.4f}" for i, v in enumerate(rng.normal(50, 2, rows))]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_says_what_would_have_been_told(csv, capsys) -> None:
    """A table with the rule's share and delay by fault; what was left out is said."""
    assert 0 == main(["inject", str(csv), "--detector", "ewma", "--threshold", "0.35"])
    said = capsys.readouterr()
    assert "told by the rule" in said.out
    assert "told at 1 in 10,000" not in said.out  # too few rows to tell
    assert "2 series, 1,200 clean rows. The rule: a score of 0.35" in said.out
    assert "left out: 1 series of fewer than 500 samples" in said.err


def test_json_and_page(csv, tmp_path, capsys) -> None:
    """Both hold every fault; a spike of 8 sigma is told by a rule of 0.3 at once, in most cases."""
    page = tmp_path / "faults.html"
    assert 0 == main(["inject", str(csv), "--detector", "ewma", "--threshold", "0.3", "--json", "--html", str(page)])
    body = json.loads(capsys.readouterr().out)
    spike = next(f for f in body["faults"] if (f["kind"], f["size"]) == ("spike", 8))
    assert (2, 60_000) == (body["series"], body["step_ms"])
    assert spike["recall"]["rule"] > 0.8
    assert 0.0 == spike["delay_rows"]["rule"]
    text = page.read_text()
    assert "<svg" in text
    assert "spike 8" in text
    assert "<script" not in text


def test_refusals_say_what_to_do(csv, tmp_path, capsys) -> None:
    """Too little data, both kinds of threshold, an unknown detector, a set without long calm rows."""
    short = tmp_path / "short.csv"
    short.write_text("time,value\n" + "\n".join(f"{1_700_000_000 + 60 * i},{i % 7}" for i in range(100)))
    assert 2 == main(["inject", str(short)])
    assert "series of fewer than 500 samples" in capsys.readouterr().err
    assert 2 == main(["inject", str(csv), "--threshold", "0.3", "--budget", "1 per 7d"])
    assert 2 == main(["inject", str(csv), "--detector", "odd"])
    capsys.readouterr()
    assert 2 == main(["inject", str(csv), "--detector", "auto"])
    assert "name one of them" in capsys.readouterr().err
    assert 2 == main(["inject", str(csv), "--html", str(tmp_path / "no" / "page.html")])
    (tmp_path / "sets" / "tiny").mkdir(parents=True)
    np.savez(tmp_path / "sets" / "tiny" / "one.npz", X=np.arange(200.0)[:, None], y=np.zeros(200))
    capsys.readouterr()
    assert 2 == main(["bench", "inject", str(tmp_path / "sets")])
    assert "no series has 10,000 rows on end without a label" in capsys.readouterr().err


def test_a_detector_that_compares_series_is_refused(csv, capsys) -> None:
    """Faults are tried on copies of one series, side by side: they would be each other's siblings."""
    assert 2 == main(["inject", str(csv), "--detector", "peers"])
    assert "a fault has none" in capsys.readouterr().err


def test_bench_inject_on_a_folder_of_sets(tmp_path, capsys) -> None:
    """Every detector asked for, with each output, the best head and a new series' first rows."""
    folder = tmp_path / "sets" / "calm"
    folder.mkdir(parents=True)
    for seed in range(2):
        value = np.random.default_rng(seed).normal(50, 2, (10_500, 1))
        truth = np.zeros(10_500)
        truth[200] = 1
        np.savez(folder / f"{seed}.npz", X=value, y=truth)
    command = ["bench", "inject", str(tmp_path / "sets"), "--quick", "--detector", "ewma"]
    assert 0 == main([*command, "--json"])
    body = json.loads(capsys.readouterr().out)
    (found,) = body["detectors"]
    assert ("inject", "ewma", {"calm": 2}, 8000) == (body["benchmark"], found["detector"], found["stretches"], found["clean_rows"])
    assert {"distance", "raw", "score", "rule"} == set(found["faults"][0]["recall"])
    assert 4 == found["young"]["beginnings"]
    assert 0 == main(command)
    out = capsys.readouterr().out
    assert "best head" in out
    assert "within .05 of the best head: raw in " in out
    assert "recall in a new series" in out


@pytest.mark.slow
def test_bench_calibration(tmp_path, capsys) -> None:
    """Families and sets, as a table or as JSON; numbers that too little is known for are null."""
    folder = tmp_path / "sets" / "calm"
    folder.mkdir(parents=True)
    np.savez(folder / "one.npz", X=np.random.default_rng(1).normal(50, 2, (5000, 2)), y=np.zeros(5000))
    command = ["bench", "calibration", str(tmp_path / "sets"), "--detector", "ewma", "--quick"]
    assert 0 == main([*command, "--set", "normal", "--set", "calm", "--json"])
    body = json.loads(capsys.readouterr().out)
    noise, calm = body["families"]
    assert ("normal", 5, "calm", 2) == (noise["name"], noise["series"], calm["name"], calm["series"])
    assert {"0.001", "0.0001", "1e-05"} == set(calm["promises"])
    assert calm["promises"]["0.0001"]["within_3"] is None
    assert 0 == main([*command, "--set", "calm"])
    assert "1 in 10,000" in capsys.readouterr().out


def test_bench_calibration_names_the_families(capsys) -> None:
    """A family that does not exist, or a set without its folder, is refused with the names that there are."""
    for name in ("odd", "wsd"):
        assert 2 == main(["bench", "calibration", "--quick", "--set", name])
        said = capsys.readouterr().err
        assert f"cannot find the family {name!r}" in said
        assert "ar .99" in said
        assert "folder" in said
