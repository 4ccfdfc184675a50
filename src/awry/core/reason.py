"""Why a sample is strange, as a person would say it: one clause from the numbers stored beside it and the component that spoke.

It follows a series' name ("cpu of db-1 jumped to 93 (expected 20-30)") and says no more than these numbers show: which side of
the band the value lies on, and what the component stands for. It is told alike in incidents, messages, pages, the API and tables.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeGuard

import numpy as np

from awry.core.incident import IncidentSeries
from awry.core.quantity import num, span, unit_of
from awry.core.series_key import parse_key

TELLING = 0.2
"""Score from which a sample is strange enough for a reason: 1 in 100. Below, the component that spoke loudest says little."""

_WHATS = {
    "level": "a level hardly ever seen before",
    "day": "unusual for this time of day",
    "week": "unusual for this time of the week",
    "shape": "in a pattern not seen before",
    "pca": "out of step with its usual pattern",
    "start": "far from the few samples known so far",
    "residual": "not what its last values led to",
    "records": "a level or a change hardly ever seen before",
    "many": "more than its usual rate explains",
    "few": "less than its usual rate explains",
    "burst": "in a burst larger than usual",
    "distance": "far from its usual level",
    "tail": "far from its usual values",
    "emptiness": "where hardly any value was",
    "displacement": "unlike its recent past",
    "green": "and its last values are somewhat unlikely",
    "yellow": "and its last values are unlikely",
    "red": "and its last values are very unlikely",
}
"""What a component says of a value, where that does not depend on the side of the band."""
_SIDED = {
    "beyond": ("far above anything seen before", "far below anything seen before", "far beyond anything seen before"),
    "sustained": ("and has stayed high", "and has stayed low", "and has stayed away from its usual level"),
    "trend": ("and rising", "and falling", "after an unusually long climb or fall"),
    "variability": ("and swings more than usual",) * 3,
    "siblings": ("above where its siblings are", "below where its siblings are", "apart from its siblings"),
    "late": ("and was already apart from its siblings",) * 2 + ("and was apart from its siblings one sample before",),
}
"""The same above the band, below it, and where neither is known."""
_WITHIN = {
    "level": "its recent level was hardly ever seen before",
    "day": "its recent values are unusual for this time of day",
    "week": "its recent values are unusual for this time of the week",
}
"""Within the band the value is not odd, so what the component saw is in the means of the last ones."""
_ALONE = {"absent": "stopped sending"}


def clause(
    part: str, value: float | None, expected: float | None, low: float | None, high: float | None,
    unit: str = "",
) -> str:  # fmt: skip
    """What is strange about a sample. part: the component, a word of PARTS or of another detector, which is then left out.

    value, expected, low, high: as stored, None or NaN where unknown. unit: of the values, written behind them.
    """
    if part in _ALONE:
        return _ALONE[part]
    if not _known(value):
        return "is strange"
    v = _plain(num(value, unit))
    side = 0
    if _known(low) and _known(high):
        side = 1 if value > high else -1 if value < low else 0
        around = _plain(span(low, high, unit))
        hint = f" (expected {around})"
    else:
        around = ""
        hint = f" (expected about {_plain(num(expected, unit))})" if _known(expected) else ""
    if part == "heartbeat":
        return f"is {v} and its usual activity did not come"
    if part == "silence":
        return f"is {v}: nothing came for unusually long"
    if part == "flat":
        return f"has hardly moved from {v} for unusually long"
    if part == "jump":
        if side:
            return f"{'jumped' if side > 0 else 'dropped'} to {v}{hint}"
        return f"is {v}, {f'within the expected {around} but ' if around else ''}after an unusually large step"
    if part in ("above", "below") and side:
        return f"is {v}, {part} the expected {around}"
    what = _SIDED[part][{1: 0, -1: 1, 0: 2}[side]] if part in _SIDED else _WHATS.get(part, "")
    if side == 0 and part == "sustained":  # the band has followed it there: naming that would say that all is well
        return f"is {v} {what}"
    if side == 0 and around:
        if what.startswith("and "):
            return f"is {v}, within the expected {around}, {what}"
        if part in _WITHIN:
            return f"is {v}, within the expected {around}, but {_WITHIN[part]}"
        return f"is {v}, within the expected {around} but {what or 'unusual for it'}"
    if not what:
        return f"is {v}, expected {around}" if around else f"is {v}{hint}"
    return f"is {v}{' ' if what.startswith('and ') else ', '}{what}{hint}"


def was(clause: str) -> str:
    """The same of an earlier sample: "is 93, ..." -> "was 93, ..."; jumps, drops and what stopped are told as past already."""
    for now, then in (("is ", "was "), ("has ", "had ")):
        if clause.startswith(now):
            clause = then + clause[len(now) :]
    return clause.replace("and has stayed", "and had stayed").replace("and swings", "and swung")


def reason_of(series: IncidentSeries) -> str:
    """The clause of a series of an incident, where it was strangest."""
    unit = unit_of(parse_key(series.key)[0])
    return clause(series.part, series.value, series.expected, series.low, series.high, unit)


def reasons(parts: Sequence[str], value: Any, expected: Any, low: Any, high: Any, score: Any, unit: str = "") -> list[str | None]:
    """A clause for each sample whose score is TELLING, None for the others; all arrays have one entry per sample."""
    out: list[str | None] = [None] * len(parts)
    for i in np.flatnonzero(np.asarray(score) >= TELLING).tolist():
        x, thought, least, most = (float(column[i]) for column in (value, expected, low, high))
        out[i] = clause(parts[i], x, thought, least, most, unit)
    return out


def _known(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def _plain(text: str) -> str:
    """A clause goes to terminals and mails too: no non-breaking spaces."""
    return text.replace("\u00a0", " ")
