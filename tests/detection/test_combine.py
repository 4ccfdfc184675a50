"""Combined p-values: their formulas, what they promise under dependence, and the judge of several judges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from awry.core.batch import Batch, Scored
from awry.core.errors import InvalidInput
from awry.detection.catalogue import make_judge
from awry.detection.combine import RULES, Combined, Rule, cauchy, combine, effective_heads, harmonic, min_p

START_MS = 1_700_006_400_000
P = st.lists(st.floats(1e-12, 1.0), min_size=1, max_size=8)
rules = pytest.mark.parametrize("rule", RULES)


def one(p: list[float], rule: Rule) -> float:
    """One row combined."""
    return float(combine(np.array([p]), rule)[0])


def stream(rows: int, series: int = 3, seed: int = 1) -> Batch:
    """Noise with a spike in series 1 and a missing sample."""
    values = np.random.default_rng(seed).normal(20, 1, (rows, series))
    values[rows - 50, 1] += 15
    values[rows // 2, 2] = np.nan
    return Batch.of(np.tile(np.arange(series), rows), np.repeat(START_MS + np.arange(rows) * 60_000, series), values.ravel())


def test_formulas() -> None:
    """Each rule on numbers worked out by hand."""
    p, w = np.array([0.01, 0.2, 0.5]), np.ones(3)
    assert 1 - 0.99**3 == pytest.approx(min_p(p, 3.0))
    assert 1 - 0.99**1.5 == pytest.approx(min_p(p, 1.5))
    assert 3 / (100 + 5 + 2) == pytest.approx(harmonic(p, w, False))
    assert math.e * math.log(3) * 3 / 107 == pytest.approx(harmonic(p, w, True))
    t = (math.tan(0.49 * math.pi) + math.tan(0.3 * math.pi)) / 3
    assert 0.5 - math.atan(t) / math.pi == pytest.approx(cauchy(p, w))
    assert 0.5 - math.atan((math.tan(0.49 * math.pi) + 3 * math.tan(0.3 * math.pi)) / 4) / math.pi == pytest.approx(
        cauchy(p, np.array([1.0, 3.0, 0.0]))
    )


@rules
@settings(deadline=None)
@given(p=P)
def test_results_are_probabilities_and_order_is_nothing(rule: Rule, p: list[float]) -> None:
    """In (0, 1]; the same for any order; NaN is left out; one value alone is itself."""
    got = one(p, rule)
    assert 0.0 < got <= 1.0
    assert got == pytest.approx(one(p[::-1], rule), rel=1e-9)
    assert got == one([*p, math.nan], rule)
    assert math.isnan(one([math.nan, math.nan], rule))
    assert min(p[0], 0.99 if rule == "cauchy" else 1.0) == pytest.approx(one([p[0]], rule), rel=1e-9)


@rules
@settings(deadline=None)
@given(p=P, at=st.integers(0, 7), factor=st.floats(0.01, 1.0))
def test_a_smaller_p_never_makes_a_larger(rule: Rule, p: list[float], at: int, factor: float) -> None:
    """Monotone in each p."""
    smaller = list(p)
    smaller[at % len(p)] *= factor
    assert one(smaller, rule) <= one(p, rule) * (1 + 1e-9)


@rules
@settings(deadline=None)
@given(p=P)
@example(p=[1.0, 0.0078125])
def test_never_far_below_the_smallest_times_one_nth(rule: Rule, p: list[float]) -> None:
    """No rule makes more of n values than n equal ones: at least the smallest p, at most about n of it when that is small. For the
    Cauchy rule small is less: a p of 0.99 and more weighs against one of 0.01, as its docstring says, and more of them the more."""
    got, n = one(p, rule), len(p)
    small = 0.005 / n if rule == "cauchy" else 0.01
    assert got >= min(p) * (1 - 1e-9) or rule == "cauchy"
    assert got <= n * min(p) * max(1.0, math.e * math.log(max(n, 2))) * 1.1 or min(p) > small


@rules
@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9, 1.0])
def test_promises_are_kept_under_dependence(rule: Rule, correlation: float) -> None:
    """5 p-values of equally correlated normals: combined ones below 1e-2 and 1e-3 are no more than 1.3 times as common."""
    rng = np.random.default_rng(2)
    rows = 200_000
    z = math.sqrt(correlation) * rng.normal(size=(rows, 1)) + math.sqrt(1 - correlation) * rng.normal(size=(rows, 5))
    p = 0.5 * np.vectorize(math.erfc)(z / math.sqrt(2))
    got = combine(p, rule)
    assert (got <= 1e-2).mean() <= 1.3e-2
    assert (got <= 1e-3).mean() <= 1.3e-3


def test_effective_heads() -> None:
    """n for independent columns, 1 for copies, between for correlated ones; and with them min_p keeps its promise tighter."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(20_000, 4))
    assert 4.0 == pytest.approx(effective_heads(x), abs=0.01)
    assert 1.0 == pytest.approx(effective_heads(np.repeat(x[:, :1], 4, axis=1)), abs=0.01)
    mixed = 0.8 * x[:, :1] + 0.6 * rng.normal(size=(20_000, 4))
    assert 1.5 < effective_heads(mixed) < 3.9
    p = 0.5 * np.vectorize(math.erfc)(mixed / math.sqrt(2))
    tighter = combine(p, "min_p", heads=effective_heads(mixed))
    assert (combine(p, "min_p") <= 1e-2).mean() < (tighter <= 1e-2).mean() <= 1.3e-2


def test_weights_must_fit() -> None:
    """Too few, negative, or all zero weights and unknown rules are refused."""
    p = np.full((2, 2), 0.5)
    for weight in ([1.0], [1.0, -1.0], [0.0, 0.0]):
        with pytest.raises(InvalidInput, match="weights do not fit"):
            combine(p, weight=weight)
    with pytest.raises(InvalidInput, match="cannot combine"):
        combine(p, "fisher")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="cannot combine"):
        Combined({})


def judges() -> Combined:
    """Two detectors that differ in kind."""
    return Combined({"ewma": make_judge("ewma"), "rolling": make_judge("rolling")})


def columns(scored: Scored) -> list[bytes]:
    """All columns as bytes."""
    return [getattr(scored, name).tobytes() for name in ("raw", "score", "segment", "expected", "low", "high", "part")]


def test_combined_is_one_judge() -> None:
    """A spike is scored, the part says who spoke; score is never above the best of the judges; NaN stays NaN."""
    rows = stream(600)
    combined = judges()
    combined.grow(3)
    scored = combined.step(rows)
    spike = int(np.flatnonzero((rows.slot == 1) & (rows.time == START_MS + 550 * 60_000))[0])
    assert spike == int(np.nanargmax(scored.score))
    assert combined.parts[scored.part[spike]] in ("ewma: distance", *(p for p in combined.parts if p.startswith("rolling")))
    best = np.fmax(*(judge_alone(name, rows).score for name in ("ewma", "rolling")))
    late = ~np.isnan(scored.score)
    assert (scored.score[late] <= best[late] + 1e-4).all()
    assert scored.score[spike] >= best[spike] - 0.031
    assert np.isnan(scored.score[np.isnan(rows.value)]).all()
    assert np.isnan(scored.raw[np.isnan(rows.value)]).all()


def judge_alone(name: str, rows: Batch) -> Scored:
    """One judge's answer."""
    judge = make_judge(name)
    judge.grow(3)
    return judge.step(rows)


def test_combined_resumes_bit_for_bit() -> None:
    """Cut and resumed from dumps by ranges, it gives the same as in one run."""
    rows = stream(400)
    whole = judges()
    whole.grow(3)
    wanted = whole.step(rows)
    first, second = judges(), judges()
    first.grow(3)
    head = first.step(rows.take(slice(0, 500)))
    second.load(first.dump(1, 3), 1)
    second.load(first.dump(0, 1))
    assert columns(wanted) == columns(Scored.concat([head, second.step(rows.take(slice(500, len(rows))))]))
