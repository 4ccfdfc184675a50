"""Rules and silences as the config file and the API write them, checked and turned into the nouns and back."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from awry.core.errors import InvalidInput, InvalidSelector
from awry.core.rule import SEVERITIES, Rule, Severity, Silence
from awry.core.selector import parse_selector
from awry.engine.threshold import budget_period_ms
from awry.server.durations import format_duration, parse_duration

NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")


class RuleBody(msgspec.Struct, forbid_unknown_fields=True, rename={"for_": "for"}, omit_defaults=False):
    """A rule as written; durations are texts such as "5m"."""

    name: str = ""
    selector: str = ""
    threshold: float | None = None
    budget: str | None = None
    clear: float | None = None
    for_: str = "0s"
    keep_for: str = "0s"
    absent: bool = True
    group_by: tuple[str, ...] = ()
    together: str = "5m"
    severity: str = "warning"
    notify: tuple[str, ...] = ()
    enabled: bool = True


class SilenceBody(msgspec.Struct, forbid_unknown_fields=True):
    """A silence as written; times are resolved by the caller."""

    selector: str
    start: int | str | None = None
    end: int | str | None = None
    duration: str | None = None
    comment: str = ""
    author: str = ""


RULE_FIELDS: tuple[str, ...] = tuple(field.encode_name for field in msgspec.structs.fields(RuleBody))


def read_rule(
    body: Mapping[str, Any], origin: Literal["default", "config", "api"], notifiers: frozenset[str] | None = None
) -> Rule:
    """A rule from what a person wrote. Raises InvalidInput that names the field.

    notifiers: names that `notify` may use; None skips that check.
    """
    try:
        return check_rule(msgspec.convert(dict(body), RuleBody), origin, notifiers)
    except msgspec.ValidationError as error:
        raise unreadable(error) from error


def unreadable(error: msgspec.ValidationError) -> InvalidInput:
    """The refusal of something that has not the fields of a rule."""
    return InvalidInput(f"cannot read the rule: {error}", hint=f"a rule has the fields {', '.join(RULE_FIELDS)}")


def check_rule(body: RuleBody, origin: Literal["default", "config", "api"], notifiers: frozenset[str] | None = None) -> Rule:
    """The rule of a decoded body, every field checked. Raises InvalidInput."""
    if not NAME.fullmatch(body.name):
        raise _bad("name", f"{body.name[:40]!r} is not 1 to 100 letters, digits, '-', '_' and '.'")
    try:
        parse_selector(body.selector)
    except InvalidSelector as error:
        raise _bad("selector", error.message, error.hint) from error
    if body.threshold is not None and body.budget is not None:
        raise _bad("budget", "a rule has a threshold or a budget, not both")
    for field, value in (("threshold", body.threshold), ("clear", body.clear)):
        if value is not None and not 0 < value <= 1:
            raise _bad(field, f"{value} is not in (0, 1]")
    if body.threshold is not None and body.clear is not None and body.clear > body.threshold:
        raise _bad("clear", f"{body.clear} is above the threshold {body.threshold}, so nothing would hold")
    if body.budget is not None:
        _check_budget(body.budget)
    if body.severity not in SEVERITIES:
        raise _bad("severity", f"{body.severity[:40]!r} is not one of {', '.join(SEVERITIES)}")
    severity: Severity = body.severity
    if len(body.group_by) > 16 or any(not 0 < len(label) <= 200 for label in body.group_by):
        raise _bad("group_by", "at most 16 label names are possible")
    if notifiers is not None:
        for name in body.notify:
            if name not in notifiers:
                raise _bad(
                    "notify", f"there is no notifier {name[:40]!r}", f"configured are: {', '.join(sorted(notifiers)) or 'none'}"
                )
    return Rule(
        name=body.name,
        selector=body.selector.strip(),
        threshold=body.threshold,
        budget=body.budget,
        clear=body.clear,
        for_ms=_duration("for", body.for_),
        keep_for_ms=_duration("keep_for", body.keep_for),
        absent=body.absent,
        group_by=body.group_by,
        together_ms=_duration("together", body.together),
        severity=severity,
        notify=body.notify,
        enabled=body.enabled,
        origin=origin,
    )


def show_rule(rule: Rule) -> dict[str, Any]:
    """A rule as the API writes it; without `origin` it can be sent back as it is."""
    return {
        "name": rule.name,
        "selector": rule.selector,
        "threshold": rule.threshold,
        "budget": rule.budget,
        "clear": rule.clear,
        "for": format_duration(rule.for_ms),
        "keep_for": format_duration(rule.keep_for_ms),
        "absent": rule.absent,
        "group_by": list(rule.group_by),
        "together": format_duration(rule.together_ms),
        "severity": rule.severity,
        "notify": list(rule.notify),
        "enabled": rule.enabled,
        "origin": rule.origin,
    }


def check_silence(body: SilenceBody, start: int, end: int, id: str = "") -> Silence:
    """A silence of a decoded body over [start, end) in Unix ms. Raises InvalidInput."""
    try:
        parse_selector(body.selector)
    except InvalidSelector as error:
        raise InvalidInput(f"cannot use the silence's selector: {error.message}", hint=error.hint) from error
    if not 0 <= start < end:
        raise InvalidInput("cannot silence an empty time range: end must be after start")
    if len(body.comment) > 4000 or len(body.author) > 200:
        raise InvalidInput("cannot keep a comment over 4000 or an author over 200 characters")
    return Silence(
        id=id or secrets.token_hex(8),
        selector=body.selector.strip(),
        start=start,
        end=end,
        comment=body.comment,
        author=body.author,
    )


def show_silence(silence: Silence, now: int) -> dict[str, Any]:
    """A silence as the API writes it."""
    state = "pending" if now < silence.start else "active" if now < silence.end else "expired"
    return {
        "id": silence.id,
        "state": state,
        "selector": silence.selector,
        "start": silence.start,
        "end": silence.end,
        "comment": silence.comment,
        "author": silence.author,
    }


def _check_budget(text: str) -> None:
    try:
        budget_period_ms(text)
    except InvalidInput as error:
        raise _bad("budget", error.message, error.hint) from error


def _duration(field: str, text: str) -> int:
    try:
        return parse_duration(text)
    except InvalidInput as error:
        raise _bad(field, error.message, error.hint) from error


def _bad(field: str, cause: str, hint: str = "") -> InvalidInput:
    return InvalidInput(f"cannot use the rule's {field}: {cause}", hint=hint)
