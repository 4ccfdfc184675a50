"""Starts real peers from Debian's packages in folders of their own; skips without them, unless CI must have them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.serving import Served

Launch = Callable[..., subprocess.Popen[bytes]]


def find(program: str) -> str:
    """Path of an installed program; skip the test without it, or fail it under CI."""
    path = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if path:
        return path
    reason = f"{program} is not installed: run scripts/test-peers"
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(reason)
    pytest.skip(reason)


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def awry(tmp_path: Path) -> Iterator[Served]:
    """A server with an empty data folder."""
    with Served.start(tmp_path / "data") as served:
        yield served


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Starts peers, their output in `peer.log`; ends every one of them afterwards."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: str | Path) -> subprocess.Popen[bytes]:
        with (tmp_path / "peer.log").open("ab") as output:
            process = subprocess.Popen(command, cwd=tmp_path, stdout=output, stderr=subprocess.STDOUT)
        started.append(process)
        return process

    yield start
    for process in started:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
