"""Writes remote-write 1.0 bodies by hand, for tests."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import cramjam

HEADERS = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf", "X-Prometheus-Remote-Write-Version": "0.1.0"}


def varint(n: int) -> bytes:
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def field(number: int, content: bytes) -> bytes:
    """A length-delimited field."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def request(series: Sequence[tuple[Mapping[str, str], Sequence[tuple[int, float]]]]) -> bytes:
    """The snappy-compressed body of series with (time in ms, value) samples."""
    body = b""
    for labels, samples in series:
        inside = b"".join(field(1, field(1, k.encode()) + field(2, v.encode())) for k, v in labels.items())
        inside += b"".join(field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + varint(time)) for time, value in samples)
        body += field(1, inside)
    return bytes(cramjam.snappy.compress_raw(body))
