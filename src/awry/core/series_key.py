"""Canonical text of a series, `name{a="x",b="y"}` with sorted labels: made, parsed and checked here, for every door."""

from __future__ import annotations

import re
from collections.abc import Mapping

from awry.core.errors import InvalidSelector

MAX_KEY_BYTES = 4096
"""Longest series key, in UTF-8 bytes."""
MAX_LABELS = 64
"""Most labels of one series."""

Labels = tuple[tuple[str, str], ...]
"""Label pairs sorted by name."""

_BARE_NAME = re.compile(r'[^\s{}",\x00-\x1f\x7f]+(?: [^\s{}",\x00-\x1f\x7f]+)*')
_LABEL_NAME = re.compile(r"[^\s{}\"=,!~\x00-\x1f\x7f]+")
_PAIR = re.compile(r'\s*([^\s{}"=,!~\x00-\x1f\x7f]+)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(,|$)', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_UNESCAPED = {"n": "\n", "t": "\t"}


def format_key(name: str, labels: Mapping[str, str] | Labels) -> str:
    """The canonical key of a name and labels; empty label values are left out, as Prometheus reads them.

    Raises InvalidSelector when the name or a label cannot be part of a key or the whole is over MAX_KEY_BYTES.
    """
    pairs = labels if isinstance(labels, tuple) else labels.items()
    kept = sorted([pair for pair in pairs if pair[1] != ""]) if pairs else []
    if not _BARE_NAME.fullmatch(name):
        raise InvalidSelector(f'cannot name a series {name[:80]!r}: empty or with a character of {{}}", or a control character')
    if len(kept) > MAX_LABELS:
        raise InvalidSelector(f"cannot keep {len(kept)} labels of {name[:80]!r}: the limit is {MAX_LABELS}")
    previous = None
    for label, _ in kept:
        if not _LABEL_NAME.fullmatch(label):
            raise InvalidSelector(f"cannot use the label name {label[:80]!r} of {name[:80]!r}")
        if label == previous:
            raise InvalidSelector(f"cannot use the label {label[:80]!r} of {name[:80]!r} twice")
        previous = label
    key = name if not kept else name + "{" + ",".join(f'{k}="{_escape(v)}"' for k, v in kept) + "}"
    try:
        size = len(key.encode())
    except UnicodeEncodeError as error:
        raise InvalidSelector(f"cannot encode the series key of {name[:80]!r}: not UTF-8") from error
    if size > MAX_KEY_BYTES:
        raise InvalidSelector(f"cannot keep a series key of {size} bytes: the limit is {MAX_KEY_BYTES}")
    return key


def without_label(key: str, label: str) -> str | None:
    """The key of a series' siblings together: its own without a label; None when it does not have that. Raises InvalidSelector."""
    name, labels = parse_key(key)
    rest = tuple(pair for pair in labels if pair[0] != label)
    return format_key(name, rest) if len(rest) < len(labels) else None


def parse_key(text: str) -> tuple[str, Labels]:
    """Name and sorted labels of a key as people write it (any label order). Raises InvalidSelector."""
    text = text.strip()
    brace = text.find("{")
    if brace < 0:
        return text, ()
    if not text.endswith("}"):
        raise InvalidSelector(f"cannot read the series key {text[:120]!r}: it has no closing brace")
    body, pairs, at = text[brace + 1 : -1], [], 0
    while at < len(body):
        found = _PAIR.match(body, at)
        if found is None:
            if not body[at:].strip():
                break
            raise InvalidSelector(f'cannot read the series key {text[:120]!r}: expected label="value" at {body[at : at + 20]!r}')
        pairs.append((found[1], _unescape(found[2])))
        at = found.end()
    return text[:brace].strip(), tuple(sorted(pairs))


def canonical(text: str) -> str:
    """The canonical form of a key as people write it. Raises InvalidSelector."""
    return format_key(*parse_key(text))


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _unescape(value: str) -> str:
    return _ESCAPE.sub(lambda m: _UNESCAPED.get(m[1], m[1]), value) if "\\" in value else value
