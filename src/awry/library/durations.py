"""Durations as people write them, in milliseconds; for `interval=` and the command line."""

from __future__ import annotations

import re
from datetime import timedelta

from awry.core.errors import InvalidInput

_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d|w)\s*")


def duration_ms(value: str | float | timedelta) -> int:
    """Milliseconds of "60s", "1h30m", 60 (seconds) or a timedelta; at least 1. Raises InvalidInput.

    >>> duration_ms("1h30m"), duration_ms(0.25)
    (5400000, 250)
    """
    if isinstance(value, timedelta):
        ms = value.total_seconds() * 1000
    elif isinstance(value, str):
        text = value.strip()
        parts = _PART.findall(text)
        if text.replace(".", "", 1).isdigit():
            ms = float(text) * 1000
        elif parts and not _PART.sub("", text):
            ms = sum(float(number) * _UNITS[unit] for number, unit in parts)
        else:
            ms = 0.0
    else:
        ms = float(value) * 1000
    if not 1 <= ms < 2**53:
        raise InvalidInput(
            f"cannot use the interval {value!r}", hint='write a number of seconds or "60s", "5m", "1h30m"; at least 1 ms'
        )
    return round(ms)
