"""Durations and sizes as people write them ("90s", "5m", "30d", "32MiB"); for the config file, rules and the API."""

from __future__ import annotations

import re

from awry.core.errors import InvalidInput

_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_PART = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)(ms|s|m|h|d|w)")
_SIZE = re.compile(r"([0-9]{1,15})\s*(B|kB|KiB|MB|MiB|GB|GiB|TB|TiB)?")
_SIZE_UNITS = {"B": 1, "kB": 10**3, "KiB": 2**10, "MB": 10**6, "MiB": 2**20, "GB": 10**9, "GiB": 2**30, "TB": 10**12, "TiB": 2**40}
MAX_DURATION_MS = 10 * 366 * 86_400_000
"""Longest duration anyone may ask for: ten years."""


def parse_duration(text: object) -> int:
    """Milliseconds of "90s", "1h30m", "1.5d" or "0". Raises InvalidInput."""
    if isinstance(text, str):
        stripped = text.strip()
        if stripped == "0":
            return 0
        parts = list(_PART.finditer(stripped))
        if parts and "".join(p[0] for p in parts) == stripped:
            total = round(sum(float(p[1]) * _UNITS_MS[p[2]] for p in parts))
            if total <= MAX_DURATION_MS:
                return total
            raise InvalidInput(f"cannot use the duration {stripped[:40]!r}: longer than ten years")
    raise InvalidInput(
        f"cannot read the duration {str(text)[:40]!r}",
        hint='write a number and a unit in quotes: "500ms", "90s", "5m", "2h", "30d"',
    )


def format_duration(ms: int) -> str:
    """The shortest text that `parse_duration` reads back as the same number: "1h30m", "500ms", "0s"."""
    if ms == 0:
        return "0s"
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, ms = divmod(ms, _UNITS_MS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def parse_size(text: object) -> int:
    """Bytes of 33554432, "32MiB" or "10GB" (whole numbers only). Raises InvalidInput."""
    if isinstance(text, int) and not isinstance(text, bool) and text >= 0:
        return text
    if isinstance(text, str) and (found := _SIZE.fullmatch(text.strip())):
        return int(found[1]) * _SIZE_UNITS[found[2] or "B"]
    raise InvalidInput(f"cannot read the size {str(text)[:40]!r}", hint='write bytes as a number, or "32MiB", "10GB"')
