"""Several p-values of one moment made one, whatever binds them to each other; and several judges made one judge.

Detectors that watch one series see the same samples, so their p-values depend on each other in ways nobody knows. Three rules:

    min_p(p)     1 - (1 - min p)^m, m the effective number of heads: n when independent, 1 when all the same. N. W. Galwey,
                 doi:10.1002/gepi.20408, from the eigenvalues l of their correlations: m = (sum sqrt l)^2 / sum l.
    harmonic(p)  sum w / sum (w / p), times a bound of what dependence can do, e ln n (2 for two): D. J. Wilson,
                 doi:10.1073/pnas.1814092116; bound: V. Vovk, R. Wang, doi:10.1093/biomet/asaa027, section 5. With `bounded` false
                 the mean itself, which is exact in the limit of small p and too small by a little before it.
    cauchy(p)    with T = sum w tan(pi (1/2 - p)) the tail 1/2 - atan(T) / pi of the Cauchy law, exact for independent p and, for
                 small p, under dependence: Y. Liu, J. Xie, doi:10.1080/01621459.2018.1554485. p counts as 0.99 at most: a p of
                 1, which a score of 0 means, would outweigh any small one.

NaN means no opinion and is left out; all NaN gives NaN. A score says p = 1 between onsets, so `min_p` and `harmonic` suit judges.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Arrays, Batch, Floats, Scored
from awry.core.errors import InvalidInput
from awry.core.kernel import kernel
from awry.core.protocols import Judge
from awry.detection.calibration import LEAST_P, score_of

Rule = Literal["min_p", "harmonic", "cauchy"]
MIN_P, HARMONIC, CAUCHY = 0, 1, 2
RULES: tuple[Rule, ...] = ("min_p", "harmonic", "cauchy")
MOST_P = 0.99


@kernel
def min_p(p: NDArray[np.float64], heads: float) -> float:
    """min p of `heads` effective p-values; p: (n,). heads below 1 count as 1, more than there are as those there are."""
    least, n = math.nan, 0
    for v in p:
        if not math.isnan(v):
            least = v if n == 0 else min(least, v)
            n += 1
    if n == 0 or least >= 1.0:
        return least
    return -math.expm1(min(max(heads, 1.0), float(n)) * math.log1p(-least))


@kernel
def harmonic(p: NDArray[np.float64], weight: NDArray[np.float64], bounded: bool) -> float:
    """Weighted harmonic mean of p (n,), at most 1; with `bounded` valid under any dependence."""
    total, inverse, n = 0.0, 0.0, 0
    for i in range(p.shape[0]):
        if not math.isnan(p[i]) and weight[i] > 0.0:
            total += weight[i]
            inverse += weight[i] / max(p[i], 1e-300)
            n += 1
    if n == 0:
        return math.nan
    bound = 1.0 if n == 1 or not bounded else (2.0 if n == 2 else math.e * math.log(n))
    return min(bound * total / inverse, 1.0)


@kernel
def cauchy(p: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    """Cauchy combination of p (n,) with these weights."""
    total, t, n = 0.0, 0.0, 0
    for i in range(p.shape[0]):
        if not math.isnan(p[i]) and weight[i] > 0.0:
            total += weight[i]
            v = min(max(p[i], 1e-300), MOST_P)
            t += weight[i] / math.tan(math.pi * v)
            n += 1
    if n == 0:
        return math.nan
    return math.atan2(1.0, t / total) / math.pi


@kernel
def combine_rows(p: NDArray[np.float64], weight: NDArray[np.float64], rule: int, heads: float, out: NDArray[np.float64]) -> None:
    """Each row of p (rows, n) combined by the rule of that number, into out (rows,)."""
    for i in range(p.shape[0]):
        if rule == MIN_P:
            out[i] = min_p(p[i], heads)
        elif rule == HARMONIC:
            out[i] = harmonic(p[i], weight, True)
        else:
            out[i] = cauchy(p[i], weight)


@kernel
def scores_of(p: NDArray[np.float64], out: NDArray[np.float32]) -> None:
    """The score of each p, NaN for NaN."""
    for i in range(p.shape[0]):
        out[i] = math.nan if math.isnan(p[i]) else score_of(max(p[i], LEAST_P))


def combine(
    p: NDArray[np.float64], rule: Rule = "min_p", *, weight: Sequence[float] = (), heads: float = math.inf
) -> NDArray[np.float64]:
    """One p (rows,) from each row of p (rows, n). weight: of each column, by default alike; heads: effective number, for min_p."""
    p = np.ascontiguousarray(p, np.float64)
    if rule not in RULES:
        raise InvalidInput(f"cannot combine p-values by {rule!r}", hint=f"there are: {', '.join(RULES)}")
    w = np.array(weight or [1.0] * p.shape[1], np.float64)
    if len(w) != p.shape[1] or not (w >= 0.0).all() or not w.sum() > 0.0:
        raise InvalidInput("cannot combine p-values: the weights do not fit", hint="give one of each, not below 0, not all 0")
    out = np.empty(p.shape[0])
    combine_rows(p, w, RULES.index(rule), heads, out)
    return out


def effective_heads(strengths: NDArray[np.floating]) -> float:
    """m of Galwey for columns of strengths (rows, n), from the correlations of their ranks; rows with NaN are left out."""
    kept = strengths[~np.isnan(strengths).any(axis=1)]
    ranks = np.argsort(np.argsort(kept, axis=0, kind="stable"), axis=0).astype(np.float64)
    if len(kept) < 3:
        return float(strengths.shape[1])
    eigen = np.clip(np.linalg.eigvalsh(np.corrcoef(ranks, rowvar=False).reshape(strengths.shape[1], -1)), 0.0, None)
    return float(np.sqrt(eigen).sum() ** 2 / eigen.sum())


class Combined:
    """A Judge of several: scores combined as p-values, raw as their mean; expected and band of the first that knows them.

    judges: by name; parts read "name: part", of the judge with the largest score. The same thread rules as theirs.
    heads: effective number of judges for `min_p`; by default as many as there are, which is on the safe side.
    """

    def __init__(self, judges: dict[str, Judge], rule: Rule = "min_p", *, heads: float = math.inf) -> None:
        if not judges or rule not in RULES:
            raise InvalidInput(
                f"cannot combine {len(judges)} judges by {rule!r}", hint=f"give some, and one of: {', '.join(RULES)}"
            )
        self._judges, self._rule, self._heads = dict(judges), rule, heads
        self.parts = ("none", *(f"{name}: {part}" for name, judge in judges.items() for part in judge.parts))
        if len(self.parts) > 256:
            raise InvalidInput("cannot combine judges: they have more than 255 parts", hint="combine fewer")

    def grow(self, slots: int) -> None:
        """Have state for at least this many slots; no other call runs meanwhile."""
        for judge in self._judges.values():
            judge.grow(slots)

    def step(self, batch: Batch) -> Scored:
        """Each judge's answer, made one. A row is NaN while no judge scores it."""
        found = [judge.step(batch) for judge in self._judges.values()]
        score = np.stack([scored.score for scored in found], axis=1)
        segment = np.stack([scored.segment for scored in found], axis=1)
        raw, silent = np.stack([scored.raw for scored in found], axis=1), np.isnan(score).all(axis=1)
        mean = np.nansum(raw, axis=1) / np.maximum((~np.isnan(raw)).sum(axis=1), 1)
        loudest = np.where(silent, 0, np.nan_to_num(segment, nan=-1.0).argmax(axis=1))
        loudest = np.where(np.nan_to_num(score).max(axis=1) > 0, np.nan_to_num(score, nan=-1.0).argmax(axis=1), loudest)
        at = np.cumsum([1, *(len(judge.parts) for judge in self._judges.values())])
        part = np.stack([scored.part for scored in found], axis=1)[np.arange(len(batch)), loudest] + at[loudest]
        first = found[0]
        expected, low, high = first.expected.copy(), first.low.copy(), first.high.copy()
        for scored in found[1:]:
            unknown = np.isnan(expected)
            expected[unknown], low[unknown], high[unknown] = scored.expected[unknown], scored.low[unknown], scored.high[unknown]
        return Scored(
            np.where(silent, np.nan, mean).astype(np.float32), self._joined(score), self._joined(segment), expected, low, high,
            np.where(silent, 0, part).astype(np.uint8),
        )  # fmt: skip

    def _joined(self, score: Floats) -> Floats:
        out = np.empty(len(score), np.float32)
        scores_of(combine(np.power(10.0, -10.0 * score.astype(np.float64)), self._rule, heads=self._heads), out)
        return out

    def dump(self, start: int = 0, stop: int | None = None) -> Arrays:
        """Copies of the state rows of slots [start, stop) of every judge."""
        return {f"{name}.{key}": array for name, judge in self._judges.items() for key, array in judge.dump(start, stop).items()}

    def load(self, state: Arrays, start: int = 0) -> None:
        """Take over dumped state from slot `start` on, growing as needed."""
        for name, judge in self._judges.items():
            mine = f"{name}."
            judge.load({key[len(mine) :]: array for key, array in state.items() if key.startswith(mine)}, start)
