"""Gzip bodies, decompressed up to a limit; for the HTTP doors."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

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


PIECE_BYTES = 262_144
"""Most that comes out of a stream at once."""
_SLICE_BYTES = 4096
"""Bytes given to zlib at once. It copies what a call leaves over: given all, a body of very many tiny members would take hours."""


class Gunzip:
    """Decompresses all members of a gzip file as it arrives. Raises InvalidInput where it is damaged or ends too early."""

    def __init__(self) -> None:
        self._member: zlib._Decompress | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What comes out of these bytes, in pieces of at most PIECE_BYTES; all of them must be taken."""
        for at in range(0, len(data), _SLICE_BYTES):
            yield from self._slice(data[at : at + _SLICE_BYTES])

    def _slice(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._member is None:
                self._member = zlib.decompressobj(wbits=31)
            piece = self._out(self._member, data)
            while piece:
                yield piece
                piece = self._out(self._member, self._member.unconsumed_tail)
            data = self._member.unused_data
            if self._member.eof:
                self._member = None

    def finish(self) -> None:
        """The file ends here."""
        if self._member is not None:
            raise InvalidInput("cannot decompress the body: the gzip file ends too early", hint="send a whole gzip file")

    def _out(self, member: zlib._Decompress, data: bytes) -> bytes:
        try:
            return member.decompress(data, PIECE_BYTES)
        except zlib.error as error:
            raise InvalidInput(f"cannot decompress the body: {error}", hint="send a whole gzip file") from error


def gunzip(body: bytes, max_bytes: int) -> bytes:
    """All members of a gzip file; stops as soon as more than max_bytes come out."""
    parts: list[bytes] = []
    size, file = 0, Gunzip()
    for part in file.feed(body):
        size += len(part)
        if size > max_bytes:
            raise too_large(max_bytes)
        parts.append(part)
    file.finish()
    return b"".join(parts)


def too_large(max_bytes: int) -> TooLarge:
    """Over the limit on bodies."""
    return TooLarge(
        f"cannot take a body of more than {max_bytes} bytes", hint="send smaller requests, or raise [limits] decompressed_bytes"
    )
