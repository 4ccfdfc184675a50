"""How a score came about, step by step: the strengths of one sample and the odds of each; for people who ask why.

It does beside the kernel what `calibrate_rows` does, with the same parts of it, on copies: nothing is learned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from awry.core.batch import Batch
from awry.detection.calibration import (
    AGE,
    COMBINED,
    EPISODE,
    LASTING,
    LEAST_P,
    SEEN,
    SEGMENT,
    SHARE,
    WAITED,
    Prior,
    age_of,
    close_episode,
    episode_rate,
    goes_on,
    learn_strength,
    score_of,
)
from awry.detection.onset import FADE, HOLD
from awry.detection.scorer import Scorer, apart_of, channels_of


@dataclass(frozen=True, slots=True)
class Channel:
    """A strength that is calibrated."""

    heads: tuple[str, ...]
    """The heads that it is a sum of."""
    strength: float
    p: float
    """Odds of an episode of at least this strength, where one begins here; else 1."""
    segment_p: float
    """Odds of what is left of its strongest sample of late."""
    apart: bool
    """It answers for itself and is not part of the combination."""


@dataclass(frozen=True, slots=True)
class Workings:
    """One sample, before it was learned."""

    scored_before: int
    """Samples of the series that had been judged."""
    heads: tuple[tuple[str, float], ...]
    """Name and strength of each, as the detector has them."""
    channels: tuple[Channel, ...]
    p: float
    """The odds that the score says: of all channels together."""
    segment_p: float


def workings(scorer: Scorer, name: str, batch: Batch) -> Workings | None:
    """Of the one sample of `batch`, before `scorer` steps it; None while it warms up, and for a NaN. name: of the detector.

    The scorer is as it was afterwards.
    """
    row = int(batch.slot[0])
    before = scorer.dump(row, row + 1)
    strength = scorer.detector.step(batch).strength[0].astype(np.float32)
    scorer.load(before, row)
    if math.isnan(float(strength[0])):
        return None
    detector = scorer.detector
    weights, apart = channels_of(detector), apart_of(detector)
    fades = np.array(getattr(detector, "fades", (FADE,) * len(weights)), np.float64)
    now, count, bins = (before[f"calibration.{part}"][0].copy() for part in ("state", "counts", "least"))
    seen, first, waited = int(count[SEEN]), bool(count[SEEN] == 0), count[WAITED:]
    prior = Prior.shipped(getattr(detector, "prior", name), len(weights)).log_rate[age_of(int(count[AGE]))]
    others = int(np.sum(apart))
    share, rest = (SHARE, (1.0 - SHARE) / others) if others else (1.0, 1.0)
    found: list[Channel] = []
    for k in range(len(weights)):
        total = 0.0
        for h in range(len(strength)):  # in the kernel's order: sums of floats depend on it
            total += weights[k, h] * float(strength[h])
        v = np.float32(total)
        held = max(np.float32(fades[k]) * now[SEGMENT, k], v)
        p_held = episode_rate(bins[k], seen, held, prior[k])
        p = 1.0
        most = now[EPISODE, k] if seen % LASTING == LASTING - 1 and goes_on(now, k, v) else np.float32(0.0)
        if learn_strength(now, waited, bins[k], k, v, first, fades[k], HOLD):
            p = p_held if held == v else episode_rate(bins[k], seen, v, prior[k])
        if most > 0.0:
            close_episode(bins[k], most)
        found.append(Channel(_heads_of(weights[k], detector.heads), float(v), float(p), float(p_held), bool(apart[k])))
    m = len(weights)

    def together(of: list[float]) -> float:
        joined = min([1.0, *(p for p, channel in zip(of, found, strict=True) if not channel.apart)])
        own = min([1.0, *(p / rest for p, channel in zip(of, found, strict=True) if channel.apart)])
        strength = np.float64(-COMBINED * math.log(max(joined, LEAST_P)))
        return float(min(own, episode_rate(bins[m], seen, strength, prior[m]) / share, 1.0))

    p, segment_p = together([c.p for c in found]), together([c.segment_p for c in found])
    return Workings(
        scored_before=int(count[AGE]),
        heads=tuple(zip(detector.heads, strength.tolist(), strict=True)),
        channels=tuple(found),
        p=p,
        segment_p=min(p, segment_p),
    )


def score_from(p: float) -> float:
    """The score that odds make, as it is stored."""
    return float(np.float32(score_of(p)))


def _heads_of(weights: np.ndarray, heads: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name, weight in zip(heads, weights.tolist(), strict=True) if weight)
