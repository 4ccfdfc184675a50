"""Mean rank of contestants over every set and measure, with bootstrap intervals over files; for the suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from awry.detection.evaluation.suite import NAB, RANKED, SetOutcome, SuiteReport

NAB_PROFILE = "standard"


@dataclass(frozen=True, slots=True)
class Rank:
    """A contestant's mean rank, 1 is best, and the interval that holds 90 % of the resampled ones."""

    contestant: str
    mean: float
    low: float
    high: float


def mean_ranks(report: SuiteReport, *, repeats: int = 200, seed: int = 1) -> list[Rank]:
    """Best first. Each (set, measure) weighs the same; ties share their ranks; who has no outcome is last.

    The interval is over the files of each set, drawn `repeats` times with replacement by a generator seeded with `seed`; NAB's own
    score, which no drawing of files leaves meaningful, stands as it is.
    """
    names = [contestant.name for contestant in report.contestants]
    rng = np.random.default_rng(seed)
    plain = _mean_rank(_columns(report, names, None))
    drawn = []
    for _ in range(repeats):
        times = {}
        for set, size in report.sizes.items():
            count = size["files"]
            times[set] = np.bincount(rng.integers(0, count, count), minlength=count)
        drawn.append(_mean_rank(_columns(report, names, times)))
    low, high = np.quantile(np.array(drawn), (0.05, 0.95), axis=0) if drawn else (plain, plain)
    ranks = [Rank(name, float(plain[k]), float(low[k]), float(high[k])) for k, name in enumerate(names)]
    return sorted(ranks, key=lambda rank: rank.mean)


def _columns(report: SuiteReport, names: Sequence[str], times: Mapping[str, NDArray[np.int64]] | None) -> list[NDArray[np.float64]]:
    """By set and measure, each contestant's value, higher is better, NaN where it has none."""
    out = []
    for set in report.sizes:
        rows: list[SetOutcome | None] = [report.outcomes.get((name, set)) for name in names]
        known = [row.measures("raw", None if times is None else times[set]) if row else {} for row in rows]
        out += [np.array([measures.get(name, np.nan) for measures in known]) for name in RANKED]
        if set == NAB:
            out.append(np.array([row.nab["raw"][NAB_PROFILE] if row else np.nan for row in rows]))
    return out


def _mean_rank(columns: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Mean over the columns in which anyone has a value."""
    told = [np.where(np.isnan(column), -np.inf, column) for column in columns if not np.isnan(column).all()]
    ranks = [
        1.0 + (column[None, :] > column[:, None]).sum(axis=1) + 0.5 * ((column[None, :] == column[:, None]).sum(axis=1) - 1.0)
        for column in told
    ]
    return np.mean(ranks, axis=0) if ranks else np.ones(0)
