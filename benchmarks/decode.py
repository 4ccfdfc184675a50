"""How fast the doors decode, beside the plain Python way on the same bytes: `python -m benchmarks.decode [--json]`.

Every figure is the best of several rounds on one core, looking up of series included; the ratio to Python is what travels
between machines.
"""

from __future__ import annotations

import argparse
import json
import pickle
import random
import struct
import time
from collections.abc import Callable

import cramjam
import msgspec
import numpy as np

from awry.core.series_table import SeriesLimits, SeriesTable
from awry.formats.graphite import SLACK, decode_lines
from awry.formats.influx import decode_influx
from awry.formats.json_samples import decode_json_samples
from awry.formats.pickle_rows import decode_frames
from awry.formats.remote_write import decode_remote_write
from awry.formats.statsd import StatsdWindow
from benchmarks.decode_otlp import histograms, numbers
from benchmarks.machine import machine
from tests.formats.prometheus_schema import V1, request_v1, request_v2

ROUNDS = 7


def best(work: Callable[[], object], count: int) -> float:
    """Millions of samples per second, the best of several rounds."""
    work()
    fastest = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        fastest = min(fastest, time.perf_counter() - start)
    return count / fastest / 1e6


def graphite(series: int, value: Callable[[random.Random], str]) -> tuple[float, float]:
    """(ours, Python's) on 100,000 lines of about 62 bytes."""
    rng, count = random.Random(1), 100_000
    names = [f"servers.web-{i:07d}.cpu.total.percent.user.all" for i in range(series)]
    body = "".join(f"{names[rng.randrange(series)]} {value(rng)} 1443197361\n" for _ in range(count)).encode()
    data = np.zeros(len(body) + SLACK, np.uint8)
    data[: len(body)] = np.frombuffer(body, np.uint8)
    table = SeriesTable(SeriesLimits(total=series, new_per_minute=series))
    for name in names:
        table.intern_raw("graphite", name.encode(), name)
    known = {name.encode(): i for i, name in enumerate(names)}

    def python() -> list[tuple[int, int, float]]:
        rows = []
        for line in body.split(b"\n")[:-1]:
            name, text, seconds = line.split()
            rows.append((known[name], int(float(seconds) * 1000), float(text)))
        return rows

    return best(lambda: decode_lines(data, len(body), table, 0), count), best(python, count)


def remote_write(samples: int) -> tuple[float, float, float]:
    """(ours 1.0, ours 2.0, protobuf and a Python walk of 1.0) on 1,000 series of 8 labels."""
    rng = random.Random(2)
    series = []
    for i in range(1000):
        labels = {"__name__": "http_requests_total", "instance": f"10.0.{i // 250}.{i % 250}:9100", "job": "api", "zone": "eu-1"}
        labels |= {"pod": f"api-{i:05d}", "container": "main", "code": str(200 + i % 5), "method": "GET"}
        series.append((labels, [(1_700_000_000_000 + 15_000 * j, rng.random()) for j in range(samples)]))
    one, two = (bytes(cramjam.snappy.compress_raw(build(series))) for build in (request_v1, request_v2))
    table = SeriesTable()
    known: dict[tuple[tuple[str, str], ...], int] = {}

    def python() -> list[tuple[int, int, float]]:
        rows = []
        for item in V1["WriteRequest"].FromString(bytes(cramjam.snappy.decompress_raw(one))).timeseries:
            slot = known.setdefault(tuple((label.name, label.value) for label in item.labels), len(known))
            rows.extend((slot, sample.timestamp, sample.value) for sample in item.samples)
        return rows

    count = 1000 * samples
    first = best(lambda: decode_remote_write(one, table, version=1), count)
    return first, best(lambda: decode_remote_write(two, table, version=2), count), best(python, count)


def json_bodies() -> tuple[float, float, float]:
    """(ours in columns, ours in rows, stdlib json of the rows) on 10,000 samples."""
    keys = [f'cpu{{host="web-{i}"}}' for i in range(10_000)]
    columns = {"series": keys, "time": [1_700_000_000_000] * len(keys), "value": [i * 0.37 for i in range(len(keys))]}
    rows = {"samples": [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]}
    table, known = SeriesTable(), {key: i for i, key in enumerate(keys)}
    one, two = msgspec.json.encode(columns), msgspec.json.encode(rows)

    def python() -> list[tuple[int, int, float]]:
        return [(known[row["series"]], row["time"], row["value"]) for row in json.loads(two)["samples"]]

    count = len(keys)
    first = best(lambda: decode_json_samples(one, table), count)
    return first, best(lambda: decode_json_samples(two, table), count), best(python, count)


def influx(fields: int) -> tuple[float, float]:
    """(ours, Python's) on 100,000 fields, so many a line, of 10,000 series with four tags."""
    rng, points = random.Random(3), [f"cpu,cpu=cpu{i % 8},dc=eu-1,host=web-{i // 8:05d},os=linux" for i in range(10_000 // fields)]
    names = ["usage_user", "usage_system", "usage_idle", "usage_iowait", "usage_steal"][:fields]
    lines = []
    for i in range(100_000 // fields):
        values = ",".join(f"{name}={rng.random() * 100:.4f}" for name in names)
        lines.append(f"{points[i % len(points)]} {values} 1700000000000000000\n")
    body, table = "".join(lines).encode(), SeriesTable()
    known: dict[tuple[bytes, bytes], int] = {}

    def python() -> list[tuple[int, int, float]]:
        rows = []
        for line in body.split(b"\n")[:-1]:
            point, pairs, ns = line.split(b" ")
            ms = int(ns) // 1_000_000
            for pair in pairs.split(b","):
                name, _, value = pair.partition(b"=")
                rows.append((known.setdefault((point, name), len(known)), ms, float(value)))
        return rows

    return best(lambda: decode_influx(body, table, 0), 100_000), best(python, 100_000)


def pickled() -> tuple[float, float]:
    """(ours, Python's own pickle and a walk) on 100,000 datapoints in frames of 500, as carbon-relay sends them."""
    rng, count = random.Random(4), 100_000
    names = [f"servers.web-{i:07d}.cpu.total.percent.user.all" for i in range(10_000)]
    points = [(names[i % len(names)], (1_443_197_361.0 + i, rng.random() * 100)) for i in range(count)]
    frames = [pickle.dumps(points[i : i + 500], 2) for i in range(0, count, 500)]
    body = b"".join(struct.pack(">I", len(frame)) + frame for frame in frames)
    data = np.zeros(len(body) + SLACK, np.uint8)
    data[: len(body)] = np.frombuffer(body, np.uint8)
    table, known = SeriesTable(), {name: i for i, name in enumerate(names)}

    def python() -> list[tuple[int, int, float]]:
        return [
            (known[path], int(seconds * 1000), float(value)) for frame in frames for path, (seconds, value) in pickle.loads(frame)
        ]

    return best(lambda: decode_frames(data, len(body), table, 0), count), best(python, count)


def statsd() -> tuple[float, float]:
    """(ours, Python's) on 100,000 lines of counters, gauges and timers with tags, 10,000 metrics, gathered for one window."""
    rng, count, kinds = random.Random(5), 100_000, ("c", "g", "ms", "c|@0.1")
    lines = []
    for i in range(count):
        metric = i % 10_000
        kind, _, rate = kinds[metric % 4].partition("|")
        end = f"{kind}|{rate}" if rate else kind
        lines.append(f"shop.web.requests.{metric:05d}:{rng.randrange(10_000) / 10}|{end}|#env:prod,route:/api/{metric % 20}\n")
    body = "".join(lines).encode()
    data = np.zeros(len(body) + SLACK, np.uint8)
    data[: len(body)] = np.frombuffer(body, np.uint8)
    table, window = SeriesTable(), StatsdWindow()

    def ours() -> None:
        window.gather(data, len(body), table, 0)
        window.settle(10.0, 10.0)

    def python() -> dict[bytes, list[float]]:
        found: dict[bytes, list[float]] = {}
        for line in body.split(b"\n")[:-1]:
            name, _, rest = line.partition(b":")
            value, kind, *more = rest.split(b"|")
            rate = next((float(one[1:]) for one in more if one.startswith(b"@")), 1.0)
            tags = next((one for one in more if one.startswith(b"#")), b"")
            values = found.setdefault(name + kind + tags, [])
            if kind == b"g":
                values[:] = [float(value)]
            else:
                values.append(float(value) / rate)
        return found

    return best(ours, count), best(python, count)


def main() -> None:
    """Measure everything and print a table, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    short: Callable[[random.Random], str] = lambda rng: f"{rng.random() * 100:.4f}"  # noqa: E731
    rows: list[tuple[str, float, float]] = []
    for title, series, value in (
        ("Graphite, 10 k series", 10_000, short),
        ("Graphite, 1 M series", 1_000_000, short),
        ("Graphite, 10 k series, 17 digits", 10_000, lambda rng: repr(rng.random())),
    ):
        rows.append((title, *graphite(series, value)))
    for samples in (1, 10):
        one, two, python = remote_write(samples)
        rows += [(f"remote-write 1.0, {samples} a series", one, python), (f"remote-write 2.0, {samples} a series", two, python)]
    rows += [("Influx lines, 1 field", *influx(1)), ("Influx lines, 5 fields", *influx(5))]
    rows += [("Graphite pickle", *pickled()), ("StatsD, gathered", *statsd())]
    columns, plain, python = json_bodies()
    rows += [("JSON columns", columns, python), ("JSON rows", plain, python)]
    for resources, points in ((1, 1000), (100, 10), (10, 1000)):
        rows.append((f"OTLP, {points} points of each of {resources}", *numbers(best, resources, points)))
    rows.append(("OTLP histograms, points", *histograms(best)))
    if arguments.json:
        figures = {title: {"awry": round(ours, 2), "python": round(theirs, 2)} for title, ours, theirs in rows}
        print(json.dumps({"machine": machine(), "millions_of_samples_per_second": figures}, indent=1))
        return
    print(f"{'M samples/s':34} {'awry':>8} {'python':>8} {'ratio':>7}")
    for title, ours, theirs in rows:
        print(f"{title:34} {ours:8.2f} {theirs:8.2f} {ours / theirs:7.1f}")


if __name__ == "__main__":
    main()
