"""Snappy blocks with a limit that holds before anything is decompressed; for remote-write."""

from __future__ import annotations

import cramjam

from awry.core.errors import InvalidInput, TooLarge

_MOST_EXPANSION = 22
"""A copy element of 3 bytes yields at most 64."""


def decompress(body: bytes, max_bytes: int) -> memoryview:
    """The decompressed block. Raises TooLarge when it declares more than max_bytes, InvalidInput when it is damaged."""
    size = _declared(body)
    if size > max_bytes:
        raise TooLarge(
            f"cannot decompress the body: it declares {size} bytes, the limit is {max_bytes}",
            hint="send fewer samples a request, or raise [limits] decompressed_bytes",
        )
    if size > _MOST_EXPANSION * len(body) + 64:
        raise InvalidInput(f"cannot decompress the body: {len(body)} bytes of snappy cannot hold the {size} it declares")
    try:
        return memoryview(cramjam.snappy.decompress_raw(body))
    except cramjam.DecompressionError as error:
        raise InvalidInput(f"cannot decompress the body: not a whole snappy block ({error})") from error


def _declared(body: bytes) -> int:
    size = 0
    for i, byte in enumerate(body[:5]):
        size |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            return size
    raise InvalidInput("cannot decompress the body: no snappy block", hint="compress the request with the snappy block format")
