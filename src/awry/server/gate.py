"""The gate in front of every route: Host, Origin, role, security headers, request counts; answers defects with an id."""

from __future__ import annotations

import time
from collections import Counter
from urllib.parse import quote, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from awry.server.auth import Auth, Role
from awry.server.exposure import is_loopback
from awry.server.problems import problem, unexpected
from awry.server.settings import ServerSection, parse_address

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_OPEN = ("/healthz", "/readyz", "/ping", "/login", "/favicon.ico")
_READS = ("/api/v1/rules/validate", "/api/v1/rules/dry-run", "/logout")
"""POST addresses that change nothing others see."""


class Gate:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, auth: Auth, server: ServerSection) -> None:
        self._app, self._auth = app, auth
        self._hosts = {name.lower() for name in server.hosts}
        for address in (server.http, server.otlp_http):
            if address != "off" and (bound := parse_address(address)[0]) not in ("0.0.0.0", "::"):
                self._hosts.add(bound.lower())
        self.answers: Counter[tuple[str, int]] = Counter()
        """How many requests of (method, status) were answered."""
        self.seconds = 0.0
        """Time spent answering, in total."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, begun = time.perf_counter(), False

        async def dressed(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                method = scope["method"] if scope["method"] in ("GET", "POST", "PUT", "DELETE", "HEAD") else "other"
                self.answers[(method, message["status"])] += 1
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if scope["path"].startswith("/api/"):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            refusal = self._refuse(HTTPConnection(scope), scope)
            await (refusal or self._app)(scope, receive, dressed)
        except ClientDisconnect:
            self.answers[(scope["method"], 499)] += 1
        except Exception as error:
            if not begun:
                await unexpected(error, f"{scope['method']} {scope['path']}")(scope, receive, dressed)
        finally:
            self.seconds += time.perf_counter() - started

    def _refuse(self, request: HTTPConnection, scope: Scope) -> Response | None:
        host = request.headers.get("host", "")
        if not self._known(host):
            hint = 'add the name to [server] hosts, for example hosts = ["awry.example.org"]'
            return problem(421, "unknown_host", f"cannot serve the host name {host[:100]!r}", hint)
        path, method = scope["path"], scope["method"]
        writes = method not in ("GET", "HEAD", "OPTIONS")
        if writes and not self._same_origin(request, host):
            return problem(
                403,
                "foreign_origin",
                "cannot take a write that another site started",
                "call the API from its own pages or without a browser",
            )
        if path in _OPEN or path.startswith("/static/"):
            return None
        role, by_cookie = self._auth.role(request)
        scope.setdefault("state", {})["role"] = role
        if role == "none":
            return self._unknown(request, path)
        if writes and by_cookie and not (request.headers.get("origin") or request.headers.get("sec-fetch-site")):
            return problem(
                403,
                "foreign_origin",
                "cannot take a write of a browser session without an Origin",
                "send the Origin header, or a token",
            )
        return self._role(role, writes and path not in _READS)

    def _role(self, role: Role, writes: bool) -> Response | None:
        if writes and role != "write":
            return problem(403, "forbidden", "cannot change anything with a read token", "use the token of [auth] write_token")
        return None

    def _unknown(self, request: HTTPConnection, path: str) -> Response:
        if not self._auth.needed:
            return problem(403, "forbidden", "cannot serve other machines: no token is configured", "set [auth] write_token")
        if not path.startswith("/api/") and "text/html" in request.headers.get("accept", ""):
            wanted = path + ("?" + request.url.query if request.url.query else "")
            return RedirectResponse("/login?next=" + quote(wanted, safe="/"), 303)
        headers = {"WWW-Authenticate": 'Bearer realm="awry"'}
        return problem(401, "unauthorized", "cannot answer without a valid token", "send Authorization: Bearer TOKEN", headers)

    def _known(self, host: str) -> bool:
        name = _name_of(host)
        return bool(name) and (is_loopback(name) or name in self._hosts)

    def _same_origin(self, request: HTTPConnection, host: str) -> bool:
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return False
        origin = request.headers.get("origin")
        if origin is None:
            return True
        try:
            return urlsplit(origin).netloc.lower() == host.lower()
        except ValueError:
            return False


def _name_of(host: str) -> str:
    """The name in a Host header without its port, in lower case; "" when it has no proper form."""
    if any(c in host for c in "/@?#\\ \t,"):
        return ""
    name, colon, port = host.rpartition(":")
    if colon and not host.endswith("]"):
        return name.strip("[]").lower() if port.isdecimal() and port.isascii() else ""
    return host.strip("[]").lower()
