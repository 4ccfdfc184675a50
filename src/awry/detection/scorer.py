"""A detector with its calibration: samples in, scores on one scale out; what the engine and the library drive."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Arrays, Batch, Floats, Scored
from awry.core.errors import InvalidInput
from awry.core.growth import grown
from awry.core.protocols import Detector
from awry.detection.calibration import BINS, WAITED, Prior, calibrate_rows
from awry.detection.default import DefaultDetector
from awry.detection.onset import FADE, HOLD


def channels_of(detector: Detector) -> NDArray[np.float64]:
    """Weights (channels, heads) of the strengths that are calibrated."""
    own = getattr(detector, "channels", ())
    return np.array(own, np.float64) if own else np.eye(len(detector.heads))


def apart_of(detector: Detector) -> NDArray[np.bool_]:
    """Which channels are not part of the combination, (channels,)."""
    return np.array(getattr(detector, "apart", (False,) * len(channels_of(detector))), np.bool_)


class Scorer:
    """The Judge: steps a detector, then calibrates its strengths per series. The same thread rules as a Detector.

    name: under which the prior is shipped. A detector may have `channels`, the weights of its heads in each strength that is
    calibrated (default: every head by itself); `fades`, what each channel's segment keeps of itself from sample to sample; `mix`,
    the weights of its heads in `raw`, which ranks anomalies of one kind of series; and `hold`, the samples for which raw remembers
    an onset.
    marked: raw is 0 between its onsets; False: it is there at every sample, as measures of ranking want it.
    """

    def __init__(
        self, detector: Detector | None = None, *, name: str = "default", prior: Prior | None = None, marked: bool = True
    ) -> None:
        self.detector: Detector = detector or DefaultDetector()
        self.heads = self.detector.heads
        self.parts = self.detector.parts
        self.warmup = self.detector.warmup
        self.marked = marked
        heads = len(self.heads)
        self._mix = np.array(getattr(self.detector, "mix", (1.0 / heads,) * heads), np.float64)
        self._channels = channels_of(self.detector)
        channels = len(self._channels)
        self._apart = apart_of(self.detector)
        self._fades = np.array(getattr(self.detector, "fades", (FADE,) * channels), np.float64)
        self._hold = int(getattr(self.detector, "hold", HOLD))
        wanted = {
            "mix": (self._mix, (heads,)),
            "channels": (self._channels, (channels, heads)),
            "fades": (self._fades, (channels,)),
            "apart": (self._apart, (channels,)),
        }
        for option, (array, shape) in wanted.items():  # the kernel checks no bounds
            if array.shape != shape:
                raise InvalidInput(f"cannot calibrate {name!r}: {option} has the shape {array.shape}, not {shape}")
        self._priors = (prior or Prior.shipped(name, channels)).log_rate
        self._state = np.zeros((0, 3, channels + 2), np.float32)
        self._counts = np.zeros((0, WAITED + channels + 2), np.int32)
        self._least = np.zeros((0, channels + 1, BINS), np.uint16)
        self._slots = 0

    def grow(self, slots: int) -> None:
        """Have state for at least this many slots; no other call runs meanwhile."""
        self._slots = max(self._slots, slots)
        self.detector.grow(slots)
        self._state = grown(self._state, slots)
        self._counts = grown(self._counts, slots)
        self._least = grown(self._least, slots)

    def step(self, batch: Batch) -> Scored:
        """For each row in order: score it with what was known, then learn it. NaN and warm-up give NaN."""
        raw = self.detector.step(batch)
        mixed, score, segment = self.calibrate(batch, raw.strength)
        return Scored(mixed, score, segment, raw.expected, raw.low, raw.high, raw.part)

    def calibrate(self, batch: Batch, strength: Floats) -> tuple[Floats, Floats, Floats]:
        """raw, score and segment of strengths (n, heads) that a detector gave for the batch; the second half of `step`."""
        n = len(batch)
        raw, score, segment = np.empty(n, np.float32), np.empty(n, np.float32), np.empty(n, np.float32)
        calibrate_rows(
            self._state, self._counts, self._least, self._priors, self._channels, self._apart, self._mix, self._fades,
            self._hold, self.marked, batch.slot, strength, raw, score, segment,
        )  # fmt: skip
        return raw, score, segment

    def dump(self, start: int = 0, stop: int | None = None) -> Arrays:
        """Copies of the state rows of slots [start, stop): enough to continue bit for bit."""
        end = self._slots if stop is None else min(stop, self._slots)
        arrays: Arrays = {"detector." + name: a for name, a in self.detector.dump(start, end).items()}
        arrays["calibration.state"] = self._state[start:end].copy()
        arrays["calibration.counts"] = self._counts[start:end].copy()
        arrays["calibration.least"] = self._least[start:end].copy()
        return arrays

    def load(self, state: Arrays, start: int = 0) -> None:
        """Take over dumped state from slot `start` on, growing as needed."""
        stop = start + state["calibration.counts"].shape[0]
        self.grow(stop)
        prefix = "detector."
        self.detector.load({k[len(prefix) :]: a for k, a in state.items() if k.startswith(prefix)}, start)
        self._state[start:stop] = state["calibration.state"]
        self._counts[start:stop] = state["calibration.counts"]
        self._least[start:stop] = state["calibration.least"]
