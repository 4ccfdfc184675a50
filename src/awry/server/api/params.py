"""Query parameters and routes in their common forms: numbers in a range, times, flags, several methods on one address."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from awry.core.errors import InvalidInput
from awry.formats.rfc3339 import parse_time

Handler = Callable[[Request], Awaitable[Response]]
MAX_TIME_MS = 253_402_300_799_999
"""The last millisecond of the year 9999."""


def resource(path: str, **handlers: Handler) -> Route:
    """One address with a handler per method (get=…, post=…), so that the Allow header of a refusal is right."""
    by_method = {name.upper(): handler for name, handler in handlers.items()}

    async def dispatch(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        if request.query_params:
            _refuse_unknown(request, path, method)
        return await by_method[method](request)

    return Route(path, dispatch, methods=list(by_method))


def _refuse_unknown(request: Request, path: str, method: str) -> None:
    """A misspelt parameter must not quietly mean its default; those of writes may be a proxy's or agent's own."""
    if method not in ("GET", "DELETE"):
        return
    known = _known_parameters().get((path, method), frozenset())
    for name in request.query_params:
        if name not in known:
            hint = f"it takes {', '.join(sorted(known))}" if known else "it takes none"
            raise InvalidInput(f"cannot use the parameter {name[:40]!r} here", hint=hint)


@cache
def _known_parameters() -> dict[tuple[str, str], frozenset[str]]:
    """(address, method) -> names of the parameters that the OpenAPI document gives it."""
    from awry.server.openapi import document  # here, for that module needs this one

    return {
        (path, method.upper()): frozenset(p["name"] for p in operation.get("parameters", ()) if p["in"] == "query")
        for path, operations in document("")["paths"].items()
        for method, operation in operations.items()
    }


def integer(request: Request, name: str, default: int, low: int, high: int) -> int:
    """A whole number in [low, high]. Raises InvalidInput."""
    text = request.query_params.get(name)
    if text is None:
        return default
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 18 and low <= int(text) <= high):
        raise InvalidInput(f"cannot use {name}={text[:40]!r}", hint=f"a whole number from {low} to {high} is expected")
    return int(text)


def limit_of(request: Request) -> int:
    """The parameter `limit`, 1 to 1000, by default 100."""
    return integer(request, "limit", 100, 1, 1000)


def choice(request: Request, name: str, choices: tuple[str, ...], default: str) -> str:
    """One of a few words. Raises InvalidInput."""
    text = request.query_params.get(name, default)
    if text not in choices:
        raise InvalidInput(f"cannot use {name}={text[:40]!r}", hint=f"one of {', '.join(c for c in choices if c)} is expected")
    return text


def flag(request: Request, name: str) -> bool:
    """true or false, by default false. Raises InvalidInput."""
    return choice(request, name, ("true", "false"), "false") == "true"


def time_of(name: str, value: int | str) -> int:
    """Unix ms of a number or an RFC 3339 text, from 1970 to 9999. Raises InvalidInput."""
    if isinstance(value, str):
        digits = value.strip()
        if digits.isascii() and digits.isdecimal() and len(digits) <= 15:
            value = int(digits)
        elif "-" in digits[1:]:
            value = parse_time(digits)
        else:
            raise InvalidInput(f"cannot use {name}={digits[:40]!r}", hint="write Unix milliseconds or RFC 3339")
    if not 0 <= value <= MAX_TIME_MS:
        raise InvalidInput(f"cannot use {name}={value}: not between the years 1970 and 9999", hint="times are Unix milliseconds")
    return value


def time_param(request: Request, name: str) -> int | None:
    """A time parameter, or None when it is not given. Raises InvalidInput."""
    text = request.query_params.get(name)
    return None if text is None else time_of(name, text)


def range_of(request: Request, now: int, default_ms: int) -> tuple[int, int]:
    """[start, end) in Unix ms; by default the `default_ms` up to now. Raises InvalidInput."""
    end = time_param(request, "end")
    start = time_param(request, "start")
    end = (now + 1 if start is None else max(now + 1, start + 1)) if end is None else end
    start = max(0, end - default_ms) if start is None else start
    if start >= end:
        raise _no_range(start, end)
    return start, end


def open_range(request: Request) -> tuple[int | None, int | None]:
    """[start, end) in Unix ms, either of them None when it is not given. Raises InvalidInput."""
    start, end = time_param(request, "start"), time_param(request, "end")
    if start is not None and end is not None and start >= end:
        raise _no_range(start, end)
    return start, end


def _no_range(start: int, end: int) -> InvalidInput:
    return InvalidInput(f"cannot use the range [{start}, {end}): it is empty", hint="start must be before end")


def required(request: Request, name: str) -> str:
    """A parameter that must be there. Raises InvalidInput."""
    text = request.query_params.get(name)
    if text is None:
        raise InvalidInput(f"cannot do without the parameter {name!r}", hint=f"add ?{name}= to the address")
    return text
