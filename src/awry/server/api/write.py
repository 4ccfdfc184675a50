"""POST /api/v1/write: Prometheus remote-write 1.0 and 2.0, answered once the samples are committed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from awry.core.tick import REASONS
from awry.formats.remote_write import decode_remote_write, negotiate, written_headers
from awry.server.api.params import resource
from awry.server.body import read_body
from awry.server.intake import counted, take
from awry.server.problems import problem

if TYPE_CHECKING:
    from awry.server.app import App

SOURCE = "remote_write"
"""Name in counters."""
_NO_FAULT = ("duplicate", "histogram")
"""Refusals that are not the sender's mistake: a repeated send, and what is never kept (the headers of 2.0 say so)."""


def routes(app: App) -> list[BaseRoute]:
    """POST /api/v1/write."""

    async def post(request: Request) -> Response:
        headers = request.headers
        with counted(app, SOURCE):
            version = negotiate(headers.get("content-type"), headers.get("content-encoding"))
            body = await read_body(request, app.config.limits)
            decoded = decode_remote_write(body, app.table, version=version, max_bytes=app.config.limits.decompressed_bytes)
            receipt = await take(app, SOURCE, decoded.batch, decoded.received, decoded.refused)
        refused = dict(decoded.refused)
        for code, n in enumerate(np.bincount(receipt.reasons, minlength=len(REASONS)).tolist()):
            if n:
                refused[REASONS[code]] = refused.get(REASONS[code], 0) + n
        written = written_headers(receipt.accepted)
        faults = {reason: n for reason, n in refused.items() if reason not in _NO_FAULT}
        if faults:
            # A partial write: what was good is stored, and sending again would not help the rest.
            text = ", ".join(f"{n} {reason}" for reason, n in sorted(faults.items()))
            return problem(
                400,
                "partial_write",
                f"cannot keep all samples: {receipt.accepted} stored, refused {text}",
                "do not send them again; GET /api/v1/status counts refusals by reason",
                written,
            )
        return Response(status_code=204, headers=written)

    return [resource("/api/v1/write", post=post)]
