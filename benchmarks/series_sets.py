"""The series that the detection benches run on: the labelled sets of a data folder, and synthetic kinds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Batch
from awry.detection.catalogue import make_detector
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


def ar1(rng: np.random.Generator, rows: int, phi: float) -> NDArray[np.float64]:
    """An autoregressive series of order 1 with unit innovations."""
    noise, x = rng.normal(size=rows), np.empty(rows)
    state = 0.0
    for i in range(rows):
        state = phi * state + noise[i]
        x[i] = state
    return x


def idle_host(rng: np.random.Generator, rows: int, kind: int) -> NDArray[np.float64]:
    """Ten-second figures of an idle machine: mostly nothing, timers, heavy bursts; kind: 0 disk, 1 network, 2 CPU, 3 load."""
    burst = rng.random(rows) < (0.08, 0.3, 0.05, 0.04)[kind]
    size = rng.pareto((1.1, 1.3, 1.8, 1.5)[kind], rows)
    timer = (np.arange(rows) + rng.integers(360)) % int(rng.choice([6, 30, 180, 360])) == 0
    x = burst * size + timer * rng.lognormal(0.5, 0.5, rows)
    if kind == 0:
        return np.floor(x * 8) * 4096
    if kind == 1:
        return np.floor(x * 900 + rng.poisson(2, rows) * 60)
    if kind == 2:
        return np.round(np.minimum(1.0 + rng.normal(0, 0.2, rows).clip(-0.9) + 3 * x, 100.0), 1)
    load, out = 0.1, np.empty(rows)
    for i in range(rows):
        load += (1 - np.exp(-10 / 60)) * (min(x[i], 16.0) - load)
        out[i] = round(load, 2)
    return out


def synthetic(kind: str, rows: int = 40_000, count: int = 20, seed: int = 1) -> Iterator[Series]:
    """`count` seeded series of one kind without anomalies, a minute apart (idle host: ten seconds)."""
    rng = np.random.default_rng(seed)
    step = 10_000 if kind == "idle host" else 60_000
    time = np.arange(rows) * step + 1_700_000_000_000
    day = 2 * np.pi * np.arange(rows) / 1440
    for number in range(count):
        if kind == "normal":
            x = rng.normal(size=rows)
        elif kind == "ar .9":
            x = ar1(rng, rows, 0.9)
        elif kind == "ar .99":
            x = ar1(rng, rows, 0.99)
        elif kind == "seasonal":
            x = 5 * np.sin(day) + ar1(rng, rows, 0.5)
        elif kind == "lognormal":
            x = rng.lognormal(0, 1, rows)
        elif kind == "counts":
            x = rng.poisson(3, rows).astype(np.float64)
        else:
            x = idle_host(rng, rows, number % 4)
        yield Series(time, x, np.zeros(rows, np.bool_))


SYNTHETIC = ("normal", "ar .9", "ar .99", "seasonal", "lognormal", "counts", "idle host")


def strengths(series: Iterator[Series], name: str = "default") -> list[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
    """Per series a detector's strengths (rows, heads) and the truth; each series alone in slot 0."""
    out = []
    for one in series:
        detector = make_detector(name)
        detector.grow(1)
        raw = detector.step(Batch.of(np.zeros(len(one.value)), one.time, one.value))
        out.append((raw.strength, one.truth))
    return out
