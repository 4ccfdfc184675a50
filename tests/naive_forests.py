"""Slow, obvious twins of likelihood, half-space trees, random cut forest, counts and peers, written from their definitions."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from statistics import fmean, median, pvariance


def likelihoods(values: Sequence[float], memory: int = 100, skip: int = 288, warmup: int = 388) -> list[float]:
    """Anomaly likelihood after the filter, NaN before warm-up; the history is a list, so up to 8,640 samples."""
    mean = variance = 0.0
    raw: list[float] = []
    short: list[float] = []
    found, last = [], 1.0
    for n, x in enumerate(values):
        z = abs(x - mean) / math.sqrt(variance) if variance > 0 else (0.0 if n == 0 or x == mean else 1e9)
        raw.append(z * z / (z * z + 9))
        a = fmean(raw[-10:])
        if n < warmup:
            found.append(math.nan)
        else:
            history = short[skip:]
            away = abs(a - max(fmean(history), 0.03)) / math.sqrt(max(pvariance(history), 0.0003))
            q = 0.5 * math.erfc(away / math.sqrt(2))
            found.append(1 - (1e-3 if q <= 1e-5 and last <= 1e-5 else q))
            last = q
        short.append(a)
        rate = max(1 / (n + 1), 1 / memory)
        away = x - mean
        mean += rate * away
        variance = (1 - rate) * (variance + rate * away * away)
    return found


class HalfSpace:
    """One tree whose nodes hold the points that came through, in lists."""

    def __init__(self, axis: Sequence[int], place: Sequence[float]) -> None:
        self.axis, self.place = axis, place
        self.reference: list[Sequence[float]] = []
        self.latest: list[Sequence[float]] = []

    def path(self, point: Sequence[float]) -> list[int]:
        """Nodes from the root to the leaf."""
        nodes = [1]
        while nodes[-1] < len(self.axis):
            node = nodes[-1]
            nodes.append(2 * node + (point[self.axis[node]] >= self.place[node]))
        return nodes

    def away(self, point: Sequence[float]) -> float:
        """-ln density at the first node that holds a tenth of the reference or less; 0 without one."""
        size = len(self.reference)
        if size == 0:
            return 0.0
        paths = [self.path(other) for other in self.reference]
        mine = self.path(point)
        for level, node in enumerate(mine):
            mass = sum(path[level] == node for path in paths)
            if mass <= 0.1 * size or level == len(mine) - 1:
                return -math.log((mass + 0.5) * 2**level / size)
        raise AssertionError


def codisplacement(points: Sequence[Sequence[float]], mine: Sequence[float], draw: random.Random) -> float:
    """Build a whole random cut tree of the points and `mine`, then walk up from its leaf: definition 4 of Guha et al."""
    best = 0.0
    everyone = [list(p) for p in points] + [list(mine)]
    me = len(everyone) - 1
    inside = list(range(len(everyone)))
    while True:
        sides = [(min(everyone[i][k] for i in inside), max(everyone[i][k] for i in inside)) for k in range(len(mine))]
        if sum(b - a for a, b in sides) == 0:
            return best
        axis = draw.choices(range(len(mine)), [b - a for a, b in sides])[0]
        cut = draw.uniform(*sides[axis])
        left = [i for i in inside if everyone[i][axis] <= cut]
        right = [i for i in inside if everyone[i][axis] > cut]
        own, other = (left, right) if me in left else (right, left)
        best = max(best, len(other) / len(own))
        inside = own


def negative_binomial_tail(k: int, mean: float, variance: float) -> float:
    """P(K >= k) by adding up everything below, Poisson when variance <= mean."""
    below = 0.0
    for j in range(k):
        if variance <= mean:
            below += math.exp(j * math.log(mean) - mean - math.lgamma(j + 1))
        else:
            r = mean * mean / (variance - mean)
            p = r / (r + mean)
            log_pmf = math.lgamma(j + r) - math.lgamma(r) - math.lgamma(j + 1) + r * math.log(p) + j * math.log(1 - p)
            below += math.exp(log_pmf)
    return 1 - below


def gamma_tail(a: float, x: float, steps: int = 200_000) -> float:
    """Q(a, x) by the trapezoid rule over ln t, from x on."""
    low, high = math.log(x), math.log(x + 60 * math.sqrt(a + 1) + 60)
    width = (high - low) / steps
    total = 0.0
    for i in range(steps + 1):
        u = low + i * width
        total += (0.5 if i in (0, steps) else 1.0) * math.exp(a * u - math.exp(u) - math.lgamma(a))
    return total * width


class Sibling:
    """What one series of a group knows of itself."""

    def __init__(self, x: float) -> None:
        self.level, self.away, self.own, self.seen = x, 0.0, 0.0, 0
        self.u = self.q = self.mean_u = self.mean_group = self.variance = self.covariance = 0.0
        self.pairs, self.before, self.waits = 0, 0.0, False


def peers(rows: Sequence[Sequence[float]], memory: int = 2000, warmup: int = 32) -> list[list[float]]:
    """Strengths of samples that come tick by tick, always in the same order: series 1, 2, ...; NaN before warm-up.

    Those who come before four others are judged a tick later, and say so with their next sample.
    """
    group = [Sibling(x) for x in rows[0]]
    found: list[list[float]] = []
    for at, row in enumerate(rows):
        found.append([])
        for i, x in enumerate(row):
            me = group[i]
            rate = max(1 / (me.seen + 1), 1 / memory)
            away = x - me.level
            u = away / max(me.away, abs(away) * 1e-6, abs(me.level) * 1e-12, 1e-300)
            ready = [other for other in group if other is not me and other.seen >= 16]
            strength = 0.0
            if me.waits and len(ready) >= 4:
                then = [other.before if group.index(other) < i else other.u for other in ready]
                strength = apart(me, me.u, median(then), median([o.q for o in ready]), memory)
            earlier = [other for j, other in enumerate(group) if j < i and other.seen >= 16]
            me.waits = at == 0 or len(earlier) < 4
            if not me.waits:
                strength = apart(me, u, median([o.u for o in earlier]), median([o.q for o in earlier]), memory, strength)
            found[-1].append(strength if at >= warmup else math.nan)
            most = 3 * me.away if me.seen > 16 and me.away > 0 else abs(away)
            bounded = min(max(away, -most), most)
            me.before, me.u = me.u, u
            me.level += rate * bounded
            me.away += rate * (abs(bounded) - me.away)
            me.seen += 1
    return found


def apart(me: Sibling, u: float, middle: float, stray: float, memory: int, least: float = 0.0) -> float:
    """2 ln(1 + |r| / w), at least `least`; then r is learned."""
    r = u - me.mean_u - (me.covariance + 0.02) / (me.variance + 0.02) * (middle - me.mean_group)
    w = math.sqrt(math.pi / 2) * me.own * max(1, stray / 1.7)
    z = min(abs(r) / w, 120.0) if w > 0 else (120.0 if r else 0.0)
    me.q = min(abs(r) / me.own, 120.0) if me.own > 0 else (120.0 if r else 0.0)
    kept = max(-3 * w, min(3 * w, r)) if me.pairs > 16 and w > 0 else r
    rate = max(1 / (me.pairs + 1), 1 / memory)
    me.own += max(rate, 8 / memory) * (abs(kept) - me.own)
    mine, theirs = u - r + kept - me.mean_u, middle - me.mean_group
    me.mean_u += rate * mine
    me.mean_group += rate * theirs
    me.variance = (1 - rate) * (me.variance + rate * theirs * theirs)
    me.covariance = (1 - rate) * (me.covariance + rate * mine * theirs)
    me.pairs += 1
    return max(2 * math.log1p(z), least)
