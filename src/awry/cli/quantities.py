"""Numbers and times as people type them at the command line: 250k, 1M, 60s, 10."""

from __future__ import annotations

import argparse
import re

from awry.core.errors import InvalidInput


def parse_count(text: str) -> int:
    """1000000, 1_000_000, 1e6, 250k or 1M. Raises argparse's error."""
    found = re.fullmatch(r"([0-9_]+(?:\.[0-9]+)?(?:e[0-9]{1,2})?)([kKmM]?)", text.strip())
    try:
        number = float(found[1]) * {"": 1, "k": 1e3, "m": 1e6}[found[2].lower()] if found else 0.0
    except ValueError:
        number = 0.0
    if not 1 <= number <= 1e9 or number != int(number):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0; write 250000, 250k or 1M")
    return int(number)


def parse_seconds(text: str) -> float:
    """Seconds of "60s", "5m", or of a plain number of seconds. Raises argparse's error."""
    from awry.server.durations import parse_duration

    try:
        seconds = float(text) if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text.strip()) else parse_duration(text) / 1000
    except InvalidInput as error:
        raise argparse.ArgumentTypeError(f"{error.message}; {error.hint}") from error
    if not 0.001 <= seconds <= 86_400 * 3650:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time above 0 and below ten years")
    return seconds
