"""Turns what counters send into rates per second, before anything is stored or judged; for the pipeline, after admission.

A counter only ever rises, and begins again at zero when its process does: a value below the last one is such a reset, and all of it
came since. What is stored, scored and shown of a counter is its rate; what was sent is kept for the next sample alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Arrays, Batch
from awry.core.growth import grown
from awry.core.kernel import kernel
from awry.core.kind import COUNTER
from awry.core.tick import Sent

AT, SENT, RATE = range(3)
"""Columns by slot: Unix ms of the last value sent (0: none yet; exact in a float64), that value, and the rate as it stands."""


@kernel
def to_rates(
    slot: NDArray[np.int32],
    time: NDArray[np.int64],
    value: NDArray[np.float64],
    counter: NDArray[np.uint8],
    state: NDArray[np.float64],
    rows: NDArray[np.int32],
    rate: NDArray[np.float64],
) -> int:
    """Replace each counter's value by its rate per second since its last value, row by row; tells how many rows are counters'.

    slot, time (Unix ms, rising within a series), value: (n,) as sent, never infinite. counter: by slot, 1 for a counter. state:
    (slots, 3), see AT. rows: (n,) filled with the counters' rows. rate: (n,) a copy of value, changed where a counter is. NaN stays
    NaN and is passed over: the next rate is that since the last value. The first value has no rate: NaN; nor has one too steep for
    a float64.
    """
    found = 0
    for i in range(slot.shape[0]):
        s = slot[i]
        if counter[s] == 0:
            continue
        rows[found] = i
        found += 1
        v = value[i]
        if np.isnan(v):
            state[s, RATE] = np.nan
            continue
        r = np.nan
        if state[s, AT] > 0:
            last = state[s, SENT]
            r = (v if v < last else v - last) / ((time[i] - state[s, AT]) / 1000.0)
            if np.isinf(r):
                r = np.nan
        state[s, AT], state[s, SENT], state[s, RATE] = time[i], v, r
        rate[i] = r
    return found


@kernel
def remember(
    slot: NDArray[np.int32],
    time: NDArray[np.int64],
    rate: NDArray[np.float64],
    rows: NDArray[np.int32],
    sent: NDArray[np.float64],
    state: NDArray[np.float64],
) -> None:
    """Leave the state that `to_rates` left when it made these rates, (n,), of what was `sent` in `rows`, (k,)."""
    for k in range(rows.shape[0]):
        i = rows[k]
        s = slot[i]
        state[s, RATE] = rate[i] if not np.isnan(rate[i]) else np.nan  # of one sign, whatever was sent
        if not np.isnan(sent[k]):
            state[s, AT], state[s, SENT] = time[i], sent[k]


class Rates:
    """Which slots are counters, and of each the last value sent. Kinds come from the series table and from commands.

    The state belongs to the stages' checkpoint block, beside the arrivals: a replay from there feeds it what was sent, and never
    computes a rate, which the journal holds.
    """

    def __init__(self) -> None:
        self.slots = 0
        self._any = False
        self._counter = np.zeros(0, np.uint8)
        self._state = np.zeros((0, 3))

    def grow(self, slots: int, kinds: bytes) -> None:
        """Have room for this many slots. kinds: those of the new ones, as far as they are known; the rest are gauges."""
        before, self.slots = self.slots, max(self.slots, slots)
        self._counter = grown(self._counter, self.slots)
        self._state = grown(self._state, self.slots)
        if any(kinds):
            self._counter[before : before + len(kinds)] = np.frombuffer(kinds, np.uint8)
            self._any = True

    def put(self, slots: Sequence[int], counter: bool) -> None:
        """These series are counters, or are none, from now on, and have sent nothing."""
        self._counter[np.array(slots, np.int64)] = counter
        self._any = self._any or counter
        self.forget(slots)

    def know(self, kinds: bytes) -> None:
        """These are the kinds of the first slots, whatever was thought before: the store's, after a replay."""
        n = min(len(kinds), self.slots)
        self._counter[:n] = np.frombuffer(kinds, np.uint8, n)
        self._any = self._any or bool(self._counter[:n].any())

    def among(self, slots: Sequence[int]) -> tuple[int, ...]:
        """Those of the slots that are counters."""
        if not self._any:
            return ()
        asked = np.array(slots, np.int64)
        return tuple(asked[self._counter[asked] == COUNTER].tolist())

    def forget(self, slots: Sequence[int]) -> None:
        """These series have sent nothing."""
        self._state[np.array(slots, np.int64)] = 0

    def of(self, batch: Batch) -> tuple[Batch, Sent | None]:
        """The batch with rates in place of what counters sent, and what they sent; the batch itself when it holds no counter."""
        if not self._any or not self._counter[batch.slot].any():
            return batch, None
        rows, rate = np.empty(len(batch), np.int32), batch.value.copy()
        found = to_rates(batch.slot, batch.time, batch.value, self._counter, self._state, rows, rate)
        rows = rows[:found].copy()
        return Batch(batch.slot, batch.time, rate), Sent(rows, batch.value[rows])

    def replay(self, batch: Batch, sent: Sent | None) -> Batch:
        """What was sent, from a batch of rates and its `Sent`; leaves the state that `of` left."""
        if sent is None:
            return batch
        self._any = True
        remember(batch.slot, batch.time, batch.value, sent.rows, sent.value, self._state)
        return as_sent(batch, sent)

    def shown(self, value: NDArray[np.float64]) -> NDArray[np.float64]:
        """The newest value of each series, (slots,), as it is shown: given what was sent, changed where a counter is."""
        if self._any:
            counters = np.flatnonzero(self._counter[: value.shape[0]])
            begun = self._state[counters, AT] > 0
            value[counters] = np.where(begun, self._state[counters, RATE], np.nan)
        return value

    def dump(self) -> Arrays:
        """The state of the slots that sent something as counters."""
        slots = np.flatnonzero(self._state[: self.slots, AT]) if self._any else np.zeros(0, np.int64)
        return {"slot": slots.astype(np.int32), "state": self._state[slots].copy()}

    def load(self, state: Arrays) -> None:
        """Take over what was dumped; an older version dumped nothing."""
        if state:
            self._any = self._any or bool(state["slot"].size)
            self._state[state["slot"].astype(np.int64)] = state["state"]


def as_sent(batch: Batch, sent: Sent | None) -> Batch:
    """A tick's batch as it came: what counters sent in place of their rates."""
    if sent is None:
        return batch
    value = batch.value.copy()
    value[sent.rows] = sent.value
    return Batch(batch.slot, batch.time, value)
