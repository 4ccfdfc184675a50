"""How rare a score is, in words: the odds of one sample, and how often that is for a series; wherever a score is shown."""

from __future__ import annotations

import math

_MINUTE = 60_000
_DAY = 24 * 60 * _MINUTE
_SPANS = (
    (365 * _DAY, "year"), (30 * _DAY, "month"), (7 * _DAY, "week"), (_DAY, "day"), (60 * _MINUTE, "hour"), (_MINUTE, "minute"),
)  # fmt: skip

MEASURED = 1e5
"""Odds to which calibration is measured: rarer ones are not told as a longer time, which nobody could have watched."""


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
    """The same as a stretch of time for a series with a sample each `interval_ms`: "once in 2 months", "less than once a year"."""
    if score is None or math.isnan(score) or not interval_ms > 0:
        return ""
    odds = 10 ** (score * 10)
    least = "less than " if odds > MEASURED * 1.01 else ""
    ms = min(odds, MEASURED) * interval_ms
    for length, word in _SPANS:
        if ms >= length * 0.95:
            n = math.floor(ms / length + 0.5)
            return least + (f"once {'an' if word == 'hour' else 'a'} {word}" if n == 1 else f"once in {n} {word}s")
    return "less than once a minute" if least else "all the time"


def how_often(score: float | None, interval_ms: float) -> str:
    """The same as part of a sentence: "about once in 2 months for this series"; "" where it is not known or not rare."""
    text = every(score, interval_ms)
    if not text or score is None or score < 0.1:
        return ""
    return f"{'about ' if text.startswith('once') else ''}{text} for this series"
