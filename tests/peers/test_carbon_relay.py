"""A real carbon-relay sends on what it gets, as pickles."""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from awry.server.app import private_config
from tests.peers.conftest import Launch, find, free_port
from tests.server.live import Live
from tests.serving import wait_for

CONFIG = """
[relay]
USER =
LINE_RECEIVER_INTERFACE = 127.0.0.1
LINE_RECEIVER_PORT = {line}
PICKLE_RECEIVER_INTERFACE = 127.0.0.1
PICKLE_RECEIVER_PORT = {pickle}
RELAY_METHOD = rules
DESTINATIONS = 127.0.0.1:{awry}:awry
DESTINATION_PROTOCOL = pickle
MAX_DATAPOINTS_PER_MESSAGE = 100
LOG_LISTENER_CONNECTIONS = False
CARBON_METRIC_INTERVAL = 1
"""
RULES = """
[default]
default = true
destinations = 127.0.0.1:{awry}:awry
"""


SCHEMAS = """
[default]
pattern = .*
retentions = 60s:1d
"""


@pytest.mark.slow
def test_carbon_relay(launch: Launch, tmp_path: Path) -> None:
    """Every line given to the relay arrives once, with its time and value; so do the relay's own metrics."""
    program = find("carbon-relay")
    port, line, pickled = free_port(), free_port(), free_port()
    folder = tmp_path / "relay"
    (folder / "log").mkdir(parents=True)
    (folder / "carbon.conf").write_text(CONFIG.format(line=line, pickle=pickled, awry=port), encoding="utf-8")
    (folder / "relay-rules.conf").write_text(RULES.format(awry=port), encoding="utf-8")
    (folder / "storage-schemas.conf").write_text(SCHEMAS, encoding="utf-8")
    server = replace(private_config(tmp_path / "data").server, graphite_pickle=f"127.0.0.1:{port}")
    with Live(tmp_path / "data", server=server) as awry:
        launch(
            program, "--nodaemon", f"--config={folder / 'carbon.conf'}", f"--rules={folder / 'relay-rules.conf'}",
            f"--logdir={folder / 'log'}", f"--pidfile={folder / 'relay.pid'}", "start",
        )  # fmt: skip
        wait_for("the relay's socket", lambda: listens(line))
        now = int(time.time()) - 1000
        with socket.create_connection(("127.0.0.1", line)) as sender:
            for i in range(1000):
                sender.sendall(f"shop.{i // 500} {i * 0.37!r} {now + i % 500}\n".encode())
            sender.sendall(f"tagged;host=web-1 7 {now}\n".encode())

        def stored(key: str) -> tuple[list[int], list[float]]:
            params = {"series": key, "start": 0, "end": 4_000_000_000_000}
            answer = awry.client.get("/api/v1/samples", params=params).json()
            return answer.get("time", []), answer.get("value", [])

        # the first frame may have to wait until its kernel is compiled
        wait_for("the tagged series", lambda: awry.app.table.find('tagged{host="web-1"}') >= 0, seconds=180)
        for part in (0, 1):
            wait_for("all samples", lambda part=part: len(stored(f"shop.{part}")[0]) == 500)
            expected = [(now + i) * 1000 for i in range(500)], [(500 * part + i) * 0.37 for i in range(500)]
            assert expected == stored(f"shop.{part}")
        wait_for("the relay's own metrics", lambda: any(key.startswith("carbon.relays.") for key in awry.app.table.keys))
        assert {} == awry.app.engine.counters.of("graphite_pickle").refused


def listens(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
