"""Synthetic families of series in which nothing happens: what calibration must keep its promise on; seeded, for benches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Times, Values
from awry.core.errors import InvalidInput

FAMILIES = (
    "normal",
    "ar .9",
    "ar .99",
    "random walk",
    "seasonal",
    "weekly on/off",
    "lognormal",
    "student t3",
    "counts",
    "zero-inflated",
    "quantised",
    "rare steps",
    "idle host",
)
"""Names of the families:

- normal: independent; ar .9, ar .99: autoregressive of order 1; random walk: its sum
- seasonal: a daily sine of 5 on an ar .5; weekly on/off: 10 in office hours of five days, unit noise
- lognormal: of sigma 1; student t3: heavy tails on both sides
- counts: Poisson of mean 3; zero-inflated: zero but for 1 in 20, then exponential
- quantised: ar .9 rounded to 2 of its own deviations; rare steps: constant but for a step about once in 2,000 rows
- idle host: ten-second figures of a machine that does nothing, disk, network, CPU and load in turn
"""
BEGINNING_MS = 1_700_000_000_000


def step_ms(family: str) -> int:
    """A minute; idle hosts ten seconds."""
    return 10_000 if family == "idle host" else 60_000


def ar1(rng: np.random.Generator, rows: int, phi: float) -> NDArray[np.float64]:
    """An autoregressive series of order 1 with unit innovations."""
    noise, x = rng.normal(size=rows), np.empty(rows)
    state = 0.0
    for i in range(rows):
        state = phi * state + noise[i]
        x[i] = state
    return x


def idle_host(rng: np.random.Generator, rows: int, kind: int) -> NDArray[np.float64]:
    """Ten-second figures of an idle machine: mostly nothing, timers, heavy bursts; kind: 0 disk, 1 network, 2 CPU, 3 load."""
    burst = rng.random(rows) < (0.08, 0.3, 0.05, 0.04)[kind]
    size = rng.pareto((1.1, 1.3, 1.8, 1.5)[kind], rows)
    timer = (np.arange(rows) + rng.integers(360)) % int(rng.choice([6, 30, 180, 360])) == 0
    x: NDArray[np.float64] = burst * size + timer * rng.lognormal(0.5, 0.5, rows)
    if kind == 0:
        return np.asarray(np.floor(x * 8) * 4096, np.float64)
    if kind == 1:
        return np.asarray(np.floor(x * 900 + rng.poisson(2, rows) * 60), np.float64)
    if kind == 2:
        return np.asarray(np.round(np.minimum(1.0 + rng.normal(0, 0.2, rows).clip(-0.9) + 3 * x, 100.0), 1), np.float64)
    load, out = 0.1, np.empty(rows)
    for i in range(rows):
        load += (1 - np.exp(-10 / 60)) * (min(x[i], 16.0) - load)
        out[i] = round(load, 2)
    return out


def values_of(family: str, rng: np.random.Generator, rows: int, number: int = 0) -> Values:
    """One series of a family. number: which of the idle host's figures."""
    return np.asarray(_values_of(family, rng, rows, number), np.float64)


def _values_of(family: str, rng: np.random.Generator, rows: int, number: int) -> NDArray[Any]:
    t = np.arange(rows)
    match family:
        case "normal":
            return rng.normal(size=rows)
        case "ar .9":
            return ar1(rng, rows, 0.9)
        case "ar .99":
            return ar1(rng, rows, 0.99)
        case "random walk":
            return np.cumsum(rng.normal(size=rows))
        case "seasonal":
            return 5 * np.sin(2 * np.pi * t / 1440) + ar1(rng, rows, 0.5)
        case "weekly on/off":
            day, minute = (t // 1440) % 7, t % 1440
            return 10.0 * ((day < 5) & (minute >= 480) & (minute < 1080)) + rng.normal(size=rows)
        case "lognormal":
            return rng.lognormal(0, 1, rows)
        case "student t3":
            return rng.standard_t(3, rows)
        case "counts":
            return rng.poisson(3, rows).astype(np.float64)
        case "zero-inflated":
            return (rng.random(rows) < 0.05) * rng.exponential(1.0, rows)
        case "quantised":
            return np.round(ar1(rng, rows, 0.9) / 4.6) * 4.6
        case "rare steps":
            return 100.0 + np.cumsum((rng.random(rows) < 1 / 2000) * rng.normal(0, 5, rows))
        case "idle host":
            return idle_host(rng, rows, number % 4)
    raise InvalidInput(f"cannot make the family {family!r}", hint=f"there are: {', '.join(FAMILIES)}")


def synthetic(family: str, rows: int = 40_000, count: int = 20, seed: int = 1) -> Iterator[tuple[Times, Values]]:
    """Times and values of `count` seeded series of one family."""
    rng = np.random.default_rng(seed)
    time = np.arange(rows, dtype=np.int64) * step_ms(family) + BEGINNING_MS
    for number in range(count):
        yield time, values_of(family, rng, rows, number)
