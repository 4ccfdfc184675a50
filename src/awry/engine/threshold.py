"""The score at which a rule opens for a series: stated, or derived from the rate of false episodes it may cost."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from awry.core.errors import InvalidInput
from awry.core.rule import Rule
from awry.detection.calibration import FLOOR_P, GROWN, YOUNG

CLEAR_BELOW = 0.1
"""A rule without `clear` holds until the segment falls this far below its threshold."""
DEFAULT_BUDGET = "1 per 30d"
"""What a rule with neither threshold nor budget may cost."""
SHORTEST_MS, LONGEST_MS = 1.0, 1000 * 365 * 86_400_000.0
"""Between these lies the time per false episode: odds are computed from it, and both 0 and infinity would break them."""
EARLY = ((YOUNG, 6e-4), (GROWN, 2e-4))
"""The odds at which a series with fewer samples than that opens, by the ages of calibration's pooled curves: benchmarks/power.py
shows what is reached there, and how often idle hosts open in vain."""
EARLY_FACTOR = 26.0
ROUNDING = 1e-6
_UNITS = {
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
    "hour": 3_600_000,
    "day": 86_400_000,
    "week": 604_800_000,
    "month": 2_592_000_000,
}
_BUDGET = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:per|/)\s*(\d+(?:\.\d+)?)?\s*(hour|day|week|month|h|d|w)s?\s*")


@lru_cache(256)
def budget_period_ms(budget: str) -> float:
    """Milliseconds per allowed false episode of one series: "1 per 30d", "3 per week". Raises InvalidInput."""
    found = _BUDGET.fullmatch(budget)
    if found is None or float(found[1]) == 0 or (found[2] is not None and float(found[2]) == 0):
        raise InvalidInput(f"cannot read the budget {budget[:80]!r}", hint='write it as "1 per 30d", "3 per week" or "2 per 12h"')
    period = float(found[2] or 1) * _UNITS[found[3]] / float(found[1])
    if not SHORTEST_MS <= period <= LONGEST_MS:
        raise InvalidInput(
            f"cannot use the budget {budget[:80]!r}: not between one a millisecond and one in a thousand years",
            hint='write it as "1 per 30d", "3 per week" or "2 per 12h"',
        )
    return period


def score_of(p: float) -> float:
    """The anomaly score of a tail probability."""
    return min(1.0, -math.log10(max(p, 1e-300)) / 10)


def rule_threshold(rule: Rule, interval_ms: float, seen: int = GROWN) -> tuple[float, str]:
    """The score threshold of a rule for a series of this interval, and in words why it is this one.

    seen: samples of the series so far. A series younger than GROWN has no evidence for odds as long as a budget asks, however
    strange a sample is; it opens at those of EARLY, or EARLY_FACTOR times the budget's odds where those are longer. On a calm
    series a spike of 50 deviations was measured to open from its 80th sample on, one of 10 mostly from its 300th.
    """
    if rule.threshold is not None:
        return rule.threshold, f"score of {rule.threshold:g}, as the rule says"
    budget = rule.budget or DEFAULT_BUDGET
    asked = min(max(interval_ms, 1.0) / budget_period_ms(budget), 0.5)
    until, odds_now = next(((age, p) for age, p in EARLY if seen < age), (0, 0.0))
    least = min(odds_now, EARLY_FACTOR * asked) if until else FLOOR_P
    if asked >= least:
        return score_of(asked), f"1 in {1 / asked:,.0f}, from the budget of {budget}"
    odds = f"(the budget of {budget} asks for 1 in {1 / asked:,.0f})"
    if not until:
        return score_of(least), f"1 in {1 / least:,.0f}, the rarest that calibration is measured to keep {odds}"
    return score_of(least), f"1 in {1 / least:,.0f} until {until:,} samples have been seen {odds}"


def lowest_scores(rules: Sequence[Rule], interval_ms: NDArray[Any], seen: NDArray[Any]) -> NDArray[np.float64]:
    """The least that `rule_threshold` says of any of the rules, a little rounded down; interval and samples of each series (n,)."""
    fixed = min((rule.threshold for rule in rules if rule.threshold is not None), default=1.0)
    periods = [budget_period_ms(rule.budget or DEFAULT_BUDGET) for rule in rules if rule.threshold is None]
    if not periods:
        return np.full(interval_ms.shape, fixed - ROUNDING)
    asked = np.minimum(np.maximum(interval_ms, 1.0) / min(periods), 0.5)
    least = np.full(asked.shape, FLOOR_P)
    for age, odds in reversed(EARLY):
        young = seen < age
        least[young] = np.minimum(odds, EARLY_FACTOR * asked[young])
    lowest: NDArray[np.float64] = np.minimum(fixed, -np.log10(np.maximum(asked, least)) / 10) - ROUNDING
    return lowest


def rule_clear(rule: Rule, threshold: float) -> float:
    """The segment score below which the rule lets go."""
    return rule.clear if rule.clear is not None else max(0.0, threshold - CLEAR_BELOW)


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def check_rule(rule: Rule) -> None:
    """Raise InvalidInput, saying what to change, when a rule cannot work."""
    from awry.core.selector import parse_selector

    if not _NAME.fullmatch(rule.name):
        raise InvalidInput(f"cannot name a rule {rule.name[:80]!r}", hint='use letters, digits, "-", "_" and ".", at most 100')
    parse_selector(rule.selector)
    if rule.threshold is not None and rule.budget is not None:
        raise InvalidInput(f"cannot use both threshold and budget in rule {rule.name!r}", hint="keep one of them")
    if rule.threshold is not None and not 0 < rule.threshold <= 1:
        raise InvalidInput(f"cannot use the threshold {rule.threshold:g} in rule {rule.name!r}: it is a score in (0, 1]")
    if rule.budget is not None:
        budget_period_ms(rule.budget)
    if rule.clear is not None and not 0 <= rule.clear <= (rule.threshold if rule.threshold is not None else 1):
        raise InvalidInput(f"cannot use clear = {rule.clear:g} in rule {rule.name!r}: it lies between 0 and the threshold")
    if min(rule.for_ms, rule.keep_for_ms, rule.together_ms) < 0:
        raise InvalidInput(f"cannot use a negative duration in rule {rule.name!r}")
