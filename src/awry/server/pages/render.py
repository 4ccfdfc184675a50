"""Templates, static files and page headers: how every page of the dashboard is turned into a response."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from awry.server.pages import words
from awry.server.pages.spark import spark

if TYPE_CHECKING:
    from jinja2 import Environment

    from awry.server.app import App

_HERE = Path(__file__).resolve().parent.parent
STATIC = _HERE / "static"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


@lru_cache(maxsize=1)
def static_version() -> str:
    """A hash of all static files: part of their address, so that browsers may keep them for good."""
    digest = hashlib.sha256()
    for path in sorted(p for p in STATIC.rglob("*") if p.is_file()):
        digest.update(path.relative_to(STATIC).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def series_url(key: str, **parameters: object) -> str:
    """Address of a series' page."""
    return "/series?" + urlencode({"key": key, **parameters})


def match_url(selector: str) -> str:
    """Address of the list of series a selector means."""
    return "/series?" + urlencode({"match": selector})


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The one Jinja2 environment: everything escaped, unknown names are errors."""
    # here and not above: a server listens before anybody asks for a page
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    env = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in (
        "rarity", "every", "how_often", "reason_of", "num", "span", "ago", "clock", "iso", "plural", "subject", "unit_of",
        "name_of", "labels_of",
    ):  # fmt: skip
        env.filters[name] = getattr(words, name)
    env.filters["score_class"] = words.score_class
    env.filters["unbroken"] = words.unbroken
    env.filters["spark"] = lambda points: Markup(spark(points))
    env.globals.update(series_url=series_url, match_url=match_url, static=f"/static/{static_version()}", known=words.known)
    return env


def fragment(name: str, **context: Any) -> str:
    """One template as text: a part that is swapped in place."""
    return environment().get_template(name).render(**context)


def shell_context(app: App, request: Request) -> dict[str, Any]:
    """What the frame of every page shows: samples per second, series, the state of the store."""
    snapshot = app.engine.snapshot
    return {
        "path": request.url.path,
        "now": app.clock.now_ms(),
        "rate": rate_now(snapshot.rate, app.clock.now_ms()),
        "series_count": app.table.live,
        "store_error": snapshot.store_error,
        "token_needed": app.auth.needed,
    }


def rate_now(rate: tuple[tuple[int, int], ...], now: int) -> float:
    """Samples per second over the last 15 s of whole 5 s steps; steps without a sample are not in `rate`, and count."""
    end = now // 5000 * 5000
    return sum(n for at, n in rate if end - 15_000 <= at < end) / 15


def page(app: App, request: Request, name: str, *, status: int = 200, **context: Any) -> HTMLResponse:
    """A whole page with its headers."""
    text = fragment(name, **{**shell_context(app, request), **context})
    return HTMLResponse(text, status_code=status, headers=HEADERS)


def part(name: str, context: Mapping[str, Any]) -> HTMLResponse:
    """A part of a page, as htmx asks for it."""
    return HTMLResponse(fragment(name, **context), headers=HEADERS)


class _Versioned(StaticFiles):
    """Files below /static/<version>/; of the current version they may be cached for good, of another not at all."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file named after the version."""
        version, _, rest = path.partition("/")
        response = await super().get_response(rest, scope)
        fresh = version == static_version()
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if fresh else "no-cache"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


def static_route() -> Mount:
    """`/static/<version>/...`."""
    return Mount("/static", app=_Versioned(directory=STATIC), name="static")


def not_found(app: App, request: Request, what: str, hint: str) -> Response:
    """A page that says what is not here and what to do."""
    if request.headers.get("HX-Request"):
        return PlainTextResponse(what, status_code=404)
    return page(app, request, "missing.html", status=404, what=what, hint=hint, title=what)
