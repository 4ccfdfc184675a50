"""Fits the pooled survival curves that calibration shrinks to, from the labelled sets of a data folder; writes prior.json.

    python -m benchmarks.fit_prior DATA [--detector NAME ...] [--out src/awry/detection/prior.json]

Per set, channel and age of the series it counts episodes as calibration does, by their largest strength, leaving out those that
touch a labelled row or one of the 100 after, and averages the rates over the sets with equal weight. In NAB nobody looked for
in the first 15 % of a file, at most 750 rows, so these count as labelled. Simulated idle hosts count as one set more. Where
fewer than 20 episodes remain the curve goes on log-linearly, less steeply. With the channels' curves known the same is done for
their combination. Only these curves of 49 numbers are shipped, none of the data; curves of detectors not named are kept.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Batch
from awry.core.kernel import kernel
from awry.detection.calibration import (
    AGES,
    BINS,
    COMBINED,
    HALVE_AT,
    LEAST_P,
    MEMORY,
    WIDTH,
    Prior,
    age_of,
    episode_rate,
    learn_strength,
)
from awry.detection.catalogue import detector_names, make_detector
from awry.detection.onset import HOLD, RISE, onset
from awry.detection.scorer import apart_of, channels_of
from benchmarks.series_sets import FOLDERS, labelled, strengths, synthetic

Series = tuple[NDArray[np.float32], NDArray[np.bool_]]
"""Strengths (rows, heads or channels) of one series and which rows to leave out."""
Tally = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Episodes (ages, bins) and samples (ages,) of one head in a set."""
FEWEST = 20
SAMPLES = 1000
"""A set with fewer samples of an age says nothing of it."""
TAIL_CAUTION = (0.8, 0.9, 1.0, 1.0)
"""Share of the slope kept beyond the counted part, by age: real tails are heavier than they look from few samples."""
SMALLEST = 0.01
"""Share of episodes below which strengths are what is left of larger ones."""
AFTER = 100
"""Rows left out after a labelled one."""


@kernel
def tally(strength: NDArray[np.float32], out: NDArray[np.bool_], bins: NDArray[np.float64], seen: NDArray[np.float64]) -> None:
    """Add one series' episodes that touch no row of `out` to bins (ages, BINS), and its other samples to seen (ages,)."""
    memory, waited = np.zeros(1, np.float32), np.zeros(1, np.int32)
    samples, most, spoiled, opened = 0, np.float32(0.0), False, 0
    for i in range(strength.shape[0]):
        v = strength[i]
        if math.isnan(v):
            continue
        age = age_of(samples)
        if onset(memory, waited, 0, v, samples == 0, HOLD):
            if most == 0.0:
                opened, spoiled = age, False
            most = max(most, v)
        spoiled = spoiled or out[i]
        if most > 0.0 and memory[0] < most - RISE:
            if not spoiled and samples > 0:
                bins[opened, min(int(most / WIDTH), BINS - 1)] += 1
            most = np.float32(0.0)
        if not out[i]:
            seen[age] += 1
        samples += 1


@kernel
def combine(
    strength: NDArray[np.float32], apart: NDArray[np.bool_], priors: NDArray[np.float64], combined: NDArray[np.float32]
) -> None:
    """The strength of the heads' combination at each row, as calibration makes it of strength (rows, heads)."""
    heads = strength.shape[1]
    state, waited = np.zeros((3, heads), np.float32), np.zeros(heads, np.int32)
    least = np.zeros((heads, BINS), np.uint16)
    seen, samples = 0, 0
    for i in range(strength.shape[0]):
        combined[i] = math.nan
        if math.isnan(strength[i, 0]):
            continue
        smallest = 1.0
        for h in range(heads):
            v = strength[i, h]
            if not apart[h] and (v > state[MEMORY, h] + RISE or samples == 0):
                smallest = min(smallest, episode_rate(least[h], seen, v, priors[age_of(samples), h]))
            learn_strength(state, waited, least[h], h, v, samples == 0, 0.0, HOLD)
        combined[i] = -COMBINED * math.log(max(smallest, LEAST_P))
        seen, samples = seen + 1, samples + 1
        if seen >= HALVE_AT:
            seen //= 2
            for h in range(heads):
                for k in range(BINS):
                    least[h, k] //= 2


def tally_of(series: Sequence[Series], head: int) -> Tally:
    """Episodes and samples of one head in a set."""
    bins, seen = np.zeros((AGES, BINS)), np.zeros(AGES)
    for strength, out in series:
        tally(np.ascontiguousarray(strength[:, head]), out, bins, seen)
    return bins, seen


def curve_of(tallies: Sequence[Tally]) -> NDArray[np.float64]:
    """ln of the mean rate of episodes at or above each bin edge: (ages, BINS + 1)."""
    curve = np.empty((AGES, BINS + 1))
    for age in range(AGES):
        heard = [(bins[age], seen[age]) for bins, seen in tallies if seen[age] >= SAMPLES]
        above = [np.append(np.cumsum(bins[::-1])[::-1], 0.0) for bins, _ in heard]
        rate = np.mean([a / seen for a, (_, seen) in zip(above, heard, strict=True)], axis=0)
        filled = max(int(np.sum(np.sum(above, axis=0) >= FEWEST)) - 1, 1)
        back = min(filled, 10)
        log_rate = np.log(np.maximum(rate, 1e-300))
        slope = min((log_rate[filled] - log_rate[filled - back]) / back * TAIL_CAUTION[age], -0.03)
        log_rate[filled:] = log_rate[filled] + slope * np.arange(BINS + 1 - filled)
        counts = np.sum([bins for bins, _ in heard], axis=0)
        smallest = int(np.searchsorted(np.cumsum(counts), SMALLEST * counts.sum()))
        log_rate[: min(smallest, filled)] = 0.0
        curve[age] = np.minimum.accumulate(np.minimum(log_rate, 0.0))
    return curve


def fit(sets: Sequence[Sequence[Series]], detector: str) -> Prior:
    """Curves of every channel, and of their combination under these curves, from several sets of equal weight."""
    weights = channels_of(make_detector(detector)).T.astype(np.float32)
    sets = [[(np.ascontiguousarray(strength @ weights), out) for strength, out in series] for series in sets]
    channels, apart = weights.shape[1], apart_of(make_detector(detector))
    curve = Prior.plain(channels).log_rate
    for head in range(channels):
        curve[:, head] = curve_of([tally_of(series, head) for series in sets])
    together: list[list[Series]] = []
    for series in sets:
        together.append([])
        for strength, out in series:
            combined = np.empty((len(out), 1), np.float32)
            combine(strength, apart, curve, combined[:, 0])
            together[-1].append((combined, out))
    curve[:, channels] = curve_of([tally_of(series, 0) for series in together])
    return Prior(np.round(curve, 3))


def left_out(series: Sequence[Series], *, start: bool = False) -> list[Series]:
    """The series with labelled rows and the 100 after them marked; start: and the first 15 % of rows, at most 750."""
    out = []
    for strength, truth in series:
        near = np.convolve(truth, np.ones(AFTER + 1), "full")[: len(truth)] > 0.5
        out.append((strength, near | (start & (np.arange(len(truth)) < min(0.15 * len(truth), 750)))))
    return out


def siblings() -> dict[str, list[Series]]:
    """The strengths of `peers` on groups of 12 synthetic siblings that share a daily course, by the kind of what is their own."""
    rng, rows, count = np.random.default_rng(5), 6000, 12
    time = np.repeat(np.arange(rows) * 60_000 + 1_700_000_000_000, count)
    kinds = {
        "normal": lambda: rng.normal(size=(rows, count)),
        "student t3": lambda: rng.standard_t(3, (rows, count)),
        "lognormal": lambda: rng.lognormal(0, 0.7, (rows, count)),
        "counts": lambda: rng.poisson(5, (rows, count)).astype(np.float64),
    }
    sets: dict[str, list[Series]] = {}
    for kind, own in kinds.items():
        sets[kind] = []
        for _ in range(4):
            common = 10 * np.sin(2 * np.pi * np.arange(rows) / 1440)[:, None] + rng.normal(size=(rows, 1))
            detector = make_detector("peers")
            detector.grow(count)
            raw = detector.step(Batch.of(np.tile(np.arange(count), rows), time, (50 + common + own()).ravel()))
            strength = raw.strength.reshape(rows, count, -1)
            sets[kind] += [(np.ascontiguousarray(strength[:, k]), np.zeros(rows, np.bool_)) for k in range(count)]
    return sets


def sparse() -> dict[str, list[Series]]:
    """The strengths of `counts` on what a router gives it: synthetic counts that are mostly zero, by kind."""
    rng, rows, count = np.random.default_rng(6), 20_000, 12
    time = np.arange(rows) * 60_000 + 1_700_000_000_000
    often = rng.uniform(0.01, 0.15, count)
    kinds = {
        "single events": lambda k: (rng.random(rows) < often[k]).astype(np.float64),
        "counts": lambda k: rng.poisson(often[k], rows).astype(np.float64),
        "clusters": lambda k: np.where(rng.random(rows) < often[k], rng.geometric(0.3, rows), 0).astype(np.float64),
        "by day": lambda k: rng.poisson(often[k] * (1 + np.sin(2 * np.pi * np.arange(rows) / 1440))).astype(np.float64),
    }
    sets: dict[str, list[Series]] = {}
    for kind, values in kinds.items():
        sets[kind] = []
        for k in range(count):
            detector = make_detector("counts")
            detector.grow(1)
            raw = detector.step(Batch.of(np.zeros(rows), time, values(k)))
            sets[kind].append((raw.strength, np.zeros(rows, np.bool_)))
    return sets


def read_sets(data: Path, detector: str) -> dict[str, list[Series]]:
    """The heads' strengths on each labelled set, and of idle hosts: 20 over days and 100 in their first hours."""
    if detector == "peers":
        return siblings()
    if detector == "counts":
        return {**sparse(), "idle host": strengths(synthetic("idle host", seed=77), detector)}
    sets = {name: left_out(strengths(labelled(data, name), detector)) for name in FOLDERS}
    sets["nab"] = left_out(strengths(labelled(data, "nab"), detector), start=True)
    sets["idle host"] = strengths(synthetic("idle host", seed=77), detector)
    sets["idle host"] += strengths(synthetic("idle host", 1600, 100, seed=78), detector)
    return sets


def main() -> None:
    """Fit on all sets and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--detector", action="append", metavar="NAME", help="may be given several times (default: default)")
    parser.add_argument("--out", type=Path, default=Path("src/awry/detection/prior.json"))
    args = parser.parse_args()
    names = detector_names() if args.detector == ["all"] else args.detector or ["default"]
    for name in dict.fromkeys(getattr(make_detector(n), "prior", n) for n in names):
        prior = fit(list(read_sets(args.data, name).values()), name)
        about = "ln of episodes per sample at or above each edge of 48 bins of width 0.2; by age, head (their combination last)"
        table = json.loads(args.out.read_text()) if args.out.exists() else {}
        table[name] = {"about": about, "log_rate": prior.log_rate.tolist()}
        args.out.write_text(json.dumps(table) + "\n")
        for age, word in enumerate(("fresh", "young", "growing", "grown")):
            for head, curve in enumerate(prior.log_rate[age]):
                print(name, word, head, " ".join(f"{v:.1e}" for v in np.exp(curve[::6])))


if __name__ == "__main__":
    main()
