"""Databases for the store tests: an SQLite file, and a schema or database of its own on each server that runs here."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, exc, text

from awry.stores import SqlStore, open_store

_SERVERS = {
    "postgresql": (
        os.environ.get("AWRY_TEST_POSTGRES", "postgresql+psycopg://root@127.0.0.1/test"),
        "postgresql+psycopg://awry_test:awry_test@127.0.0.1/awry_test",
    ),
    "mysql": (
        os.environ.get("AWRY_TEST_MYSQL", "mysql+pymysql://root@127.0.0.1:3306/test"),
        "mysql+pymysql://awry_test:awry_test@127.0.0.1:3306/awry_test",
    ),
}
"""Where the tests look for a server: one open to this user, or else the account that scripts/test-peers makes."""
Opener = Callable[..., SqlStore]


@pytest.fixture(
    params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow), pytest.param("mysql", marks=pytest.mark.slow)]
)
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database; on a server, dropped afterwards."""
    if request.param == "sqlite":
        yield str(tmp_path / "data")
        return
    name = f"awry_{uuid.uuid4().hex[:12]}"
    kind = "SCHEMA" if request.param == "postgresql" else "DATABASE"
    reasons = []
    for server in _SERVERS[request.param]:
        engine = create_engine(server)
        try:
            with engine.begin() as connection:
                connection.execute(text(f"CREATE {kind} {name}"))
            break
        except exc.OperationalError as error:
            engine.dispose()
            reasons.append(str(error.orig).strip())
    else:
        reason = f"no {request.param} server: {'; '.join(reasons)}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    if request.param == "postgresql":
        yield f"{server}?options=-csearch_path%3D{name}"
    else:
        yield f"{server.rsplit('/', 1)[0]}/{name}"
    with engine.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {name} CASCADE" if kind == "SCHEMA" else f"DROP DATABASE {name}"))
    engine.dispose()


@pytest.fixture
def opened() -> Iterator[Opener]:
    """Opens stores and closes what is still open when the test ends."""
    stores: list[SqlStore] = []

    def open_one(where: str | Path, **options: Any) -> SqlStore:
        store = open_store(where, **options)
        stores.append(store)
        return store

    yield open_one
    for store in stores:
        store.close()
