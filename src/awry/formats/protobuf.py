"""Small messages of protobuf read and written in Python, for what is seen once. Source: protobuf.dev, "Encoding"."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from awry.core.errors import InvalidInput

_WORD = (1 << 64) - 1


def fields(raw: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(tag, number, content) of the fields of a message: the number of a varint, otherwise 0, and the bytes of the content."""
    at = 0
    while at < len(raw):
        tag, at = read_varint(raw, at)
        number, start = 0, at
        match tag & 7:
            case 0:
                number, at = read_varint(raw, at)
            case 1:
                at += 8
            case 5:
                at += 4
            case 2:
                size, start = read_varint(raw, at)
                at = start + size
            case _:
                raise InvalidInput("cannot read the body: a field of unknown wire type")
        if at > len(raw) or tag < 8:
            raise InvalidInput("cannot read the body: a field ends before its content")
        yield tag, number, raw[start:at]


def read_varint(raw: bytes, at: int) -> tuple[int, int]:
    """(value, place behind it)."""
    value = shift = 0
    while at < len(raw) and shift < 70:
        value |= (raw[at] & 127) << shift
        shift += 7
        at += 1
        if raw[at - 1] < 128:
            return value & _WORD, at
    raise InvalidInput("cannot read the body: a number ends before its last byte")


def signed(value: int) -> int:
    """A varint's number as int64."""
    return value - (1 << 64) if value >= 1 << 63 else value


def varint(value: int) -> bytes:
    """A number as a varint; a negative one as int64."""
    value &= _WORD
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def zigzag(value: int) -> bytes:
    """A number as a varint of type sint64."""
    return varint((value << 1) ^ (value >> 63))


def message(number: int, content: bytes) -> bytes:
    """A field of bytes, text or a message."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def number(field: int, value: int) -> bytes:
    """A field of an integer; nothing for 0, which is the default."""
    return varint(field << 3) + varint(value) if value else b""


def fixed(field: int, value: int) -> bytes:
    """A field of type fixed64 or sfixed64."""
    return varint(field << 3 | 1) + (value & _WORD).to_bytes(8, "little")


def double(field: int, value: float) -> bytes:
    """A field of type double."""
    return varint(field << 3 | 1) + struct.pack("<d", value)
