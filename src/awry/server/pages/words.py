"""Numbers, times and rarity in the words people read at 3 a.m.; template filters of the pages, mirrored in static/js/words.js."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from functools import lru_cache

from markupsafe import Markup, escape

from awry.core.errors import InvalidSelector
from awry.core.odds import every, how_often, rarity
from awry.core.quantity import num, span
from awry.core.quantity import unit_of as unit_of_name
from awry.core.reason import reason_of, was
from awry.core.series_key import parse_key

__all__ = ["every", "how_often", "num", "rarity", "reason_of", "span", "was"]

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
CUTS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.7)
"""Scores at which the seven classes change: ordinary, 1 in 10, 100, 1,000, 10,000, 100,000, 10 million."""
_TELLING = ("host", "instance", "node", "pod", "server", "machine", "device", "service", "app", "job", "region", "name")
_NBSP = "\u00a0"
_BREAKS = re.compile(r"(_|[{,](?=[A-Za-z_])|(?<=[A-Za-z])[./:](?=[A-Za-z]))")


def known(value: float | None) -> bool:
    """Whether there is a number at all: neither None nor NaN."""
    return value is not None and not math.isnan(value)


def score_class(score: float | None) -> int:
    """Class 0..6 of a score, as the seven colours show it; no score is class 0."""
    return 0 if score is None or math.isnan(score) else sum(score >= cut for cut in CUTS)


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
    return unit_of_name(split_key(key)[0])


def unbroken(text: str) -> Markup:
    """The text with its ranges (2–5) kept on one line, and with places where a long name may break."""
    return Markup(_BREAKS.sub(r"\1<wbr>", str(escape(text.replace("–", "\u2060–\u2060")))))
