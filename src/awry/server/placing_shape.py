"""Tables `[series.NAME]` of the config file, checked: which detector, time zone, holidays and kind a selector's series get."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from awry.core.errors import InvalidInput
from awry.core.kind import KINDS
from awry.core.placement import AUTO, Placement, Placing
from awry.core.selector import parse_selector
from awry.detection.calendar import calendar_of, holiday_table, zone_table
from awry.detection.catalogue import detector_names
from awry.server.components import nearest

SERIES_KEYS = {
    "selector": ("text", "required", "Which series; empty means every series."),
    "detector": ("text", "as [detection]", "Their detector; auto lets each have the one that its samples ask for."),
    "siblings_by": ("text", "none", "For the detector peers: the label, such as host, in which alone siblings differ."),
    "time_zone": ("text", "as [detection]", "Time zone whose hours and weekdays they follow, such as Europe/Berlin."),
    "holidays": ("text", "as [detection]", "Country whose holidays are days of rest, such as DE or DE-BY; empty means none."),
    "kind": ("text", "by the protocol or name", "counter: stored, judged and shown as its rate per second; gauge: as it is sent."),
}
"""Key -> type, default, sentence; the docs are written from it."""

Problem = tuple[str, InvalidInput]


def read_placing(name: str, table: Mapping[str, Any]) -> tuple[Placing | None, list[Problem]]:
    """One table, or None, and every mistake in it with its key."""
    problems: list[Problem] = []
    for key, value in table.items():
        if key not in SERIES_KEYS:
            known = list(SERIES_KEYS)
            message = f"cannot use the unknown key {key!r}"
            problems.append((key, InvalidInput(message, hint=f"known are: {', '.join(known)}{nearest(key, known)}")))
        elif not isinstance(value, str):
            problems.append((key, InvalidInput(f"cannot use {value!r}: a text in quotes is expected")))
    if "selector" not in table:
        problems.append(("selector", InvalidInput("cannot do without the key 'selector'", hint='"" selects every series')))
    stated = {key: value for key, value in table.items() if key in SERIES_KEYS and isinstance(value, str)}
    problems += placing_problems(stated, together=stated.get("siblings_by", ""))
    if problems:
        return None, problems
    detector, zone, days = (stated.get(key) for key in ("detector", "time_zone", "holidays"))
    return Placing.of(name, stated["selector"], detector, zone, days, stated.get("siblings_by", ""), stated.get("kind")), []


def placing_problems(stated: Mapping[str, str], together: str = "") -> list[Problem]:
    """Every mistake among the keys that are there. together: the label of `siblings_by`, "" where it is not stated."""
    checks: dict[str, Callable[[str], object]] = {
        "selector": parse_selector,
        "detector": _check_detector,
        "siblings_by": _check_label,
        "time_zone": zone_table,
        "holidays": holiday_table,
        "kind": _check_kind,
    }
    problems: list[Problem] = []
    for key, value in stated.items():
        try:
            checks[key](value)
        except InvalidInput as error:
            problems.append((key, error))
    compares = stated.get("detector") in COMPARING
    if compares and not together:
        message = f"cannot use the detector {stated['detector']!r} alone: it compares a series with its siblings"
        problems.append(
            ("detector", InvalidInput(message, hint='in a table [series.NAME], add siblings_by = "host" or another label'))
        )
    elif together and not compares:
        message = f"cannot use siblings_by with the detector {stated.get('detector', AUTO)!r}: it looks at no siblings"
        problems.append(("siblings_by", InvalidInput(message, hint='add detector = "peers"')))
    return problems


def check_pairs(placement: Placement) -> InvalidInput | None:
    """What is wrong with the whole: too many different pairs of time zone and holidays."""
    try:
        calendar_of(placement)
    except InvalidInput as error:
        return error
    return None


def _check_detector(name: str) -> None:
    if name != AUTO and name not in detector_names():
        known = [AUTO, *detector_names()]
        raise InvalidInput(f"cannot find the detector {name!r}", hint=f"there are: {', '.join(known)}{nearest(name, known)}")


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise InvalidInput(f"cannot use the kind {kind[:80]!r}", hint=f"there are: {', '.join(KINDS)}{nearest(kind, list(KINDS))}")


def _check_label(label: str) -> None:
    if not _LABEL.fullmatch(label):
        raise InvalidInput(f"cannot use the label {label[:80]!r}", hint="write its name alone, such as host")


_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]*")
COMPARING = ("peers",)
"""Detectors that compare the series of a group with each other."""
