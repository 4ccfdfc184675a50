"""One capacity run at one number of series: the phases in order, and the figures that come out of them."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from awry.cli.capacity.load import Load, Protocol, make_load
from awry.cli.capacity.probes import ILL, RULE, THRESHOLD, Asks, Every, Faults, Pings
from awry.cli.capacity.sender import Steady, send_all
from awry.cli.capacity.served import Served, config_text
from awry.core.errors import AwryError

SETTLE_SECONDS, IDLE_SECONDS = 1.0, 3.0
HISTORY_SAMPLES, FULL_SAMPLES = 1_500_000, 3_000_000
"""About how many samples the series have behind them before anything is measured, and are sent at full speed."""
MOST_STEPS = {"history": 60, "full": 300}
AHEAD_MS = 500_000
"""The run at full speed brings samples of the next eight minutes: in order, and not so far ahead that they are refused."""
ASK_SECONDS = 0.2
COMPILED_STARTS = 3
"""Most starts before the one that is measured: until one has all kernels in their cache."""


@dataclass(frozen=True)
class Plan:
    """What is to be measured."""

    series: int
    interval_ms: int = 60_000
    seconds: float = 30.0
    protocol: Protocol = "graphite"
    lean: bool = False
    burst: bool = False

    @property
    def faults(self) -> int:
        """Series that are made ill: one in a second or so."""
        return max(10, min(200, int(self.seconds)))

    def steps(self, phase: str) -> int:
        """Samples of each series that a phase sends."""
        samples = HISTORY_SAMPLES if phase == "history" else FULL_SAMPLES
        return max(3, min(MOST_STEPS[phase], samples // self.series))


PHASES = (
    "starting the server", "a first sample of every series", "some history", "the stated load", "kill -9, and start again",
    "full speed", "the database",
)  # fmt: skip
Told = Callable[[str, float], None]
"""Told the phase that begins or goes on, and the share of it that is done."""


def measure(plan: Plan, folder: Path, told: Told = lambda phase, share: None) -> dict[str, Any]:
    """Run all phases with the server's files in `folder`, which is empty. Raises AwryError when the server does not do its part."""
    told(PHASES[0], 0.0)
    found: dict[str, Any] = {
        "series": plan.series, "interval_seconds": plan.interval_ms / 1000, "seconds": plan.seconds, "protocol": plan.protocol,
        "detector": "lean" if plan.lean else "auto", "burst": plan.burst, "cores": os.cpu_count() or 1,
    }  # fmt: skip
    load = make_load(plan.protocol, plan.series)
    with Faults(plan.faults) as faults:
        text = config_text(plan.series, faults.url, lean=plan.lean, rule=RULE, selector=ILL, threshold=THRESHOLD)
        for attempt in range(COMPILED_STARTS):
            with Served(folder / f"first{attempt}", text) as served:
                served.stop()
            if not served.compiled:
                break
        with Served(folder / "measured", text) as served:
            found["cold_start_seconds"] = round(served.start_seconds, 2)
            _loaded(plan, served, load, faults, found, told)
            told(PHASES[5], 0.0)
            found |= _full_speed(plan, served, load)
            told(PHASES[6], 0.0)
            served.stop()
            found |= _database(served.data)
    return found


def _loaded(plan: Plan, served: Served, load: Load, faults: Faults, found: dict[str, Any], told: Told) -> None:
    """Everything up to the restart after the kill."""
    asks, pings = Asks(), Pings()
    time.sleep(SETTLE_SECONDS)
    empty, cpu, began = served.resident(), served.cpu_seconds(), time.perf_counter()
    steady = Steady(served, load, plan.interval_ms, burst=plan.burst)
    with Every("capacity-pings", pings.EVERY, pings.act, served):
        time.sleep(IDLE_SECONDS)
        found["idle_cores"] = round((served.cpu_seconds() - cpu) / (time.perf_counter() - began), 4)

        pings.phase = "first_sight"
        told(PHASES[1], 0.0)
        steps = plan.steps("history")
        now = int(time.time() * 1000)
        times = [now - (steps - k) * plan.interval_ms for k in range(steps)]
        took, _ = send_all(served, load, times[:1])
        found["first_sight_series_per_second"] = round(plan.series / took)

        pings.phase = "history"
        told(PHASES[2], 0.0)
        faults.learn(served)
        for k, at in enumerate(times[1:]):
            send_all(served, load, [at])
            told(PHASES[2], (k + 1) / (steps - 1))

        pings.phase = "load"
        told(PHASES[3], 0.0)
        pace = plan.seconds * 0.9 / plan.faults
        with Every("capacity-asks", ASK_SECONDS, asks.act, served), Every("capacity-faults", pace, faults.act, served):
            steady.start()
            asks.measuring = True
            found |= _watch(plan, served, steady, told)
            asks.measuring = False
            found["changes_missed"] = faults.wait()
            found["accepted_before_kill"] = served.accepted()
            told(PHASES[4], 0.0)
            served.kill()  # in the middle of everything
    steady.stop()
    found |= {
        **_percentiles("ingest_to_score_ms", asks.took_ms),
        **_percentiles("ingest_to_change_ms", faults.took_ms()),
        "faults": len(faults.sent_at),
        "longest_pause_ms": {phase: round(ms, 1) for phase, ms in pings.longest_ms.items() if phase != "start"},
        "status_ms": round(pings.status_ms, 1),
        "bytes_per_series": round((found["resident_bytes"] - empty) / plan.series),
        "empty_bytes": empty,
        "sender_behind_seconds": round(steady.behind, 2),
        "recovery_seconds": round(served.start(), 2),
    }
    stored = int(served.counters("awry_store_samples")["awry_store_samples"])
    found["recovery_samples"] = stored
    found["acknowledged_lost"] = asks.lost(served) + max(0, found["accepted_before_kill"] - stored)


def _watch(plan: Plan, served: Served, steady: Steady, told: Told) -> dict[str, Any]:
    """Wait while the load comes; what it costs the server and its sender."""
    mine = psutil.Process()
    begin, cpu, own = time.perf_counter(), served.cpu_seconds(), mine.cpu_times()
    accepted, sent, most = served.accepted(), steady.sent, 0
    sender = _thread_seconds("capacity-sender")
    while (passed := time.perf_counter() - begin) < plan.seconds:
        time.sleep(min(0.5, plan.seconds - passed + 0.001))
        most = max(most, served.resident())
        told(PHASES[3], min(1.0, passed / plan.seconds))
        if steady.error:
            raise AwryError(f"cannot send the stated load: {steady.error}")
    wall = time.perf_counter() - begin
    used, mine_now = served.cpu_seconds() - cpu, mine.cpu_times()
    return {
        "samples_per_second": round((steady.sent - sent) / wall, 1),
        "committed_per_second": round((served.accepted() - accepted) / wall, 1),
        "busy_cores": round(used / wall, 4),
        "machine_share": round(used / wall / (os.cpu_count() or 1), 5),
        "sender_cores": round((_thread_seconds("capacity-sender") - sender) / wall, 4),
        "bench_cores": round((mine_now.user + mine_now.system - own.user - own.system) / wall, 4),
        "resident_bytes": served.resident(),
        "resident_bytes_most": most,
        "series_per_core": round(plan.series * wall / used) if used else None,
    }


def _full_speed(plan: Plan, served: Served, load: Load) -> dict[str, Any]:
    """Everything at once, on the server that was just started again."""
    steps = plan.steps("full")
    step, now = min(plan.interval_ms, AHEAD_MS // steps), int(time.time() * 1000)
    took, cpu = send_all(served, load, [now + (k + 1) * step for k in range(steps)])
    samples = steps * plan.series
    return {
        "end_to_end_samples_per_second": round(samples / took),
        "samples_per_core_second": round(samples / cpu) if cpu else None,
        "full_speed_samples": samples,
        "full_speed_seconds": round(took, 2),
    }


def _database(data: Path) -> dict[str, Any]:
    """Bytes of a stopped server's database: as it is, and once it is compacted what a sample and what a series takes."""
    file = data / "awry.db"
    with sqlite3.connect(file) as connection:
        rows, size = _sums(connection, "journal")
    command = [sys.executable, "-m", "awry.cli.main", "compact", "--data", str(data)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AwryError(f"cannot measure the database: awry compact says {done.stderr.strip()[-300:]}")
    with sqlite3.connect(file) as connection:
        (samples, chunks), (_, kept) = _sums(connection, "chunks"), _sums(connection, "journal")
        series = connection.execute("SELECT count(*) FROM series").fetchone()[0]
    rest = file.stat().st_size - chunks - kept
    return {
        "database_bytes_per_sample": round(chunks / max(1, samples), 2),
        "journal_bytes_per_sample": round(size / max(1, rows), 2),
        "database_bytes_per_series": round(rest / max(1, series)),
        "database_bytes": file.stat().st_size,
        "database_samples": samples,
    }


def _sums(connection: sqlite3.Connection, table: str) -> tuple[int, int]:
    """Samples in a table, and their bytes."""
    row = connection.execute(f"SELECT coalesce(sum(sample_rows), 0), coalesce(sum(length(data)), 0) FROM {table}").fetchone()
    return int(row[0]), int(row[1])


def _percentiles(name: str, values: list[float]) -> dict[str, float | None]:
    """p50 and p99 (of fewer than a hundred values the greatest)."""
    ranked = sorted(values)
    if not ranked:
        return {f"p50_{name}": None, f"p99_{name}": None}
    return {f"p50_{name}": round(ranked[len(ranked) // 2], 1), f"p99_{name}": round(ranked[int(len(ranked) * 0.99)], 1)}


def _thread_seconds(name: str) -> float:
    """Processor time of one of our own threads; 0 where the system does not tell."""
    wanted = {thread.native_id for thread in threading.enumerate() if thread.name == name}
    try:
        return float(sum(t.user_time + t.system_time for t in psutil.Process().threads() if t.id in wanted))
    except psutil.Error:
        return 0.0
