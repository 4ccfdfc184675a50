"""From strengths to a probability, per series and channel, and from there to the score; for every detector.

A channel is a weighted sum of a detector's heads, by default each head by itself: strengths are logarithms, and what several heads
find a little strange together is stranger than what the strangest of them says. The strengths of a channel form *episodes*: one
opens with an onset (onset.py), grows, and closes when the memory of its onset has faded RISE below its largest strength; while
it goes on it is counted every 256 samples. Each
series counts its episodes by that largest strength, in 48 bins. The rate of episodes at or above v is then

    p(v) = (c(v) + A) / (N + A / G0(v)),

c episodes in N samples, and a Gamma prior of weight A that expects the pooled rate G0 (fitted by benchmarks/fit_prior.py, one
curve for each age of a series). At N = 40,000 both N and c are halved, so that old times fade.

Channels depend on each other in ways that differ from series to series, so their combination is calibrated once more in the same
way: -ln of the least p of the channels that have an onset is a strength with episodes and bins of its own, and what its p
says becomes the score, min(1, -log10(p) / 10), at onsets, and 0 between them. A channel may stay apart, when its kind of anomaly
has nothing to do with the others': it is not part of the combination. Then the least of all p counts, each divided by the part
of the promise that it may use up. The segment is the same map of each channel's decaying maximum. Both are rounded to multiples
of 0.0001.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from awry.core.kernel import AHEAD, LINE, kernel, prefetch
from awry.detection.onset import FADE, HOLD, RISE, onset

FLOOR_P = 1e-5
"""Smallest p per sample that calibration is measured to keep within a factor 2 on every set (benchmarks/calibration.py)."""
BINS, WIDTH = 48, 0.2
"""Bins of episode maxima, and their width in units of strength; the last one is open."""
COMBINED = 0.35
"""Units of strength per natural logarithm of the least p: 48 bins reach to 1e-12."""
PRIOR = 0.5
"""Weight of the prior, in episodes."""
HALVE_AT = 40_000
FRESH, YOUNG, GROWN = 64, 256, 1500
"""Scored samples from which the priors of young, growing and grown series apply."""
AGES = 4
LASTING = 256
"""Samples after which an episode that goes on is counted once more: what a ramp or a counter always does is not rare."""
SHARE = 0.75
"""Part of a promise that the combination may use up when there are channels apart; these share the rest (weighted Bonferroni)."""
LEAST_P = 1e-12
MOST = 2_000_000_000

MEMORY, EPISODE, SEGMENT = 0, 1, 2
"""Rows of the float32 state: memory of the last onset, largest strength of the open episode, decaying maximum; [row][channel]."""
SEEN, AGE, WAITED = 0, 1, 2
"""int32: samples counted, samples ever (saturating), then per channel samples since the strength was near its memory."""


@kernel
def age_of(samples: int) -> int:
    """Which prior applies to a series with so many scored samples: 0 fresh, 1 young, 2 growing, 3 grown."""
    if samples < YOUNG:
        return 0 if samples < FRESH else 1
    return 2 if samples < GROWN else 3


@kernel
def episode_rate(least: NDArray[np.uint16], seen: int, v: float, log_prior: NDArray[np.float64]) -> float:
    """p(v) of one channel: least (48,) episodes at or above each bin's lower edge, of `seen` samples; log_prior (49,) ln G0 there.

    1 where ln G0 is 0: no episode is that small, v is what is left of a larger one.
    """
    if v <= 0.0:
        return 1.0
    at = v / WIDTH
    k = min(int(at), BINS - 1)
    part = at - k
    if log_prior[k] >= 0.0:
        return 1.0
    count = float(least[k])
    if k < BINS - 1:
        count += part * (float(least[k + 1]) - count)
    pooled = math.exp(max(log_prior[k] + part * (log_prior[k + 1] - log_prior[k]), -40.0))
    return min(1.0, (count + PRIOR) / (seen + PRIOR / pooled))


@kernel
def score_of(p: float) -> float:
    """min(1, -log10(p) / 10), rounded to a multiple of 0.0001."""
    return math.floor(min(1.0, -math.log10(min(max(p, LEAST_P), 1.0)) / 10.0) * 10_000.0 + 0.5) / 10_000.0


@kernel
def close_episode(least: NDArray[np.uint16], most: float) -> None:
    """Count an episode whose largest strength was `most`."""
    for k in range(min(int(most / WIDTH), BINS - 1) + 1):
        if least[k] < 65_535:
            least[k] += 1


@kernel
def goes_on(state: NDArray[np.float32], channel: int, v: float) -> bool:
    """Whether v continues an open episode of a channel, neither faded nor fallen. state (3, channels)."""
    most, m = state[EPISODE, channel], state[MEMORY, channel]
    return bool(most > 0.0 and m >= most - RISE and v > m - RISE)


@kernel
def learn_strength(
    state: NDArray[np.float32], waited: NDArray[np.int32], least: NDArray[np.uint16], channel: int, v: float, first: bool,
    fade: float, hold: int,
) -> bool:  # fmt: skip
    """Whether v is an onset of one channel; learns it: opens, grows or closes the episode, decays the segment by `fade`.

    state (3, channels): memory, episode, segment. waited (channels,). least (48,): the channel's counts.
    """
    began: bool = onset(state[MEMORY], waited, channel, v, first, hold)
    most = state[EPISODE, channel]
    if began:
        most = max(most, v)
        state[EPISODE, channel] = most
    if most > 0.0 and state[MEMORY, channel] < most - RISE:
        if not first:
            close_episode(least, most)
        state[EPISODE, channel] = 0.0
    state[SEGMENT, channel] = max(fade * state[SEGMENT, channel], v)
    return began


@kernel
def calibrate_rows(
    state: NDArray[np.float32], counts: NDArray[np.int32], least: NDArray[np.uint16], priors: NDArray[np.float64],
    channels: NDArray[np.float64], apart: NDArray[np.bool_], mix: NDArray[np.float64], fades: NDArray[np.float64],
    hold: int, marked: bool,
    slot: NDArray[np.int32], strength: NDArray[np.float32],
    raw: NDArray[np.float32], score: NDArray[np.float32], segment: NDArray[np.float32],
) -> None:  # fmt: skip
    """Turn rows of strengths (n, heads) into raw, score and segment (n,), in order, learning each row after it was judged.

    channels: (m, heads), weights of the heads in each. apart: (m,), channels that are not part of the combination. state (slots,
    3, m + 2), counts (slots, 4 + m), least (slots, m + 1, 48): behind the channels come their combination and, in state and
    counts, `raw`. priors: (4, m + 1, 49), by age. mix: (heads,), weights of the heads in raw, which where marked is there only at
    its onsets (remembered for `hold` samples), else everywhere.
    fades: (m,), what a channel's segment keeps of itself at each sample.
    """
    heads, m = strength.shape[1], channels.shape[0]
    others = 0
    for k in range(m):
        others += apart[k]
    share, rest = (SHARE, (1.0 - SHARE) / others) if others > 0 else (1.0, 1.0)
    for i in range(slot.shape[0]):
        if i + AHEAD < slot.shape[0]:
            prefetch(state, slot[i + AHEAD], 0)
            prefetch(counts, slot[i + AHEAD], 0)
            for at in range(0, 2 * BINS * (m + 1), LINE):
                prefetch(least, slot[i + AHEAD], at)
        if math.isnan(strength[i, 0]):
            raw[i] = score[i] = segment[i] = math.nan
            continue
        now, count = state[slot[i]], counts[slot[i]]
        bins, waited = least[slot[i]], count[WAITED:]
        seen, first = count[SEEN], count[SEEN] == 0
        prior = priors[age_of(count[AGE])]
        mixed = 0.0
        for h in range(heads):
            mixed += mix[h] * strength[i, h]
        smallest, smallest_held, own, own_held = 1.0, 1.0, 1.0, 1.0
        turn, lasting = seen % LASTING == LASTING - 1, False
        for k in range(m):
            total = 0.0
            for h in range(heads):
                total += channels[k, h] * strength[i, h]
            v = np.float32(total)
            held = max(np.float32(fades[k]) * now[SEGMENT, k], v)
            p_held = episode_rate(bins[k], seen, held, prior[k])
            p = 1.0
            most = now[EPISODE, k] if turn and goes_on(now, k, v) else np.float32(0.0)
            if learn_strength(now, waited, bins[k], k, v, first, fades[k], HOLD):
                p = p_held if held == v else episode_rate(bins[k], seen, v, prior[k])
            if most > 0.0:
                close_episode(bins[k], most)
                lasting = lasting or not apart[k]
            if apart[k]:
                own, own_held = min(own, p / rest), min(own_held, p_held / rest)
            else:
                smallest, smallest_held = min(smallest, p), min(smallest_held, p_held)
        together = -COMBINED * math.log(max(smallest, LEAST_P))
        held = -COMBINED * math.log(max(smallest_held, LEAST_P))
        score[i] = score_of(min(own, episode_rate(bins[m], seen, together, prior[m]) / share))
        segment[i] = max(score_of(min(own_held, episode_rate(bins[m], seen, held, prior[m]) / share)), score[i])
        if lasting:
            close_episode(bins[m], held)
        learn_strength(now, waited, bins[m], m, together, first, FADE, HOLD)
        began = onset(now[MEMORY], waited, m + 1, mixed, first, hold)
        raw[i] = mixed if began or not marked else 0.0
        count[SEEN] = seen + 1
        count[AGE] = min(count[AGE] + 1, MOST)
        if count[SEEN] >= HALVE_AT:
            count[SEEN] //= 2
            for k in range(m + 1):
                for edge in range(BINS):
                    bins[k, edge] //= 2


@dataclass(frozen=True, slots=True)
class Prior:
    """Pooled survival curves of a detector's channels and of their combination, last: ln of episodes per sample at or above each
    bin edge, (4, channels + 1, 49)."""

    log_rate: NDArray[np.float64]

    @staticmethod
    def shipped(detector: str, channels: int) -> Prior:
        """The curve shipped for a detector by name; for others `Prior.plain`."""
        tables = json.loads(resources.files("awry.detection").joinpath("prior.json").read_text())
        if detector in tables:
            curve = np.array(tables[detector]["log_rate"], np.float64)
            if curve.shape == (AGES, channels + 1, BINS + 1):  # the kernels check no bounds
                return Prior(curve)
        return Prior.plain(channels)

    @staticmethod
    def plain(channels: int) -> Prior:
        """Of nothing known: strengths count as 2 ln(1 + z), z with an exponential tail, at most one episode in 50 samples; the
        least p is taken at its word."""
        edges = np.arange(BINS + 1) * WIDTH
        curve = np.empty((AGES, channels + 1, BINS + 1))
        curve[:, :channels] = np.minimum(-np.expm1(edges / 2), math.log(1 / 50))
        curve[:, channels] = np.minimum(-edges / COMBINED, math.log(1 / 50))
        return Prior(curve)
