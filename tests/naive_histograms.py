"""The slow, obvious twins of the quantile kernels: every bucket an interval, walked in order of value."""

from __future__ import annotations

import math

Bucket = tuple[float, float, float]
"""Low, high, count."""


def explicit_buckets(bounds: list[float], counts: list[float]) -> list[Bucket]:
    """The lowest begins at 0 or, if its bound is not positive, is only that bound; the highest is only its lower bound."""
    lows = [min(0.0, bounds[0]) if bounds[0] > 0 else bounds[0], *bounds]
    return list(zip(lows, [*bounds, bounds[-1]], counts, strict=True))


def exponential_buckets(
    scale: int, zero: float, threshold: float, positive: dict[int, float], negative: dict[int, float]
) -> list[Bucket]:
    """By index; base 2^(2^-scale)."""
    width = 2.0**-scale
    down = [(-(2.0 ** ((i + 1) * width)), -(2.0 ** (i * width)), n) for i, n in sorted(negative.items(), reverse=True)]
    up = [(2.0 ** (i * width), 2.0 ** ((i + 1) * width), n) for i, n in sorted(positive.items())]
    some = (any(n for _, _, n in down), any(n for _, _, n in up))
    return [*down, (-threshold if some[0] else 0.0, threshold if some[1] else 0.0, zero), *up]


def quantile(buckets: list[Bucket], q: float, *, logarithmic: bool) -> float:
    """Within a bucket evenly, or evenly in the logarithm if both ends have one sign."""
    total = sum(n for _, _, n in buckets)
    if not total:
        return math.nan
    rank = q * total
    for low, high, n in buckets:
        if n and n >= rank:
            share = rank / n
            if logarithmic and low * high > 0:
                return math.copysign(abs(low) ** (1 - share) * abs(high) ** share, low)
            return low + (high - low) * share
        rank -= n
    return max(high for _, high, n in buckets if n)
