"""A running server as the command line sees it: its address, its token, its errors; for top, series, replay and state."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx

from awry.core.errors import AwryError, InvalidInput, Overloaded, StoreUnavailable

DEFAULT_URL = "http://127.0.0.1:7979"


def add_server_arguments(parser: argparse.ArgumentParser) -> None:
    """--url and --token-file."""
    parser.add_argument(
        "--url", default=os.environ.get("AWRY_URL", DEFAULT_URL), help=f"address of the server (AWRY_URL; default {DEFAULT_URL})"
    )
    add_token_argument(parser)


def add_token_argument(parser: argparse.ArgumentParser) -> None:
    """--token-file."""
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="file with the server's token; or set AWRY_TOKEN")


def read_token(args: argparse.Namespace) -> str:
    """The token from the file or the environment, or ""."""
    if args.token_file is None:
        return os.environ.get("AWRY_TOKEN", "")
    try:
        return str(args.token_file.read_text().strip())
    except OSError as error:
        raise InvalidInput(f"cannot read the token file {args.token_file}: {error.strerror}") from error


class Client:
    """Calls of the API; every failure is an AwryError in words for people."""

    def __init__(self, url: str, token: str = "", *, timeout_seconds: float = 10.0) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.url = url.rstrip("/")
        try:
            self._http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout_seconds, trust_env=False)
        except httpx.InvalidURL as error:
            raise InvalidInput(f"cannot use the address {url}: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._http.close()

    def call(self, method: str, path: str, **options: Any) -> Any:
        """The JSON answer of one call. Raises Overloaded for 429, StoreUnavailable for 503, InvalidInput for other 4xx."""
        with self._reached():
            response = self._http.request(method, path, **options)
        if response.is_success:
            return response.json() if response.content else None
        raise self._refusal(response)

    def stream(self, path: str, **options: Any) -> Iterator[bytes]:
        """The body of a GET, piece by piece. Raises as `call`; also when the server ends it early."""
        with self._reached(), self._http.stream("GET", path, **options) as response:
            if not response.is_success:
                response.read()
                raise self._refusal(response)
            yield from response.iter_raw()

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except (httpx.TransportError, httpx.UnsupportedProtocol) as error:
            raise AwryError(
                f"cannot reach {self.url}: {error or type(error).__name__}", hint="is `awry serve` running there? --url says where"
            ) from error

    def _refusal(self, response: httpx.Response) -> AwryError:
        message, hint = _explain(response)
        if response.status_code == 401:
            hint = "give the file of the server's token with --token-file, or set AWRY_TOKEN"
        if response.status_code == 429:
            wait = response.headers.get("Retry-After", "1")
            return Overloaded(message, after_seconds=float(wait) if wait.isdigit() else 1.0, hint=hint)
        if response.status_code == 503:
            return StoreUnavailable(message, hint=hint)
        return InvalidInput(message, hint=hint)


def _explain(response: httpx.Response) -> tuple[str, str]:
    try:
        error = response.json()["error"]
        return str(error["message"]), str(error.get("hint") or "")
    except (ValueError, KeyError, TypeError):
        return f"cannot use the answer of {response.request.url}: HTTP {response.status_code}", "is it an Awry server?"
