"""A detector with its calibration: samples in, scores on one scale out; what the engine and the library drive."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Arrays, Batch, Scored
from awry.core.protocols import Detector
from awry.detection.calibration import BINS, FADE, Prior, calibrate_rows
from awry.detection.default import DefaultDetector
from awry.detection.state import grown


class Scorer:
    """The Judge: steps a detector, then calibrates its strengths per series. The same thread rules as a Detector.

    name: under which the prior is shipped. A detector may have `mix`, the weight of each head in `raw`, which ranks anomalies of
    one kind of series, and `fades`, what each head's segment keeps of itself from sample to sample.
    """

    def __init__(self, detector: Detector | None = None, *, name: str = "default", prior: Prior | None = None) -> None:
        self.detector: Detector = detector or DefaultDetector()
        self.heads = self.detector.heads
        self.parts = self.detector.parts
        self.warmup = self.detector.warmup
        heads = len(self.heads)
        mix = getattr(self.detector, "mix", tuple(1.0 / heads for _ in range(heads)))
        self._mix = np.array(mix, np.float64)
        self._fades = np.array(getattr(self.detector, "fades", (FADE,) * heads), np.float64)
        self._priors = (prior or Prior.shipped(name, heads)).log_rate
        self._state = np.zeros((0, heads + 1, 4), np.float32)
        self._counts = np.zeros((0, heads + 1, 3), np.int32)
        self._bins = np.zeros((0, heads, BINS), np.uint16)
        self._slots = 0

    def grow(self, slots: int) -> None:
        """Have state for at least this many slots; no other call runs meanwhile."""
        self._slots = max(self._slots, slots)
        self.detector.grow(slots)
        self._state, self._counts, self._bins = (grown(a, slots) for a in (self._state, self._counts, self._bins))

    def step(self, batch: Batch) -> Scored:
        """For each row in order: score it with what was known, then learn it. NaN and warm-up give NaN."""
        raw = self.detector.step(batch)
        n = len(batch)
        mixed, score, segment = np.empty(n, np.float32), np.empty(n, np.float32), np.empty(n, np.float32)
        calibrate_rows(
            self._state, self._counts, self._bins, self._priors, self._mix, self._fades, batch.slot, raw.strength,
            mixed, score, segment,
        )  # fmt: skip
        return Scored(mixed, score, segment, raw.expected, raw.low, raw.high, raw.part)

    @property
    def calibration_arrays(self) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.uint16]]:
        """state, counts and bins as `calibrate_rows` takes them; for benches."""
        return self._state, self._counts, self._bins

    def dump(self, start: int = 0, stop: int | None = None) -> Arrays:
        """Copies of the state rows of slots [start, stop): enough to continue bit for bit."""
        end = self._slots if stop is None else min(stop, self._slots)
        arrays: Arrays = {"detector." + name: a for name, a in self.detector.dump(start, end).items()}
        arrays["calibration.state"] = self._state[start:end].copy()
        arrays["calibration.counts"] = self._counts[start:end].copy()
        arrays["calibration.bins"] = self._bins[start:end].copy()
        return arrays

    def load(self, state: Arrays, start: int = 0) -> None:
        """Take over dumped state from slot `start` on, growing as needed."""
        stop = start + state["calibration.counts"].shape[0]
        self.grow(stop)
        prefix = "detector."
        self.detector.load({k[len(prefix) :]: a for k, a in state.items() if k.startswith(prefix)}, start)
        self._state[start:stop] = state["calibration.state"]
        self._counts[start:stop] = state["calibration.counts"]
        self._bins[start:stop] = state["calibration.bins"]
