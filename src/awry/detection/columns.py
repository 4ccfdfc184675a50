"""What a Router knows of each series: the columns of its table, and which series sit on which bench."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from awry.detection.bench import Bench

COLUMNS = 13
BENCH, ROW, NEXT, NEXT_ROW, SEEN, DUE, SINCE, ZEROS, ODD, WHY, WHY_OF, WHY_ZEROS, WHY_ODD = range(COLUMNS)
"""By slot: its bench plus one (0: none yet; negative: its state is not here, and was on this bench) and row; the same of the one
that is learning; samples seen, at the next look, at the last one; counts since; and why: a reason (see `choice`) with the counts
that led to it."""
SAVED = (SEEN, DUE, SINCE, ZEROS, ODD, WHY, WHY_OF, WHY_ZEROS, WHY_ODD)


def by_bench(at: NDArray[np.int32], benches: Sequence[Bench]) -> Iterable[tuple[Bench, int, NDArray[np.intp]]]:
    """(bench, role, where): the series it speaks for (role 0), then those it is learning (1)."""
    for number, bench in enumerate(benches, 1):
        for role, column in ((0, BENCH), (1, NEXT)):
            where = np.flatnonzero(at[column] == number)
            if where.size:
                yield bench, role, where
