"""The Influx line protocol read slowly, a character at a time, values by regular expressions; the twin of `formats.influx`."""

from __future__ import annotations

import re

from awry.core.errors import InvalidSelector
from awry.core.series_key import format_key
from awry.formats.numbers import MAX_TIME_MS, MIN_TIME_MS

NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?nan|[+-]?inf(inity)?", re.IGNORECASE)
WHOLE = re.compile(rb"[+-]?\d+i|\+?\d+u")
TRUE, FALSE = (b"t", b"T", b"true", b"True", b"TRUE"), (b"f", b"F", b"false", b"False", b"FALSE")
MS_A_UNIT = {"ns": (1, 1_000_000), "us": (1, 1000), "ms": (1, 1), "s": (1000, 1), "m": (60_000, 1), "h": (3_600_000, 1)}

Row = tuple[str, int, float]


class Malformed(Exception):
    """The line is no line."""


def parse(body: bytes, now_ms: int, precision: str = "ns") -> tuple[list[Row], dict[str, int]]:
    """(rows, refusals by reason) of a body."""
    rows: list[Row] = []
    refused: dict[str, int] = {}

    def refuse(reason: str) -> None:
        refused[reason] = refused.get(reason, 0) + 1

    at = 0
    body += b"\n"
    while at < len(body):
        start = at
        while body[at : at + 1] in (b" ", b"\t"):
            at += 1
        if body[at : at + 1] in (b"\n", b"#") or body[at : at + 2] == b"\r\n":
            at = body.index(b"\n", at) + 1
            continue
        try:
            point, fields, texts, stamp, after = line(body, at)
        except Malformed:
            refuse("malformed")
            at = body.index(b"\n", start) + 1
            continue
        at = after
        if after - 1 - start > 65_536:
            refuse("too_long")
            continue
        for _ in range(texts):
            refuse("text_field")
        times, parts = MS_A_UNIT[precision]
        ms = now_ms if stamp is None else stamp * times // parts
        for name, value in fields:
            if not MIN_TIME_MS <= ms <= MAX_TIME_MS:
                refuse("out_of_range")
                continue
            try:
                rows.append((key(point.decode(), name.decode()), ms, value))
            except UnicodeDecodeError:
                refuse("not_utf8")
            except InvalidSelector:
                refuse("bad_key")
    return rows, refused


def line(body: bytes, at: int) -> tuple[bytes, list[tuple[bytes, float]], int, int | None, int]:
    """(`measurement,tags`, fields, text fields left out, time, after the line feed)."""
    point, at = until(body, at, b" ", forbidden=b"")
    if not point or point.startswith(b","):
        raise Malformed
    while body[at : at + 1] == b" ":
        at += 1
    fields, texts = [], 0
    while True:
        name, at = until(body, at, b"=", forbidden=b" ,")
        if not name:
            raise Malformed
        at += 1
        if body[at : at + 1] == b'"':
            at += 1
            while body[at : at + 1] != b'"':
                if at >= len(body):
                    raise Malformed
                at += 2 if body[at : at + 1] == b"\\" else 1
            at += 1
            texts += 1
        else:
            found = re.compile(rb"[^ ,\r\n]*").match(body, at)
            assert found
            fields.append((name, number(found[0])))
            at = found.end()
        if body[at : at + 1] != b",":
            break
        at += 1
    rest = re.compile(rb"(?: +(-?\d+))? *\r?\n").match(body, at)
    if rest is None:
        raise Malformed
    return point, fields, texts, None if rest[1] is None else int(rest[1]), rest.end()


def until(body: bytes, at: int, ending: bytes, forbidden: bytes) -> tuple[bytes, int]:
    """The bytes up to one of `ending` that has no backslash in front; control characters never belong to a name."""
    start = at
    while True:
        c = body[at : at + 1]
        free = at == start or body[at - 1 : at] != b"\\"
        if c in ending and free:
            return body[start:at], at
        if not c or c < b" " or (c in forbidden and free):
            raise Malformed
        at += 1


def number(text: bytes) -> float:
    """A field's value."""
    if text in TRUE or text in FALSE:
        return float(text in TRUE)
    if WHOLE.fullmatch(text):
        return float(text[:-1])
    if NUMBER.fullmatch(text):
        return float(text)
    raise Malformed


def key(point: str, field: str) -> str:
    """The series key, tags read a character at a time."""
    measurement, *tags = pieces(point, ",")
    pairs = []
    for tag in tags:
        label, *value = pieces(tag, "=")
        if not value or not label or not "=".join(value):
            raise InvalidSelector("a tag without a value")
        pairs.append((plain(label), plain("=".join(value))))
    name = plain(measurement) if plain(field) == "value" else f"{plain(measurement)}_{plain(field)}"
    return format_key(name, tuple(pairs))


def pieces(text: str, mark: str) -> list[str]:
    """Split where the mark has no backslash in front."""
    found, before = [""], ""
    for c in text:
        if c == mark and before != "\\":
            found.append("")
        else:
            found[-1] += c
        before = c
    return found


def plain(text: str) -> str:
    """Without the backslashes in front of comma, equals and space."""
    out, i = "", 0
    while i < len(text):
        if text[i] == "\\" and text[i + 1 : i + 2] in (",", "=", " "):
            i += 1
        out += text[i]
        i += 1
    return out
