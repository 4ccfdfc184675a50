"""The OpenAPI document: valid, complete, and kept by the server (schemathesis sends what it allows and what it forbids)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.routing import Route

from awry.server.app import App, private_config
from awry.server.openapi import document
from tests.server.live import Live

OPERATIONS = [f"{method.upper()} {path}" for path, methods in document("test")["paths"].items() for method in methods]


def test_every_route_of_the_api_is_described(tmp_path: Path) -> None:
    """Each address and method below /api/v1 stands in the document, and nothing else does."""
    from awry.server.api import api_routes

    routes = [r for r in api_routes(App(private_config(tmp_path))) if isinstance(r, Route) and r.path.startswith("/api/v1/")]
    served = {(r.path, m.lower()) for r in routes for m in r.methods or () if m != "HEAD"} - {("/api/v1/openapi.json", "get")}
    described = {
        (path, method) for path, methods in document("x")["paths"].items() if path.startswith("/api/") for method in methods
    }
    assert served == described


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with a few series and rules."""
    with Live(tmp_path_factory.mktemp("schema")) as server:
        server.send([("a", 1_700_000_000_000 + i * 1000, float(i)) for i in range(100)])
        yield server.url


@pytest.mark.slow
@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_server_keeps_its_document(operation: str, url: str) -> None:
    """Whatever is sent, the answer has a described status, shape and type, and is never a server error.

    Valid data may be refused all the same: that a rule has a threshold or a budget, say, is no matter of a schema.
    """
    from tests.server.schema_cases import send_cases

    assert send_cases(operation, url) > 0
