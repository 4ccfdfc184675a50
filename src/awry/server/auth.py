"""Who may do what: tokens with a read and a write role, browser sessions in memory, and loopback when no token is set."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections import OrderedDict
from typing import Literal

from starlette.requests import HTTPConnection

from awry.core.clock import Clock
from awry.server.exposure import is_loopback
from awry.server.settings import AuthSection

Role = Literal["none", "read", "write"]
COOKIE = "awry_session"
INFLUX = ("/write", "/api/v2/write", "/query")
"""Addresses where a token may come as InfluxDB's clients send one: as the password of Basic or of the parameter `p` too."""
MAX_SESSIONS = 1000
"""Sessions at a time; the longest unused one ends when another login comes."""


class Auth:
    """Answers which role a request has. Sessions live in memory: a restart asks for the token again."""

    def __init__(self, settings: AuthSection, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._sessions: OrderedDict[str, tuple[Role, int]] = OrderedDict()

    @property
    def needed(self) -> bool:
        """Whether a token is configured, so that every request must show one."""
        return self._settings.configured

    def role(self, request: HTTPConnection) -> tuple[Role, bool]:
        """The role of a request, and whether a cookie (not a token) gave it."""
        if not self.needed:
            return ("write" if request.client is not None and is_loopback(request.client.host) else "none"), False
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if token:
            roles = [self.role_of(shown) for shown in _tokens(scheme.lower(), token.strip(), request.scope["path"])]
            return next((role for role in roles if role != "none"), "none"), False
        if request.scope["path"] in INFLUX and (password := request.query_params.get("p")):
            return self.role_of(password), False
        return self._session(request.cookies.get(COOKIE, "")), True

    def role_of(self, token: str) -> Role:
        """The role of a token; takes the same time whatever is wrong with it."""
        write = self._settings.write_token is not None and self._settings.write_token.equals(token)
        read = self._settings.read_token is not None and self._settings.read_token.equals(token)
        return "write" if write else "read" if read else "none"

    def open(self, role: Role) -> str:
        """Begin a browser session of a role and tell its id."""
        session = secrets.token_urlsafe(32)
        self._sessions[_digest(session)] = (role, self._clock.now_ms() + self._settings.session_ms)
        while len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)
        return session

    def close(self, session: str) -> None:
        """End a browser session."""
        self._sessions.pop(_digest(session), None)

    def _session(self, session: str) -> Role:
        if not session:
            return "none"
        mark = _digest(session)
        role, until = self._sessions.get(mark, ("none", 0))
        if self._clock.now_ms() >= until:
            self._sessions.pop(mark, None)
            return "none"
        self._sessions.move_to_end(mark)
        return role


def _tokens(scheme: str, token: str, path: str) -> list[str]:
    """What an Authorization header shows as a token; "Token" is InfluxDB's word for "Bearer", with `user:` before it or not."""
    if scheme == "bearer":
        return [token]
    if path not in INFLUX or scheme not in ("token", "basic"):
        return []
    if scheme == "token":
        return [token, token.partition(":")[2]]
    try:
        return [base64.b64decode(token, validate=True).decode().partition(":")[2]]
    except (binascii.Error, UnicodeDecodeError):
        return []


def _digest(session: str) -> str:
    return hashlib.sha256(session.encode("utf-8", "surrogatepass")).hexdigest()
