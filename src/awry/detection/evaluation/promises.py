"""Does the score keep its promise: alert episodes promised by a p, against those that come where nothing is labelled.

An alert episode is a stretch of scores at or above -log10(p) / 10, less than 100 scored rows apart: what anyone would call one
alert, however a rule merges or holds it. Rows that people labelled, and the 100 after each, are left out. Rows count from the
first that has a score: the first 500 apart, as the start of a series, and the rest, which is what the promise is about.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Batch, Floats, Times, Values
from awry.core.kernel import allocating
from awry.core.protocols import Judge
from awry.detection.catalogue import make_judge
from awry.detection.evaluation.labelled import read_sets
from awry.detection.evaluation.synthetic import synthetic

PROMISES = (1e-3, 1e-4, 1e-5)
START = 500
"""Rows with a score that are a series' start."""
AFTER = 100
"""Rows left out after a labelled one."""
APART = 100
"""Scored rows without an alert after which the next one is another episode."""
ROUNDED = 5e-5
"""Scores are multiples of 0.0001."""
FACTOR = 3.0
EXPECTED = 3.0
"""A series of which fewer episodes than that are expected says nothing of itself."""

Series = tuple[Times, Values, NDArray[np.bool_]]
"""Times, values and labels of one series."""


@allocating
def episodes(score: Floats, limit: float) -> NDArray[np.bool_]:
    """Rows at which an alert episode begins; a row without a score is none."""
    begun = np.zeros(score.shape[0], np.bool_)
    quiet = APART
    for i in range(score.shape[0]):
        if math.isnan(score[i]):
            continue
        if score[i] >= limit:
            begun[i] = quiet >= APART
            quiet = 0
        else:
            quiet += 1
    return begun


def count_episodes(score: Floats, truth: NDArray[np.bool_], promises: Sequence[float] = PROMISES) -> NDArray[np.int64]:
    """Episodes of one series that begin at rows that count, per promise, and last how many rows count: (promises + 1, 2).

    The first column is the start of the series, the second the rest.
    """
    near = np.convolve(truth, np.ones(AFTER + 1), "full")[: len(truth)] > 0.5
    counted = ~np.isnan(score) & ~near
    start = np.cumsum(~np.isnan(score)) <= START
    rows = [episodes(score, -math.log10(p) / 10 - ROUNDED) & counted for p in promises] + [counted]
    return np.array([((of & start).sum(), (of & ~start).sum()) for of in rows], np.int64)


@dataclass(frozen=True, slots=True)
class Kept:
    """One promise on one family: episodes over those promised, with what chance alone would do to it."""

    p: float
    promised: float
    """Episodes that the promise allows in all rows after the start."""
    seen: int
    ratio: float
    low: float
    high: float
    """Poisson interval of 95 % about the ratio; episodes that come in clusters widen it."""
    first_500: float
    """The ratio in the start, NaN where the promise allows none worth counting there (under one episode)."""
    series: int
    """Series that promise three episodes and more."""
    within: float
    """Share of those that keep the promise within a factor 3; NaN without any."""
    within_at_best: float
    """The same share for a score that is exact, of which each count is a Poisson number."""


@dataclass(frozen=True, slots=True)
class Promise:
    """One family or set."""

    name: str
    series: int
    rows: int
    kept: tuple[Kept, ...]


def poisson_interval(count: int) -> tuple[float, float]:
    """95 % interval of a Poisson mean of which `count` was seen, by Byar's formula (Breslow & Day 1987, section 2.3)."""
    low = count * (1 - 1 / (9 * count) - 1.96 / (3 * math.sqrt(count))) ** 3 if count else 0.0
    above = count + 1
    return low, above * (1 - 1 / (9 * above) + 1.96 / (3 * math.sqrt(above))) ** 3


def chance_within(mean: float, factor: float = FACTOR) -> float:
    """Probability that a Poisson number of this mean lies within a factor of it."""
    counts = range(math.ceil(mean / factor - 1e-9), math.floor(mean * factor + 1e-9) + 1)
    return float(sum(math.exp(-mean + k * math.log(mean) - math.lgamma(k + 1)) for k in counts))


def counts_of(judge: Judge, series: Series) -> NDArray[np.int64]:
    """count_episodes of one series in slot 0 of a fresh judge."""
    time, value, truth = series
    judge.grow(1)
    scored = judge.step(Batch.of(np.zeros(len(value), np.int32), time, value))
    return count_episodes(scored.score, truth)


def promise_of(name: str, counts: Sequence[NDArray[np.int64]]) -> Promise:
    """Promised against realised, of all series of a family."""
    table = np.stack(counts)
    begun, rows = table[:, :-1], table[:, -1]
    kept = []
    for k, p in enumerate(PROMISES):
        promised, seen = float(rows[:, 1].sum() * p), int(begun[:, k, 1].sum())
        low, high = poisson_interval(seen)
        early = float(rows[:, 0].sum() * p)
        own = rows[:, 1] * p
        told = own >= EXPECTED
        ratios = begun[told, k, 1] / own[told]
        within = (ratios >= 1 / FACTOR) & (ratios <= FACTOR)
        kept.append(
            Kept(
                p=p,
                promised=promised,
                seen=seen,
                ratio=seen / promised if promised else math.nan,
                low=low / promised if promised else math.nan,
                high=high / promised if promised else math.nan,
                first_500=float(begun[:, k, 0].sum()) / early if early >= 1 else math.nan,
                series=int(told.sum()),
                within=float(within.mean()) if told.any() else math.nan,
                within_at_best=float(np.mean([chance_within(m) for m in own[told].tolist()])) if told.any() else math.nan,
            )
        )
    return Promise(name, len(table), int(rows.sum()), tuple(kept))


def measure(name: str, series: Iterable[Series], detector: str = "default") -> Promise:
    """Run every series through a fresh judge of this detector."""
    return promise_of(name, [counts_of(make_judge(detector), one) for one in series])


def family(name: str, rows: int = 40_000, count: int = 20) -> Iterator[Series]:
    """Seeded series of a synthetic family, nothing labelled."""
    for time, value in synthetic(name, rows, count):
        yield time, value, np.zeros(rows, np.bool_)


def columns_of_set(data: Path, name: str, most: int) -> Iterator[Series]:
    """At most so many series of a labelled set, evenly over all of its files and columns."""
    files = [file.load() for file in read_sets(data, [name])[name]]
    share = min(1.0, most / sum(file.value.shape[1] for file in files))
    at = 0.0
    for file in files:
        fit = file.fit_rows
        for column in range(file.value.shape[1]):
            at += share
            if at >= 1 - 1e-9:
                at -= 1
                yield file.time[fit], np.ascontiguousarray(file.value[fit, column]), file.truth[fit]
