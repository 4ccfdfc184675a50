"""The NAB scorer: hand-computed cases, a slow twin on random corpora, and the published results of three detectors."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest

from awry.core.errors import InvalidInput
from awry.detection.evaluation.nab import PROFILES, Profile, Sweep, probation, worth
from awry.detection.evaluation.nab_corpus import read_corpus, read_published
from awry.detection.evaluation.nab_run import run_nab
from awry.library.judges import make_judge

SHARED = Path(os.environ.get("AWRY_SHARED", Path(__file__).parents[3] / "shared"))
NAB = next((p for p in (SHARED / "data" / "nab", SHARED / "nab") if p.is_dir()), None)
needs_nab = pytest.mark.skipif(
    NAB is None, reason=f"NAB data not found under {SHARED} (set AWRY_SHARED to the folder that holds data/nab)"
)
STANDARD = PROFILES["standard"]


def sigmoid(position: float) -> float:
    """NAB's scaled sigmoid."""
    return -1.0 if position > 3 else 2 / (1 + math.exp(5 * position)) - 1


def slow_total(files, profile: Profile, threshold: float) -> tuple[float, int]:
    """The raw score of a threshold row by row as the paper words it, and the number of windows."""
    total, count = 0.0, 0
    for strength, windows in files:
        best: dict[int, float] = {}
        start = min(math.floor(0.15 * len(strength)), 750)
        behind = None
        for row, value in enumerate(strength):
            inside = next((k for k, (a, b) in enumerate(windows) if a <= row <= b), None)
            if inside is not None:
                first, last = windows[inside]
                gain = sigmoid(-(last - row + 1) / (last - first + 1)) / sigmoid(-1.0) * profile.found
                if row >= start:
                    best.setdefault(inside, -profile.missed)
                    if value >= threshold:
                        best[inside] = max(best[inside], gain)
                behind = windows[inside]
            elif row >= start and value >= threshold:
                past = -1.0 if behind is None else sigmoid((row - behind[1]) / (behind[1] - behind[0]))
                total += past * profile.false_alert
        total += sum(best.values())
        count += len(best)
    return total, count


def test_worth_of_a_window_of_four_rows_by_hand():
    """The first row of a window is worth 1, rows before any window -1, right behind it a little less than nothing."""
    value, member = worth(10, [(3, 6)])
    assert [-1, -1, -1, 0, 0, 0, 0, -1, -1, -1] == member.tolist()
    expected = [-1.0, -1.0, -1.0, 1.0, *(sigmoid(-k / 4) / sigmoid(-1) for k in (3, 2, 1)), *(sigmoid(k / 3) for k in (1, 2, 3))]
    assert pytest.approx(expected) == value.tolist()


@pytest.mark.parametrize(("rows", "dropped"), [(100, 15), (5000, 750), (22695, 750), (3, 0)])
def test_probation_is_fifteen_percent_and_at_most_750(rows, dropped):
    """The official length of probation."""
    assert dropped == probation(rows)


def test_perfect_is_100_silence_is_0_and_one_late_false_alert_costs_its_weight():
    """Normalisation, by hand: one window, found at its first row; then a false alert far behind it."""
    strength = np.zeros(100)
    strength[20] = 2.0
    assert (100.0, 2.0) == (Sweep([(strength, [(20, 22)])]).best(STANDARD).score, 2.0)
    assert 0.0 == Sweep([(np.full(100, np.nan), [(20, 22)])]).best(STANDARD).score
    strength[90] = 3.0
    result = Sweep([(strength, [(20, 22)])]).best(STANDARD)
    assert (pytest.approx(100 * (2 - 0.11) / 2), 1, 1) == (result.score, result.found, result.false_alerts)


@pytest.mark.parametrize("seed", range(12))
def test_equals_the_slow_twin_at_every_threshold(seed):
    """All three profiles, ties and windows within probation included."""
    rng = np.random.default_rng(seed)
    files = []
    for _ in range(4):
        rows = int(rng.integers(30, 120))
        cuts = np.sort(rng.choice(np.arange(1, rows - 1), 4, replace=False)).tolist()
        windows = [(a, b) for a, b in (cuts[:2], cuts[2:]) if b > a][: int(rng.integers(0, 3))]
        files.append((np.round(rng.exponential(size=rows), 1), windows))
    sweep = Sweep(files)
    for profile in PROFILES.values():
        totals = []
        for threshold in sweep.thresholds:
            total, count = slow_total(files, profile, threshold)
            score = 100 * (total + profile.missed * count) / (count * (profile.found + profile.missed)) if count else 0.0
            assert pytest.approx(score, abs=1e-9) == sweep.at(profile, float(threshold)).score
            totals.append(score)
        assert pytest.approx(max(totals), abs=1e-9) == sweep.best(profile).score


@needs_nab
@pytest.mark.parametrize("detector", ["ARTime", "numenta", "windowedGaussian"])
def test_reference_results_come_out(detector):
    """Published row scores give the published final scores to 0.01.

    One of the nine is not at its optimum: numenta's low-FP run was scored at a threshold between 0.57513 and 0.57534, where it
    has 63.117, though 0.5431 gives 63.209. So that one is compared at the threshold it was published with.
    """
    scores = np.load(NAB / "reference_scores.npz")
    published = {row.name: row for row in read_published(NAB)}[detector]
    sweep = Sweep([(scores[f"{detector}/{file.name}"], file.windows) for file in read_corpus(NAB)])
    for name, profile in PROFILES.items():
        local = (detector, name) == ("numenta", "reward_low_FP")
        result = sweep.at(profile, 0.5752) if local else sweep.best(profile)
        assert pytest.approx(published.scores[name], abs=0.01) == result.score
        assert result.score <= sweep.best(profile).score + 1e-9


@needs_nab
def test_the_corpus_is_complete():
    """58 files, 365,558 rows, 116 windows."""
    files = read_corpus(NAB)
    assert (58, 365_558, 116) == (len(files), sum(len(f.time) for f in files), sum(len(f.windows) for f in files))


def corpus(folder: Path, rows: str, windows: object) -> Path:
    """A benchmark folder with one file."""
    (folder / "labels").mkdir()
    (folder / "data" / "real").mkdir(parents=True)
    (folder / "data" / "real" / "a.csv").write_text(rows)
    (folder / "labels" / "combined_windows.json").write_text(json.dumps(windows))
    return folder


def test_reads_a_small_corpus(tmp_path):
    """Windows become row numbers."""
    text = "timestamp,value\n2015-01-01 00:00:00,1\n2015-01-01 00:05:00,2\n2015-01-01 00:10:00,3\n"
    spans = {"real/a.csv": [["2015-01-01 00:05:00.000000", "2015-01-01 00:10:00.000000"]]}
    (file,) = read_corpus(corpus(tmp_path, text, spans))
    assert ("real", ((1, 2),), [1.0, 2.0, 3.0], 1420070400000) == (file.category, file.windows, file.value.tolist(), file.time[0])
    assert [] == list(read_published(tmp_path))


@pytest.mark.parametrize(
    ("rows", "windows", "cause"),
    [
        ("timestamp,value\nyesterday,1\n", {"real/a.csv": []}, "yesterday"),
        ("timestamp,value\n2015-01-01 00:00:00\n", {"real/a.csv": []}, "a.csv"),
        ("timestamp,value\n", {"real/b.csv": []}, "No such file"),
        ("timestamp,value\n", {}, "no file is labelled"),
        ("timestamp,value\n2015-01-01 00:00:00,1\n", {"real/a.csv": [["2015-01-02", "2015-01-02"]]}, "not in the file"),
    ],
)
def test_a_damaged_corpus_is_named(tmp_path, rows, windows, cause):
    """The message names the file and the cause."""
    with pytest.raises(InvalidInput, match=cause):
        read_corpus(corpus(tmp_path, rows, windows))


def test_a_wrong_folder_says_what_it_should_hold(tmp_path):
    """The hint shows the layout."""
    with pytest.raises(InvalidInput, match=r"combined_windows\.json") as caught:
        read_corpus(tmp_path)
    assert "data/<category>" in caught.value.hint


@needs_nab
@pytest.mark.slow
@pytest.mark.parametrize("detector", ["default", "records"])
def test_committed_results_are_what_the_detector_does(detector: str) -> None:
    """benchmarks/results/nab.json has the figures of the code beside it; `python -m benchmarks.nab DIR` writes it."""
    assert NAB is not None
    results = Path(__file__).parents[2] / "benchmarks" / "results" / "nab.json"
    kept = next(run for run in json.loads(results.read_text("utf-8"))["runs"] if run["detector"] == detector)
    report = run_nab(read_corpus(NAB), lambda: make_judge(detector), lambda file: None)
    assert pytest.approx({name: kept[name] for name in PROFILES}, abs=0.01) == {n: r.score for n, r in report.profiles.items()}
