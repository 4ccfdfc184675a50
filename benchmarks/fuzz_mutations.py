"""Changes bytes so that much of them still parses: lines, trees of protobuf and JSON, opcodes of pickles; for `fuzz`."""

from __future__ import annotations

import json
import random
from typing import Any

import cramjam

from awry.core.errors import InvalidInput
from awry.formats.protobuf import fields, message, varint

MOST = 65_536
"""Longest input."""
_USUAL = 2_048
_EDGES = (0, 1, 2, 7, 8, 127, 128, 255, 256, 1024, 1025, 8192, 65_535, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)
_VALUES: tuple[Any, ...] = (
    None, True, "", "x", "1.5", -1, 0, 1e308, 2**63, 2**64, -(2**70), 10**400, [], {}, [[[]]], float("nan"), float("inf"),
    "\ud800", "\x00", 'a{b="c"}', "a{", "2023-11-14T22:13:20Z", "9" * 400,
)  # fmt: skip


def mutate(rng: random.Random, data: bytes, other: bytes, shape: str, words: tuple[bytes, ...]) -> bytes:
    """A changed input. other: one more of the pool, to take pieces from. shape: see `Door`."""
    roll = rng.random()
    if shape == "protobuf" and roll < 0.6 and data[:1] != b"\xff":
        data = _protobuf(rng, data, 0)
        if rng.random() < 0.02:
            data = b"\xff" + _bytes(rng, bytes(cramjam.snappy.compress_raw(data)), other, words)
    elif shape == "json" and roll < 0.6:
        data = _json(rng, data)
    elif shape == "pickle" and roll < 0.8:
        data = _pickle(rng, data, other, words)
    else:
        data = _bytes(rng, data, other, words)
    while rng.random() < 0.3:
        data = _bytes(rng, data, other, words)
    if rng.random() < 0.02:
        data = _longer(rng, data)
    elif len(data) > _USUAL and rng.random() < 0.9:
        start = rng.randrange(len(data) - _USUAL)
        data = data[start : start + _USUAL] if shape == "lines" else data[:_USUAL]
    return data[:MOST]


def _bytes(rng: random.Random, data: bytes, other: bytes, words: tuple[bytes, ...]) -> bytes:
    if not data:
        return rng.choice(words) if words else other
    at, size = rng.randrange(len(data) + 1), rng.choice((1, 1, 1, 2, 4, 8, 16, 64))
    match rng.randrange(9):
        case 0:
            return data[:at] + bytes([data[min(at, len(data) - 1)] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
        case 1:
            return data[:at] + rng.randbytes(size) + data[at + size * rng.randrange(2) :]
        case 2:
            return data[:at] + data[at + size :]
        case 3 | 4 if words:
            return data[:at] + rng.choice(words) + data[at + rng.choice((0, 0, size)) :]
        case 5:
            start = rng.randrange(len(other) + 1)
            return data[:at] + other[start : start + size * 4] + data[at:]
        case 6:
            return data[:at] + data[at : at + size] * rng.choice((2, 3, 9)) + data[at + size :]
        case 7:
            edge = rng.choice(_EDGES)
            return data[:at] + rng.choice((str(edge).encode(), varint(edge), (edge & 0xFFFFFFFF).to_bytes(4, "little"))) + data[at:]
        case _:
            return data[:at]


def _longer(rng: random.Random, data: bytes) -> bytes:
    """A piece of it over and over: what takes too long or too much shows then."""
    start = rng.randrange(len(data) + 1)
    piece = data[start : start + rng.choice((1, 2, 3, 5, 8, 20, 100, 1000))] or b"("
    return data[:start] + piece * (rng.randrange(MOST) // len(piece)) + data[start:]


def _protobuf(rng: random.Random, data: bytes, depth: int) -> bytes:
    """One field somewhere within changed, with every length around it right."""
    try:
        parts = list(fields(data))
    except InvalidInput:
        parts = []
    if not parts or rng.random() < 0.03:
        return _bytes(rng, data, data, ())
    at = rng.randrange(len(parts))
    tag, value, content = parts[at]
    inner: bytes | None = None
    if tag & 7 == 2 and depth < 12 and rng.random() < 0.85:
        inner = _protobuf(rng, content, depth + 1)
    out = [_field(*part) for part in parts]
    match rng.randrange(8) if inner is None else 8:
        case 0:
            del out[at]
        case 1:
            out.insert(rng.randrange(len(out) + 1), out[at])
        case 2:
            out[at] = _field((tag & ~7 | rng.choice((0, 1, 2, 5))), rng.choice(_EDGES), rng.randbytes(8))
        case 3:
            out[at] = _field(rng.choice((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14)) << 3 | tag & 7, value, content)
        case 4:
            rng.shuffle(out)
        case 5:
            out[at] = out[at] * rng.choice((2, 70, 1030))
        case 6:
            out[at] = _field(tag, rng.choice(_EDGES), rng.choice(_EDGES).to_bytes(8, "little") if tag & 7 == 1 else content[::-1])
        case 7:
            out[at] = _field(tag, rng.getrandbits(64), rng.randbytes(len(content)))
        case _:
            out[at] = message(tag >> 3, inner or b"")
    return b"".join(out)


def _field(tag: int, value: int, content: bytes) -> bytes:
    match tag & 7:
        case 0:
            return varint(tag) + varint(value)
        case 1:
            return varint(tag) + content[:8].ljust(8, b"\0")
        case 5:
            return varint(tag) + content[:4].ljust(4, b"\0")
        case _:
            return varint(tag) + varint(len(content)) + content


def _json(rng: random.Random, data: bytes) -> bytes:
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        return _bytes(rng, data, data, ())
    lead = data[:1] if data[:1] in b" \t" else b""
    try:
        return lead + json.dumps(_tree(rng, tree)).encode()
    except (ValueError, RecursionError):
        return data


def _tree(rng: random.Random, tree: Any) -> Any:
    if isinstance(tree, dict | list) and tree and rng.random() < 0.85:
        names = list(tree) if isinstance(tree, dict) else range(len(tree))
        at = rng.choice(list(names))
        roll = rng.random()
        if roll < 0.8:
            tree[at] = _tree(rng, tree[at])
        elif roll < 0.9:
            del tree[at]
        elif isinstance(tree, list):
            tree += [tree[at]] * rng.choice((1, 3, 100))
        else:
            tree[rng.choice(list(tree))] = tree[at]
        return tree
    value = rng.choice(_VALUES)
    while rng.random() < 0.2:
        value = rng.choice(([value], {"values": [value]}, {"arrayValue": {"values": [value]}}, {"a": value}))
    return value


def _pickle(rng: random.Random, data: bytes, other: bytes, words: tuple[bytes, ...]) -> bytes:
    """Frames whose lengths are right, one of them changed within."""
    frames: list[bytes] = []
    at = 0
    while at + 4 <= len(data):
        size = int.from_bytes(data[at : at + 4])
        frames.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    if not frames:
        frames = [data]
    i = rng.randrange(len(frames))
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        frames[i] = _bytes(rng, frames[i], other[4:], words)
    if rng.random() < 0.1:
        frames[i] = _longer(rng, frames[i]) + b"."
    if rng.random() < 0.1:
        frames.append(other[4:])
    return b"".join(len(one).to_bytes(4) + one for one in frames)
