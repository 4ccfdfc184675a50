"""POST /api/v1/samples: JSON rows, columns or lines, answered once they are committed."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from awry.core.tick import REASONS
from awry.formats.json_samples import find_series, is_lines, parse_json_samples
from awry.server.api.samples_stream import post_stream
from awry.server.body import LARGE_BYTES, read_body
from awry.server.intake import count_reasons, counted, take
from awry.server.problems import reply

if TYPE_CHECKING:
    from awry.server.app import App

SOURCE = "json"
"""Name in counters."""
PACKED = 16
"""Times that a compressed body may well be larger."""


async def post_samples(app: App, request: Request) -> Response:
    """200 with `accepted` and `refused`, each refusal with the index of its row in the body and a reason."""
    if is_lines(request.headers.get("content-type")):
        return await post_stream(app, request, SOURCE)
    limits = app.config.limits
    with counted(app, SOURCE):
        body = await read_body(request, limits)
        parse = partial(
            parse_json_samples,
            body,
            content_type=request.headers.get("content-type"),
            content_encoding=request.headers.get("content-encoding"),
            max_bytes=limits.decompressed_bytes,
        )
        size = len(body) * (PACKED if request.headers.get("content-encoding") else 1)
        # Not in the pool of readers, which queries may keep busy for long.
        decoded = find_series(parse() if size < LARGE_BYTES else await asyncio.to_thread(parse), app.table)
        receipt = await take(app, SOURCE, decoded.batch, decoded.received, count_reasons(decoded.refused))
    places, reasons = decoded.index[receipt.rows].tolist(), receipt.reasons.tolist()
    refused = decoded.refused + [(place, REASONS[code]) for place, code in zip(places, reasons, strict=True)]
    return reply({"accepted": receipt.accepted, "refused": [{"index": i, "reason": reason} for i, reason in sorted(refused)]})
