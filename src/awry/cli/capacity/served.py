"""A real `awry serve` in a process of its own, for a capacity run: started, looked at from outside, killed and started again."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

import psutil

from awry.core.errors import AwryError

_BANNER = re.compile(r"^awry: serving (http://\S+) graphite (\S+):(\d+)", re.MULTILINE)
_START_SECONDS = 900.0
"""Kernels may have to be compiled first, or much be replayed."""


@dataclass
class Served:
    """A running server; leaving the `with` block ends it, whatever happened inside."""

    folder: Path
    """Holds its data, its configuration and its log."""
    config: str
    process: subprocess.Popen[bytes] = field(init=False, repr=False)
    host: str = ""
    port: int = 0
    graphite: tuple[str, int] = ("", 0)
    start_seconds: float = 0.0
    """From making the process until it said that it is ready."""

    @property
    def data(self) -> Path:
        """Its data folder."""
        return self.folder / "data"

    @property
    def compiled(self) -> bool:
        """Whether it had kernels to compile at its last start, which takes long and memory."""
        return "compiling, this once" in (self.folder / "server.log").read_text(encoding="utf-8", errors="replace")

    def start(self) -> float:
        """Start, or start again; tells the seconds until it is ready. Raises AwryError when it ends instead."""
        self.folder.mkdir(parents=True, exist_ok=True)
        log, file = self.folder / "server.log", self.folder / "awry.toml"
        file.write_text(self.config, encoding="utf-8")
        # the settings of whoever runs the bench must not change what is measured
        env = {name: value for name, value in os.environ.items() if not name.startswith("AWRY_")}
        env.pop("PYTHONDONTWRITEBYTECODE", None)  # bytecode is one of the caches that are warm at a cold start
        command = [sys.executable, "-m", "awry.cli.main", "serve", "--config", str(file), "--data", str(self.data)]
        command += ["--http", "127.0.0.1:0", "--graphite", "127.0.0.1:0"]
        env |= {"AWRY_SERVER_GRAPHITE_PICKLE": "off", "AWRY_SERVER_STATSD": "off", "AWRY_SERVER_OTLP_HTTP": "off"}
        self.port = 0
        began = time.perf_counter()
        with log.open("wb") as output:  # a pipe nobody reads would stop it
            self.process = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, env={**env, "PYTHONUNBUFFERED": "1"}, start_new_session=True
            )
        while not self._ready(log):
            if self.process.poll() is not None or time.perf_counter() - began > _START_SECONDS:
                said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
                raise AwryError(f"cannot start the server to measure: {said[-1] if said else 'it said nothing'}")
            time.sleep(0.01)
        self.start_seconds = time.perf_counter() - began
        return self.start_seconds

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()

    def kill(self) -> None:
        """SIGKILL; harmless when it has ended already."""
        if hasattr(self, "process"):
            self.process.kill()
            self.process.wait()

    def stop(self, seconds: float = 600.0) -> None:
        """SIGTERM, and wait for its end."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(seconds)

    def connection(self, timeout: float = 120.0) -> http.client.HTTPConnection:
        """A connection of one's own, kept alive."""
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout)

    def get(self, path: str, **params: str | int) -> bytes:
        """The body of one answer. Raises AwryError for any status but 200."""
        connection = self.connection()
        try:
            connection.request("GET", f"{path}?{urlencode(params)}" if params else path)
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise AwryError(f"cannot measure: GET {path} answered {response.status}: {body[:200].decode(errors='replace')}")
        return body

    def json(self, path: str, **params: str | int) -> Any:
        """The same as an object."""
        return json.loads(self.get(path, **params))

    def counters(self, *names: str) -> dict[str, float]:
        """Sums over all labels of some families of /metrics."""
        found = dict.fromkeys(names, 0.0)
        for line in self.get("/metrics").decode().splitlines():
            name = re.split(r"[{ ]", line, maxsplit=1)[0]
            if name in found:
                found[name] += float(line.rsplit(" ", 1)[1])
        return found

    def accepted(self) -> int:
        """Samples committed since it started, over all sources."""
        return int(self.counters("awry_samples_accepted_total")["awry_samples_accepted_total"])

    def resident(self) -> int:
        """Bytes of memory that it holds."""
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def cpu_seconds(self) -> float:
        """Processor time it has used since its start."""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def _ready(self, log: Path) -> bool:
        if not self.port:
            found = _BANNER.search(log.read_text(encoding="utf-8", errors="replace"))
            if found is None:
                return False
            address = urlsplit(found[1])
            self.host, self.port = address.hostname or "", address.port or 0
            self.graphite = (found[2], int(found[3]))
        try:
            self.get("/readyz")
        except (OSError, http.client.HTTPException, AwryError):
            return False
        return True


def config_text(series: int, webhook: str, *, lean: bool, rule: str, selector: str, threshold: float) -> str:
    """The defaults with no other door open, limits wide enough for the load, and the rule of the series that are made ill."""
    from awry.server.settings import settings_table

    doors = [s.name for s in settings_table() if s.section == "server" and s.type == "address or off" and s.name != "graphite"]
    lines = [
        "[limits]", f"series = {series + 10_000}", f"new_series_per_minute = {series + 10_000}",
        "[host]", "enabled = false",
        "[server]", 'log = "warning"', *(f'{door} = "off"' for door in doors),
        "[notifier.capacity]", 'type = "webhook"', f'url = "{webhook}"',
        f"[rule.{rule}]", f"selector = '{selector}'", f"threshold = {threshold}", 'group_by = ["probe"]', "absent = false",
        'notify = ["capacity"]',
    ]  # fmt: skip
    return "\n".join([*lines, *(["[detection]", 'detector = "lean"'] if lean else [])]) + "\n"
