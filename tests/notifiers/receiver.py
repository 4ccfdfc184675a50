"""A real HTTP server on loopback that takes notifications, answers what it is told to, and remembers them; for notifier tests."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from awry.core.incident import Change, ChangeKind, Incident, IncidentSeries

START = 1_700_000_000_000


def change(number: int = 1, kind: ChangeKind = "opened", *, series: int = 1, **more: Any) -> Change:
    """A change of one incident with so many series."""
    incident = Incident(
        id="i1",
        state="resolved" if kind == "resolved" else "open",
        rule="default",
        severity="warning",
        start=START,
        end=START + 600_000 if kind == "resolved" else None,
        score=0.62,
        title='cpu{host="web-3"} is 14.2, expected 2.1–3.9',
        series=tuple(
            IncidentSeries(
                key=f'cpu{{host="web-{n}"}}',
                slot=n,
                start=START,
                score=0.62,
                value=14.2,
                expected=3.0,
                low=2.1,
                high=3.9,
                part="records",
            )
            for n in range(series)
        ),
    )
    return Change(number=number, kind=kind, time=START + number, incident=incident, **more)


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """Answers each POST with the next of `answers`, then 200 for ever."""

    def __init__(self, *answers: int, delay_seconds: float = 0.0, headers: dict[str, str] | None = None) -> None:
        self.requests: list[Request] = []
        self.answers = list(answers)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                receiver.requests.append(Request(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                time.sleep(delay_seconds)
                try:
                    self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
                    for name, value in (headers or {}).items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                except (BrokenPipeError, ConnectionResetError):
                    return  # the client gave up, which is what the test is about

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def address(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
