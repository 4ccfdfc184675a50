"""The series that the detection benches run on: the labelled sets of a data folder, and synthetic kinds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Batch
from awry.detection.catalogue import make_detector
from awry.detection.evaluation import synthetic as families
from awry.detection.evaluation.nab_corpus import read_corpus

STEP_SECONDS = {"smd": 60, "asd": 300, "skab": 1}
"""Steps of the sets whose files hold no times."""
EVERY_COLUMN = {"smd": 3}
"""Take one column in so many, to save time."""
FOLDERS = ("wsd", "asd", "smd", "mscloud")


@dataclass(frozen=True)
class Series:
    """One series: times in Unix ms, values (NaN: missing), and which rows people labelled as anomalous."""

    time: NDArray[np.int64]
    value: NDArray[np.float64]
    truth: NDArray[np.bool_]


def labelled(data: Path, name: str) -> Iterator[Series]:
    """The series of one set."""
    if name == "nab":
        for file in read_corpus(data / "nab"):
            truth = np.zeros(len(file.value), np.bool_)
            for first, last in file.windows:
                truth[first : last + 1] = True
            yield Series(file.time, file.value, truth)
        return
    for path in sorted((data / name).glob("*.npz")):
        with np.load(path, allow_pickle=False) as file:
            values, truth, seconds = file["X"], file["y"] > 0, file["ts"]
        time = seconds * 1000 if len(seconds) else np.arange(len(values)) * STEP_SECONDS[name] * 1000 + 1_500_000_000_000
        for column in range(0, values.shape[1], EVERY_COLUMN.get(name, 1)):
            yield Series(time.astype(np.int64), values[:, column].astype(np.float64), truth)


def synthetic(kind: str, rows: int = 40_000, count: int = 20, seed: int = 1) -> Iterator[Series]:
    """`count` seeded series of one family without anomalies."""
    for time, value in families.synthetic(kind, rows, count, seed):
        yield Series(time, value, np.zeros(rows, np.bool_))


def strengths(series: Iterator[Series], name: str = "default") -> list[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
    """Per series a detector's strengths (rows, heads) and the truth; each series alone in slot 0."""
    out = []
    for one in series:
        detector = make_detector(name)
        detector.grow(1)
        raw = detector.step(Batch.of(np.zeros(len(one.value)), one.time, one.value))
        out.append((raw.strength, one.truth))
    return out
