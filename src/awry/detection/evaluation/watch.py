"""A judge of which every output is kept, each head alone too, and that can be set back to where it was; for fault injection."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Arrays, Batch, Floats, Raw, Times, Values
from awry.core.errors import InvalidInput
from awry.core.growth import grown
from awry.core.kernel import kernel
from awry.detection.catalogue import make_judge
from awry.detection.onset import HOLD, onset

RAW, SCORE = "raw", "score"


@kernel
def onsets(
    slot: NDArray[np.int32], strength: Floats, hold: int, memory: Floats, waited: NDArray[np.int32], seen: NDArray[np.bool_],
    out: Floats,
) -> None:  # fmt: skip
    """Strength (n, heads) of each head where it is an onset, else 0; memory and waited (slots, heads), seen (slots,): the state."""
    for i in range(slot.shape[0]):
        s = slot[i]
        if np.isnan(strength[i, 0]):
            out[i, :] = 0.0
            continue
        for h in range(strength.shape[1]):
            v = strength[i, h]
            out[i, h] = v if onset(memory[s], waited[s], h, v, not seen[s], hold) else 0.0
        seen[s] = True


class _Recorder:
    """Passes a detector through and keeps its last answer."""

    def __init__(self, detector: Any) -> None:
        self.watched = detector
        self.last: Raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self.watched, name)

    def step(self, batch: Batch) -> Raw:
        self.last = self.watched.step(batch)
        return self.last


class Watch:
    """A fresh detector by name with its calibration; `outputs` are its heads, `raw` and `score`.

    Raises InvalidInput for one that compares series: its slots here are copies of one series, which would be each other's siblings.
    """

    def __init__(self, detector: str) -> None:
        self._judge = make_judge(detector)
        if hasattr(self._judge.detector, "group_of"):
            raise InvalidInput(
                f"cannot try faults on the detector {detector!r}: it compares series with their siblings, and a fault has none",
                hint="awry bench suite measures it on labelled sets",
            )
        self._recorder = self._judge.detector = _Recorder(self._judge.detector)
        self.parts = self._judge.parts
        self.heads = tuple(self._recorder.heads)
        self.outputs = (*self.heads, RAW, SCORE)
        self._hold = int(getattr(self._recorder.watched, "hold", HOLD))
        self._memory = np.zeros((0, len(self.heads)), np.float32)
        self._waited = np.zeros((0, len(self.heads)), np.int32)
        self._seen = np.zeros(0, np.bool_)

    def step(self, slot: NDArray[np.int32], time: Times, value: Values) -> tuple[Floats, NDArray[np.uint8]]:
        """What each output emits at each row (n, outputs), 0 where nothing, and the part that spoke (n,)."""
        slots = int(slot.max()) + 1
        self._judge.grow(slots)
        self._memory, self._waited = grown(self._memory, slots), grown(self._waited, slots)
        self._seen = grown(self._seen, slots)
        scored = self._judge.step(Batch.of(slot, time, value))
        out = np.empty((len(slot), len(self.outputs)), np.float32)
        heads = np.empty((len(slot), len(self.heads)), np.float32)
        onsets(slot, self._recorder.last.strength, self._hold, self._memory, self._waited, self._seen, heads)
        out[:, : len(self.heads)] = heads
        out[:, -2], out[:, -1] = np.nan_to_num(scored.raw), np.nan_to_num(scored.score)
        return out, scored.part

    def dump(self) -> Arrays:
        """The state of slot 0."""
        own = {"watch.memory": self._memory, "watch.waited": self._waited, "watch.seen": self._seen}
        return {**self._judge.dump(0, 1), **{name: array[:1].copy() for name, array in own.items()}}

    def load(self, state: Arrays, times: int) -> None:
        """Slots 0 to times - 1 all continue from a dumped one."""
        copies = {name: np.repeat(array, times, axis=0) for name, array in state.items()}
        self._memory = np.asarray(copies.pop("watch.memory"), np.float32)
        self._waited = np.asarray(copies.pop("watch.waited"), np.int32)
        self._seen = np.asarray(copies.pop("watch.seen"), np.bool_)
        self._judge.load(copies)


def threshold_for(clean: Floats, alerts: int) -> NDArray[np.float32]:
    """The lowest threshold per output at which clean emissions (rows, outputs) give at most so many alerts."""
    largest = -np.sort(-clean, axis=0)[min(alerts, len(clean) - 1)]
    threshold: NDArray[np.float32] = np.nextafter(np.maximum(largest, np.float32(1e-6)), np.float32(np.inf), dtype=np.float32)
    return threshold
