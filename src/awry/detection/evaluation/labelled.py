"""Reads folders of labelled series, one folder a set, whatever their format: .npz, plain CSV, or NAB's layout; for the benches.

A folder of sets has one folder per set; a set is a folder with

- `.npz` files: `X` (rows, columns), `y` (0 or 1 per row), and optionally `ts` (Unix seconds; empty: unknown), `train_end` (rows
  at the start that the set gives for training and that are not scored) and `meta` (JSON; `step_s` and `columns` are read); or
- CSV files with a header: a column of times (`timestamp` or `time`: ISO 8601 taken as UTC, or Unix seconds or milliseconds), a
  column `label` (`anomaly` and `is_anomaly` are known too; 0 or 1), and every other column a metric, an empty cell a missing
  sample; or
- the Numenta Anomaly Benchmark: `data/<category>/<file>.csv` and `labels/combined_windows.json`.

Missing stays NaN: never zero, never filled in.
"""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Times, Values
from awry.core.errors import InvalidInput
from awry.detection.evaluation.nab import probation
from awry.detection.evaluation.nab_corpus import read_file, read_labels

STEP_SECONDS = {"smd": 60, "asd": 300, "skab": 1}
"""Steps of known sets whose files hold neither times nor a step; for others a minute."""
BEGINNING_MS = 1_500_000_000_000
"""Where the clock of a file without times starts."""
MILLISECONDS_FROM = 1e11
"""Numbers in a column of times from here on are milliseconds, below it seconds."""
TIME_NAMES, LABEL_NAMES = ("timestamp", "time"), ("label", "anomaly", "is_anomaly")
HINT = "a set is a folder of .npz files, of CSV files with the columns timestamp, value… and label, or NAB's layout"


@dataclass(frozen=True, slots=True)
class Labelled:
    """One file: several metrics on one clock, and which rows people called anomalous."""

    set: str
    name: str
    time: Times
    """Unix ms, (rows,); may repeat or step back (winter time), which `fit_rows` leaves out."""
    value: Values
    """(rows, columns); NaN: missing."""
    columns: tuple[str, ...]
    truth: NDArray[np.bool_]
    """(rows,)"""
    scored_from: int
    """Rows before this one are learned and not scored."""

    @property
    def fit_rows(self) -> NDArray[np.bool_]:
        """Rows whose time is after all before them: what a server would accept."""
        return self.time > np.maximum.accumulate(np.append(np.iinfo(np.int64).min, self.time))[:-1]

    @property
    def step_ms(self) -> float:
        """Median distance of two rows."""
        return float(np.median(np.diff(self.time[self.fit_rows]))) if self.fit_rows.sum() > 1 else 60_000.0


@dataclass(frozen=True, slots=True)
class SetFile:
    """A file of a set that has not been read yet."""

    set: str
    name: str
    load: Callable[[], Labelled]
    """Reads it. Raises InvalidInput with the reason when it cannot be used."""


def read_sets(data: Path, only: Sequence[str] = ()) -> dict[str, list[SetFile]]:
    """The sets in a folder (or the folder itself, when it is one) by name, their files in order of name, unread.

    only: names of the sets that are wanted. Raises InvalidInput when there is none, or not one that is wanted.
    """
    if not data.is_dir():
        raise InvalidInput(f"cannot read {data}: not a folder", hint=HINT)
    found = {data.resolve().name: files} if (files := _files(data)) else {}
    if not found:
        folders = sorted(path for path in data.iterdir() if path.is_dir() and not path.name.startswith("."))
        found = {path.name: files for path in folders if (files := _files(path))}
    missing = [name for name in only if name not in found]
    if not found or missing:
        what = f"no set {missing[0]!r} in it" if missing else "it holds no labelled set"
        hint = f"there are: {', '.join(found)}" if found else HINT
        raise InvalidInput(f"cannot use {data}: {what}", hint=hint)
    return {name: files for name, files in found.items() if not only or name in only}


def _files(folder: Path) -> list[SetFile]:
    name = folder.resolve().name
    if (folder / "labels" / "combined_windows.json").is_file():
        labels = read_labels(folder)
        return [SetFile(name, file, lambda file=file: _nab(folder, file, labels[file])) for file in sorted(labels)]  # type: ignore[misc]
    readers = {".npz": _npz, ".csv": _csv}
    paths = sorted(path for path in folder.iterdir() if path.suffix in readers and path.is_file())
    return [SetFile(name, path.stem, lambda path=path: readers[path.suffix](name, path)) for path in paths]  # type: ignore[misc]


def _nab(folder: Path, name: str, spans: list[list[str]]) -> Labelled:
    file = read_file(folder, name, spans)
    truth = np.zeros(len(file.time), np.bool_)
    for first, last in file.windows:
        truth[first : last + 1] = True
    return Labelled(folder.resolve().name, name, file.time, file.value[:, None], ("value",), truth, probation(len(truth)))


def _npz(set: str, path: Path) -> Labelled:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays: dict[str, NDArray[Any]] = {name: file[name] for name in file.files}
        value, truth = np.asarray(arrays["X"], np.float64), np.atleast_1d(arrays["y"]) > 0
        meta = json.loads(str(arrays["meta"])) if "meta" in arrays and str(arrays["meta"]) else {}
        seconds = np.asarray(arrays.get("ts", np.zeros(0)), np.float64)
        train_end = int(arrays.get("train_end", np.array(0)))
    except KeyError as error:
        raise InvalidInput(f"cannot read {path}: it has no array {error}", hint=HINT) from error
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        why = "it is no archive of plain arrays" if "pickle" in str(error) else str(error)
        raise InvalidInput(f"cannot read {path}: {why}", hint=HINT) from error
    value = value[:, None] if value.ndim == 1 else value
    step = float(meta.get("step_s", STEP_SECONDS.get(set, 60)))
    if seconds.size:
        time = np.round(seconds * 1000).astype(np.int64)
    else:
        time = BEGINNING_MS + np.round(np.arange(len(value)) * step * 1000).astype(np.int64)
    names = meta.get("columns", ())
    columns = tuple(map(str, names)) if len(names) == value.shape[-1] else tuple(str(k) for k in range(value.shape[-1]))
    return _checked(path, Labelled(set, path.stem, time, value, columns, truth, train_end))


def _csv(set: str, path: Path) -> Labelled:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.reader(stream)
            head = [name.strip() for name in next(rows, [])]
            body = [row for row in rows if row]
        at_time = next((head.index(name) for name in TIME_NAMES if name in head), None)
        at_label = next((head.index(name) for name in LABEL_NAMES if name in head), None)
        if at_time is None or at_label is None:
            lacking = "timestamp" if at_time is None else "label"
            raise InvalidInput(f"cannot read {path}: it has no column {lacking!r}", hint=HINT)
        metrics = [k for k in range(len(head)) if k not in (at_time, at_label)]
        cells = [[float(row[k]) if row[k].strip() else np.nan for k in metrics] for row in body]
        value = np.array(cells, np.float64).reshape(len(body), len(metrics))
        truth = np.array([float(row[at_label] or 0) > 0 for row in body], np.bool_)
        time = _times([row[at_time].strip() for row in body])
    except (OSError, ValueError, IndexError, csv.Error) as error:
        raise InvalidInput(f"cannot read {path}: {error}", hint=HINT) from error
    return _checked(path, Labelled(set, path.stem, time, value, tuple(head[k] for k in metrics), truth, 0))


def _times(texts: Sequence[str]) -> Times:
    try:
        numbers = np.array(texts, np.float64)
    except ValueError:
        return np.array([text.removesuffix("Z") for text in texts], "datetime64[ms]").astype(np.int64)
    return np.round(numbers * np.where(np.abs(numbers) < MILLISECONDS_FROM, 1000.0, 1.0)).astype(np.int64)


def _checked(path: Path, file: Labelled) -> Labelled:
    rows = len(file.time)
    why = ""
    if file.value.ndim != 2 or 0 in file.value.shape:
        why = "it holds no values"
    elif len(file.value) != rows or file.truth.shape != (rows,):
        why = f"{len(file.value)} rows of values, {rows} times and {file.truth.size} labels"
    elif not np.isfinite(file.value).any():
        why = "it holds no number"
    elif not 0 <= file.scored_from < rows:
        why = f"its training part of {file.scored_from} rows leaves none of {rows} to score"
    if why:
        raise InvalidInput(f"cannot use {path}: {why}", hint=HINT)
    value = np.where(np.isfinite(file.value), file.value, np.nan)
    start = max(file.scored_from, probation(rows))
    return Labelled(file.set, file.name, file.time, value, file.columns, file.truth, start)
