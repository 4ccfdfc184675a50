"""`awry bench nab`: one detector configuration on the Numenta Anomaly Benchmark, beside the published scoreboard."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from awry.detection.evaluation.nab_corpus import Published
    from awry.detection.evaluation.nab_run import NabReport

_NAMES = {
    "numenta": "Numenta HTM",
    "contextOSE": "CAD OSE",
    "earthgeckoSkyline": "earthgecko Skyline",
    "knncad": "KNN-CAD",
    "randomCutForest": "random cut forest",
    "twitterADVec": "Twitter ADVec",
    "windowedGaussian": "windowed Gaussian",
    "skyline": "Etsy Skyline",
    "relativeEntropy": "relative entropy",
    "expose": "EXPoSE",
}
_LOOK_AHEAD = ("ARTime", "numenta", "contextOSE")
"""These were told something of each whole file before it began: its range of values, or its length."""
EPILOG = """examples:
  awry bench nab --data nab
  awry bench nab --data nab --detector records --json

The data are the folders data/ and labels/ of the repository numenta/NAB. One configuration scores all files, none is told
anything about a file in advance; the threshold is the best one over the corpus, by profile, as the benchmark has it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `awry bench nab`."""
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the benchmark's folder")
    parser.add_argument("--detector", default="default", metavar="NAME", help="any detector's name (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    """Score all files and print how it went."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from awry.detection.evaluation.nab_corpus import read_corpus, read_published
    from awry.detection.evaluation.nab_run import run_nab
    from awry.library.judges import make_judge

    files = read_corpus(args.data)
    published = list(read_published(args.data))
    make_judge(args.detector)
    columns = (TextColumn("scoring"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("", total=len(files))
        report = run_nab(files, lambda: make_judge(args.detector), lambda file: bar.update(task, advance=1, description=file.name))
    if args.json:
        print(json.dumps(as_json(args.detector, report)))
    else:
        _print_tables(args.detector, report, published)
    return 0


def as_json(detector: str, report: NabReport) -> dict[str, object]:
    """The report as one JSON object."""
    return {
        "benchmark": "nab",
        "detector": detector,
        **{name: round(result.score, 4) for name, result in report.profiles.items()},
        "seconds": round(report.seconds, 3),
        "samples": report.samples,
        "samples_per_second": round(report.samples / report.seconds),
        "thresholds": {name: round(result.threshold, 6) for name, result in report.profiles.items()},
        "found": {name: result.found for name, result in report.profiles.items()},
        "false_alerts": {name: result.false_alerts for name, result in report.profiles.items()},
        "windows": report.profiles["standard"].windows,
        "categories": {
            name: {"score": round(r.score, 2), "found": r.found, "windows": r.windows, "false_alerts": r.false_alerts}
            for name, r in report.categories.items()
        },
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }


def _print_tables(detector: str, report: NabReport, published: list[Published]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 100)
    board = Table(box=box.SIMPLE_HEAD, title="NAB 1.1, normalised: silence is 0, perfect is 100", title_justify="left")
    for column in ("", "standard", "low FP", "low FN"):
        board.add_column(column, justify="right" if column else "left")
    mine = f"awry ({detector})"
    rows = [(_NAMES.get(p.name, p.name) + (" *" if p.name in _LOOK_AHEAD else ""), p.scores) for p in published]
    rows.append((mine, {name: result.score for name, result in report.profiles.items()}))
    for name, scores in sorted(rows, key=lambda row: -row[1]["standard"]):
        board.add_row(name, *(f"{scores[profile]:.1f}" for profile in report.profiles), style="bold" if name == mine else "")
    console.print(board)
    if published:
        console.print("* was told each file's range of values in advance; awry is not", style="dim")
    detail = Table(box=box.SIMPLE_HEAD)
    for column in ("standard profile, by folder", "score", "windows found", "false alerts"):
        detail.add_column(column, justify="left" if column.startswith("standard") else "right")
    for name, result in report.categories.items():
        score = f"{result.score:.1f}" if result.windows else "-"
        detail.add_row(name, score, f"{result.found} of {result.windows}", str(result.false_alerts))
    console.print(detail)
    rate = report.samples / report.seconds
    console.print(f"{report.samples:,} samples in {report.seconds:.2f} s: {rate:,.0f} samples/s on one core")
