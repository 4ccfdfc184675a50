"""A disk that is really full: ingest says so, nothing acknowledged is lost, senders on TCP wait, and it goes on by itself."""

from __future__ import annotations

import resource
import socket
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.serving import Served, wait_for

LIMIT = 700_000
SMALL_FILES = (
    "import resource, sys; hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]; "
    f"resource.setrlimit(resource.RLIMIT_FSIZE, ({LIMIT}, hard)); import awry.cli.main as m; sys.exit(m.main())"
)
BASE = (int(time.time()) - 90_000) * 1000
LINES = 60_000
"""Every second one; more bytes than the kernel's buffers and ours hold, thanks to their long name."""
NAME = "tcp." + "x" * 400


def columns(second: int) -> dict[str, object]:
    return {
        "series": [f"s{i}" for i in range(200)],
        "time": [BASE + second * 1000] * 200,
        "value": [second + i * 0.37 for i in range(200)],
    }


def values(served: Served, series: str) -> list[float]:
    answer = served.get("/api/v1/samples", series=series, start=BASE, end=BASE + 10**9)
    found: list[float] = answer.json().get("value", [])
    return found


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs prlimit")
def test_a_full_disk(tmp_path: Path) -> None:
    """No file may grow beyond a limit, as if the disk were full; then it may again."""
    with (
        Served.start(tmp_path / "data", program=["-c", SMALL_FILES]) as served,
        httpx.Client(trust_env=False, timeout=30) as client,
    ):
        acknowledged = 0
        while (answer := client.post(f"{served.url}/api/v1/samples", json=columns(acknowledged))).status_code == 200:
            acknowledged += 1
            assert acknowledged < 5000, "the disk did not become full"
        assert (503, "5") == (answer.status_code, answer.headers["retry-after"])
        assert "store_unavailable" == answer.json()["error"]["code"]
        wait_for("unreadiness", lambda: served.get("/readyz").status_code == 503)
        assert served.get("/api/v1/status").json()["store"]["error"]
        assert acknowledged == len(values(served, "s0")), "what was acknowledged can be read meanwhile"
        lines = b"".join(b"%s %d %d\n" % (NAME.encode(), i, BASE // 1000 + i) for i in range(LINES))
        with socket.create_connection(served.graphite) as tcp:
            sender = threading.Thread(target=lambda: tcp.sendall(lines))
            sender.start()
            sender.join(2)
            assert sender.is_alive(), "the sender waits"
            hard = resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE)[1]
            resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
            wait_for("readiness", lambda: served.get("/readyz").status_code == 200)
            sender.join(60)
        wait_for("every line", lambda: len(values(served, NAME)) == LINES, seconds=60)
        assert [float(i) for i in range(LINES)] == values(served, NAME)
        answer = client.post(f"{served.url}/api/v1/samples", json=columns(acknowledged))
        assert 200 == answer.status_code
        assert {"duplicate"} >= {r["reason"] for r in answer.json()["refused"]}, "what was not acknowledged may have been kept"
        assert [float(i) for i in range(acknowledged + 1)] == values(served, "s0")
        assert "the store works again" in served.text()
        assert 0 == served.stop()
