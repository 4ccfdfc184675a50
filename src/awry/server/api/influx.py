"""POST /write and /api/v2/write: Influx line protocol as both versions of InfluxDB take it; /ping and /query as far as senders ask.

Answers have InfluxDB's shapes, for its clients read them: 204 once the samples are committed, a partial write as 400.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from awry.core.errors import AwryError, InvalidInput
from awry.core.tick import REASONS
from awry.formats.gzipped import unpack
from awry.formats.influx import decode_influx
from awry.server.api.params import resource
from awry.server.body import SMALL_BODY, read_body
from awry.server.intake import counted, take
from awry.server.problems import problem_of, reply

if TYPE_CHECKING:
    from awry.server.app import App

SOURCE = "influx"
"""Name in counters."""
VERSION = "1.8.10"
"""The InfluxDB whose writing side this is; clients ask."""
_NO_FAULT = ("duplicate", "text_field")
"""Refusals that are not the sender's mistake: a repeated send, and fields that no detector could read."""
_CODES = {400: "invalid", 413: "request too large", 415: "invalid", 429: "too many requests", 503: "unavailable"}
_CREATE = re.compile(r"\s*create\s+database\b", re.IGNORECASE)
Answer = Callable[[Request], Awaitable[Response]]


def routes(app: App) -> list[BaseRoute]:
    """POST /write, POST /api/v2/write, GET /ping, GET and POST /query."""

    async def post(request: Request) -> Response:
        limits, query = app.config.limits, request.query_params
        with counted(app, SOURCE):
            body = await read_body(request, limits)
            body = unpack(body, request.headers.get("content-encoding"), limits.decompressed_bytes)
            decoded = decode_influx(body, app.table, app.clock.now_ms(), precision=query.get("precision", ""))
            receipt = await take(app, SOURCE, decoded.batch, decoded.received, decoded.refused)
        faults = {reason: n for reason, n in decoded.refused.items() if reason not in _NO_FAULT}
        for code, n in enumerate(np.bincount(receipt.reasons, minlength=len(REASONS)).tolist()):
            if n and REASONS[code] not in _NO_FAULT:
                faults[REASONS[code]] = faults.get(REASONS[code], 0) + n
        if faults:
            # What was good is stored, and sending again would not help the rest: InfluxDB's words, by which clients know it.
            text = ", ".join(f"{n} {reason}" for reason, n in sorted(faults.items()))
            raise InvalidInput(f"partial write: {receipt.accepted} stored, refused {text} dropped={sum(faults.values())}")
        return Response(status_code=204, headers=_headers())

    async def ping(request: Request) -> Response:
        return Response(status_code=204, headers=_headers())

    async def query(request: Request) -> Response:
        text = request.query_params.get("q", "")
        if not text and request.method == "POST":
            form = parse_qs((await read_body(request, app.config.limits, SMALL_BODY)).decode("utf-8", "replace"))
            text = form.get("q", [""])[0]
        if not _CREATE.match(text):
            raise InvalidInput(f"cannot run {text[:80]!r}: only CREATE DATABASE is answered, there is nothing to create")
        return reply({"results": [{"statement_id": 0}]}, headers=_headers())

    return [
        resource("/write", post=_first(post)),
        resource("/api/v2/write", post=_second(post)),
        Route("/ping", ping),
        Route("/query", _first(query), methods=["GET", "POST"]),
    ]


def _first(handler: Answer) -> Answer:
    """Errors as version 1 has them: {"error": text}."""
    return _shaped(handler, lambda status, message: {"error": message})


def _second(handler: Answer) -> Answer:
    """Errors as version 2 has them: {"code": word, "message": text}, and the text under "error" too."""
    return _shaped(
        handler, lambda status, message: {"code": _CODES.get(status, "internal error"), "message": message, "error": message}
    )


def _shaped(handler: Answer, shape: Callable[[int, str], dict[str, str]]) -> Answer:
    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except AwryError as error:
            usual = problem_of(error)
            message = f"{error.message} ({error.hint})" if error.hint else error.message
            headers = _headers() | {"X-Influxdb-Error": message.encode("ascii", "replace").decode().replace("\n", " ")[:500]}
            if "retry-after" in usual.headers:
                headers["Retry-After"] = usual.headers["retry-after"]
            return reply(shape(usual.status_code, message), usual.status_code, headers)

    return answer


def _headers() -> dict[str, str]:
    return {"X-Influxdb-Version": VERSION, "X-Influxdb-Build": "Awry"}
