"""From the raw parts of an OTLP point's key to a name and labels: names fit for a key, values as text; for `otlp_admission`."""

from __future__ import annotations

import base64
import json
import re
import struct
from collections.abc import Iterable
from typing import Any

from awry.core.errors import InvalidInput
from awry.core.series_key import MAX_KEY_BYTES, MAX_LABELS
from awry.formats.otlp_lookup import SCOPE_TAG
from awry.formats.protobuf import fields, signed

SCOPE_LABEL = "otel.scope.name"
"""Label of the scope's name, where it is part of a key."""
MAX_DEPTH = 8
"""Deepest nesting of lists and maps in an attribute."""
_NOT_IN_NAMES = re.compile(r'[\s{}",\x00-\x1f\x7f]')
_NOT_IN_LABELS = re.compile(r'[\s{}"=,!~\x00-\x1f\x7f]')


class Refusal(Exception):
    """Why a series cannot be kept; the reason is its argument."""


def shared_labels(raw: bytes) -> dict[str, str]:
    """Labels of the raw key of a resource and scope. Raises Refusal."""
    labels: dict[str, str] = {}
    try:
        for tag, _, content in fields(raw):
            if tag == SCOPE_TAG:
                labels[SCOPE_LABEL] = content.decode()
            else:
                label, text = _attribute(content)
                labels[label] = text
    except (UnicodeDecodeError, InvalidInput) as error:
        raise _refusal(error) from error
    return labels


def identify(name: bytes, shared: dict[str, str], attributes: Iterable[bytes]) -> tuple[str, dict[str, str]]:
    """Name and labels of a point's series; attributes are KeyValues. Raises Refusal."""
    own: dict[str, str] = {}
    try:
        for content in attributes:
            label, text = _attribute(content)
            if label in own:
                raise Refusal("duplicate_label")
            own[label] = text
        text = _NOT_IN_NAMES.sub("_", name.decode())
    except (UnicodeDecodeError, InvalidInput) as error:
        raise _refusal(error) from error
    labels = shared | own  # what a point says of itself is nearer than what its resource says
    if not text:
        raise Refusal("missing_name")
    if "" in labels:
        raise Refusal("empty_label")
    if len(labels) > MAX_LABELS or sum(map(len, labels.values())) > MAX_KEY_BYTES:
        raise Refusal("too_long")
    return text, labels


def _refusal(error: UnicodeDecodeError | InvalidInput) -> Refusal:
    return Refusal("not_utf8" if isinstance(error, UnicodeDecodeError) else "malformed")


def _attribute(content: bytes) -> tuple[str, str]:
    """The label of a KeyValue."""
    key, value = _pair(content)
    return _NOT_IN_LABELS.sub("_", key), _text(_value(value, 0))


def _pair(content: bytes) -> tuple[str, bytes]:
    key = value = b""
    for tag, _, inner in fields(content):
        if tag == 10:
            key = inner
        elif tag == 18:
            value = inner
    return key.decode(), value


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _value(content: bytes, depth: int) -> Any:
    """An AnyValue as JSON has it, bytes in base64."""
    if depth > MAX_DEPTH:
        raise Refusal("too_deep")
    found: Any = None
    for tag, number, inner in fields(content):
        match tag:
            case 10:
                found = inner.decode()
            case 16:
                found = number != 0
            case 24:
                found = signed(number)
            case 33:
                found = struct.unpack("<d", inner)[0]
            case 42:
                found = [_value(one, depth + 1) for tag, _, one in fields(inner) if tag == 10]
            case 50:
                pairs = [_pair(one) for tag, _, one in fields(inner) if tag == 10]
                found = {key: _value(one, depth + 1) for key, one in pairs}
            case 58:
                found = base64.b64encode(inner).decode()
    return found
