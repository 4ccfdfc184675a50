"""Reads request bodies within limits of size and time; for every route that takes one."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import msgspec
from starlette.requests import Request

from awry.core.errors import InvalidInput, TooLarge
from awry.server.problems import Refused
from awry.server.settings import LimitSection

T = TypeVar("T")
LARGE_BYTES = 262_144
"""A body from this size on is read in a thread: it would keep everybody else waiting for tens of milliseconds."""
SMALL_BODY = 1 << 20
"""Bytes that a rule, a silence or a login may have."""


async def read_body(request: Request, limits: LimitSection, most: int = 0) -> bytes:
    """The whole body as sent, at most `most` (default: [limits] body_bytes). Raises TooLarge, Refused if slow."""
    most = most or limits.body_bytes
    too_large = TooLarge(f"cannot take a body of over {most} bytes", hint="send it in smaller pieces, or raise [limits] body_bytes")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > most:
        raise too_large
    pieces, size = [], 0
    try:
        async with asyncio.timeout(limits.body_timeout_ms / 1000):
            async for piece in request.stream():
                size += len(piece)
                if size > most:
                    raise too_large
                pieces.append(piece)
    except TimeoutError as error:
        raise Refused(
            408,
            "timeout",
            "cannot wait longer for the body of the request",
            hint="[limits] body_timeout",
            headers={"Connection": "close"},
        ) from error
    return b"".join(pieces)


def read_json(data: bytes, kind: type[T]) -> T:
    """A small JSON body as `kind`. Raises InvalidInput that names the place."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidInput(f"cannot read the JSON body: {error}") from error
