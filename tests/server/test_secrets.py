"""Secrets stay where they are: not in the log at its most talkative, not in the status, not on a page."""

from __future__ import annotations

import random
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.serving import Served, wait_for

CONFIG = """
[server]
log = "debug"
[auth]
write_token = { env = "TOKEN" }
[notifier.hook]
type = "webhook"
url = { env = "HOOK" }
[notifier.app]
type = "apprise"
urls = { env = "APP" }
[rule.odd]
selector = "odd"
threshold = 0.2
notify = ["hook", "app"]
"""


class Unfriendly(BaseHTTPRequestHandler):
    """Refuses, and repeats what it was sent."""

    def do_POST(self) -> None:
        self.send_response(403)
        self.end_headers()
        self.wfile.write(b"cannot accept " + self.path.encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.mark.slow
def test_no_secret_is_told(tmp_path: Path) -> None:
    """A token, the addresses of a webhook and of an Apprise service, and wrong tokens that clients try."""
    there = HTTPServer(("127.0.0.1", 0), Unfriendly)
    threading.Thread(target=there.serve_forever, daemon=True).start()
    env = {
        "TOKEN": "classified-token-of-awry",
        "HOOK": f"http://127.0.0.1:{there.server_port}/classified?key=classified",
        "APP": f"json://classified:classified@127.0.0.1:{there.server_port}/classified",
    }
    noise, start = random.Random(1), (int(time.time()) - 3000) * 1000
    values = [50 + noise.gauss(0, 1) for _ in range(2900)] + [900.0] * 20
    body = {"series": "odd", "time": [start + i * 1000 for i in range(len(values))], "value": values}
    shown = ""
    with Served.spawn(tmp_path / "data", config=CONFIG, env=env) as served:
        wait_for("the address", served._addressed, seconds=120)
        wrong = {"Authorization": "Bearer classified-but-wrong"}
        with httpx.Client(base_url=served.url, trust_env=False, timeout=30) as client:
            assert 401 == client.post("/api/v1/samples", json=body, headers=wrong).status_code
            assert 401 == client.get("/api/v1/status", params={"token": "classified"}).status_code
            client.headers["Authorization"] = f"Bearer {env['TOKEN']}"
            assert 200 == client.post("/api/v1/samples", json=body).status_code

            def tried() -> bool:
                notifiers = client.get("/api/v1/status").json()["notifiers"]
                return len(notifiers) == 2 and all(n["error"] for n in notifiers)

            wait_for("both to fail", tried, seconds=30)
            for page in ("/api/v1/status", "/metrics", "/api/v1/rules", "/api/v1/incidents", "/", "/rules"):
                shown += client.get(page).text
        assert 0 == served.stop()
        shown += served.text()
    there.shutdown()
    assert "classified" not in shown
