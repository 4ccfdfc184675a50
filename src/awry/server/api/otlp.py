"""POST /v1/metrics: OTLP metrics in protobuf or JSON, answered once they are committed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from awry.core.errors import AwryError, UnsupportedMedia
from awry.formats import otlp_answer as answer
from awry.formats.gzipped import unpack
from awry.server.api.params import resource
from awry.server.body import read_body
from awry.server.intake import counted
from awry.server.otlp import export
from awry.server.problems import problem_of

if TYPE_CHECKING:
    from awry.server.app import App

SOURCE = "otlp"
"""Name in counters."""
_JSON, _PROTOBUF = "application/json", "application/x-protobuf"
_CODES = {429: answer.EXHAUSTED, 503: answer.UNAVAILABLE, 500: answer.INTERNAL}


def routes(app: App) -> list[BaseRoute]:
    """POST /v1/metrics."""

    async def post(request: Request) -> Response:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        as_json = kind == _JSON
        try:
            with counted(app, SOURCE):
                if kind not in (_JSON, _PROTOBUF):
                    raise UnsupportedMedia(f"cannot read the content type {kind[:80]!r}", hint=f"send {_PROTOBUF} or {_JSON}")
                body = await read_body(request, app.config.limits)
                body = unpack(body, request.headers.get("content-encoding"), app.config.limits.decompressed_bytes)
                outcome = await export(app, SOURCE, body, as_json=as_json)
        except AwryError as error:
            return _refusal(error, as_json)
        return Response(answer.success(*outcome, as_json=as_json), media_type=_JSON if as_json else _PROTOBUF)

    return [resource("/v1/metrics", post=post)]


def _refusal(error: AwryError, as_json: bool) -> Response:
    """The status and headers that every door gives to this error, with the body that OTLP asks for."""
    usual = problem_of(error)
    text = error.message + (f" ({error.hint})" if error.hint else "")
    body = answer.status(_CODES.get(usual.status_code, answer.INVALID), text, as_json=as_json)
    headers = {name: value for name, value in usual.headers.items() if name not in ("content-type", "content-length")}
    return Response(body, usual.status_code, headers, _JSON if as_json else _PROTOBUF)
