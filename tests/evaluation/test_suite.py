"""The suite over a small folder of sets: figures that are known beforehand, what goes wrong, ranks, the rule, the command."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from awry.cli.bench_rule import run_rule, sum_up
from awry.cli.main import main
from awry.core.batch import Scored
from awry.core.errors import InvalidInput
from awry.detection.catalogue import make_judge
from awry.detection.evaluation.contestants import Contestant, Judged, Severity, by_judge, installed, per_column, samples_of
from awry.detection.evaluation.labelled import Labelled, read_sets
from awry.detection.evaluation.ranks import mean_ranks
from awry.detection.evaluation.suite import run_suite

ROWS = 1200


def write_sets(folder, files=3):
    """Two sets, of noise with three level steps of ten deviations in each file; `two` has two metrics."""
    rng = np.random.default_rng(4)
    for name, columns in (("one", 1), ("two", 2)):
        (folder / name).mkdir(parents=True)
        for k in range(files):
            value, truth = rng.normal(size=(ROWS, columns)), np.zeros(ROWS, np.int8)
            for start in (500, 800, 1100):
                value[start : start + 12, -1] += 10.0
                truth[start : start + 12] = 1
            np.savez(folder / name / f"{k}.npz", X=value, y=truth)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_sets(tmp_path_factory.mktemp("suite"))


def oracle(name="oracle", late=0, causal=True):
    """Knows the truth, and says so `late` rows after an event begins."""

    def strengths(file):
        said = np.zeros(len(file.truth))
        said[late:] = 5.0 * file.truth[: len(said) - late]
        return Severity(said, said)

    return Contestant(name, causal, strengths)


def random_one(seed=1):
    return per_column("random", lambda value, time: np.random.default_rng(seed).random(len(value)), causal=True)


def test_an_oracle_is_perfect_and_chance_is_not(folder):
    """Every measure of one that knows is 1, without delay."""
    report = run_suite(read_sets(folder), [oracle(), random_one()])
    assert {"files": 3, "metrics": 6, "rows": 3 * (ROWS - 180), "samples": 6 * ROWS, "events": 9} == report.sizes["two"]
    best, chance = report.outcomes[("oracle", "two")], report.outcomes[("random", "two")]
    assert {"auc_pr": 1.0, "auc_roc": 1.0, "f1": 1.0, "recall_at_rate": 1.0} == {
        k: v for k, v in best.measures().items() if k != "vus_pr"
    }
    assert 0.7 < best.measures()["vus_pr"] <= 1.0
    assert (9, 9, 0, 0.0) == (
        best.events["raw"].found,
        best.events["raw"].events,
        best.events["raw"].false_alerts,
        best.events["raw"].delay_rows,
    )
    assert chance.measures()["f1"] < 0.3
    assert 0.4 < chance.measures()["auc_roc"] < 0.6
    assert math.isnan(best.coverage)


def test_delay_in_rows_and_time(folder):
    """Five rows of a minute."""
    best = run_suite(read_sets(folder, ["one"]), [oracle(late=5)]).outcomes[("oracle", "one")].events["raw"]
    assert (5.0, 300_000.0) == (best.delay_rows, best.delay_ms)


def test_detectors_find_steps(folder):
    """Both outputs of a calibrated detector; its band holds most of the unlabelled rows.

    The score of a series of 1,200 rows is cautious: a step of ten deviations is little against what real series do, as the pooled
    curve of this detector knows. Chance has less than 0.3.
    """
    outcome = run_suite(read_sets(folder, ["two"]), installed(["ewma"])).outcomes[("ewma", "two")]
    assert ("raw", "score") == outcome.outputs
    assert outcome.measures("raw")["f1"] > 0.8
    assert outcome.measures("score")["f1"] > 0.4
    assert 0.97 < outcome.coverage < 1.0
    assert outcome.microseconds > 0


def test_a_head_alone_is_the_detector_that_has_no_other(folder):
    """`ewma:distance` is `ewma`; an unknown head is refused."""
    report = run_suite(read_sets(folder, ["one"]), installed(["ewma", "ewma:distance"]))
    assert report.outcomes[("ewma", "one")].measures() == report.outcomes[("ewma:distance", "one")].measures()
    with pytest.raises(InvalidInput, match="cannot find the head 'shape' of ewma"):
        installed(["ewma:shape"])


def test_a_judge_is_measured_as_the_detector_it_holds(folder):
    """By its score the same; its raw is there at onsets only."""
    report = run_suite(read_sets(folder, ["two"]), [by_judge("judge", lambda: make_judge("ewma")), *installed(["ewma"])])
    judge, detector = report.outcomes[("judge", "two")], report.outcomes[("ewma", "two")]
    assert detector.measures("score") == judge.measures("score")
    assert judge.measures("raw")["f1"] > 0.6


def test_siblings_are_judged_row_by_row(folder):
    """A detector that compares metrics gets them tick by tick, each sample in its row."""
    file = read_sets(folder, ["two"])["two"][0].load()
    batch, row = samples_of(file, together=True)
    assert [0, 0, 1, 1] == row[:4].tolist()
    assert [0, 1, 0, 1] == batch.slot[:4].tolist()
    assert file.value[1].tolist() == batch.value[2:4].tolist()
    alone, row = samples_of(file)
    assert (file.value[:, 1].tolist(), 0) == (alone.value[ROWS:].tolist(), row[ROWS])


def test_threads_change_nothing(folder):
    """Nor does a second run."""
    told = [run_suite(read_sets(folder), installed(["ewma"]), threads=k).outcomes[("ewma", "two")].measures() for k in (1, 3)]
    assert told[0] == told[1]


def test_bad_files_and_failing_contestants_are_counted(tmp_path):
    """The rest goes on; a contestant that failed has no outcome for that set and is last there."""
    sets = read_sets(write_sets(tmp_path))
    (tmp_path / "one" / "9.csv").write_text("timestamp,value\n1,2\n")

    def broken(value, time):
        raise ValueError("not today")

    report = run_suite(read_sets(tmp_path), [per_column("broken", broken, causal=False), oracle()])
    assert [("one", "9")] == [(row["set"], row["file"]) for row in report.refused]
    assert "label" in report.refused[0]["why"]
    assert 6 == len(report.failed)
    assert "ValueError: not today" == report.failed[0]["why"]
    assert {("oracle", "one"), ("oracle", "two")} == set(report.outcomes)
    assert ["oracle", "broken"] == [rank.contestant for rank in mean_ranks(report, repeats=3)]
    assert 3 == len(sets["one"])


def test_nothing_to_measure_is_said(tmp_path):
    """When no file can be used."""
    (tmp_path / "a.csv").write_text("timestamp,value\n1,2\n")
    with pytest.raises(InvalidInput, match="no file could be used"):
        run_suite(read_sets(tmp_path), [oracle()])


def test_mean_ranks_are_seeded_and_share_ties(folder):
    """Two equals share 1 and 2; the interval of a clear loser is a point."""
    report = run_suite(read_sets(folder), [oracle("a"), random_one(), oracle("b")])
    ranks = {rank.contestant: rank for rank in mean_ranks(report, repeats=20, seed=3)}
    assert (1.5, 1.5, 3.0) == (ranks["a"].mean, ranks["b"].mean, ranks["random"].mean)
    assert (3.0, 3.0) == (ranks["random"].low, ranks["random"].high)
    assert mean_ranks(report, repeats=20, seed=3) == mean_ranks(report, repeats=20, seed=3)


def ruled(score, truth, segment=None):
    """The default rule on one metric whose scores are given, a minute apart."""
    rows = len(score)
    file = Labelled("set", "file", np.arange(rows) * 60_000, np.zeros((rows, 1)), ("value",), truth, 0)
    batch, row = samples_of(file)
    scored = Scored.blank(rows)
    scored.score[:], scored.segment[:] = score, score if segment is None else segment
    severity = Severity(score, judged=Judged(batch, scored, row))
    return run_rule(file, oracle(), severity)


def test_the_rule_opens_and_closes_as_the_engine_does():
    """One incident in an event, one false; a delay of two rows; time within incidents."""
    score, truth = np.zeros(5000, np.float32), np.zeros(5000, np.bool_)
    truth[2000:2010] = truth[4000:4010] = True
    score[2002], score[3000] = 0.9, 0.8
    segment = score.copy()
    segment[2002:2012] = segment[3000:3005] = 0.9
    outcome = ruled(score, truth, segment)
    assert (2, 1, 1, 2, 1) == (outcome.events, outcome.found, outcome.opened, outcome.incidents, outcome.false)
    assert (120_000.0,) == outcome.delays_ms
    assert pytest.approx(15 / 10_080) == outcome.held_weeks
    assert [(2002 * 60_000, 2012 * 60_000, False), (3000 * 60_000, 3005 * 60_000, True)] == [
        (s.start, s.end, s.false) for s in outcome.spans
    ]
    told = sum_up([outcome])
    assert (0.5, 0.5) == (told["recall"], told["recall_opened"])
    assert pytest.approx(1 / (5000 / 10_080)) == told["false_per_metric_week"]


def test_an_incident_that_never_ends_is_no_news():
    """It overlaps later events, but opened in none."""
    score, truth = np.zeros(5000, np.float32), np.zeros(5000, np.bool_)
    truth[4000:4010] = True
    score[3000] = 0.9
    segment = np.where(np.arange(5000) >= 3000, 0.9, 0.0).astype(np.float32)
    outcome = ruled(score, truth, segment)
    assert (1, 0, 0) == (outcome.found, outcome.opened, outcome.false)


def test_command_prints_tables_json_and_a_page(folder, tmp_path, capsys):
    """Best figures, the rule, ranks; JSON without NaN; one page that loads nothing."""
    page = tmp_path / "suite.html"
    assert 0 == main(["bench", "suite", str(folder), "--detector", "ewma", "--detector", "rolling", "--html", str(page)])
    out = capsys.readouterr().out
    assert out.index("Mean rank") < out.index("one: 3 files") < out.index("two: the default rule")
    text = page.read_text()
    assert text.count("<figure>") >= 1
    assert "http" not in text.replace("http://www.w3.org", "")
    assert 0 == main(["bench", "suite", str(folder), "--set", "two", "--detector", "ewma", "--json", "--quick"])
    body = json.loads(capsys.readouterr().out)
    assert {"vus_pr", "auc_pr", "auc_roc", "f1", "recall_at_rate", "delay_ms", "found"} <= set(
        body["contestants"]["ewma"]["sets"]["two"]["raw"]
    )
    assert {"recall", "recall_opened", "false_per_metric_week", "delay_ms"} <= set(
        body["contestants"]["ewma"]["sets"]["two"]["rule"]
    )
    assert "machine" in body


def test_command_says_what_is_wrong(tmp_path, capsys):
    """Status 2, a cause and a hint."""
    assert 2 == main(["bench", "suite", str(tmp_path)])
    assert "no labelled set" in capsys.readouterr().err
    write_sets(tmp_path / "x", 1)
    assert 2 == main(["bench", "suite", str(tmp_path / "x"), "--detector", "ewmma"])
    assert "cannot find the detector 'ewmma'" in capsys.readouterr().err


def test_a_page_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`awry bench suite --html` looks for the page's folder before it reads a set."""
    assert 2 == main(["bench", "suite", str(tmp_path / "no sets"), "--html", str(tmp_path / "none" / "page.html")])
    assert "there is no folder" in capsys.readouterr().err
