"""The default detector: one state per series, five heads, a few microseconds a sample.

Heads, in natural or binary logarithms so that steps compare: `shape` is severity, the product of nearest-window distance,
residual and PCA residual, times a root of the records, with the residual alone in the first 255 samples; `records` is how far 44
statistics passed their own extremes, best for small faults; `heartbeat` a missing burst or a flat line; `beyond` how many ranges
of its past a value lies outside of it, which lets calibration tell odd from absurd; `residual` how many usual errors it lies off
its time of day.

While its own episode is open (severity's decaying maximum at HELD_ABOVE or more) the mean, the spread, the day and week profiles
and the expected value learn at a tenth of their speed, for at most HELD_MOST = 240 samples; a lasting change is learned at full
speed from then on, so that after about 240 + 3 x 24 samples it is what the detector expects.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Arrays, Batch, Raw
from awry.core.errors import InvalidInput
from awry.core.growth import grown
from awry.detection.calendar import Calendar
from awry.detection.onset import FADE, HOLD
from awry.detection.records import FAMILY, FAMILY_NAMES, WEIGHT
from awry.detection.severity import SWITCHES, WARMUP, scratch, step_rows
from awry.detection.speaker import PARTS
from awry.detection.state import AGES, BYTES, COUNTERS, DOUBLES, FLOATS


@dataclass
class DefaultDetector:
    """Heads shape, records, heartbeat, beyond and residual from one state of 5.3 KB a series; hours and days by `calendar`."""

    heads: tuple[str, ...] = ("shape", "records", "heartbeat", "beyond", "residual")
    parts: tuple[str, ...] = PARTS
    warmup: int = WARMUP
    mix: tuple[float, ...] = (1.0, 0.5, 0.0, 0.0, 0.0)
    """Weight of each head in the combined strength `raw`."""
    channels: tuple[tuple[float, ...], ...] = (
        (1.0, 0.0, 0.0, 0.0, 0.0),
        (0.0, 1.0, 0.0, 0.0, 0.0),
        (0.0, 0.0, 1.0, 0.0, 0.0),
        (0.0, 0.0, 0.0, 1.0, 0.0),
    )
    """Weights of the heads in each strength that is calibrated."""
    apart: tuple[bool, ...] = (False, False, True, False)
    """Channels that answer for themselves: a burst that did not come is not one more oddity, and counted with the oddities it would
    make them seem common."""
    lasting: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 0.3)
    """Weight of each head in the strength whose decaying maximum ranks how abnormal whole stretches are."""
    hold: int = HOLD
    """Samples for which raw remembers an onset as it was."""
    without: tuple[str, ...] = ()
    """Components left out, of ABLATIONS; to measure what each is worth."""
    fades: tuple[float, ...] = (FADE, FADE, FADE, 0.8)
    """What each channel's segment keeps of itself."""
    prior: str = "default"
    """Name of the pooled curves that calibrate it."""
    calendar: Calendar | None = field(default=None, repr=False)
    """Time zones and holidays; None: UTC, no holidays."""
    zone_of: Callable[[int], int] | None = field(default=None, repr=False)
    """Slot -> entry of the calendar, asked once, at a slot's first sample; not dumped, so a restart asks anew. None: entry 0."""
    _zone: NDArray[np.uint16] = field(default_factory=lambda: np.zeros(0, np.uint16), repr=False)
    _f: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, FLOATS), np.float32), repr=False)
    _u: NDArray[np.uint16] = field(default_factory=lambda: np.zeros((0, AGES), np.uint16), repr=False)
    _b: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, BYTES), np.uint8), repr=False)
    _c: NDArray[np.int32] = field(default_factory=lambda: np.zeros((0, COUNTERS), np.int32), repr=False)
    _d: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, DOUBLES), np.float64), repr=False)
    _slots: int = 0
    _on: NDArray[np.float64] = field(init=False, repr=False)
    _weight: NDArray[np.float32] = field(init=False, repr=False)

    ABLATIONS: ClassVar[tuple[str, ...]] = (*SWITCHES, *FAMILY_NAMES)
    """What `without` may name: factors of severity, and families of records."""

    def __post_init__(self) -> None:
        unknown = set(self.without) - set(self.ABLATIONS)
        if unknown:
            raise InvalidInput(f"cannot leave out {', '.join(sorted(unknown))}", hint=f"there are: {', '.join(self.ABLATIONS)}")
        self._on = np.array([float(name not in self.without) for name in SWITCHES])
        kept = np.array([name not in self.without for name in FAMILY_NAMES])
        self._weight = (WEIGHT * kept[FAMILY]).astype(np.float32)

    def grow(self, slots: int) -> None:
        """Have state for at least this many slots; no other call runs meanwhile."""
        self._slots = max(self._slots, slots)
        for name in ("_f", "_u", "_b", "_c", "_d", "_zone"):
            setattr(self, name, grown(getattr(self, name), slots))

    def step(self, batch: Batch) -> Raw:
        """For each row in order: score it with what was known, then learn it. NaN: nothing learned, NaN out."""
        n = len(batch)
        raw = Raw(
            np.empty((n, len(self.heads)), np.float32),
            np.empty(n, np.float32),
            np.empty(n, np.float32),
            np.empty(n, np.float32),
            np.empty(n, np.uint8),
        )
        time = batch.time if self.calendar is None else self.calendar.times(self._zone, batch, self.zone_of)
        step_rows(
            self._f, self._u, self._b, self._c, self._d, batch.slot, time, batch.value,
            raw.strength, raw.expected, raw.low, raw.high, raw.part, self._on, self._weight, *scratch(),
        )  # fmt: skip
        return raw

    def dump(self, start: int = 0, stop: int | None = None) -> Arrays:
        """Copies of the state rows of slots [start, stop): enough to continue bit for bit."""
        rows = slice(start, self._slots if stop is None else min(stop, self._slots))
        return {name: getattr(self, "_" + name)[rows].copy() for name in "fubcd"}

    def load(self, state: Arrays, start: int = 0) -> None:
        """Take over dumped state from slot `start` on, growing as needed."""
        stop = start + state["c"].shape[0]
        self.grow(stop)
        for name in "fubcd":
            getattr(self, "_" + name)[start:stop] = state[name]


def records() -> DefaultDetector:
    """The default detector with `raw` from its records: best for small faults and on NAB; an onset is remembered for longer."""
    return DefaultDetector(mix=(0.08, 1.0, 0.0, 0.0, 0.0), hold=80)


def shape() -> DefaultDetector:
    """The default detector with `raw` from shape and residual: best on labelled operational series."""
    return DefaultDetector(mix=(1.0, 0.0, 0.0, 0.0, 0.3))
