"""POST /login and /logout: a browser shows the token once and gets a session cookie instead."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from awry.core.errors import InvalidInput
from awry.server.auth import COOKIE
from awry.server.body import read_body, read_json
from awry.server.pages.login import login_page, safe_next
from awry.server.problems import problem, reply

if TYPE_CHECKING:
    from awry.server.app import App

LOGIN_BYTES = 16_384
"""Largest form; anyone may send one."""
WRONG_TOKEN_SECONDS = 0.25
"""A wrong token is answered this much later, one at a time, so that guessing is slow."""


class LoginBody(msgspec.Struct):
    """The token, and the page to go on to."""

    token: str
    next: str = "/"


def routes(app: App) -> list[BaseRoute]:
    """POST /login and POST /logout."""
    turn = asyncio.Lock()

    async def login(request: Request) -> Response:
        data = await read_body(request, app.config.limits, LOGIN_BYTES)
        as_json = request.headers.get("content-type", "").startswith("application/json")
        body = read_json(data, LoginBody) if as_json else _form(data)
        role = app.auth.role_of(body.token)
        if role == "none" and app.auth.needed:
            async with turn:
                await asyncio.sleep(WRONG_TOKEN_SECONDS)
            if as_json:
                return problem(401, "unauthorized", "cannot log in: no such token", "see [auth] in the config file")
            return login_page(app, request, failed=True, target=body.next)
        response = reply({"role": role}) if as_json else RedirectResponse(safe_next(body.next), 303)
        if app.auth.needed:
            response.set_cookie(
                COOKIE,
                app.auth.open(role),
                max_age=app.config.auth.session_ms // 1000,
                httponly=True,
                samesite="strict",
                secure=request.url.scheme == "https",
            )
        return response

    async def logout(request: Request) -> Response:
        app.auth.close(request.cookies.get(COOKIE, ""))
        response = RedirectResponse("/login", 303)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return response

    return [Route("/login", login, methods=["POST"]), Route("/logout", logout, methods=["POST"])]


def _form(data: bytes) -> LoginBody:
    try:
        fields = parse_qs(data.decode(), keep_blank_values=True, max_num_fields=10)
    except (UnicodeDecodeError, ValueError) as error:
        raise InvalidInput("cannot read the form") from error
    return LoginBody(fields.get("token", [""])[0].strip(), fields.get("next", ["/"])[0])
