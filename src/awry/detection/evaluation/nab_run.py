"""Runs one detector configuration over the whole NAB corpus and scores it; for `awry bench nab`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from awry.core.batch import Batch, Floats
from awry.core.protocols import Judge
from awry.detection.evaluation.nab import PROFILES, Result, Sweep
from awry.detection.evaluation.nab_corpus import NabFile


@dataclass(frozen=True, slots=True)
class NabReport:
    """What a run over the corpus gave."""

    profiles: Mapping[str, Result]
    categories: Mapping[str, Result]
    """The standard profile by folder, each at the corpus' own best threshold."""
    samples: int
    seconds: float
    """Time spent scoring, without reading files and without compiling."""


def strengths(file: NabFile, judge: Judge) -> Floats:
    """Raw strength of each row, by a judge that has seen nothing yet.

    A row whose time is not after all before it (the corpus has 48, from changes to winter time) is refused as a server would:
    it is not learned and cannot be a detection.
    """
    newest = np.maximum.accumulate(np.append(np.iinfo(np.int64).min, file.time))[:-1]
    fit = file.time > newest
    judge.grow(1)
    raw = np.full(len(file.time), np.nan, np.float32)
    raw[fit] = judge.step(Batch.of(np.zeros(int(fit.sum()), np.int32), file.time[fit], file.value[fit])).raw
    return raw


def run_nab(files: Sequence[NabFile], make: Callable[[], Judge], progress: Callable[[NabFile], None]) -> NabReport:
    """Score every file with a fresh judge, no setting differing between files; `progress` is told of each file done."""
    strengths(NabFile("warm-up", np.arange(64, dtype=np.int64), np.arange(64, dtype=np.float64), ()), make())
    raw, seconds = [], 0.0
    for file in files:
        start = time.perf_counter()
        raw.append(strengths(file, make()))
        seconds += time.perf_counter() - start
        progress(file)
    sweep = Sweep([(r, file.windows) for r, file in zip(raw, files, strict=True)])
    profiles = {name: sweep.best(profile) for name, profile in PROFILES.items()}
    categories = {}
    for category in dict.fromkeys(file.category for file in files):
        part = Sweep([(r, file.windows) for r, file in zip(raw, files, strict=True) if file.category == category])
        categories[category] = part.at(PROFILES["standard"], profiles["standard"].threshold)
    return NabReport(profiles, categories, sum(len(file.time) for file in files), seconds)
