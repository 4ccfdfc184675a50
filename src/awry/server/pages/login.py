"""The form that takes the token once; what it is sent to answers with the cookie."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from awry.server.pages.render import page

if TYPE_CHECKING:
    from awry.server.app import App


def safe_next(target: str) -> str:
    """An address on this server to go on to; anything else becomes the overview."""
    safe = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if safe else "/"


def login_page(app: App, request: Request, *, failed: bool = False, target: str = "") -> Response:
    """The form; after a wrong token it says so, with status 401. target: where to go on to, else what the address says."""
    target = safe_next(target or request.query_params.get("next", "/"))
    return page(app, request, "login.html", status=401 if failed else 200, failed=failed, target=target)


def routes(app: App) -> list[BaseRoute]:
    """`GET /login`."""

    async def login(request: Request) -> Response:
        return login_page(app, request, failed="failed" in request.query_params)

    return [Route("/login", login, methods=["GET"])]
