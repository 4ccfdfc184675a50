"""End to end: bytes on a socket -> scores committed to disk, through a server of its own; `python -m benchmarks.end_to_end`.

Sends the same waves over Graphite TCP and over remote-write to a real `awry serve` with its durable defaults, and waits until the
status says that all are committed. Beside it, in the same run, a reader in plain Python that only splits and converts the lines.
"""

from __future__ import annotations

import argparse
import json
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.machine import machine
from benchmarks.workloads import MINUTE_MS, graphite, remote_write
from tests.serving import Served

HEADERS = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "0.1.0"}
RESULTS = Path(__file__).parent / "results" / "end_to_end.json"


@dataclass
class Bench:
    """What one run measures, on one server."""

    series: int
    steps: int
    served: Served

    def accepted(self) -> int:
        """Samples committed so far, over all sources."""
        text = self.served.get("/metrics").text
        lines = (line for line in text.splitlines() if line.startswith("awry_samples_accepted_total"))
        return int(sum(float(line.rsplit(" ", 1)[1]) for line in lines))

    def rate(self, send: Callable[[], None], samples: int) -> dict[str, float]:
        """Samples a second from the first byte sent until the last sample is committed."""
        goal = self.accepted() + samples
        began = time.perf_counter()
        send()
        sent = time.perf_counter() - began
        while self.accepted() < goal:
            time.sleep(0.02)
        took = time.perf_counter() - began
        return {
            "samples": samples,
            "seconds": round(took, 3),
            "samples_per_second": round(samples / took),
            "sent_in_seconds": round(sent, 3),
        }

    def memory(self) -> int:
        """Resident bytes of the server."""
        return int(psutil.Process(self.served.process.pid).memory_info().rss)

    def over_tcp(self, payload: Sequence[bytes]) -> None:
        """Write everything to one connection."""
        with socket.create_connection(self.served.graphite) as connection:
            for data in payload:
                connection.sendall(data)

    def over_http(self, payload: Sequence[bytes], connections: int = 4) -> None:
        """Post everything, step by step, over a few connections, as Prometheus does."""
        with httpx.Client(timeout=120, trust_env=False) as client, ThreadPoolExecutor(connections) as pool:
            answers = pool.map(lambda body: client.post(f"{self.served.url}/api/v1/write", content=body, headers=HEADERS), payload)
            codes = {answer.status_code for answer in answers}
        assert {204} == codes, codes

    def delay(self, payload: Sequence[bytes], per_second: int, asks: int = 300) -> dict[str, float]:
        """Time from posting a sample until the answer that it is committed, in ms, while Graphite lines come at a steady rate."""
        stop = threading.Event()
        sent = [0]

        def steady() -> None:
            with socket.create_connection(self.served.graphite) as connection:
                began = time.perf_counter()
                for data in payload:
                    lines = data.count(b"\n")
                    for cut in range(0, len(data), 65536):
                        connection.sendall(data[cut : cut + 65536])
                    sent[0] += lines
                    time.sleep(max(0.0, sent[0] / per_second - (time.perf_counter() - began)))
                    if stop.is_set():
                        return

        sender = threading.Thread(target=steady, daemon=True)
        sender.start()
        times, now = [], int(time.time() * 1000) - asks
        with httpx.Client(timeout=60, trust_env=False) as client:
            began = time.perf_counter()
            for ask in range(asks):
                body = {"series": ["bench_probe"], "time": [now + ask], "value": [float(ask)]}
                asked = time.perf_counter()
                client.post(f"{self.served.url}/api/v1/samples", json=body).raise_for_status()
                times.append((time.perf_counter() - asked) * 1000)
                time.sleep(0.02)
            load = sent[0] / (time.perf_counter() - began)
        stop.set()
        sender.join()
        times.sort()
        return {
            "load_samples_per_second": round(load),
            "p50_ms": round(statistics.median(times), 1),
            "p99_ms": round(times[int(len(times) * 0.99)], 1),
            "worst_ms": round(times[-1], 1),
        }


def split_only(payload: Sequence[bytes]) -> dict[str, float]:
    """The baseline: a plain Python reader of the same bytes from a socket that splits each line, converts it and forgets it."""
    listener = socket.create_server(("127.0.0.1", 0))

    def send() -> None:
        with socket.create_connection(listener.getsockname()) as connection:
            for data in payload:
                connection.sendall(data)

    sender = threading.Thread(target=send, daemon=True)
    began, count, newest = time.perf_counter(), 0, {}
    sender.start()
    connection, _ = listener.accept()
    with listener, connection, connection.makefile("rb", 1 << 20) as lines:
        for line in lines:
            name, value, at = line.split()
            newest[name] = float(value), int(at)
            count += 1
    took = time.perf_counter() - began
    return {"samples": count, "seconds": round(took, 3), "samples_per_second": round(count / took)}


def database(data: Path) -> dict[str, float]:
    """Bytes in a stopped server's database: journal and chunks per sample, checkpoint per series, the file when compacted."""

    def column(table: str) -> tuple[int, int]:
        with sqlite3.connect(data / "awry.db") as connection:
            rows = "0" if table == "checkpoints" else "coalesce(sum(sample_rows), 0)"
            total, size = connection.execute(f"SELECT {rows}, coalesce(sum(length(data)), 0) FROM {table}").fetchone()
        return total, size

    (journal_rows, journal), (_, state) = column("journal"), column("checkpoints")
    subprocess.run([sys.executable, "-m", "awry.cli.main", "compact", "--data", str(data)], check=True, capture_output=True)
    chunk_rows, chunks = column("chunks")
    with sqlite3.connect(data / "awry.db") as connection:
        series = connection.execute("SELECT count(*) FROM series WHERE gone = 0").fetchone()[0]
    return {
        "journal_bytes_per_sample": round(journal / max(1, journal_rows), 2),
        "chunk_bytes_per_sample": round(chunks / max(1, chunk_rows), 2),
        "checkpoint_bytes_per_series": round(state / max(1, series)),
        "file_bytes_compacted": (data / "awry.db").stat().st_size,
        "samples": max(journal_rows, chunk_rows),
    }


def run(series: int, steps: int) -> dict[str, Any]:
    """Everything once."""
    found: dict[str, Any] = {"machine": machine(), "series": series, "steps": steps}
    now = int(time.time()) // 60 * MINUTE_MS
    lines = list(graphite(series, steps, now - 60 * MINUTE_MS))
    later = list(graphite(series, 60, now))
    found["split_only"] = split_only(lines)

    with tempfile.TemporaryDirectory() as folder, Served.start(Path(folder) / "data") as served:
        assert 0 == served.stop()  # kernels are in their cache from here on
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, Served.start(Path(folder) / "data") as served:
        found["start_seconds"] = round(time.perf_counter() - began, 2)
        bench = Bench(series, steps, served)
        empty = bench.memory()
        found["graphite_first_sight"] = bench.rate(lambda: bench.over_tcp(lines[:1]), series)
        found["graphite_tcp"] = bench.rate(lambda: bench.over_tcp(lines[1:]), series * (steps - 1))
        found["memory_bytes_per_series"] = round((bench.memory() - empty) / series)
        found["delay"] = bench.delay(later, found["graphite_tcp"]["samples_per_second"] // 4)
        served.kill()
        began = time.perf_counter()
        with Served.start(served.data) as again:
            found["ready_after_kill_seconds"] = round(time.perf_counter() - began, 2)
            assert 0 == again.stop()
        found["database"] = database(served.data)

    requests = list(remote_write(series, steps, now))
    first = -(-series // 2000)
    with tempfile.TemporaryDirectory() as folder, Served.start(Path(folder) / "data") as served:
        bench = Bench(series, steps, served)
        bench.over_http(requests[:first])
        found["remote_write"] = bench.rate(lambda: bench.over_http(requests[first:]), series * (steps - 1))
    for name in ("graphite_tcp", "remote_write"):
        found[name]["times_split_only"] = round(found[name]["samples_per_second"] / found["split_only"]["samples_per_second"], 2)
    return found


def main() -> None:
    """Measure, print, and keep the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=150, help="samples per series")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where to keep the results (JSON)")
    args = parser.parse_args()
    found = run(args.series, args.steps)
    text = json.dumps(found, indent=2)
    print(text)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
