"""Gzip bodies, decompressed up to a limit; for the HTTP doors."""

from __future__ import annotations

import zlib

from awry.core.errors import InvalidInput, TooLarge, UnsupportedMedia


def unpack(body: bytes, content_encoding: str | None, max_bytes: int) -> bytes:
    """The plain body of one sent with this Content-Encoding. Raises TooLarge, InvalidInput or UnsupportedMedia (HTTP 415)."""
    encoding = (content_encoding or "identity").strip().lower()
    if encoding in ("gzip", "x-gzip"):
        body = gunzip(body, max_bytes)
    elif encoding not in ("identity", ""):
        raise UnsupportedMedia(f"cannot read the content encoding {encoding[:80]!r}", hint="send gzip, or nothing compressed")
    if len(body) > max_bytes:
        raise too_large(max_bytes)
    return body


def gunzip(body: bytes, max_bytes: int) -> bytes:
    """All members of a gzip file; stops as soon as more than max_bytes come out."""
    parts: list[bytes] = []
    size = 0
    rest = body
    while rest:
        member = zlib.decompressobj(wbits=31)
        try:
            part = member.decompress(rest, max_bytes - size + 1)
        except zlib.error as error:
            raise InvalidInput(f"cannot decompress the body: {error}", hint="send a whole gzip file") from error
        size += len(part)
        if size > max_bytes:
            raise too_large(max_bytes)
        if not member.eof:
            raise InvalidInput("cannot decompress the body: the gzip file ends too early", hint="send a whole gzip file")
        parts.append(part)
        rest = member.unused_data
    return b"".join(parts)


def too_large(max_bytes: int) -> TooLarge:
    """Over the limit on bodies."""
    return TooLarge(
        f"cannot take a body of more than {max_bytes} bytes", hint="send smaller requests, or raise [limits] body_bytes"
    )
