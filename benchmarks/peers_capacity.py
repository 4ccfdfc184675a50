"""What the same load costs through what a user would pick instead: servers that keep samples, and libraries that score them.

    python -m benchmarks.peers_capacity [--series N] [--seconds N] [--python PATH] [--without NAME ...] [--json]

Servers (carbon-cache, VictoriaMetrics) get the same Graphite lines as Awry, in the same run, over one connection: a first sample
of every series, then the steps that are measured. They keep samples and score nothing. Libraries get the same values in a process
of their own, an object a series, and do nothing but score: no socket, no disk. Each has a minute at most. What counts is samples
per second of processor time of the whole process tree, so that a run on several cores and one on a busy machine compare.

Servers: apt-get install graphite-carbon victoria-metrics. Libraries: pip install -e '.[peers]', or in an environment of their own
whose python `--python` names. What is missing is named with the reason and left out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from awry.cli.capacity.figures import shown
from awry.cli.capacity.load import GraphiteLoad, Waves
from awry.cli.capacity.sender import pieces, send_all
from awry.cli.capacity.served import Served, config_text
from awry.cli.quantities import parse_count
from benchmarks.machine import machine
from benchmarks.peers.stores import Store, carbon, victoria

RESULTS = Path(__file__).parent / "results" / "peers_capacity.json"
STEPS = 60
"""Samples of each series that servers get after the first."""
MOST_SECONDS = 60.0
ROWS = 1000
"""Steps of values that libraries get before they begin again."""
SERVERS: dict[str, Callable[[Path], Store]] = {
    "carbon-cache": carbon,
    "VictoriaMetrics": victoria,
    "VictoriaMetrics, one thread": lambda folder: victoria(folder, 1),
}
LIBRARIES = {
    "river GaussianScorer": ("gaussian", 1000),
    "river HalfSpaceTrees": ("half_space_trees", 50),
    "river PredictiveAnomalyDetection, Holt-Winters": ("holt_winters", 1000),
    "rrcf, 40 trees of 256": ("robust_cut_forest", 5),
    "statsmodels, Holt-Winters refitted daily": ("refit_statsmodels", 1),
    "Prophet refitted daily": ("refit_prophet", 1),
}
"""Module-level name in benchmarks/peers/online.py, and how many series: as many as fill their windows in the time."""
Row = dict[str, Any]


def ours(series: int, *, lean: bool) -> Row:
    """Awry with everything on: decoding, detectors, calibration, rules, the durable store."""
    load, now = GraphiteLoad(series), int(time.time() // 60) * 60_000
    text = config_text(series, "http://127.0.0.1:9/", lean=lean, rule="none", selector="none", threshold=1.0)
    with tempfile.TemporaryDirectory() as folder, Served(Path(folder) / "first", text) as served:
        served.stop()  # kernels are compiled from here on
    with tempfile.TemporaryDirectory() as folder, Served(Path(folder) / "measured", text) as served:
        time.sleep(1.0)
        empty = served.resident()
        send_all(served, load, [now - STEPS * 60_000])
        took, cpu = send_all(served, load, [now - (STEPS - 1 - k) * 60_000 for k in range(STEPS)])
        return {**row(series * STEPS, took, cpu, (served.resident() - empty) / series), "scores": True, "stores": True}


def theirs(make: Callable[[Path], Store], series: int, seconds: float) -> Row:
    """One server that only keeps samples."""
    load, now = GraphiteLoad(series), int(time.time() // 60) * 60_000
    first = pieces(load, now - STEPS * 60_000)
    payload = [data for k in range(STEPS) for data in pieces(load, now - (STEPS - 1 - k) * 60_000)]
    with tempfile.TemporaryDirectory() as folder, make(Path(folder)) as store:
        time.sleep(1.0)
        empty = store.resident()
        store.take(first, seconds)
        before = store.rows()
        took, cpu, done = store.take(payload, seconds)
        after = store.rows()
        found = {**row(series * STEPS, took, cpu, (store.resident() - empty) / series), "scores": False, "stores": True}
        if after is not None and before is not None and after - before != series * STEPS:
            found["counted"] = after - before
        return found if done else {**found, "unfinished": True}


def scored(name: str, series: int, values: Path, seconds: float, python: str) -> Row:
    """One library, in a process of its own."""
    command = [python, "-W", "ignore", "-m", "benchmarks.peers.online", name, str(values), str(seconds), str(series)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds * 4 + 120)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    found: Row = json.loads(done.stdout.strip().splitlines()[-1])
    return {**found, "scores": True, "stores": False}


def row(samples: int, took: float, cpu: float, each: float) -> Row:
    """The figures of a server."""
    return {
        "samples": samples,
        "seconds": round(took, 2),
        "samples_per_second": round(samples / took),
        "cpu_seconds": round(cpu, 2),
        "samples_per_core_second": round(samples / cpu),
        "bytes_per_series": round(each),
    }


def run(series: int, seconds: float, python: str, without: list[str]) -> dict[str, Any]:
    """Everything once; ratios to Awry's default are above 1 where Awry does more samples, or takes less memory."""
    found: dict[str, Any] = {"machine": machine(), "series": series, "steps": STEPS, "contestants": {}, "missing": {}}
    tried: dict[str, Callable[[], Row]] = {
        "Awry": partial(ours, series, lean=False),
        "Awry, lean": partial(ours, series, lean=True),
    }
    for name, make in SERVERS.items():
        tried[name] = partial(theirs, make, series, MOST_SECONDS)
    with tempfile.TemporaryDirectory() as folder:
        file, waves = Path(folder) / "values.npy", Waves(ROWS)
        np.save(file, np.array([waves.at(k * 60_000, 0, ROWS) / 100.0 for k in range(ROWS)]))
        for name, (peer, many) in LIBRARIES.items():
            tried[name] = partial(scored, peer, many, file, seconds, python)
        for name, measure in tried.items():
            if name in without:
                continue
            try:
                found["contestants"][name] = measure()
            except (OSError, RuntimeError, subprocess.TimeoutExpired) as error:
                found["missing"][name] = str(error)
            print(f"{name}: {found['contestants'].get(name) or found['missing'][name]}", file=sys.stderr, flush=True)
    us = found["contestants"].get("Awry")
    for one in found["contestants"].values():
        if us:
            one["awry_times_the_samples_per_core"] = float(f"{us['samples_per_core_second'] / one['samples_per_core_second']:.3g}")
            one["times_the_memory_of_awry"] = float(f"{one['bytes_per_series'] / us['bytes_per_series']:.3g}")
    return found


def table(found: dict[str, Any]) -> str:
    """The figures as Markdown."""
    head = ("", "scores", "stores", "samples per CPU second", "Awry does", "bytes/series", "of Awry's")
    rows = [head, ["---"] * len(head)]
    for name, one in found["contestants"].items():
        does = [("yes" if one[what] else "no") for what in ("scores", "stores")]
        speed = f"{one['samples_per_core_second']:,.0f}", f"×{one.get('awry_times_the_samples_per_core', 1):g}"
        memory = shown(one["bytes_per_series"], "B"), f"×{one.get('times_the_memory_of_awry', 1):g}"
        late = " (not done within a minute)" if one.get("unfinished") else ""
        rows.append([name + late, *does, *speed, *memory])
    return "\n".join("| " + " | ".join(line) + " |" for line in rows)


def main() -> None:
    """Measure, print, and keep the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=parse_count, default=10_000, help="series that the servers get")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long each library runs, at most 60")
    parser.add_argument("--python", default=sys.executable, help="the python that has the libraries")
    parser.add_argument("--without", nargs="*", default=[], metavar="NAME", help="leave these out")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where to keep the results (JSON)")
    args = parser.parse_args()
    found = run(args.series, min(MOST_SECONDS, args.seconds), args.python, args.without)
    args.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if args.json:
        print(json.dumps(found))
    else:
        print(table(found))
        print("".join(f"\n{name}: {reason}" for name, reason in found["missing"].items()))


if __name__ == "__main__":
    main()
