"""Senders of numbered samples that go on until the server dies, and remember what they were told; for the durability test.

Sample n of a sender has value n and belongs to series n % PARTS of that sender: what is stored tells which samples were lost.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from dataclasses import dataclass, field

import httpx

PARTS = 3
POST = 60
LINES = 200
PAUSE_SECONDS = 0.01


@dataclass
class HttpSender:
    """Posts columns of samples; what was not acknowledged is sent again to the next server."""

    name: str
    began_ms: int
    next: int = 0
    """Every sample below was acknowledged."""
    duplicates: int = 0
    problems: list[str] = field(default_factory=list)

    def key(self, part: int) -> str:
        """Series key of one part."""
        return f'{self.name}{{part="{part}"}}'

    def run(self, url: str, stop: threading.Event) -> None:
        """Send until the connection breaks or `stop` is set."""
        with httpx.Client(timeout=60, trust_env=False) as client:
            while not stop.is_set():
                numbers = range(self.next, self.next + POST)
                body = {
                    "series": [self.key(n % PARTS) for n in numbers],
                    "time": [self.began_ms + 1000 * n for n in numbers],
                    "value": [float(n) for n in numbers],
                }
                try:
                    answer = client.post(f"{url}/api/v1/samples", json=body)
                except httpx.TransportError:
                    return
                if answer.status_code in (429, 503):
                    continue
                if answer.status_code != 200:
                    self.problems.append(f"{answer.status_code} {answer.text}")
                    return
                self._acknowledged(answer.json())

    def _acknowledged(self, answer: dict[str, object]) -> None:
        refused = answer["refused"]
        assert isinstance(refused, list)
        others = [r for r in refused if r["reason"] not in ("duplicate", "late")]
        if others or answer["accepted"] != POST - len(refused):
            self.problems.append(f"{answer['accepted']} accepted of {POST}, refused {others[:3]}")
        self.duplicates += len(refused)
        self.next += POST


@dataclass
class TcpSender:
    """Writes Graphite lines over one connection, cut anywhere; `run` may be called again, and then begins anew from line 0."""

    name: str
    began_ms: int
    rng: random.Random
    sent: int = 0
    """Most lines handed to any connection."""

    def key(self, part: int) -> str:
        """Series key of one part."""
        return f"{self.name}.part{part}"

    def run(self, address: tuple[str, int], stop: threading.Event) -> None:
        """Send until the connection breaks or `stop` is set."""
        number, rest = 0, b""
        began = self.began_ms // 1000
        try:
            with socket.create_connection(address, timeout=60) as connection:
                while not stop.is_set():
                    lines = (f"{self.key(n % PARTS)} {n} {began + n}\n" for n in range(number, number + LINES))
                    data = rest + "".join(lines).encode()
                    number += LINES
                    self.sent = max(self.sent, number)
                    cut = self.rng.randrange(1, len(data))
                    connection.sendall(data[:cut])
                    rest = data[cut:]
                    time.sleep(PAUSE_SECONDS)
        except OSError:
            return
