"""What one machine carries at 1 k to 1 M series: runs `awry bench capacity`, keeps its results, and writes what follows from them.

    python -m benchmarks.capacity                  # all of it: half an hour, on a machine with nothing else to do
    python -m benchmarks.capacity --series 1k,10k  # only these; results of other sizes stay
    python -m benchmarks.capacity --fit            # the figures that `awry size` predicts from, out of the results there are
    python -m benchmarks.capacity --markdown       # the tables of docs/how-to/capacity.md and its chart

A whole run does the last two by itself. Each size is a run of its own, with the default detectors and then with the lean one; the
default ones also over remote-write at 100 k series. Two sizes between (30 k and 300 k) are measured and kept out of the fit: they
show how far the prediction is off. Of the page only what stands between `<!-- table NAME -->` and the next blank line is replaced.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from awry.cli.capacity import prediction
from awry.cli.capacity.chart import svg
from awry.cli.capacity.compare import compared
from awry.cli.capacity.figures import FIGURES, Run, as_json, count_text, growth, shown, value_of
from awry.cli.quantities import parse_count
from benchmarks import peers_capacity
from benchmarks.machine import machine

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results" / "capacity.json"
PAGE = ROOT / "docs" / "how-to" / "capacity.md"
CHART = ROOT / "docs" / "images" / "capacity.svg"
FITTED = Path(prediction.__file__).parent / "measured.json"
SIZES = (1_000, 10_000, 100_000, 1_000_000)
CHECKED = (30_000, 300_000)
"""Measured to see how far the prediction is off; not in the fit."""
REMOTE_WRITE = 100_000
PLANNED = ((10_000, 60), (100_000, 60), (100_000, 10), (250_000, 60), (1_000_000, 60), (1_000_000, 300))
"""Series and seconds of the page's examples of `awry size`."""


def run(series: int, *arguments: str) -> dict[str, Any]:
    """One size through the front door."""
    command = [sys.executable, "-m", "awry.cli.main", "bench", "capacity", "--series", str(series), *arguments, "--json"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    found["load_before"] = found.pop("machine")["load_before"]
    print(json.dumps({"series": series, "arguments": arguments, **{f.key: value_of(found, f.key) for f in FIGURES}}), flush=True)
    return found


def kept(old: Sequence[Run], new: Sequence[Run]) -> list[dict[str, Any]]:
    """Runs of both, the new ones in place of old ones of the same load; by detector, protocol and series."""

    def load(one: Run) -> tuple[str, str, int]:
        return one["detector"], one["protocol"], one["series"]

    merged = {load(one): dict(one) for one in (*old, *new)}
    return [merged[key] for key in sorted(merged)]


def chosen(runs: Sequence[Run], detector: str, protocol: str = "graphite") -> list[Run]:
    """The runs of one detector and protocol, by series."""
    return [one for one in runs if one["detector"] == detector and one["protocol"] == protocol]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *rows))


def measured(runs: Sequence[Run]) -> str:
    """Figures by size, and by what ten times the series multiply them."""
    grown = growth(runs)
    rows = []
    for figure in FIGURES:
        cells = [shown(value_of(one, figure.key), figure.unit) for one in runs]
        rows.append([figure.name, *cells, ", ".join("–" if ratio is None else f"×{ratio:.2g}" for ratio in grown[figure.key])])
    return table(["series", *(count_text(one["series"]) for one in runs), "for ten times the series"], rows)


def predicted(runs: Sequence[Run]) -> str:
    """What is predicted from the fit, and what was measured."""
    rows = []
    for one in runs:
        for key, name, unit in (("cores", "cores", ""), ("memory_bytes", "memory", "B"), ("database_bytes", "database", "B")):
            pair = (one.get("prediction") or {}).get(key)
            if pair:
                figures = shown(pair["predicted"], unit), shown(pair["measured"], unit)
                rows.append([count_text(one["series"]), one["detector"], name, *figures, f"{pair['error']:+.0%}"])
    return table(["series", "detector", "", "predicted", "measured", "off by"], rows)


def planned(figures: Mapping[str, Any]) -> str:
    """Examples of what `awry size` says."""
    rows = []
    for series, seconds in PLANNED:
        told = prediction.predict(series, seconds * 1000, 30 * 86_400_000, measured=figures)
        fits = not told.leave(2, 8e9) and not told.beyond
        cells = [shown(told.cores), shown(told.memory_bytes, "B"), shown(told.disk_bytes, "B"), shown(told.recovery_seconds, "s")]
        rows.append([count_text(series), f"{seconds} s", *cells, "yes" if fits else "no"])
    return table(["series", "interval", "cores", "memory", "disk, 30 days", "recovery", "2 cores and 8 GB carry it"], rows)


def write(body: Mapping[str, Any]) -> None:
    """The page's tables and its chart."""
    usual, about = chosen(body["runs"], "auto"), body["machine"]
    named = f"{about['processor']}, {about['cores']} cores, {about['memory_gib']:g} GiB"
    measured_on = f"Measured on: {named}; load average before it {about['load_before']}, which should be near 0."
    tables = {"measured": measured(usual), "planned": planned(prediction.shipped())}
    if body["checks"]:
        tables["predicted"] = predicted(body["checks"])
    if peers_capacity.RESULTS.exists():
        tables["peers"] = peers_capacity.table(json.loads(peers_capacity.RESULTS.read_text(encoding="utf-8")))
    lean = chosen(body["runs"], "lean")
    if lean:
        tables["lean"] = measured(lean)
    text = PAGE.read_text(encoding="utf-8")
    for name, lines in tables.items():
        text = re.sub(rf"(<!-- table {name} -->\n).*?(\n\n|\Z)", lambda m, lines=lines: m[1] + lines + m[2], text, flags=re.DOTALL)
    text = re.sub(r"(<!-- machine -->\n).*?(\n\n|\Z)", lambda m: f"{m[1]}{measured_on}{m[2]}", text, flags=re.DOTALL)
    PAGE.write_text(text, encoding="utf-8")
    CHART.write_text(svg(usual, f"What one machine carries: {named}, one sample a minute"), encoding="utf-8")


def main() -> None:
    """Measure what is asked for, keep it, fit, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", default=",".join(map(str, SIZES + CHECKED)), help="numbers of series (default: all six)")
    parser.add_argument("--seconds", help="how long the stated load lasts (default: 30 to 300, by the series)")
    parser.add_argument("--only", choices=("auto", "lean"), help="only these detectors")
    parser.add_argument("--fit", action="store_true", help="measure nothing; write the figures that `awry size` uses")
    parser.add_argument("--markdown", action="store_true", help="measure nothing; write the page's tables and chart")
    args = parser.parse_args()
    old = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {"runs": [], "checks": []}
    body = old
    if not args.fit and not args.markdown:
        about = machine()
        more = ["--seconds", args.seconds] if args.seconds else []
        new: list[Run] = []
        for series in map(parse_count, args.series.split(",")):
            if args.only != "lean":
                new.append(run(series, *more))
            if args.only != "auto" and series not in CHECKED:
                new.append(run(series, "--lean", *more))
            if series == REMOTE_WRITE and args.only != "lean":
                new.append(run(series, "--protocol", "remote-write", *more))
        runs = kept(old["runs"], [one for one in new if one["series"] not in CHECKED])
        checks = kept(old["checks"], [one for one in new if one["series"] in CHECKED])
        body = {**as_json(chosen(runs, "auto") or new, about), "runs": runs, "checks": checks}
    if not args.markdown:
        fitted = prediction.fit([one for one in body["runs"] if one["protocol"] == "graphite"], body["machine"])
        FITTED.write_text(json.dumps(fitted, indent=1) + "\n", encoding="utf-8")
    if not args.fit and not args.markdown:
        for one in body["checks"]:
            one["prediction"] = compared(one, prediction.shipped())
        RESULTS.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    if not args.fit:
        write(body)


if __name__ == "__main__":
    main()
