"""One open server and one with tokens, each shared by the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server.live import TOKENS, Live


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server without tokens."""
    with Live(tmp_path_factory.mktemp("open")) as server:
        yield server


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server with a read and a write token."""
    with Live(tmp_path_factory.mktemp("guarded"), auth=TOKENS) as server:
        yield server
