"""What this time of day and of week usually looks like: 96 quarter hours and 168 hours of running means, in profile time.

Profile time is local time in which holidays are rest days (calendar.py); without a calendar it is UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Arrays
from awry.core.kernel import kernel
from awry.detection.state import DAY, DAY_BUCKETS, DAY_N, DAY_SCALE, DAY_VISITS, WEEK, WEEK_BUCKETS, WEEK_VISITS, N

KNOWN_VISITS = 2
"""Visits after which a bucket's mean is believed."""
LEAST_RATE, ENTERING = 0.02, 1 / 8
"""Least share of a sample in its bucket's mean, and of the first of a visit: a new pattern is learned in days at any step."""
QUARTER_MS, HOUR_MS = 900_000, 3_600_000
LEAST_RESIDUALS = 16
SIGMA_PER_MEAN = 1.2533
"""Standard deviation of a normal distribution in units of its mean absolute deviation."""


@kernel
def bucket_of(time: int, width_ms: int, buckets: int) -> int:
    """Which bucket of a cycle of `buckets` x `width_ms` a profile time (ms) is in; the week begins on Thursday, as 1970 did."""
    return int((time // width_ms) % buckets)


@kernel
def learn_profile(
    f: NDArray[np.float32], at: int, visits: NDArray[np.uint8], visits_at: int, bucket: int, entered: bool, x: float, damp: float
) -> None:
    """Move the bucket's mean towards x: by 1/(6 visits), at least 2 % (1/8 when entered), times `damp`; the first sets it.

    f[at + bucket]: the mean. visits[visits_at + bucket]: times the bucket was entered, saturating at 255.
    """
    seen = visits[visits_at + bucket]
    if entered and seen < 255:
        visits[visits_at + bucket] = seen + 1
    if seen == 0:
        f[at + bucket] = x
    else:
        least = ENTERING if entered else LEAST_RATE
        rate = max(1.0 / (6.0 * visits[visits_at + bucket]), least) * damp
        f[at + bucket] += rate * (x - f[at + bucket])


@dataclass(frozen=True, slots=True)
class Confidence:
    """How well a profile is known. sure: 0 to 1. visits: how often its typical bucket was seen: days, or weeks.

    known: share of the buckets seen so far that are believed. share: how much of the spread the profile explains.
    """

    sure: float
    visits: int
    known: float
    share: float

    @property
    def words(self) -> str:
        """The same for people."""
        if self.known < 0.5:
            return "learning"
        if self.share < 0.1:
            return "no pattern"
        return "sure" if self.sure >= 0.8 else ("fairly sure" if self.sure >= 0.5 else "unsure")


def confidence(
    means: NDArray[np.float32], visits: NDArray[np.uint8], usual: float, residuals: int, samples_per_visit: float = 1.0
) -> Confidence:
    """How sure a profile is, from its buckets' means and visits (buckets,) and the mean absolute residual `usual`, in one unit.

    residuals: how many made up `usual`; under LEAST_RESIDUALS nothing is known yet.
    sure: the share of the differences between buckets that is pattern and not chance, 1 - E[noise] / variance of the means
    (the shrinkage factor of empirical Bayes, Efron and Morris 1973, doi:10.1080/01621459.1973.10481350), times the share of
    seen buckets that are believed. The noise of a mean is that of `learn_profile` at v visits when the samples of one visit
    stray together, which is the worst case.
    """
    seen = visits > 0
    if not seen.any():
        return Confidence(0.0, 0, 0.0, 0.0)
    believed = visits >= KNOWN_VISITS
    known = float(believed.sum() / seen.sum())
    typical = int(np.median(visits[seen]))
    if believed.sum() < 4 or residuals < LEAST_RESIDUALS:
        return Confidence(0.0, typical, 0.0, 0.0)
    within = (SIGMA_PER_MEAN * usual) ** 2
    between = float(np.var(means[believed].astype(np.float64)))
    noise = within * float(_noise(round(samples_per_visit, 1))[visits[believed]].mean())
    if between <= 0.0 or not np.isfinite(between + within):
        return Confidence(0.0, typical, known, 0.0)
    pattern = max(between - noise, 0.0)
    return Confidence(known * pattern / between, typical, known, pattern / (pattern + within) if pattern > 0 else 0.0)


def profile_confidence(state: Arrays, row: int = 0) -> dict[str, Confidence]:
    """How sure the default detector's "day" and "week" profiles are of one series; state: as it dumps it.

    The residual of the day profile stands for that of the week as well: it is the larger one wherever weeks matter, so the
    week profile is called sure rather late than early.
    """
    f, b, c = (state[name][row] for name in "fbc")
    found = {}
    for name, at, visits_at, buckets in (("day", DAY, DAY_VISITS, DAY_BUCKETS), ("week", WEEK, WEEK_VISITS, WEEK_BUCKETS)):
        visits = b[visits_at : visits_at + buckets]
        per_visit = float(c[N]) / max(1, int(visits.sum()))
        found[name] = confidence(f[at : at + buckets], visits, float(f[DAY_SCALE]), int(c[DAY_N]), per_visit)
    return found


def profile_words(found: dict[str, Confidence]) -> str:
    """ "day profile: sure (21 days), week profile: unsure (3 weeks)"; a profile without a pattern is named only for the day."""
    parts = []
    for name, unit in (("day", "day"), ("week", "week")):
        known = found[name]
        if name == "day" or known.words not in ("learning", "no pattern"):
            count = f"{known.visits} {unit}{'' if known.visits == 1 else 's'}" if known.visits < 255 else f"255 {unit}s or more"
            parts.append(f"{name} profile: {known.words} ({count})")
    return ", ".join(parts)


@cache
def _noise(samples: float) -> NDArray[np.float64]:
    """Variance of a bucket's mean after 0 to 255 visits, in units of the variance of one visit."""
    noise = np.ones(256)
    for v in range(2, 256):
        weight = 1.0 - (1.0 - max(1.0 / (6.0 * v), 0.02)) ** max(samples, 1.0)
        noise[v] = (1.0 - weight) ** 2 * noise[v - 1] + weight**2
    return noise
