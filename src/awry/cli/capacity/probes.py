"""What a capacity run asks of a server under load: how long a sample, an incident's change and an answer take."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import numpy as np

from awry.cli.capacity.served import Served
from awry.core.errors import AwryError
from awry.core.series_key import parse_key

ASKED = "capacity_ask"
ILL = "capacity_fault"
RULE = "capacity_fault"
THRESHOLD = 0.4
"""Of the rule about the series that are made ill: one in ten thousand. What is done to them is far stranger."""
HISTORY = 600
"""Samples of each such series before its fault, a minute apart."""
USUAL, SPREAD, BROKEN = 50.0, 1.0, 500.0


class Every:
    """Does something at a steady pace in a thread, until it is stopped or the server is gone."""

    def __init__(self, name: str, seconds: float, act: Callable[[http.client.HTTPConnection], None], served: Served) -> None:
        self._seconds, self._act, self._served = seconds, act, served
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._error: AwryError | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, exc_type: object, *exc: object) -> None:
        self._stop.set()
        self._thread.join(150.0)
        if self._error is not None and exc_type is None:
            raise self._error

    def _run(self) -> None:
        connection = self._served.connection()
        try:
            while not self._stop.wait(self._seconds):
                self._act(connection)
        except (OSError, http.client.HTTPException):
            return  # killed under way, which is part of the run
        except AwryError as error:
            self._error = error
        finally:
            connection.close()


def post(connection: http.client.HTTPConnection, series: list[str], times: list[int], values: list[float]) -> float:
    """Post samples; milliseconds until the answer that they are committed. Raises AwryError when one was refused."""
    body = json.dumps({"series": series, "time": times, "value": values})
    began = time.perf_counter()
    while True:
        connection.request("POST", "/api/v1/samples", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
        if response.status != 429:
            break
        time.sleep(0.05)
    took = (time.perf_counter() - began) * 1000
    if response.status != 200 or json.loads(answer).get("refused"):
        raise AwryError(f"cannot measure: a sample was answered {response.status}: {answer[:200].decode(errors='replace')}")
    return took


class Asks:
    """Posts one sample at a time and remembers which were acknowledged, and after how long."""

    def __init__(self) -> None:
        self.took_ms: list[float] = []
        self.acknowledged: list[int] = []
        """Their times, Unix ms."""
        self.measuring = False

    def act(self, connection: http.client.HTTPConnection) -> None:
        """One more."""
        at = max(int(time.time() * 1000), self.acknowledged[-1] + 1 if self.acknowledged else 0)
        took = post(connection, [ASKED], [at], [USUAL])
        self.acknowledged.append(at)
        if self.measuring:
            self.took_ms.append(took)

    def lost(self, served: Served) -> int:
        """How many of those acknowledged are not in the store."""
        if not self.acknowledged:
            return 0
        found = served.json("/api/v1/samples", series=ASKED, start=self.acknowledged[0], end=self.acknowledged[-1] + 1)
        return len(set(self.acknowledged) - set(found["time"]))


class Pings:
    """Asks whether the server lives, ten times a second, and now and then for its whole status: its longest pauses."""

    EVERY, STATUS_EVERY = 0.1, 100

    def __init__(self) -> None:
        self.phase = "start"
        self.longest_ms: dict[str, float] = {}
        """By phase."""
        self.status_ms = 0.0
        self._count = 0

    def act(self, connection: http.client.HTTPConnection) -> None:
        """One more."""
        phase, began = self.phase, time.perf_counter()
        self._count += 1
        whole = self._count % self.STATUS_EVERY == 0
        connection.request("GET", "/api/v1/status" if whole else "/healthz")
        connection.getresponse().read()
        took = (time.perf_counter() - began) * 1000
        if whole:  # it counts all series, which is its own work and no pause
            self.status_ms = max(self.status_ms, took)
        else:
            self.longest_ms[phase] = max(self.longest_ms.get(phase, 0.0), took)


class Faults:
    """Makes one series after the other ill, and takes the webhook calls that tell of it."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.sent_at: dict[int, float] = {}
        self.told_at: dict[int, float] = {}
        self._lock = threading.Lock()
        faults = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                at = time.perf_counter()
                faults.take(json.loads(self.rfile.read(int(self.headers["Content-Length"]))), at)
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: a call a line is no news."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="capacity-webhook", daemon=True)

    @property
    def url(self) -> str:
        """Where the changes are to be posted."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def learn(self, served: Served) -> None:
        """Post the history of every series that will be made ill."""
        rng, now = np.random.default_rng(7), int(time.time() * 1000)
        connection = served.connection()
        for probe in range(self.count):
            times = [now - (HISTORY - k) * 60_000 for k in range(HISTORY)]
            values = np.round(USUAL + SPREAD * rng.standard_normal(HISTORY), 2).tolist()
            post(connection, [self.key(probe)] * HISTORY, times, values)
        connection.close()

    def act(self, connection: http.client.HTTPConnection) -> None:
        """Make the next series ill."""
        probe = len(self.sent_at)
        if probe < self.count:
            with self._lock:
                self.sent_at[probe] = time.perf_counter()
            post(connection, [self.key(probe)], [int(time.time() * 1000)], [BROKEN])

    def take(self, change: dict[str, Any], at: float) -> None:
        """A change that was delivered."""
        incident = change["incident"]
        if incident["rule"] != RULE or change["kind"] == "resolved":
            return
        with self._lock:
            for series in incident["series"]:
                probe = int(dict(parse_key(series["key"])[1])["probe"])
                if probe in self.sent_at:  # a rare false opening of its history is not what is measured
                    self.told_at.setdefault(probe, at)

    def took_ms(self) -> list[float]:
        """From sending the fault until the change was here, of each that was told."""
        with self._lock:
            return [(at - self.sent_at[probe]) * 1000 for probe, at in sorted(self.told_at.items())]

    def wait(self, seconds: float = 10.0) -> int:
        """Wait for what is still on its way; tells how many faults were never told of."""
        end = time.perf_counter() + seconds
        while len(self.told_at) < len(self.sent_at) and time.perf_counter() < end:
            time.sleep(0.02)
        return len(self.sent_at) - len(self.told_at)

    @staticmethod
    def key(probe: int) -> str:
        """The key of one of them."""
        return f'{ILL}{{probe="{probe}"}}'
