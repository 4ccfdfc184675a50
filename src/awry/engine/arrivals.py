"""When samples of each series come: refuses what is late, double, from the future or not a number to keep; knows the interval."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from awry.core.admission import OLDEST_MS
from awry.core.batch import Arrays, Batch
from awry.core.growth import grown
from awry.core.kernel import kernel
from awry.core.tick import REASONS
from awry.detection.absent import absent, learn_gap

DUPLICATE, LATE, FUTURE, INFINITE, RANGE = (REASONS.index(r) for r in ("duplicate", "late", "future", "infinite", "out_of_range"))
LIVE_GRACE_MS = 300_000

_COLUMNS: dict[str, Any] = {
    "last_time": np.int64,
    "last_value": np.float64,
    "last_seen": np.int64,
    "interval": np.float32,
    "gap_max": np.float32,
    "count": np.uint32,
    "absent": np.uint8,
}


@kernel
def admit(
    slot: NDArray[np.int32],
    time: NDArray[np.int64],
    value: NDArray[np.float64],
    now: int,
    future: int,
    last_time: NDArray[np.int64],
    last_value: NDArray[np.float64],
    last_seen: NDArray[np.int64],
    interval: NDArray[np.float32],
    gap_max: NDArray[np.float32],
    count: NDArray[np.uint32],
    reason: NDArray[np.uint8],
) -> int:
    """Fill `reason` (n,) with 0 or an index into REASONS, row by row, learning accepted rows; tells how many are accepted.

    interval and gap_max, in ms of the series' own time: see `detection.absent`.
    """
    accepted = 0
    for i in range(slot.shape[0]):
        s, t, v = slot[i], time[i], value[i]
        if np.isinf(v):
            reason[i] = INFINITE
            continue
        if t < OLDEST_MS:
            reason[i] = RANGE
            continue
        if t > now + future:
            reason[i] = FUTURE
            continue
        n = count[s]
        if n > 0:
            previous = last_time[s]
            if t <= previous:
                same = v == last_value[s] or (np.isnan(v) and np.isnan(last_value[s]))
                reason[i] = DUPLICATE if t == previous and same else LATE
                continue
            learn_gap(float(t - previous), s, interval, gap_max, count)
        reason[i] = 0
        last_time[s] = t
        last_value[s] = v
        last_seen[s] = now
        count[s] = n + 1 if n < 4294967295 else n
        accepted += 1
    return accepted


class Arrivals:
    """State by slot: last time and value, interval, longest gap, count, and whether the series is absent."""

    def __init__(self) -> None:
        self.slots = 0
        self.columns: dict[str, NDArray[Any]] = {name: np.zeros(0, dtype) for name, dtype in _COLUMNS.items()}

    def grow(self, slots: int) -> None:
        """Have room for this many slots."""
        for name, column in self.columns.items():
            self.columns[name] = grown(column, slots)
        self.slots = max(self.slots, slots)

    def admit(self, batch: Batch, now: int, future_ms: int) -> tuple[NDArray[np.uint8], int]:
        """Reason of each row (0: accepted) and how many were accepted."""
        reason = np.zeros(len(batch), np.uint8)
        c = self.columns
        accepted = admit(
            batch.slot, batch.time, batch.value, now, future_ms, c["last_time"], c["last_value"], c["last_seen"],
            c["interval"], c["gap_max"], c["count"], reason,
        )  # fmt: skip
        return reason, int(accepted)

    def begin(self, slots: NDArray[np.int64] | slice, now: int) -> None:
        """These slots have new series, first heard of at `now`."""
        for column in self.columns.values():
            column[slots] = 0
        self.columns["last_seen"][slots] = now

    def newly_absent(self, now: int) -> NDArray[np.intp]:
        """Slots of series that have stopped by `now`: a steady cadence, then nothing for far longer than ever before.

        Only series whose samples were live (time near the clock) count: history that was loaded does not go absent.
        """
        c, n = self.columns, self.slots
        gone = absent(now, c["last_seen"][:n], c["interval"][:n], c["gap_max"][:n], c["count"][:n])
        slots = np.flatnonzero(gone)
        live = c["last_time"][slots] + 3 * c["interval"][slots] + LIVE_GRACE_MS > c["last_seen"][slots]
        stopped: NDArray[np.intp] = slots[live & (c["absent"][slots] == 0)]
        return stopped

    def dump(self) -> Arrays:
        """Copies of every column."""
        return {name: column[: self.slots].copy() for name, column in self.columns.items()}

    def load(self, state: Arrays) -> None:
        """Take over dumped columns."""
        self.grow(int(state["last_time"].shape[0]))
        for name in _COLUMNS:
            self.columns[name][: state[name].shape[0]] = state[name]
