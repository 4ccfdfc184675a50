"""What this time of day and of week usually looks like: 96 quarter hours and 168 hours of running means, in UTC."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from awry.detection.state import kernel

KNOWN_VISITS = 2
"""Visits after which a bucket's mean is believed."""
QUARTER_MS, HOUR_MS = 900_000, 3_600_000


@kernel
def bucket_of(time: int, width_ms: int, buckets: int) -> int:
    """Which bucket of a cycle of `buckets` x `width_ms` a time (Unix ms) falls into; the week begins on Thursday, as 1970 did."""
    return int((time // width_ms) % buckets)


@kernel
def learn_profile(
    f: NDArray[np.float32], at: int, visits: NDArray[np.uint8], visits_at: int, bucket: int, entered: bool, x: float, damp: float
) -> None:
    """Move the bucket's mean towards x: by 1/(6 visits), at least 2 %, times `damp`; the first sample sets it.

    f[at + bucket]: the mean. visits[visits_at + bucket]: times the bucket was entered, saturating at 255.
    """
    seen = visits[visits_at + bucket]
    if entered and seen < 255:
        visits[visits_at + bucket] = seen + 1
    if seen == 0:
        f[at + bucket] = x
    else:
        rate = max(1.0 / (6.0 * visits[visits_at + bucket]), 0.02) * damp
        f[at + bucket] += rate * (x - f[at + bucket])
