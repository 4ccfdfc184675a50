"""Detectors of other projects run on a tiny set beside ours, by the harness that the published comparison comes from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import peers_suite
from benchmarks.peers.columns import WIDTH, Peer, averaged, centred, ending_at, filled, in_logs

REASON = "not installed: pip install -e '.[peers]' (a part of it comes with the tests, the rest is for this comparison alone)"


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A set `skab` of four files of 1,500 rows and two metrics: noise, for ten rows twelve times as strong, some missing."""
    rng = np.random.default_rng(3)
    (tmp_path / "skab").mkdir()
    for number in range(4):
        value = rng.normal(size=(1500, 2))
        truth = np.zeros(1500, np.uint8)
        truth[900 + 50 * number : 910 + 50 * number] = 1
        value[truth > 0] *= 12.0
        value[rng.integers(0, 1500, 20), 0] = np.nan
        file = tmp_path / "skab" / f"{number}.npz"
        np.savez(file, X=value, y=truth, train_end=np.array(400), ts=np.zeros(0), meta=np.array("{}"))
    return tmp_path


def run(data: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, dict[str, float]]:
    """The harness's figures by contestant."""
    peers_suite.main([str(data), "--json", "--sets", "skab", *arguments])
    report = json.loads(capsys.readouterr().out)
    assert [] == report["failed"]
    figures: dict[str, dict[str, float]] = report["sets"]["skab"]
    return figures


@pytest.mark.long
def test_two_peers_find_a_burst(tiny: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """river's and scikit-learn's, one causal and one batch, find bursts that nobody could miss, and so does the default."""
    for package in ("river", "sklearn"):
        pytest.importorskip(package, reason=REASON)
    monkeypatch.setattr(peers_suite, "SHARES", {"skab": (1, 1)})
    monkeypatch.setattr(peers_suite, "OURS", ("default",))
    others = ["pyod", "stumpy", "Prophet", "half-space", "Gaussian", "Predictive", "normalised", "PCA", "regression"]
    rows = run(tiny, capsys, "--without", *others)
    assert {"default", "river StandardAbsoluteDeviation", "KMeansAD"} == set(rows)
    assert {} == {name: row["f1"] for name, row in rows.items() if not row["f1"] > 0.6}


@pytest.mark.long
@pytest.mark.parametrize("package", ["pyod", "stumpy", "prophet"])
def test_peers_of_the_extra_run(
    package: str, tiny: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every peer from this package judges the tiny set without failing."""
    pytest.importorskip(package, reason=REASON)
    monkeypatch.setattr(peers_suite, "SHARES", {"skab": (2, 2)})
    monkeypatch.setattr(peers_suite, "OURS", ("default",))
    monkeypatch.setattr("benchmarks.peers.FAMILIES", {f"by_{package}": (package,)})
    assert len(run(tiny, capsys)) > 1


def test_a_missing_family_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A family whose package is not there is left out with the reason, and the others run."""
    monkeypatch.setattr("benchmarks.peers.FAMILIES", {"by_stumpy": ("no_such_package",), "bands": ()})
    peers, missing = peers_suite.found()
    assert ["seasonal regression band"] == [peer.name for peer in peers]
    assert "no_such_package" in missing["by_stumpy"]


def test_missing_takes_the_last_value_and_scores_nothing() -> None:
    """A missing sample is neither zero nor the future: the value before it stands in, and its own strength is NaN."""
    values = np.array([np.nan, 2.0, np.nan, np.nan, 5.0])
    np.testing.assert_array_equal([2.0, 2.0, 2.0, 2.0, 5.0], filled(values))
    peer = Peer("itself", True, lambda time, x, start: x, logs=True)
    np.testing.assert_array_equal([np.nan, 2.0, np.nan, np.nan, 5.0], peer.strengths(np.arange(5), values, 2)[0])


def test_a_causal_window_ends_at_its_row() -> None:
    """No window reads a later row; the beginning repeats the first value."""
    np.testing.assert_array_equal([[1, 1, 1], [1, 1, 2], [1, 2, 3]], ending_at(np.array([1.0, 2.0, 3.0]), 3))


def test_a_batch_segment_is_that_of_the_windows_around_a_row() -> None:
    """One window that scores: centred, it counts for its middle row; averaged, for every row in it."""
    score = np.zeros(100)
    score[50] = 1.0
    assert [50 - WIDTH // 2] == np.flatnonzero(centred(score)).tolist()
    assert list(range(51 - WIDTH, 51)) == np.flatnonzero(averaged(score) > 1e-12).tolist()
    assert (100, 100) == (len(centred(score)), len(averaged(score)))


def test_the_map_to_logarithms_changes_no_ranking() -> None:
    """It rises with the raw score, whatever rows it was fitted on, also where those are all alike."""
    raw = np.random.default_rng(5).normal(size=500)
    for fit in (slice(None), slice(0, 50), slice(0, 0)):
        np.testing.assert_array_equal(np.argsort(raw), np.argsort(in_logs(raw, fit)))
    assert np.isfinite(in_logs(np.concatenate([np.zeros(50), [1.0, 2.0]]), slice(0, 50))).all()


@pytest.mark.parametrize(
    "name", ["seasonal regression band", "river StandardAbsoluteDeviation", "river PredictiveAnomalyDetection"]
)
def test_causal_peers_do_not_look_ahead(name: str) -> None:
    """What comes after a row changes nothing of its strength."""
    if name.startswith("river"):
        pytest.importorskip("river", reason=REASON)
    peer = {peer.name: peer for peer in peers_suite.found()[0]}[name]
    value = np.random.default_rng(7).normal(size=1200)
    time = 1_500_000_000_000 + 600_000 * np.arange(1200, dtype=np.int64)
    other = np.where(np.arange(1200) < 700, value, 100.0)
    one, two = peer.strengths(time, value, 300)[0], peer.strengths(time, other, 300)[0]
    np.testing.assert_allclose(one[:700], two[:700], rtol=1e-9)
