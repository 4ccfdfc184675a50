"""Servers of other projects that take Graphite lines and keep them: carbon-cache and VictoriaMetrics, as Debian packages them.

Ingest only: neither scores anything. Each is started for the run on free ports of loopback, its files in a temporary folder.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.request import urlopen

import psutil

CARBON = """[cache]
STORAGE_DIR = {folder}
LOCAL_DATA_DIR = {folder}/whisper
CONF_DIR = {folder}
LOG_DIR = {folder}
PID_DIR = {folder}
USER =
MAX_CACHE_SIZE = inf
MAX_UPDATES_PER_SECOND = inf
MAX_CREATES_PER_MINUTE = inf
LINE_RECEIVER_INTERFACE = 127.0.0.1
LINE_RECEIVER_PORT = {port}
PICKLE_RECEIVER_INTERFACE = 127.0.0.1
PICKLE_RECEIVER_PORT = 0
CACHE_QUERY_INTERFACE = 127.0.0.1
CACHE_QUERY_PORT = {query}
CARBON_METRIC_INTERVAL = 0
LOG_UPDATES = False
LOG_CREATES = False
LOG_CACHE_HITS = False
WHISPER_AUTOFLUSH = False
"""
"""Debian's defaults, but without its limits on files made a minute and updates a second, which would only make it wait."""
SCHEMAS = "[all]\npattern = .*\nretentions = 60s:1d\n"
IDLE_SECONDS, IDLE_CPU = 1.5, 0.03
"""A server that used so little processor time for so long has nothing left to do."""


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as opened:
        return int(opened.getsockname()[1])


@dataclass
class Store:
    """One running peer; leaving the block ends it."""

    command: Sequence[str]
    port: int
    env: dict[str, str] = field(default_factory=dict)
    rows: Callable[[], int | None] = lambda: None
    """Samples taken so far by its own count, or None where it has none."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self.command, env={**os.environ, **self.env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + 30
        while time.monotonic() < end and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                time.sleep(0.05)
        self.__exit__()
        raise OSError(f"cannot start {self.command[0]}")

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.wait()

    def cpu_seconds(self) -> float:
        """Processor time of the process and its children."""
        process = psutil.Process(self._process.pid)
        return sum(sum(one.cpu_times()[:2]) for one in [process, *process.children(recursive=True)])

    def resident(self) -> int:
        """Bytes of memory that it holds."""
        return int(psutil.Process(self._process.pid).memory_info().rss)

    def take(self, payload: Sequence[bytes], limit: float) -> tuple[float, float, bool]:
        """Send everything over one connection: seconds and CPU seconds until it has nothing left to do, and whether that came."""
        cpu, began = self.cpu_seconds(), time.perf_counter()
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            for data in payload:
                connection.sendall(data)
        busy, last = time.perf_counter(), self.cpu_seconds()
        while time.perf_counter() - began < limit:
            time.sleep(0.1)
            used = self.cpu_seconds()
            if used - last > IDLE_CPU:
                busy, last = time.perf_counter(), used
            elif time.perf_counter() - busy > IDLE_SECONDS:
                return busy - began, used - cpu, True
        return time.perf_counter() - began, self.cpu_seconds() - cpu, False


def carbon(folder: Path) -> Store:
    """carbon-cache with whisper files of a day of minutes."""
    program = shutil.which("carbon-cache")
    if program is None:
        raise FileNotFoundError("carbon-cache is not installed; apt-get install graphite-carbon")
    port = free_port()
    (folder / "carbon.conf").write_text(CARBON.format(folder=folder, port=port, query=free_port()), encoding="utf-8")
    (folder / "storage-schemas.conf").write_text(SCHEMAS, encoding="utf-8")
    return Store([program, f"--config={folder}/carbon.conf", "--nodaemon", "start"], port)


def victoria(folder: Path, threads: int | None = None) -> Store:
    """VictoriaMetrics, on as many threads as it likes or on a stated number."""
    program = shutil.which("victoria-metrics")
    if program is None:
        raise FileNotFoundError("victoria-metrics is not installed; apt-get install victoria-metrics")
    port, http = free_port(), free_port()

    def rows() -> int:
        with urlopen(f"http://127.0.0.1:{http}/metrics", timeout=10) as answer:
            found = re.findall(r'^vm_rows_inserted_total\{[^}]*type="graphite"[^}]*\} (\S+)', answer.read().decode(), re.MULTILINE)
        return int(sum(map(float, found)))

    command = [program, f"-storageDataPath={folder}", f"-httpListenAddr=127.0.0.1:{http}", f"-graphiteListenAddr=127.0.0.1:{port}"]
    return Store([*command, "-retentionPeriod=12"], port, {"GOMAXPROCS": str(threads)} if threads else {}, rows)
