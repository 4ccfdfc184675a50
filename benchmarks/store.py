"""Measures the SQL store on SQLite beside a table with a row per sample: write rate, bytes per row, time to read one series.

Run: .venv/bin/python -m benchmarks.store [--series N] [--hours H] [--naive-hours H]; writes benchmarks/results/store.json.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from awry.core.batch import Batch, Floats, Scored
from awry.core.tick import Block, Tick
from awry.stores import SqlStore
from benchmarks.machine import machine

START, MINUTE = 1_700_000_000_000, 60_000
SERIES_READ = 50


def ticks(series: int, count: int) -> Iterator[Tick]:
    """A sample of each series a minute: daily waves with noise, two decimals, as a detector would score them."""
    rng = np.random.default_rng(7)
    slot = np.arange(series, dtype=np.int32)
    level, phase = rng.uniform(10, 1000, series), rng.uniform(0, 6.28, series)
    for seq in range(1, count + 1):
        expected = level * (1 + 0.3 * np.sin(phase + seq * 6.28 / 1440))
        value = np.round(expected + 0.02 * level * rng.standard_normal(series), 2)
        strange = rng.random(series)
        score = np.round(np.where(strange > 0.9, -np.log10(np.maximum(1 - strange, 1e-9)) / 10, 0.0), 4).astype(np.float32)
        moment = START + seq * MINUTE + rng.integers(0, 1000, series)
        scored = Scored(
            strange.astype(np.float32), score, score, _f32(expected), _f32(expected - 0.05 * level), _f32(expected + 0.05 * level),
            (strange * 5).astype(np.uint8),
        )  # fmt: skip
        new = tuple((int(s), f'requests{{service="svc-{s}"}}') for s in slot) if seq == 1 else ()
        yield Tick(seq=seq, time=START + seq * MINUTE, batch=Batch(slot, moment, value), scored=scored, series=new)


def _f32(column: np.ndarray) -> Floats:
    return column.astype(np.float32)


def measure_store(folder: Path, series: int, count: int) -> dict[str, float]:
    """Commit every tick and do the upkeep that is due, as the engine does."""
    store, spent, cpu, commits, slices = SqlStore(folder), 0.0, 0.0, [], []
    for tick in ticks(series, count):
        began, busy = time.perf_counter(), time.process_time()
        store.commit([tick])
        commits.append(time.perf_counter() - began)
        more = True
        while more:
            part = time.perf_counter()
            more = store.upkeep(tick.time)
            slices.append(time.perf_counter() - part)
        spent += time.perf_counter() - began
        cpu += time.process_time() - busy
        if tick.seq % 60 == 0:
            store.save([Block("scorer", 0, tick.seq, {})])
    rows = series * count
    day, short = _read(store, count), _read(store, 120)
    largest = store.stats()["bytes"]
    began = time.perf_counter()
    sizes = store.compact(START + count * MINUTE + 10 * 3_600_000)
    compacting = time.perf_counter() - began
    compacted = _read(store, count)
    store.close()
    return {
        "rows": rows,
        "write_k_rows_per_s": round(rows / spent / 1e3, 1),
        "write_k_rows_per_cpu_s": round(rows / cpu / 1e3, 1),
        "commit_only_k_rows_per_s": round(rows / sum(commits) / 1e3, 1),
        "commit_p50_ms": round(float(np.quantile(commits, 0.5)) * 1e3, 2),
        "commit_p99_ms": round(float(np.quantile(commits, 0.99)) * 1e3, 2),
        "upkeep_p99_ms": round(float(np.quantile(slices, 0.99)) * 1e3, 1),
        "upkeep_worst_ms": round(max(slices) * 1e3, 1),
        "bytes_per_row_with_journal_and_wal": round(largest / rows, 2),
        "bytes_per_row_compacted": round(sizes["bytes_after"] / rows, 2),
        "read_all_p50_ms": day[0],
        "read_all_p95_ms": day[1],
        "read_all_compacted_p50_ms": compacted[0],
        "read_2h_p50_ms": short[0],
        "compact_s": round(compacting, 2),
    }


def _read(store: SqlStore, minutes: int) -> tuple[float, float]:
    took = []
    for slot in range(SERIES_READ):
        began = time.perf_counter()
        found = store.samples(slot * 7, START, START + minutes * MINUTE + MINUTE)
        took.append(time.perf_counter() - began)
        assert abs(len(found) - minutes) <= 1, len(found)
    return round(float(np.quantile(took, 0.5)) * 1e3, 2), round(float(np.quantile(took, 0.95)) * 1e3, 2)


def measure_naive(file: Path, series: int, count: int) -> dict[str, float]:
    """A row per sample in a table clustered by (series, time), the same columns, the same durability, a transaction per tick."""
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(
        "CREATE TABLE samples (slot INT, time INT, value REAL, raw REAL, score REAL, segment REAL, expected REAL,"
        " low REAL, high REAL, part INT, PRIMARY KEY (slot, time)) WITHOUT ROWID"
    )
    spent = 0.0
    for tick in ticks(series, count):
        b, s = tick.batch, tick.scored
        began = time.perf_counter()
        columns = (b.slot, b.time, b.value, s.raw, s.score, s.segment, s.expected, s.low, s.high, s.part)
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO samples VALUES (?,?,?,?,?,?,?,?,?,?)", zip(*(c.tolist() for c in columns), strict=True))
        connection.execute("COMMIT")
        spent += time.perf_counter() - began
    took = []
    for slot in range(SERIES_READ):
        began = time.perf_counter()
        connection.execute("SELECT * FROM samples WHERE slot = ? ORDER BY time", (slot * 7,)).fetchall()
        took.append(time.perf_counter() - began)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()
    rows = series * count
    return {
        "rows": rows,
        "write_k_rows_per_s": round(rows / spent / 1e3, 1),
        "bytes_per_row": round(file.stat().st_size / rows, 2),
        "read_2h_p50_ms": round(float(np.quantile(took, 0.5)) * 1e3, 2),
    }


def main() -> None:
    """Measure both and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--naive-hours", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "store.json")
    options = parser.parse_args()
    result: dict[str, object] = {"machine": machine(), "series": options.series, "hours": options.hours}
    with tempfile.TemporaryDirectory(dir=".") as folder:
        store = measure_store(Path(folder), options.series, options.hours * 60)
        naive = measure_naive(Path(folder) / "naive.db", options.series, options.naive_hours * 60)
    result |= {"awry": store, "row_per_sample": naive}
    result["ratios"] = {
        "write_times_faster": round(store["write_k_rows_per_s"] / naive["write_k_rows_per_s"], 1),
        "times_smaller": round(naive["bytes_per_row"] / store["bytes_per_row_compacted"], 1),
        "read_2h_times_slower": round(store["read_2h_p50_ms"] / naive["read_2h_p50_ms"], 1),
    }
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
