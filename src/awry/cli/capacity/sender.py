"""Sends a load to a server: all at once as fast as it is taken, or spread over the interval as many agents would."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from awry.cli.capacity.load import PER_REQUEST, GraphiteLoad, Load
from awry.cli.capacity.served import Served
from awry.core.errors import AwryError

SLICE_SECONDS = 0.1
"""The spread load is sent in slices of this length."""
CONNECTIONS = 4
"""Remote-write connections at full speed; each carries series of its own, as Prometheus' shards do."""
_HEADERS = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "0.1.0"}


class Wire:
    """One connection in the load's protocol."""

    def __init__(self, served: Served, *, graphite: bool) -> None:
        self._socket = socket.create_connection(served.graphite) if graphite else None
        self._http = None if graphite else served.connection()

    def send(self, data: bytes) -> None:
        """Over Graphite: until the system has taken all bytes. Over remote-write: until the answer that all is committed."""
        if self._socket is not None:
            self._socket.sendall(data)
            return
        assert self._http is not None
        while True:
            self._http.request("POST", "/api/v1/write", data, _HEADERS)
            response = self._http.getresponse()
            body = response.read()
            if response.status == 204:
                return
            if response.status != 429:  # told to wait: the queue is full, as it should be at full speed
                raise AwryError(f"cannot send the load: the server answered {response.status}: {body[:200].decode()}")
            time.sleep(0.05)

    def close(self) -> None:
        """Close it; harmless when it is closed already."""
        if self._socket is not None:
            self._socket.close()
        if self._http is not None:
            self._http.close()


def pieces(load: Load, time_ms: int, first: int = 0, last: int | None = None) -> list[bytes]:
    """Samples of one time for the series [first, last), cut as a sender of the protocol cuts them."""
    last = load.series if last is None else last
    if isinstance(load, GraphiteLoad):
        return [load.encode(time_ms, at, min(at + 20_000, last)) for at in range(first, last, 20_000)]
    return [load.encode(time_ms, at, min(at + PER_REQUEST, last)) for at in range(first, last, PER_REQUEST)]


def send_all(served: Served, load: Load, times: Sequence[int], *, wait: bool = False) -> tuple[float, float]:
    """Send a sample of every series for each time at full speed; tells the seconds until all are committed, and the server's CPU.

    The bytes are made before the clock starts. With `wait` each time is committed before the next is sent.
    """
    if wait and len(times) > 1:
        took = [send_all(served, load, [at]) for at in times]
        return sum(t[0] for t in took), sum(t[1] for t in took)
    graphite = isinstance(load, GraphiteLoad)
    lanes = 1 if graphite else CONNECTIONS
    cuts = [load.series * k // lanes for k in range(lanes + 1)]
    made = [[p for at in times for p in pieces(load, at, cuts[k], cuts[k + 1])] for k in range(lanes)]
    wires = [Wire(served, graphite=graphite) for _ in range(lanes)]
    goal = served.accepted() + load.series * len(times)
    cpu, began = served.cpu_seconds(), time.perf_counter()

    def lane(wire: Wire, payload: list[bytes]) -> None:
        for data in payload:
            wire.send(data)

    try:
        with ThreadPoolExecutor(lanes) as pool:
            list(pool.map(lane, wires, made))
        _wait_for(served, goal)
        return time.perf_counter() - began, served.cpu_seconds() - cpu
    finally:
        for wire in wires:
            wire.close()


def _wait_for(served: Served, goal: int, seconds: float = 600.0) -> None:
    """Ask until the server's own counter says so; the more an answer costs it, the rarer."""
    last, moved = -1, time.perf_counter()
    while True:
        asked = time.perf_counter()
        accepted = served.accepted()
        now = time.perf_counter()
        if accepted >= goal:
            return
        if accepted > last:
            last, moved = accepted, now
        if now - moved > seconds:
            raise AwryError(f"cannot measure: {goal - accepted} samples were sent and never committed")
        time.sleep(min(0.5, max(0.02, 5.0 * (now - asked))))


class Steady:
    """Sends every series once an interval, in a thread: spread evenly over it, or all at its beginning with `burst`."""

    def __init__(
        self, served: Served, load: Load, interval_ms: int, *, burst: bool = False, clock_ms: Callable[[], int] | None = None
    ) -> None:
        self._served, self._load, self._interval, self._burst = served, load, interval_ms / 1000, burst
        self._clock = clock_ms or (lambda: int(time.time() * 1000))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="capacity-sender", daemon=True)
        self.sent = 0
        """Samples handed over so far."""
        self.behind = 0.0
        """Longest that a slice was late, in seconds: the server, or this machine, did not keep up."""
        self.error = ""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the slice in hand."""
        self._stop.set()
        self._thread.join(30.0)

    def _run(self) -> None:
        wire = Wire(self._served, graphite=isinstance(self._load, GraphiteLoad))
        slices = 1 if self._burst else max(1, round(self._interval / SLICE_SECONDS))
        began, turn, series = time.perf_counter(), 0, self._load.series
        try:
            while not self._stop.is_set():
                due = began + turn * self._interval / slices
                self._stop.wait(max(0.0, due - time.perf_counter()))
                self.behind = max(self.behind, time.perf_counter() - due)
                part = turn % slices
                first, last = series * part // slices, series * (part + 1) // slices
                for data in pieces(self._load, self._clock(), first, last) if last > first else ():
                    wire.send(data)
                self.sent += last - first
                turn += 1
        except (OSError, http.client.HTTPException, AwryError) as error:
            # a server that is killed under way is part of the run; who started this asks for `error` where it is not
            self.error = str(error) or type(error).__name__
        finally:
            wire.close()
