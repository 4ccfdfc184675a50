"""Posts each change as JSON to an address of yours, signed if you like; for scripts, chat bridges and incident tools."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

import httpx
import msgspec

from awry.core.errors import InvalidConfig, InvalidInput, Retry
from awry.core.incident import Change
from awry.notifiers.message import change_json

SIGNATURE_HEADER = "X-Awry-Signature"
CHANGE_HEADER = "X-Awry-Change"


@dataclass(slots=True)
class Webhook:
    """One POST per change. 2xx means delivered; 5xx, 408, 429 and a failed connection are tried again; all else is a failure."""

    url: str = field(repr=False)
    """Where to post to, http or https; treated as a secret, since many services put a token in it."""
    secret: str = field(default="", repr=False)
    """Signs the body: X-Awry-Signature is "sha256=" and the hex HMAC-SHA256 of the body under this secret."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """More headers to send, such as Authorization."""
    timeout_seconds: float = 10.0
    """A delivery that takes longer has failed and is tried again."""
    link: str = ""
    """Address of this server as people reach it; messages then link to the incident's page."""
    _client: httpx.AsyncClient | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidConfig("cannot use the webhook's url: not an http or https address")

    async def __aenter__(self) -> Self:
        if self._client is None:
            # no proxies or netrc from the environment: the address is what the configuration says
            self._client = httpx.AsyncClient(timeout=self.timeout_seconds, follow_redirects=False, trust_env=False)
        return self

    async def __aexit__(self, *exc: object) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def notify(self, change: Change) -> None:
        """Deliver one change. A receiver may see one twice after a crash, with the same X-Awry-Change number."""
        if self._client is None:
            await self.__aenter__()
        client = self._client
        assert client is not None
        content = msgspec.json.encode(change_json(change, self.link))
        headers = {**self.headers, "Content-Type": "application/json", "User-Agent": "awry", CHANGE_HEADER: str(change.number)}
        if self.secret:
            headers[SIGNATURE_HEADER] = "sha256=" + hmac.new(self.secret.encode(), content, hashlib.sha256).hexdigest()
        try:
            # httpx's own timeout is for each read, and an answer's body may be endless: we want its first line within the time
            async with (
                asyncio.timeout(self.timeout_seconds),
                client.stream("POST", self.url, content=content, headers=headers) as response,
            ):
                pass
        except (TimeoutError, httpx.TimeoutException) as error:
            raise Retry(f"cannot deliver to the webhook: no answer within {self.timeout_seconds:g} s") from error
        except httpx.TransportError as error:  # its words may hold the address, the kind of error does not
            raise Retry(f"cannot deliver to the webhook: {type(error).__name__}") from error
        status = response.status_code
        if 200 <= status < 300:
            return
        if status >= 500 or status in (408, 425, 429):
            raise Retry(f"cannot deliver to the webhook: it answered {status}", after_seconds=_retry_after(response))
        raise InvalidInput(f"cannot deliver to the webhook: it answered {status}", hint="check its url and headers")


def _retry_after(response: httpx.Response) -> float:
    text = response.headers.get("Retry-After", "")
    return min(float(text), 3600.0) if text.isascii() and text.isdigit() else 1.0
