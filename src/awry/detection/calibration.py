"""From a strength to a probability, per series and head, and from there to the score; for every detector.

Time is cut into *episodes*: one opens with an onset, a strength more than RISE above the last one, grows while onsets follow
within QUIET samples, and closes after QUIET samples without, once the strength has fallen RISE below its last onset: what goes on
unchanged is one episode. Each series counts its episodes by their largest strength in 48
bins. The rate of episodes at or above v is then p(v) = (c + A) / (N + A / G0(v)): c episodes in N samples, and a Gamma prior
that expects the pooled rate G0 (fitted by benchmarks/fit_prior.py, one curve each for young, growing and grown series). At
N = 40,000 both N and c are halved, so that old times fade. Rates near one episode per QUIET samples say nothing of a single
sample, so they are turned into the rate whose maximum over QUIET samples is as common: -ln(1 - QUIET p) / QUIET.

The heads are dependent; (heads + 1) / 2 times the smallest p was measured to keep the promise. The score is
min(1, -log10(that) / 10) at onsets and 0 between them; the segment is the same map of each head's
decaying maximum. Both are rounded to multiples of 0.0001.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from awry.detection.state import kernel

FLOOR_P = 1e-5
"""Smallest p per sample that calibration was measured to keep within a factor 1.5 on every set (benchmarks/calibration.py)."""
BINS, WIDTH = 48, 0.2
"""Bins of episode maxima, and their width in units of strength; the last one is open."""
QUIET = 100
"""Samples without an onset that close an episode."""
RISE = math.log(2.0)
PRIOR = 0.3
"""Weight of the prior, in episodes."""
HALVE_AT = 40_000
YOUNG, GROWN = 256, 1500
"""Scored samples from which the prior of growing series applies, and that of grown ones."""
AGES = 3
FADE = 0.939413
"""Decay of a segment per sample: to 1/e in 16."""
LEAST_P = 1e-12

PEAK, EPISODE, SEGMENT, LOWEST = 0, 1, 2, 3
"""float32 per head: strength of the last onset, largest of the open episode, decaying maximum, smallest since the last onset."""
SINCE, SEEN, AGE = 0, 1, 2
"""int32 per head: samples since the last onset (negative: none is open), samples counted, samples ever (saturating)."""


@kernel
def age_of(samples: int) -> int:
    """Which prior applies to a series with so many scored samples: 0 young, 1 growing, 2 grown."""
    return 0 if samples < YOUNG else (1 if samples < GROWN else 2)


@kernel
def episode_rate(bins: NDArray[np.uint16], seen: int, v: float, log_prior: NDArray[np.float64]) -> float:
    """p(v) of one head: bins (48,) of episode maxima among `seen` samples, log_prior (49,) ln G0 at the bin edges."""
    if v <= 0.0:
        return 1.0
    at = v / WIDTH
    k = min(int(at), BINS - 1)
    part = at - k
    if k < BINS - 1:
        count = (1.0 - part) * bins[k]
        for i in range(k + 1, BINS):
            count += bins[i]
    else:
        count = float(bins[k])
    pooled = math.exp(max(log_prior[k] + part * (log_prior[k + 1] - log_prior[k]), -40.0))
    rate = (count + PRIOR) / (seen + PRIOR / pooled)
    within = QUIET * rate
    if within >= 0.9999:
        return 1.0
    return min(1.0, -math.log1p(-within) / QUIET)


@kernel
def score_of(p: float) -> float:
    """min(1, -log10(p) / 10), rounded to a multiple of 0.0001."""
    return math.floor(min(1.0, -math.log10(min(max(p, LEAST_P), 1.0)) / 10.0) * 10_000.0 + 0.5) / 10_000.0


@kernel
def onset(state: NDArray[np.float32], count: NDArray[np.int32], bins: NDArray[np.uint16], v: float, fade: float) -> bool:
    """Whether v is an onset of one head; learns it: closes, opens or grows the episode, decays the segment by `fade`."""
    count[SINCE] = min(count[SINCE] + 1, 2_000_000_000)
    state[LOWEST] = min(state[LOWEST], v)
    if count[SINCE] > QUIET and state[LOWEST] <= max(state[PEAK] - RISE, 0.0):
        k = min(int(state[EPISODE] / WIDTH), BINS - 1)
        if count[SEEN] > 0 and bins[k] < 65_535:
            bins[k] += 1
        state[PEAK], state[EPISODE] = -1.0, 0.0
        count[SINCE] = 0
    count[SEEN] += 1
    count[AGE] = min(count[AGE] + 1, 2_000_000_000)
    if count[SEEN] >= HALVE_AT:
        count[SEEN] //= 2
        for i in range(BINS):
            bins[i] //= 2
    state[EPISODE] = max(state[EPISODE], v)
    state[SEGMENT] = max(fade * state[SEGMENT], v)
    if count[AGE] == 1 or v > state[PEAK] + RISE:
        state[PEAK] = state[LOWEST] = v
        count[SINCE] = 0
        return True
    return False


@kernel
def calibrate_rows(
    state: NDArray[np.float32], counts: NDArray[np.int32], bins: NDArray[np.uint16], priors: NDArray[np.float64],
    mix: NDArray[np.float64], fades: NDArray[np.float64], slot: NDArray[np.int32], strength: NDArray[np.float32],
    raw: NDArray[np.float32], score: NDArray[np.float32], segment: NDArray[np.float32],
) -> None:  # fmt: skip
    """Turn rows of strengths (n, heads) into raw, score and segment (n,), in order, learning each row after it was judged.

    state (slots, heads + 1, 4), counts (slots, heads + 1, 3), bins (slots, heads, 48): the last "head" is the mixture, whose
    onsets raw marks. priors: (3, heads, 49), by age. mix: (heads,), weights of the mixture.
    fades: (heads,), what a segment keeps of itself at each sample.
    """
    heads = strength.shape[1]
    unused = np.zeros(BINS, np.uint16)
    for i in range(slot.shape[0]):
        s = slot[i]
        if math.isnan(strength[i, 0]):
            raw[i] = score[i] = segment[i] = math.nan
            continue
        least, least_segment, mixed = 1.0, 1.0, 0.0
        for h in range(heads):
            v = strength[i, h]
            mixed += mix[h] * v
            seen = counts[s, h, SEEN]
            prior = priors[age_of(counts[s, h, AGE]), h]
            held = max(fades[h] * state[s, h, SEGMENT], v)
            p_held = episode_rate(bins[s, h], seen, held, prior)
            p = p_held if held == v else 1.0
            least_segment = min(least_segment, p_held)
            if onset(state[s, h], counts[s, h], bins[s, h], v, fades[h]):
                least = min(least, p if held == v else episode_rate(bins[s, h], seen, v, prior))
        score[i] = score_of(0.5 * (heads + 1) * least)
        segment[i] = score_of(0.5 * (heads + 1) * least_segment)
        raw[i] = mixed if onset(state[s, heads], counts[s, heads], unused, mixed, FADE) else 0.0


@dataclass(frozen=True, slots=True)
class Prior:
    """Pooled survival curves of a detector's heads: ln of episodes per sample at or above each bin edge, (3, heads, 49)."""

    log_rate: NDArray[np.float64]

    @staticmethod
    def shipped(detector: str, heads: int) -> Prior:
        """The curve shipped for a detector by name; for others one episode in 100 samples, a tenth as many per unit of strength."""
        tables = json.loads(resources.files("awry.detection").joinpath("prior.json").read_text())
        if detector in tables:
            return Prior(np.array(tables[detector]["log_rate"], np.float64))
        edges = np.arange(BINS + 1) * WIDTH
        return Prior(np.ascontiguousarray(np.broadcast_to(math.log(1 / QUIET) - math.log(10.0) * edges, (AGES, heads, BINS + 1))))
