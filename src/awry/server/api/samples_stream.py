"""POST /api/v1/samples with one JSON row a line: committed in pieces as the lines arrive, for streams of any length."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from awry.core.errors import AwryError, TooLarge, UnsupportedMedia
from awry.core.tick import REASONS
from awry.formats.gzipped import Gunzip
from awry.formats.json_samples import decode_json_lines
from awry.formats.line_splitter import LineSplitter
from awry.server.intake import count_reasons, take
from awry.server.problems import Refused, problem_of, reply

if TYPE_CHECKING:
    from awry.server.app import App

PIECE_LINES = 10_000
PIECE_BYTES = 1_048_576
"""Lines are committed when there are so many of them, or of their bytes."""
PIECE_SECONDS = 1.0
"""The same when the first of them has waited for so long."""
LINE_BYTES = 65_536
"""Longest line."""
SHOWN = 1000
"""Refused lines that the answer lists; it counts them all."""


async def post_stream(app: App, request: Request, source: str) -> Response:
    """200 at the end of the stream: `accepted`, the first SHOWN of the `refused` and `refused_total`.

    An error ends the stream and says how many lines were dealt with; what was accepted of those stays stored.
    """
    stream = _Stream(app, source)
    try:
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("identity", "", "gzip", "x-gzip"):
            raise UnsupportedMedia(f"cannot read the content encoding {encoding[:80]!r}", hint="send gzip, or nothing compressed")
        gunzip = Gunzip() if "gzip" in encoding else None
        async with aclosing(_pieces(app, request, stream)) as pieces:
            async for data in pieces:
                for plain in gunzip.feed(data) if gunzip else (data,):
                    stream.splitter.feed(plain)
                    if stream.splitter.lost > app.config.limits.decompressed_bytes:
                        raise TooLarge(
                            f"cannot skip a line of over {app.config.limits.decompressed_bytes} bytes",
                            hint="send one row a line; [limits] decompressed_bytes",
                        )
                    if stream.due:
                        await stream.commit()
                    elif gunzip:
                        await asyncio.sleep(0)  # a small body may hold very much: let others have their turn
                if not data and stream.due:
                    await stream.commit()
        stream.splitter.finish()
        await stream.commit()
        if gunzip:
            gunzip.finish()
    except AwryError as error:
        app.engine.counters.refuse(source, error.code)
        error.message += f" (after {stream.lines} lines, of which {stream.accepted} are stored)"
        answer = problem_of(error)
        answer.headers["Connection"] = "close"  # nobody reads the rest
        return answer
    refused = [{"index": i, "reason": reason} for i, reason in stream.refused]
    return reply({"accepted": stream.accepted, "refused": refused, "refused_total": stream.lines - stream.accepted})


async def _pieces(app: App, request: Request, stream: _Stream) -> AsyncGenerator[bytes, None]:
    """The body as it arrives; b"" when nothing came for a while. Raises Refused for a client that is too slow, or when we stop."""
    body, patience = aiter(request.stream()), app.config.limits.body_timeout_ms / 1000
    stopping = asyncio.ensure_future(app.stopping.wait())
    coming: asyncio.Future[bytes] = asyncio.ensure_future(anext(body, b""))
    try:
        while True:
            either: set[asyncio.Future[Any]] = {coming, stopping}
            await asyncio.wait(either, timeout=PIECE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if coming.done():
                data = coming.result()
                if not data:
                    return
                if time.monotonic() - stream.since > patience:
                    raise _too_slow()
                yield data
                coming = asyncio.ensure_future(anext(body, b""))
            elif stopping.done():
                hint = "send the rest again after Retry-After seconds"
                raise Refused(503, "stopping", "cannot take more: the server stops", hint=hint, headers={"Retry-After": "5"})
            elif time.monotonic() - stream.since > patience:
                raise _too_slow()
            else:
                yield b""
    finally:
        stopping.cancel()
        coming.cancel()
        await asyncio.gather(stopping, coming, return_exceptions=True)


def _too_slow() -> Refused:
    hint = "send a whole line within [limits] body_timeout"
    return Refused(408, "timeout", "cannot wait longer for the next line of the body", hint=hint)


class _Stream:
    """What became of the lines so far."""

    def __init__(self, app: App, source: str) -> None:
        self.splitter = LineSplitter(LINE_BYTES)
        self.lines = 0
        self.accepted = 0
        self.refused: list[tuple[int, str]] = []
        self.since = time.monotonic()
        """When lines were last committed."""
        self._app, self._source = app, source

    @property
    def due(self) -> bool:
        """Whether enough lines wait, or any for long enough."""
        lines = len(self.splitter.lines)
        waited = lines > 0 and time.monotonic() - self.since >= PIECE_SECONDS
        return waited or lines >= PIECE_LINES or self.splitter.size >= PIECE_BYTES

    async def commit(self) -> None:
        """Take the waiting lines into the engine, waiting for room there, and for their commit."""
        lines = self.splitter.take()
        if not lines:
            return
        decoded = decode_json_lines(lines, self._app.table)
        counts = count_reasons(decoded.refused)
        receipt = await take(self._app, self._source, decoded.batch, decoded.received, counts, wait=True)
        places, reasons = decoded.index[receipt.rows].tolist(), receipt.reasons.tolist()
        refused = decoded.refused + [(place, REASONS[code]) for place, code in zip(places, reasons, strict=True)]
        self.refused += [(self.lines + place, reason) for place, reason in sorted(refused)][: SHOWN - len(self.refused)]
        self.lines += len(lines)
        self.accepted += receipt.accepted
        self.since = time.monotonic()
