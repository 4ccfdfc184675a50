"""Numbers, times and rarity in the words people read at 3 a.m.; template filters of the pages, mirrored in static/js/words.js."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from functools import lru_cache

from markupsafe import Markup, escape

from awry.core.errors import InvalidSelector
from awry.core.series_key import parse_key

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
CUTS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.7)
"""Scores at which the seven classes change: ordinary, 1 in 10, 100, 1,000, 10,000, 100,000, 10 million."""
_SPANS = ((365 * DAY, "year"), (30 * DAY, "month"), (7 * DAY, "week"), (DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"))
_TELLING = ("host", "instance", "node", "pod", "server", "machine", "device", "service", "app", "job", "region", "name")
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
_BREAKS = re.compile(r"(_|[{,](?=[A-Za-z_])|(?<=[A-Za-z])[./:](?=[A-Za-z]))")


def known(value: float | None) -> bool:
    """Whether there is a number at all: neither None nor NaN."""
    return value is not None and not math.isnan(value)


def score_class(score: float | None) -> int:
    """Class 0..6 of a score, as the seven colours show it; no score is class 0."""
    return 0 if score is None or math.isnan(score) else sum(score >= cut for cut in CUTS)


def rarity(score: float | None) -> str:
    """0.47 -> "1 in 50,000": how rare a sample of this score is."""
    if score is None or math.isnan(score):
        return "not judged"
    n = 10 ** (score * 10)
    if n < 2:
        return "ordinary"
    if score >= 1:
        return "rarer than 1 in 10 billion"
    unit, word = (1e9, " billion") if n >= 1e9 else (1e6, " million") if n >= 1e6 else (1.0, "")
    lead = n / unit
    power = 10 ** math.floor(math.log10(lead) + 1e-9)
    return f"1 in {math.floor(lead / power + 0.5) * power:,.0f}{word}"


def every(score: float | None, interval_ms: float) -> str:
    """The same as a stretch of time for a series with a sample each `interval_ms`: "once in 2 months"."""
    if score is None or math.isnan(score) or not interval_ms > 0:
        return ""
    ms = 10 ** (score * 10) * interval_ms
    if ms > 40 * 365 * DAY:
        return "not expected in 40 years"
    for length, word in _SPANS:
        if ms >= length * 0.95:
            n = math.floor(ms / length + 0.5)
            return f"once {'an' if word == 'hour' else 'a'} {word}" if n == 1 else f"once in {n} {word}s"
    return "all the time"


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


def ago(ms: float) -> str:
    """A length of time: "40 s", "29 min", "3 h 05 min", "2 d 4 h"."""
    ms = max(0.0, ms)
    if ms < MINUTE:
        return f"{ms / 1000:.0f}{_NBSP}s"
    if ms < HOUR:
        return f"{ms // MINUTE:.0f}{_NBSP}min"
    if ms < DAY:
        return f"{ms // HOUR:.0f}{_NBSP}h{_NBSP}{ms % HOUR // MINUTE:02.0f}{_NBSP}min"
    return f"{ms // DAY:.0f}{_NBSP}d{_NBSP}{ms % DAY // HOUR:.0f}{_NBSP}h"


def clock(ms: int | None, now: int | None = None) -> str:
    """A moment in UTC: "03:12" today, "Mon 16:00" this week, else "14 Feb 02:51" (with the year where it is another)."""
    if ms is None:
        return ""
    try:
        at = datetime.fromtimestamp(ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return f"{ms} ms"
    text = f"{at:%H:%M}"
    if now is None:
        return text
    today = datetime.fromtimestamp(now / 1000, UTC)
    if at.date() == today.date():
        return text
    if 0 <= now - ms < 6 * DAY:
        return f"{at:%a} {text}"
    year = "" if at.year == today.year else f" {at.year}"
    return f"{at.day} {at:%b}{year} {text}"


def iso(ms: int | None) -> str:
    """RFC 3339, for <time datetime>."""
    if ms is None:
        return ""
    try:
        return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (OverflowError, ValueError, OSError):
        return ""


def plural(n: int, word: str, many: str = "") -> str:
    """1 series -> "1 incident", "1,240 incidents"."""
    return f"{n:,} {word if n == 1 else many or word + 's'}"


@lru_cache(maxsize=4096)
def split_key(key: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Name and labels of a key; a key that does not parse is all name."""
    try:
        return parse_key(key)
    except InvalidSelector:
        return key, ()


def name_of(key: str) -> str:
    """The metric's name."""
    return split_key(key)[0]


def labels_of(key: str) -> str:
    """The labels as "host=db-1 role=postgres"."""
    return " ".join(f"{k}={v}" for k, v in split_key(key)[1])


def subject(key: str) -> str:
    """The series as a sentence names it: "cpu_utilization of db-1"."""
    name, labels = split_key(key)
    values = dict(labels)
    for label in _TELLING:
        if label in values:
            return f"{name} of {values[label]}"
    return f"{name} of {labels[0][1]}" if labels else name


def unit_of(key: str) -> str:
    """The unit a metric's name ends with, or ""."""
    name = split_key(key)[0]
    return next((unit for ending, unit in _UNITS if name.endswith(ending)), "")


def unbroken(text: str) -> Markup:
    """The text with its ranges (2–5) kept on one line, and with places where a long name may break."""
    return Markup(_BREAKS.sub(r"\1<wbr>", str(escape(text.replace("–", "\u2060–\u2060")))))
