"""For sparse, intermittent and small counts: how often something comes, how much, in what bursts, and how long nothing may come.

A value is taken relative to its floor, the least value of the last 2,048 to 4,096 samples: y = x - floor, an event is y > 0. A
hurdle model: an event comes with probability p, and is of size y with mean m and variance v. Both follow the hour of day (UTC): the
share of events and the mean amount of an hour are shrunk to those of all hours with the weight of `trust` events; p is the first,
and sizes are multiplied by what brings p m to the second. All moments are exponentially weighted, over `memory` samples, those of
an hour over memory / 6 of its own; a size is learned divided by its hour's factor, and no larger than m + 8 sqrt v.

    many     P(Y >= y)       = p P(size >= y)
    few      P(Y <= y)       = 1 - p + p P(size <= y)
             below the floor, after n samples: exp(-3 |y| / sqrt v) / (n + 2)
    burst    P(sum >= b)     b, its mean and its variance: sums of y, p m and p (v + m^2) - (p m)^2, faded by 7/8 a sample; only
                             when the sum was above its mean before this sample
    silence  Q(a, a H)       H: the sum of -ln(1 - p) over the samples without an event since the last one

Sizes in units of the smallest one, k = y / unit: k - 1 is negative binomial with the mean and variance learned (Poisson when the
variance is no larger), with the gamma function in place of factorials, so that k need not be whole; above 200 units, and for
bursts, a gamma law with these moments. If events come by chance, H has an exponential tail (time rescaling: E. N. Brown et al.,
doi:10.1162/08997660252741149); gaps more regular than that (a < 1 in bursts, a > 1 in rhythm) give a = (1 - rate) / (variance /
mean^2 of the gaps, each measured as its sum of -ln(1 - p)), within 0.05 and 20. Hurdle models for counts: J. Mullahy,
doi:10.1016/0304-4076(86)90002-3. Strength of each head: -ln P times 9.6 / ln 1e10, so 9.6 is one in 1e10, and half odds are 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Arrays, Batch, Raw
from awry.core.kernel import kernel
from awry.detection.classics.rows import USABLE, Rows, printable
from awry.detection.profile import HOUR_MS, bucket_of

SEEN, LEAST_NOW, LEAST_BEFORE, WINDOW_AT, RATE, SIZE, SIZE_VARIANCE, EVENTS, UNIT = 0, 1, 2, 3, 4, 5, 6, 7, 8
"""Sizes are kept as values, not relative to the floor, so that a new floor needs nothing moved."""
SILENT, GAP, GAP_MEAN, GAP_VARIANCE, GAPS, BURST, BURST_MEAN, BURST_VARIANCE = 9, 10, 11, 12, 13, 14, 15, 16
LAST_FLOOR, ALL = 17, 18
HOURS, RATES, VISITS, WARM, ROW = 19, 43, 67, 91, 92
WINDOW = 2048
"""Samples after which the floor forgets."""
KEEP = 0.875
MOST, LEAST_P = 9.6, 1e-10
PER_LN = MOST / -math.log(LEAST_P)
MANY, FEW, BURSTS, SILENCE = 0, 1, 2, 3
TERMS = 400
BAND_Z = 2.5758
"""Normal quantile of 0.995: the band leaves out half a percent on either side."""


@kernel
def gamma_tail(a: float, x: float) -> float:
    """Q(a, x), the upper regularised incomplete gamma function: series below a + 1, continued fraction above (Lentz)."""
    if x <= 0.0:
        return 1.0
    if a > 1e4:
        return 0.5 * math.erfc(3.0 * math.sqrt(a) * ((x / a) ** (1.0 / 3.0) - 1.0 + 1.0 / (9.0 * a)) / math.sqrt(2.0))
    front = math.exp(max(a * math.log(x) - x - math.lgamma(a), -700.0))
    if x < a + 1.0:
        term = total = 1.0 / a
        for n in range(1, TERMS):
            term *= x / (a + n)
            total += term
            if term < total * 1e-13:
                break
        return max(1.0 - front * total, 0.0)
    b = x + 1.0 - a
    c, d = 1e300, 1.0 / b
    h = d
    for n in range(1, TERMS):
        b += 2.0
        by = -n * (n - a)
        d = 1.0 / (by * d + b)
        c = b + by / c
        h *= c * d
        if abs(c * d - 1.0) < 1e-13:
            break
    return min(front * h, 1.0)


@kernel
def count_tail(k: float, mean: float, variance: float) -> float:
    """P(K >= k) for k >= 0, negative binomial with these moments, Poisson when variance <= mean; by summing terms from k up.

    k below the mean gives 1 less the sum of the terms k - 1, k - 2, ...
    """
    if k <= 0.0 or mean <= 0.0:
        return 1.0 if k <= 0.0 else 0.0
    spread = variance > mean * 1.0001
    r = mean * mean / (variance - mean) if spread else 0.0
    up = k > mean
    at = k if up else k - 1.0
    if at < 0.0:
        return 1.0
    share = mean / (r + mean) if spread else 0.0
    if spread:
        log_term = math.lgamma(at + r) - math.lgamma(r) - math.lgamma(at + 1.0) + at * math.log(share) + r * math.log1p(-share)
    else:
        log_term = at * math.log(mean) - mean - math.lgamma(at + 1.0)
    term = total = math.exp(max(log_term, -700.0))
    for _ in range(TERMS):
        if up:
            term *= share * (r + at) / (at + 1.0) if spread else mean / (at + 1.0)
            at += 1.0
        else:
            term *= at / (share * (r + at - 1.0)) if spread else at / mean
            at -= 1.0
            if at < 0.0:
                break
        total += term
        if term < total * 1e-12:
            break
    return min(total, 1.0) if up else max(1.0 - total, 0.0)


@kernel
def size_tail(y: float, mean: float, variance: float, unit: float) -> float:
    """P(size >= y) of an event with these moments; unit: the smallest size. See the module."""
    if variance <= mean * mean * 1e-12:
        return 1.0 if y <= mean * (1.0 + 1e-9) else 0.0
    if mean <= 200.0 * unit and y <= 1e4 * unit:
        return float(count_tail(round((y / unit - 1.0) * 1e6) * 1e-6, max(mean / unit - 1.0, 1e-3), variance / (unit * unit)))
    return float(gamma_tail(mean * mean / variance, y * mean / variance))


@kernel
def strength_of(p: float) -> float:
    """-ln p on the scale of strengths, 0 for p of a half and more."""
    return PER_LN * -math.log(max(p, LEAST_P)) if p < 0.5 else 0.0


@kernel
def size_at(mean: float, variance: float, z: float) -> float:
    """Quantile of a gamma law at the normal quantile z (Wilson and Hilferty, doi:10.1073/pnas.17.12.684)."""
    if not mean > 0.0:
        return 0.0
    a = mean / max(variance / mean, mean * 1e-9)
    root = max(1.0 - 1.0 / (9.0 * a) + z / (3.0 * math.sqrt(a)), 0.0)
    return mean * root * root * root


@kernel
def normal_quantile(p: float) -> float:
    """z with P(Z >= z) = p, to 4.5e-4 (Abramowitz and Stegun 26.2.23)."""
    q = min(p, 1.0 - p)
    t = math.sqrt(-2.0 * math.log(max(q, 1e-300)))
    z = t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308)))
    return z if p <= 0.5 else -z


@kernel
def learn_floor(f: NDArray[np.float64], x: float) -> float:
    """The floor with x taken in; a new one forgets the unit and the sums of the burst."""
    if f[SEEN] == 0.0:
        f[LEAST_NOW] = f[LEAST_BEFORE] = f[LAST_FLOOR] = x
    f[LEAST_NOW] = min(f[LEAST_NOW], x)
    f[WINDOW_AT] += 1.0
    if f[WINDOW_AT] >= WINDOW:
        f[LEAST_BEFORE], f[LEAST_NOW], f[WINDOW_AT] = f[LEAST_NOW], x, 0.0
    floor = min(f[LEAST_NOW], f[LEAST_BEFORE])
    if floor != f[LAST_FLOOR]:
        f[LAST_FLOOR] = floor
        f[UNIT] = f[BURST] = f[BURST_MEAN] = f[BURST_VARIANCE] = 0.0
        f[SEEN] = min(f[SEEN], 64.0) if f[EVENTS] > 0.0 else f[SEEN]
    return float(floor)


@kernel
def learn(f: NDArray[np.float64], x: float, hour: int, hazard: float, grow: float, memory: float) -> None:
    """Take one value in; hazard: -ln(1 - p) of this sample; grow: what its hour multiplies sizes by."""
    n = f[SEEN]
    floor = learn_floor(f, x)
    y = x - floor
    rate = max(1.0 / (f[SEEN] + 1.0), 1.0 / memory)
    event = 1.0 if y > 0.0 else 0.0
    f[RATE] += rate * (event - f[RATE])
    f[GAP] += hazard
    kept = x
    if y > 0.0:
        f[UNIT] = y if f[UNIT] == 0.0 else min(f[UNIT], y)
        plain = floor + y / grow
        if f[EVENTS] >= 16.0:
            plain = min(plain, f[SIZE] + 8.0 * max(math.sqrt(f[SIZE_VARIANCE]), 0.25 * (f[SIZE] - floor)))
            kept = min(x, floor + (plain - floor) * grow)
        step = max(1.0 / (f[EVENTS] + 1.0), 1.0 / memory)
        away = plain - f[SIZE]
        f[SIZE] += step * away
        f[SIZE_VARIANCE] = (1.0 - step) * (f[SIZE_VARIANCE] + step * away * away)
        f[EVENTS] += 1.0
        if f[EVENTS] > 1.0 and n >= 16.0:
            step = max(1.0 / (f[GAPS] + 1.0), 1.0 / memory)
            away = f[GAP] - f[GAP_MEAN]
            f[GAP_MEAN] += step * away
            f[GAP_VARIANCE] = (1.0 - step) * (f[GAP_VARIANCE] + step * away * away)
            f[GAPS] += 1.0
        f[GAP] = f[SILENT] = 0.0
    else:
        f[SILENT] += hazard
    f[ALL] += rate * (kept - f[ALL])
    rate = max(1.0 / (f[VISITS + hour] + 1.0), 6.0 / memory)
    f[HOURS + hour] += rate * (kept - f[HOURS + hour])
    f[RATES + hour] += rate * (event - f[RATES + hour])
    f[VISITS + hour] += 1.0
    f[SEEN] += 1.0


@kernel
def of_hour(f: NDArray[np.float64], time: int, rate: float, amount: float, trust: float) -> tuple[float, float]:
    """Share of events and mean value at this time of day, between those of the two nearest hours; rate, amount: of all hours."""
    later = bucket_of(time + HOUR_MS // 2, HOUR_MS, 24)
    weight = (time + HOUR_MS // 2) % HOUR_MS / HOUR_MS
    share, mean = rate, amount
    for k in range(2):
        hour = later if k == 0 else (later + 23) % 24
        known = f[VISITS + hour] * rate / (f[VISITS + hour] * rate + trust) * (weight if k == 0 else 1.0 - weight)
        share += known * (f[RATES + hour] - rate)
        mean += known * (f[HOURS + hour] - amount)
    return share, mean


@kernel
def judge(
    f: NDArray[np.float64], y: float, p: float, mean: float, variance: float, hazard: float, strength: NDArray[np.float32]
) -> None:
    """The four strengths of an amount y above the floor, into strength (4,); see the module."""
    strength[:] = 0.0
    if y < 0.0:
        beyond = 3.0 * -y / math.sqrt(f[SIZE_VARIANCE]) if f[SIZE_VARIANCE] > 0.0 else 0.0
        strength[FEW] = strength_of(math.exp(-beyond) / (f[SEEN] + 2.0))
        return
    if f[EVENTS] < 1.0:
        strength[MANY] = strength_of(1.0 / (f[SEEN] + 2.0)) if y > 0.0 else 0.0
        return
    unit = f[UNIT] if f[UNIT] > 0.0 else max(mean, 1e-300)
    if y > 0.0:
        above = size_tail(y, mean, variance, unit)
        strength[MANY] = strength_of(p * above)
        if p > 0.5:
            strength[FEW] = strength_of(1.0 - p + p * (1.0 - size_tail(y + unit, mean, variance, unit)))
        total, m = KEEP * f[BURST] + y, KEEP * f[BURST_MEAN] + p * mean
        v = KEEP * KEEP * f[BURST_VARIANCE] + p * (variance + mean * mean) - p * mean * p * mean
        if f[BURST] > f[BURST_MEAN] and total > m and v > 0.0 and m > 0.0:
            strength[BURSTS] = strength_of(gamma_tail(m * m / v, total * m / v))
    else:
        silent = f[SILENT] + hazard
        a = 1.0
        if f[GAPS] >= 8.0 and f[GAP_MEAN] > 0.0:
            ratio = f[GAP_VARIANCE] / (f[GAP_MEAN] * f[GAP_MEAN])
            a = min(max((1.0 - min(f[RATE], 0.999)) / max(ratio, 1e-6), 0.05), 20.0)
        strength[SILENCE] = strength_of(gamma_tail(a, a * silent))


@kernel
def step_rows(
    state: NDArray[np.float64], slot: NDArray[np.int32], time: NDArray[np.int64], value: NDArray[np.float64], memory: float,
    trust: float, warmup: int, strength: NDArray[np.float32], expected: NDArray[np.float32], low: NDArray[np.float32],
    high: NDArray[np.float32], part: NDArray[np.uint8],
) -> None:  # fmt: skip
    """Judge rows in order, then learn each. state: (slots, 92), see the names above; strength: (n, 4); the others: (n,)."""
    for i in range(slot.shape[0]):
        f, x = state[slot[i]], value[i]
        strength[i] = expected[i] = low[i] = high[i] = math.nan
        part[i] = 0
        if not abs(x) < USABLE:
            continue
        hour = bucket_of(time[i], HOUR_MS, 24)
        floor = f[LAST_FLOOR] if f[SEEN] > 0.0 else x
        rate = min(max(f[RATE], 0.5 / (f[SEEN] + 1.0)), 0.9995)
        amount, p = max(f[ALL] - floor, 0.0), rate
        grow = 1.0
        if amount > 0.0 and trust < 1e9:
            share, ours = of_hour(f, time[i], rate, f[ALL], trust)
            p = min(max(share, 0.05 * rate), 0.9995)
            grow = min(max((ours - floor) / amount * rate / p, 0.125), 8.0)
        hazard = -math.log1p(-p)
        mean = max(f[SIZE] - floor, 0.0) * grow
        variance = f[SIZE_VARIANCE] * grow * grow
        y = x - floor
        if f[WARM] >= warmup:
            judge(f, y, p, mean, variance, hazard, strength[i])
            loudest = 0
            for h in range(1, 4):
                if strength[i, h] > strength[i, loudest]:
                    loudest = h
            part[i] = loudest + 1 if strength[i, loudest] > 0.0 else 0
            middle, top, bottom = p * mean, 0.0, 0.0
            if p > 0.005:
                top = size_at(mean, variance, normal_quantile(0.005 / p))
            if 1.0 - p < 0.005:
                bottom = size_at(mean, variance, -BAND_Z)
            top = max(top, bottom)
            expected[i] = printable(floor + min(max(middle, bottom), top))
            low[i], high[i] = printable(floor + bottom), printable(floor + top)
        amount = p * mean
        f[BURST] = KEEP * f[BURST] + max(y, 0.0)
        f[BURST_MEAN] = KEEP * f[BURST_MEAN] + amount
        f[BURST_VARIANCE] = KEEP * KEEP * f[BURST_VARIANCE] + max(p * (variance + mean * mean) - amount * amount, 0.0)
        f[WARM] += 1.0
        learn(f, x, hour, hazard, grow, memory)


@dataclass
class Counts:
    """For sparse and small counts: heads `many`, `few`, `burst` and `silence` from a hurdle model; 736 bytes a series.

    Amounts are taken above the series' own floor, whole or not. Hours are UTC. Values beyond 1e150 are taken as missing.
    """

    memory: float = 4000.0
    """Samples (events for sizes and gaps) over which the weight of one falls to 1/e."""
    trust: float = 6.0
    """Usual events of an hour of day at which its own means count as much as those of all hours; 1e9 and more: no daily profile."""
    warmup: int = 32
    heads: tuple[str, ...] = ("many", "few", "burst", "silence")
    parts: tuple[str, ...] = ("none", "many", "few", "burst", "silence")
    mix: tuple[float, ...] = (1.0, 1.0, 0.5, 1.0)
    _rows: Rows = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._rows = Rows(ROW)

    def grow(self, slots: int) -> None:
        """Have state for at least this many slots."""
        self._rows.grow(slots)

    def step(self, batch: Batch) -> Raw:
        """Strength of each head, the mean, and the band that leaves out half a percent on either side."""
        n = len(batch)
        expected, low, high = np.empty(n, np.float32), np.empty(n, np.float32), np.empty(n, np.float32)
        raw = Raw(np.empty((n, 4), np.float32), expected, low, high, np.empty(n, np.uint8))
        step_rows(
            self._rows.state, batch.slot, batch.time, batch.value, self.memory, self.trust, self.warmup, raw.strength, raw.expected,
            raw.low, raw.high, raw.part,
        )  # fmt: skip
        return raw

    def dump(self, start: int = 0, stop: int | None = None) -> Arrays:
        """The state rows of slots [start, stop)."""
        return self._rows.dump(start, stop)

    def load(self, state: Arrays, start: int = 0) -> None:
        """Take over dumped rows from slot `start` on."""
        self._rows.load(state, start)
