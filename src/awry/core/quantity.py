"""Values as people read them: three digits, thousands marked, bytes in GB, the unit that a metric's name ends with.

The pages say the same in static/js/words.js.
"""

from __future__ import annotations

import math

_UNITS = (
    ("_bytes_per_second", "B/s"),
    ("_bytes", "B"),
    ("_seconds", "s"),
    ("_milliseconds", "ms"),
    ("_ms", "ms"),
    ("_percent", "%"),
    ("_celsius", "°C"),
    ("_per_second", "per s"),
)
_NBSP = "\u00a0"


def unit_of(name: str) -> str:
    """The unit a metric's name ends with, or ""."""
    return next((unit for ending, unit in _UNITS if name.endswith(ending)), "")


def _plain(value: float) -> str:
    size = abs(value)
    if size == 0:
        return "0"
    if size >= 1e15 or size < 1e-4:
        lead, _, power = f"{value:.2e}".partition("e")
        return f"{lead.rstrip('0').rstrip('.')}e{int(power)}"
    if size >= 1e9:
        unit, word = (1e12, "trillion") if size >= 1e12 else (1e9, "billion")
        return f"{_plain(value / unit)}{_NBSP}{word}"
    if size >= 999.5 or (value == int(value) and size >= 1):
        return f"{math.floor(value + 0.5):,}"
    if size >= 100:
        return f"{value:.0f}"
    digits = 1 if size >= 10 else 2 if size >= 1 else 2 - math.floor(math.log10(size))
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def _scale(value: float, unit: str) -> tuple[float, str]:
    """Divisor and unit for bytes and for seconds below a thousandth; other units are never scaled."""
    if unit == "s" and 0 < abs(value) < 1e-3:
        return (1e-6, "µs") if abs(value) >= 1e-6 else (1e-9, "ns")
    if not unit.startswith("B"):
        return 1.0, unit
    divisor, prefix = next(((s, p) for s, p in _PREFIXES if abs(value) >= s), (1.0, ""))
    return divisor, prefix + unit


def num(value: float | None, unit: str = "") -> str:
    """Three digits are enough: 15.1 %, 245 MB, 1,779; a value that is missing says so."""
    if value is None or math.isnan(value):
        return "no sample"
    if math.isinf(value):
        return "infinite"
    divisor, unit = _scale(value, unit)
    return _plain(value / divisor) + (_NBSP + unit if unit else "")


def span(low: float | None, high: float | None, unit: str = "") -> str:
    """low–high with the unit once; "to" between them where a minus sign would stand beside the dash."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return "not known yet"
    divisor, unit = _scale(max(low, high, key=abs), unit)
    ends = dict.fromkeys((_plain(low / divisor), _plain(high / divisor)))
    return (" to " if min(low, high) < 0 else "–").join(ends) + (_NBSP + unit if unit else "")
