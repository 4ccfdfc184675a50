"""Times as people and programs write them (Unix milliseconds, RFC 3339, dates) to Unix milliseconds and back; for every door."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta

from awry.core.errors import InvalidInput
from awry.formats.numbers import MAX_TIME_MS, MIN_TIME_MS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_DIGITS = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]*)?")
_TEXT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[Tt ]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:[.,]([0-9]+))?\s?([Zz]|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_HINT = "write Unix milliseconds (1700000000000) or RFC 3339 (2023-11-14T22:13:20Z)"


def parse_time(value: int | float | str) -> int:
    """Unix ms of a number of milliseconds (as text too), an RFC 3339 time or a date; without a zone it is UTC.

    Fractions of a millisecond are dropped. Raises InvalidInput for anything else, and outside the years 1 to 9999.
    """
    if isinstance(value, str):
        return _in_range(_parse_text(value.strip()), value)
    if isinstance(value, bool) or (isinstance(value, float) and not math.isfinite(value)):
        raise InvalidInput(f"cannot read the time {value!r}: not a time", hint=_HINT)
    return _in_range(math.floor(value), value)


def format_time(ms: int) -> str:
    """RFC 3339 in UTC, with milliseconds only where there are any."""
    text = (_EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds" if ms % 1000 else "seconds")
    return text.replace("+00:00", "Z")


def _parse_text(text: str) -> int:
    if _DIGITS.fullmatch(text):
        return math.floor(int(text.partition(".")[0])) if not text.startswith("-") else math.floor(float(text))
    found = _TEXT.fullmatch(text)
    if found is None:
        raise InvalidInput(f"cannot read the time {text[:80]!r}: neither milliseconds nor RFC 3339", hint=_HINT)
    day, clock, fraction, zone = found.groups()
    zone = "+00:00" if zone in (None, "Z", "z") else zone
    try:
        moment = datetime.fromisoformat(f"{day}T{clock or '00:00'}{zone}")
        whole = (moment - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError) as error:
        raise InvalidInput(f"cannot read the time {text[:80]!r}: {error}", hint=_HINT) from error
    return whole + int((fraction or "0").ljust(3, "0")[:3])


def _in_range(ms: int, value: object) -> int:
    if not MIN_TIME_MS <= ms <= MAX_TIME_MS:
        raise InvalidInput(f"cannot use the time {str(value)[:80]}: outside the years 1 to 9999", hint=_HINT)
    return ms
