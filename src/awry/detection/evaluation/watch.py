"""A judge of which every output is kept, each head alone too, and that can be set back to where it was; for fault injection."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Arrays, Batch, Floats, Raw, Times, Values
from awry.detection.calibration import BINS, FADE, onset
from awry.detection.catalogue import make_judge
from awry.detection.state import grown, kernel

RAW, SCORE = "raw", "score"


@kernel
def onsets(slot: NDArray[np.int32], strength: Floats, state: NDArray[np.float32], count: NDArray[np.int32], out: Floats) -> None:
    """Strength (n, heads) of each head where it is an onset by the rule of `raw`, else 0; state and count as calibration's."""
    unused = np.zeros(BINS, np.uint16)
    for i in range(slot.shape[0]):
        for h in range(strength.shape[1]):
            v = strength[i, h]
            out[i, h] = 0.0
            if not np.isnan(v) and onset(state[slot[i], h], count[slot[i], h], unused, v, FADE):
                out[i, h] = v


class _Recorder:
    """Passes a detector through and keeps its last answer."""

    def __init__(self, detector: Any) -> None:
        self._detector = detector
        self.last: Raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._detector, name)

    def step(self, batch: Batch) -> Raw:
        self.last = self._detector.step(batch)
        return self.last


class Watch:
    """A fresh detector by name with its calibration; `outputs` are its heads, `raw` and `score`."""

    def __init__(self, detector: str) -> None:
        self._judge = make_judge(detector)
        self._recorder = self._judge.detector = _Recorder(self._judge.detector)
        self.parts = self._judge.parts
        self.heads = tuple(self._recorder.heads)
        self.outputs = (*self.heads, RAW, SCORE)
        self._state = np.zeros((0, len(self.heads), 4), np.float32)
        self._count = np.zeros((0, len(self.heads), 3), np.int32)

    def step(self, slot: NDArray[np.int32], time: Times, value: Values) -> tuple[Floats, NDArray[np.uint8]]:
        """What each output emits at each row (n, outputs), 0 where nothing, and the part that spoke (n,)."""
        slots = int(slot.max()) + 1
        self._judge.grow(slots)
        self._state, self._count = grown(self._state, slots), grown(self._count, slots)
        scored = self._judge.step(Batch.of(slot, time, value))
        out = np.empty((len(slot), len(self.outputs)), np.float32)
        heads = np.empty((len(slot), len(self.heads)), np.float32)
        onsets(slot, self._recorder.last.strength, self._state, self._count, heads)
        out[:, : len(self.heads)] = heads
        out[:, -2], out[:, -1] = np.nan_to_num(scored.raw), np.nan_to_num(scored.score)
        return out, scored.part

    def dump(self) -> Arrays:
        """The state of slot 0."""
        return {**self._judge.dump(0, 1), "watch.state": self._state[:1].copy(), "watch.count": self._count[:1].copy()}

    def load(self, state: Arrays, times: int) -> None:
        """Slots 0 to times - 1 all continue from a dumped one."""
        copies = {name: np.repeat(array, times, axis=0) for name, array in state.items()}
        self._state = np.asarray(copies.pop("watch.state"), np.float32)
        self._count = np.asarray(copies.pop("watch.count"), np.int32)
        self._judge.load(copies)


def threshold_for(clean: Floats, alerts: int) -> NDArray[np.float32]:
    """The lowest threshold per output at which clean emissions (rows, outputs) give at most so many alerts."""
    largest = -np.sort(-clean, axis=0)[min(alerts, len(clean) - 1)]
    threshold: NDArray[np.float32] = np.nextafter(np.maximum(largest, np.float32(1e-6)), np.float32(np.inf), dtype=np.float32)
    return threshold
