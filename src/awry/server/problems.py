"""The one shape of every error answer, {"error": {"code", "message", "hint"}}, and which status each error of the tree gets."""

from __future__ import annotations

import logging
import math
import secrets
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from awry.core.errors import AwryError, Conflict, InvalidInput, NotFound, Overloaded, StoreUnavailable, TooLarge, UnsupportedMedia

log = logging.getLogger("awry.http")

_STATUS: tuple[tuple[type[AwryError], int], ...] = (
    (TooLarge, 413),
    (UnsupportedMedia, 415),
    (InvalidInput, 400),
    (NotFound, 404),
    (Conflict, 409),
    (Overloaded, 429),
    (StoreUnavailable, 503),
)
_CODES = {401: "unauthorized", 403: "forbidden", 404: "not_found", 405: "method_not_allowed", 415: "unsupported_media_type"}
_HINTS = {
    404: "the API is described at /api/v1/openapi.json",
    405: "the Allow header lists the methods of this address",
}
_USUAL_HINTS = {
    "invalid_input": "the API is described at /api/v1/openapi.json",
    "invalid_selector": 'write name{label="value",other=~"regular expression"}; a key has = only',
    "invalid_config": "GET /api/v1/rules shows rules as they are written",
    "not_found": "the API is described at /api/v1/openapi.json",
    "store_error": "the server's log says more",
    "store_corrupt": "restore the database from a backup (awry backup)",
}
"""What to do, where the error itself does not say it."""
STORE_RETRY_SECONDS = 5


class Refused(AwryError):
    """An error with an HTTP status of its own."""

    def __init__(self, status: int, code: str, message: str, *, hint: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status, self.code, self.headers = status, code, dict(headers or {})


def reply(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer; NaN and infinities become null."""
    return Response(msgspec.json.encode(content), status, dict(headers or {}), "application/json")


def problem(status: int, code: str, message: str, hint: str = "", headers: Mapping[str, str] | None = None) -> Response:
    """An error answer."""
    return reply({"error": {"code": code, "message": message, "hint": hint}}, status, headers)


def problem_of(error: AwryError) -> Response:
    """The answer to an error of the tree; what may be sent again says when."""
    if isinstance(error, Refused):
        return problem(error.status, error.code, error.message, error.hint, error.headers)
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    headers = {}
    if isinstance(error, Overloaded):
        headers["Retry-After"] = str(max(1, math.ceil(error.after_seconds)))
    elif isinstance(error, StoreUnavailable):
        headers["Retry-After"] = str(STORE_RETRY_SECONDS)
    if status == 500:
        log.error("cannot answer: %s", error.message)
    return problem(status, error.code, error.message, error.hint or _USUAL_HINTS.get(error.code, ""), headers)


def unexpected(error: BaseException, where: str) -> Response:
    """The answer to a defect of ours: logged in full under an id, and only the id goes out."""
    mark = secrets.token_hex(6)
    log.error("error %s at %s", mark, where, exc_info=error)
    return problem(500, "internal", f"cannot answer: an unexpected error, logged as {mark}", "look for this id in the server's log")


async def on_awry_error(_: Request, error: Exception) -> Response:
    """Starlette's handler for the error tree."""
    assert isinstance(error, AwryError)
    return problem_of(error)


async def on_http_error(request: Request, error: Exception) -> Response:
    """Starlette's handler for its own errors: no such route, wrong method."""
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, "http_error")
    message = f"cannot {request.method[:20]} {request.url.path[:200]}: {str(error.detail).lower()}"
    return problem(error.status_code, code, message, _HINTS.get(error.status_code, ""), error.headers)


async def on_defect(request: Request, error: Exception) -> Response:
    """Starlette's handler for everything else."""
    return unexpected(error, f"{request.method} {request.url.path}")
