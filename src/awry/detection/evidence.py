"""What a series' samples say about the detector it needs: how many are zero, and whether the rest are small counts.

Pure kernels and functions of counters by slot; looked at when a series has a fixed number of samples, so a stream cut anywhere
leads to the same choice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from awry.core.kernel import kernel

FIRST, MOST = 512, 65_536
"""Samples after which a series is looked at, then again when they have doubled, at most so many apart."""
SPARSE, DENSE = 0.8, 0.5
"""A series becomes intermittent when this share of its samples is zero, and stops being it below the second."""
LEAST_EVENTS = 8
"""Samples above zero without which nothing can be said of them."""
SMALL = 1000.0
"""Largest whole number that counts as a small count."""
ODD_MOST, ODD_LEFT = 0.02, 0.2
"""Share of the samples above zero that may be no small counts: to become intermittent, and to remain."""
NEVER = 2**31 - 1


@kernel
def observe(
    seen: NDArray[np.int32], due: NDArray[np.int32], zeros: NDArray[np.int32], odd: NDArray[np.int32], slot: NDArray[np.int32],
    value: NDArray[np.float64], later: NDArray[np.bool_],
) -> tuple[int, int]:  # fmt: skip
    """Count the samples of a batch in order, each series up to its next look, due[slot]; the first four arrays are by slot.

    later (n,) becomes True for rows after that look. Returns how many series came to it, and how many rows are later ones.
    """
    reached = postponed = 0
    for i in range(slot.shape[0]):
        s = slot[i]
        if seen[s] >= due[s]:
            later[i] = True
            postponed += 1
            continue
        later[i] = False
        x = value[i]
        if not math.isfinite(x):
            continue
        if x == 0.0:
            zeros[s] += 1
        elif not (0.0 < x <= SMALL and x == math.floor(x)):
            odd[s] += 1
        if seen[s] < NEVER - 1:
            seen[s] += 1
        if seen[s] == due[s]:
            reached += 1
    return reached, postponed


@dataclass(frozen=True, slots=True)
class Evidence:
    """Counts since the last look: samples, those that are zero, and those that are neither zero nor a small count."""

    samples: int
    zeros: int
    odd: int

    def intermittent(self, already: bool) -> bool:
        """Whether the series is to be judged by its events; `already`: it is, and remains so more easily."""
        events = self.samples - self.zeros
        if already:
            return self.zeros >= DENSE * self.samples and self.odd <= ODD_LEFT * events
        return events >= LEAST_EVENTS and self.zeros >= SPARSE * self.samples and self.odd <= ODD_MOST * events

    @property
    def words(self) -> str:
        """ "97 % of 512 samples are zero"."""
        share = 100.0 * self.zeros / self.samples
        near = f"{share:.0f}" if share == 100.0 or share < 99.5 else f"{math.floor(share * 10) / 10:.1f}"
        return f"{near} % of {self.samples:,} samples are zero"

    @property
    def against(self) -> str:
        """Why the series is judged by its values all the same."""
        events = self.samples - self.zeros
        if self.zeros < SPARSE * self.samples:
            return self.words
        if events < LEAST_EVENTS:
            return f"{self.words}, too few others to judge events by"
        return f"{self.words}, but the others are no small counts"


def next_look(seen: int) -> int:
    """After how many samples a series that has `seen` of them is looked at again."""
    return min(seen + max(FIRST, min(seen, MOST)), NEVER - 2)
