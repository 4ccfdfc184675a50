"""The StatsD and pickle doors in a whole server: stored, also what was only gathered when the server stops."""

from __future__ import annotations

import pickle
import socket
from pathlib import Path

from awry.server.settings import ServerSection
from tests.naive_pickle import frame
from tests.server.live import Live
from tests.serving import wait_for


def sections(folder: Path) -> dict[str, ServerSection]:
    return {
        "server": ServerSection(
            data=str(folder),
            http="127.0.0.1:0",
            graphite="off",
            otlp_http="off",
            graphite_pickle="127.0.0.1:0",
            statsd="127.0.0.1:0",
            statsd_flush_interval_ms=300_000,
        )
    }


def address(live: Live, name: str) -> tuple[str, int]:
    [found] = [source.address for source in live.app.sources if source.name == name]  # type: ignore[attr-defined]
    return found


def stored(live: Live, key: str) -> list[float]:
    params = {"series": key, "start": 0, "end": 4_000_000_000_000}
    return list(live.client.get("/api/v1/samples", params=params).json().get("value", []))


def test_what_was_gathered_outlives_the_server(tmp_path: Path) -> None:
    """Lines of a window that had not ended, and datapoints just sent, are stored before the process ends."""
    with Live(tmp_path, **sections(tmp_path)) as live:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"depth:7|g\norders:3|c", address(live, "statsd"))
        with socket.create_connection(address(live, "graphite_pickle")) as sender:
            sender.sendall(frame(pickle.dumps([("relayed", (1_700_000_000, 5.0))], 2)))
        [statsd] = [source for source in live.app.sources if source.name == "statsd"]
        wait_for("the datagram", lambda: len(statsd._window) == 2)  # type: ignore[attr-defined]
        wait_for("the datapoint", lambda: stored(live, "relayed") == [5.0])
        assert [] == stored(live, "depth")
    with Live(tmp_path, **sections(tmp_path)) as live:
        assert [7.0] == stored(live, "depth")
        assert [5.0] == stored(live, "relayed")
        [rate] = stored(live, "orders_rate")
        assert 0 < rate <= 3
