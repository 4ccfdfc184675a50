"""Labelled sets are read from .npz, CSV and NAB folders alike; what cannot be used is refused with its reason."""

from __future__ import annotations

import json

import numpy as np
import pytest

from awry.core.errors import InvalidInput
from awry.detection.evaluation.labelled import BEGINNING_MS, read_sets
from awry.detection.evaluation.nab import probation


def npz(path, rows=100, **arrays):
    path.parent.mkdir(exist_ok=True, parents=True)
    arrays = {"X": np.arange(2.0 * rows).reshape(rows, 2), "y": np.arange(rows) == 50, **arrays}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})


def text(path, *lines):
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text("\n".join(lines))


def only(folder):
    """The one file of a folder of sets."""
    ((file,),) = read_sets(folder).values()
    return file.load()


def test_npz_with_everything(tmp_path):
    """Times, columns by name, training part; infinite values are missing."""
    value = np.arange(200.0).reshape(100, 2)
    value[3, 1], value[4, 0] = np.inf, np.nan
    meta = json.dumps({"columns": ["cpu", "memory"], "step_s": 5})
    npz(tmp_path / "web" / "a.npz", X=value, ts=np.arange(100) * 60 + 1_600_000_000, train_end=np.array(40), meta=np.array(meta))
    file = only(tmp_path)
    assert ("web", "a", ("cpu", "memory"), 40) == (file.set, file.name, file.columns, file.scored_from)
    assert (1_600_000_000_000, 60_000.0) == (file.time[0], file.step_ms)
    assert [(3, 1), (4, 0)] == sorted(map(tuple, np.argwhere(np.isnan(file.value)).tolist()))
    assert [50] == np.flatnonzero(file.truth).tolist()


def test_npz_without_times(tmp_path):
    """The step is that of meta, of a known set, or a minute; one column may be flat."""
    npz(tmp_path / "sets" / "any" / "a.npz", X=np.arange(100.0), ts=np.zeros(0))
    npz(tmp_path / "sets" / "skab" / "a.npz")
    npz(tmp_path / "sets" / "mine" / "a.npz", meta=np.array('{"step_s": 300}'))
    sets = read_sets(tmp_path / "sets")
    assert {"any": 60_000.0, "mine": 300_000.0, "skab": 1000.0} == {name: files[0].load().step_ms for name, files in sets.items()}
    file = sets["any"][0].load()
    assert ((100, 1), ("0",), BEGINNING_MS) == (file.value.shape, file.columns, file.time[0])
    assert probation(100) == file.scored_from


@pytest.mark.parametrize("stamps", [("2026-03-01T00:00:00Z", "2026-03-01 00:01:00"), ("1772323200", "1772323260"),
                                    ("1772323200000", "1772323260000")], ids=["iso", "s", "ms"])  # fmt: skip
def test_csv(tmp_path, stamps):
    """Times in three ways; an empty cell is missing; columns in any order."""
    text(tmp_path / "a.csv", "label,timestamp,cpu,memory", f"0,{stamps[0]},1.5,", f"1,{stamps[1]},,2")
    file = only(tmp_path)
    assert [1_772_323_200_000, 1_772_323_260_000] == file.time.tolist()
    assert (("cpu", "memory"), [False, True]) == (file.columns, file.truth.tolist())
    assert [[1.5, None], [None, 2.0]] == [[None if np.isnan(v) else v for v in row] for row in file.value.tolist()]


def test_rows_that_step_back_are_not_fit(tmp_path):
    """As a server would refuse them."""
    text(tmp_path / "a.csv", "timestamp,value,label", "1,1,0", "2,1,0", "2,1,0", "1,1,0", "3,1,1")
    assert [True, True, False, False, True] == only(tmp_path).fit_rows.tolist()


def test_nab_layout(tmp_path):
    """Windows become truth."""
    text(tmp_path / "data" / "real" / "a.csv", "timestamp,value", *(f"2020-01-01 00:0{k}:00,{k}" for k in range(10)))
    windows = {"real/a.csv": [["2020-01-01 00:03:00.000000", "2020-01-01 00:05:00.000000"]]}
    text(tmp_path / "labels" / "combined_windows.json", json.dumps(windows))
    file = only(tmp_path)
    assert ("real/a.csv", [3, 4, 5], 1) == (file.name, np.flatnonzero(file.truth).tolist(), file.scored_from)


BAD = {
    "nothing": {"X": None},
    "other length": {"y": np.zeros(7)},
    "all missing": {"X": np.full((100, 2), np.nan)},
    "no rows to score": {"train_end": np.array(100)},
    "times": {"ts": np.arange(7)},
    "words": {"X": np.array(["a"] * 100)},
}


@pytest.mark.parametrize("arrays", BAD.values(), ids=BAD)
def test_bad_npz_is_refused(tmp_path, arrays):
    """With the file's name, and before anything is judged."""
    npz(tmp_path / "a.npz", **arrays)
    with pytest.raises(InvalidInput, match=r"cannot (read|use) .*a\.npz: ."):
        only(tmp_path)


@pytest.mark.parametrize(
    "lines",
    [
        ["timestamp,value", "1,2"],
        ["value,label", "1,0"],
        ["time,value,label", "1,x,0"],
        ["time,label", "1,0"],
        ["time,value,label", "soon,1,0"],
        ["time,value,label", "1"],
        [""],
    ],
)
def test_bad_csv_is_refused(tmp_path, lines):
    """Without labels, without times, with words for numbers, with short rows, empty."""
    text(tmp_path / "a.csv", *lines)
    with pytest.raises(InvalidInput, match=r"cannot (read|use) .*a\.csv: ."):
        only(tmp_path)


def test_damaged_file_is_refused(tmp_path):
    """It is no archive at all; one that needs pickle is refused too."""
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 no")
    with pytest.raises(InvalidInput, match="cannot read"):
        only(tmp_path)
    np.savez(tmp_path / "a.npz", X=np.array([{}], object), y=np.zeros(1))
    with pytest.raises(InvalidInput, match="cannot read"):
        only(tmp_path)


def test_unknown_sets_and_empty_folders(tmp_path):
    """Say what there is."""
    with pytest.raises(InvalidInput, match="no labelled set"):
        read_sets(tmp_path)
    with pytest.raises(InvalidInput, match="not a folder"):
        read_sets(tmp_path / "missing")
    npz(tmp_path / "web" / "a.npz")
    with pytest.raises(InvalidInput, match="no set 'disks'") as caught:
        read_sets(tmp_path, ["disks"])
    assert "web" in caught.value.hint
