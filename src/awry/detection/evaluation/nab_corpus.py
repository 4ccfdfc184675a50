"""Reads the Numenta Anomaly Benchmark's folder: series, labelled windows and published results; for the NAB bench."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Times, Values
from awry.core.errors import InvalidInput

_HINT = (
    "point --data at a folder with data/<category>/<file>.csv and labels/combined_windows.json, as in the repository numenta/NAB"
)


@dataclass(frozen=True, slots=True)
class NabFile:
    """One series of the benchmark with its labelled windows."""

    name: str
    """<category>/<file>.csv"""
    time: Times
    value: Values
    windows: tuple[tuple[int, int], ...]
    """(first row, last row) of each labelled window, both inside."""

    @property
    def category(self) -> str:
        """The folder: realTweets, realTraffic…"""
        return self.name.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Published:
    """A detector's published final scores."""

    name: str
    scores: Mapping[str, float]
    """By profile: standard, reward_low_FP, reward_low_FN."""


def read_corpus(folder: Path) -> list[NabFile]:
    """All files that have labels (an empty list of windows counts), in order of name. Raises InvalidInput."""
    labels = read_labels(folder)
    return [read_file(folder, name, labels[name]) for name in sorted(labels)]


def read_labels(folder: Path) -> dict[str, list[list[str]]]:
    """The labelled windows by file, each as its first and last instant. Raises InvalidInput."""
    labels = _json(folder / "labels" / "combined_windows.json")
    if not isinstance(labels, dict) or not labels:
        raise InvalidInput(f"cannot read {folder / 'labels' / 'combined_windows.json'}: no file is labelled in it", hint=_HINT)
    return labels


def read_published(folder: Path) -> Iterator[Published]:
    """The published scoreboard, best standard score first; nothing when the folder has none."""
    path = folder / "final_results.json"
    if not path.is_file():
        return
    table = _json(path)
    for name, row in sorted(table.items(), key=lambda item: -float(item[1]["standard"])):
        yield Published(name, {key.removesuffix("_rate"): float(score) for key, score in row.items()})


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(f"cannot read {path}: {error.strerror or error}", hint=_HINT) from error
    except ValueError as error:
        raise InvalidInput(f"cannot read {path}: {error}", hint=_HINT) from error


def read_file(folder: Path, name: str, spans: list[list[str]]) -> NabFile:
    """One file of the corpus with its labelled windows. Raises InvalidInput."""
    path = folder / "data" / name
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.reader(stream))[1:]
        time = np.array([row[0] for row in rows], dtype="datetime64[ms]")
        value = np.array([row[1] for row in rows], dtype=np.float64)
        windows = tuple((_row_of(time, first), _row_of(time, last)) for first, last in spans)
    except OSError as error:
        raise InvalidInput(f"cannot read {path}: {error.strerror or error}", hint=_HINT) from error
    except (ValueError, IndexError) as error:
        raise InvalidInput(f"cannot read {path}: {error}", hint=_HINT) from error
    return NabFile(name, time.astype(np.int64), value, windows)


def _row_of(time: NDArray[np.datetime64], text: str) -> int:
    found = np.flatnonzero(time == np.datetime64(text, "ms"))
    if not len(found):
        raise ValueError(f"the labelled instant {text} is not in the file")
    return int(found[0])
