"""Runs `awry serve` as a process of its own on free ports, for tests that need the real thing or mean to kill it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx

READY = re.compile(r"^awry: serving (http://\S+)(?: graphite (\S+):(\d+))?(?: otlp (http://\S+))?", re.MULTILINE)
START_SECONDS = 120.0  # kernels may have to be compiled first


def wait_for(what: str, true: Callable[[], object], *, seconds: float = 60.0, every: float = 0.05) -> None:
    """Return as soon as `true()` is true; fail after `seconds`."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"{what} did not come about within {seconds:g} s"
        time.sleep(every)


@dataclass
class Served:
    """A running server: leave the `with` block and it is gone, whatever happened inside."""

    data: Path
    process: subprocess.Popen[bytes]
    log: Path
    url: str = ""
    graphite: tuple[str, int] = ("", 0)
    otlp: str = ""

    @classmethod
    def spawn(
        cls,
        data: Path,
        *,
        config: str = "",
        arguments: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        program: Sequence[str] = ("-m", "awry.cli.main"),
    ) -> Self:
        """`awry serve` with its files in `data`, just begun."""
        data.mkdir(parents=True, exist_ok=True)
        log = data.parent / f"{data.name}-{time.monotonic_ns()}.log"
        command = [sys.executable, *program, "serve", "--data", str(data)]
        command += ["--http", "127.0.0.1:0", "--graphite", "127.0.0.1:0", *arguments]
        if config:
            file = data.parent / f"{data.name}.toml"
            file.write_text(config, encoding="utf-8")
            command += ["--config", str(file)]
        # Output goes to a file: a pipe nobody reads would stop the server.
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "AWRY_HOST_ENABLED": "false", "AWRY_SERVER_OTLP_HTTP": "127.0.0.1:0"}
        environment |= {"AWRY_SERVER_GRAPHITE_PICKLE": "off", "AWRY_SERVER_STATSD": "off"} | dict(env or {})
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
        return cls(data, process, log)

    @classmethod
    def start(cls, data: Path, **options: Any) -> Self:
        """The same with the same options, returned once it is ready. Starting again on the same `data` is a restart."""
        served = cls.spawn(data, **options)
        try:
            wait_for("the server's address", served._addressed, seconds=START_SECONDS)
            wait_for("the server's readiness", served._ready, seconds=START_SECONDS)
        except BaseException:
            served.kill()
            raise
        return served

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()

    def kill(self) -> None:
        """SIGKILL: no goodbye. Harmless when it has ended already."""
        self.process.kill()
        self.process.wait()

    def stop(self, *, seconds: float = 30.0) -> int:
        """SIGTERM, then the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def get(self, path: str, **params: str | int) -> httpx.Response:
        """GET of an API path, by a client of its own."""
        return httpx.get(self.url + path, params=params, timeout=30, trust_env=False)

    def keys(self, match: str) -> list[str]:
        """Keys of the series that a selector finds (the first thousand)."""
        return [series["key"] for series in self.get("/api/v1/series", match=match, limit=1000).json()["series"]]

    def text(self) -> str:
        """What the server has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def _addressed(self) -> bool:
        assert self.process.poll() is None, f"the server ended with status {self.process.returncode}:\n{self.text()[-4000:]}"
        found = READY.search(self.text())
        if found:
            self.url, self.otlp = found[1], found[4] or ""
            self.graphite = (found[2], int(found[3])) if found[2] else ("", 0)
        return found is not None

    def _ready(self) -> bool:
        assert self.process.poll() is None, f"the server ended with status {self.process.returncode}:\n{self.text()[-4000:]}"
        try:
            return self.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False
