"""Senders, readers and gauges for the tests of overload."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.serving import Served

BEGAN = (int(time.time()) // 86_400 - 2) * 86_400_000
ROOT = Path(__file__).parents[2]
QUEUE = 20_000
CONFIG = f"[engine]\nqueue_samples = {QUEUE}\n"


class Slow:
    """A server on a disk whose pace can be changed while it runs."""

    def __init__(self, folder: Path, config: str = CONFIG) -> None:
        folder.mkdir(exist_ok=True)
        self._pace = folder / "pace"
        self.pace("")
        program = ("-m", "tests.overload.slow_disk", str(self._pace))
        self.served = Served.start(
            folder / "data",
            config=config,
            program=program,
            env={"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        )

    def pace(self, word: str) -> None:
        """Bytes a second, "stop", or "" for no limit."""
        other = self._pace.with_suffix(".new")
        other.write_text(word, encoding="utf-8")
        other.replace(self._pace)

    @property
    def memory(self) -> int:
        """Resident bytes."""
        return int(psutil.Process(self.served.process.pid).memory_info().rss)


def source(served: Served, name: str) -> dict[str, Any]:
    """What the status says of one source."""
    found = [s for s in served.get("/api/v1/status").json()["sources"] if s["name"] == name]
    return found[0] if found else {"received": 0, "accepted": 0, "refused": {}}


def body(name: str, step: int, series: int = 500) -> dict[str, Any]:
    """One sample of each series at one second."""
    return {
        "series": [f'{name}{{n="{i}"}}' for i in range(series)],
        "time": [BEGAN + 1000 * step] * series,
        "value": [float(step)] * series,
    }


class Asker:
    """Asks the API over and over in a thread, and remembers how long each answer took."""

    def __init__(self, url: str, path: str = "/api/v1/status") -> None:
        self.seconds: list[float] = []
        self.codes: set[int] = set()
        self._address, self._over = url + path, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Asker:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join(60)

    def _run(self) -> None:
        with httpx.Client(trust_env=False, timeout=60) as client:
            while not self._over.is_set():
                began = time.monotonic()
                self.codes.add(client.get(self._address).status_code)
                self.seconds.append(time.monotonic() - began)


@contextmanager
def connections(address: tuple[str, int], count: int) -> Iterator[list[socket.socket]]:
    """So many connections that say nothing."""
    opened = [socket.create_connection(address, timeout=30) for _ in range(count)]
    try:
        yield opened
    finally:
        for one in opened:
            one.close()


def http_address(served: Served) -> tuple[str, int]:
    """Host and port of the API."""
    host, port = served.url.removeprefix("http://").rsplit(":", 1)
    return host, int(port)


def run(*jobs: Callable[[], None]) -> list[threading.Thread]:
    """Start these in threads."""
    threads = [threading.Thread(target=job, daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    return threads
