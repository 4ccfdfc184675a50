"""`awry bench suite`: detectors over folders of labelled sets, as tables, as JSON and as one HTML page."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from awry.cli.written import check_folder, save

if TYPE_CHECKING:
    from awry.detection.evaluation.contestants import Contestant
    from awry.detection.evaluation.labelled import SetFile
    from awry.detection.evaluation.suite import SuiteReport

QUICK_FILES = 4
"""Files of each set that --quick takes, evenly spread."""
EPILOG = """examples:
  awry bench suite sets --detector default
  awry bench suite sets --set web --set disks --html suite.html
  awry bench suite sets --detector default --detector default:shape --detector ewma --json

DIR has one folder per set (or is one). A set holds CSV files with the columns timestamp, one or more metrics, and label (0 or 1);
or .npz files with the arrays X, y and, if known, ts, train_end and meta; or it is a copy of the Numenta Anomaly Benchmark.
Rows at the start of each file are learned and not scored: its training part, or 15 %, at most 750 rows, whichever is more.
Without --detector: the default, auto (each series gets the one it needs, as in a server), each head of the default alone, and every
other installed detector."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `awry bench suite`."""
    parser.add_argument("data", type=Path, metavar="DIR", help="the folder of labelled sets")
    parser.add_argument("--set", action="append", default=[], metavar="NAME", help="only this set; may be given several times")
    parser.add_argument(
        "--detector", action="append", default=[], metavar="NAME", help="this detector, or NAME:HEAD; may be given several times"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.add_argument("--html", type=Path, metavar="FILE", help="also write a page with the worst misses and false alarms drawn")
    parser.add_argument("--quick", action="store_true", help=f"only {QUICK_FILES} files of each set")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="seed of the intervals (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="files judged at a time (default: %(default)s)")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    """Judge, measure, print."""
    from awry.detection.evaluation.contestants import installed
    from awry.detection.evaluation.labelled import read_sets

    check_folder(args.html)
    sets = read_sets(args.data, args.set)
    if args.quick:
        sets = {name: files[:: max(1, -(-len(files) // QUICK_FILES))] for name, files in sets.items()}
    report = judge(sets, installed(args.detector), threads=max(1, args.threads))
    figures = as_json(report, seed=args.seed, quick=args.quick)
    if args.html:
        from awry.cli.bench_page import render_page

        page = render_page(report, figures, sets)
        save(args.html, lambda: args.html.write_text(page, encoding="utf-8"))
    if args.json:
        print(json.dumps(figures, allow_nan=False))
    else:
        from awry.cli.bench_tables import print_tables

        print_tables(figures)
    return 0


def judge(sets: Mapping[str, Sequence[SetFile]], contestants: Sequence[Contestant], *, threads: int = 2) -> SuiteReport:
    """Run the suite with the default rule beside it, and a progress bar on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from awry.cli.bench_rule import run_rule
    from awry.detection.evaluation.suite import run_suite

    columns = (TextColumn("judging"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("", total=sum(map(len, sets.values())))

        def told(file: SetFile) -> None:
            bar.update(task, advance=1, description=f"{file.set} {file.name}")

        return run_suite(sets, contestants, watch=run_rule, progress=told, threads=threads)


def as_json(report: SuiteReport, *, seed: int = 1, quick: bool = False) -> dict[str, Any]:
    """The report as one JSON object; null where a figure cannot be told."""
    from awry.detection.evaluation.ranks import mean_ranks

    ranks = mean_ranks(report, seed=seed)
    contestants: dict[str, Any] = {}
    causal = {contestant.name: contestant.causal for contestant in report.contestants}
    for rank in ranks:
        contestants[rank.contestant] = {
            "mean_rank": _number(rank.mean),
            "mean_rank_90": [_number(rank.low), _number(rank.high)],
            "causal": causal[rank.contestant],
            "sets": {s: _outcome(report, rank.contestant, s) for s in report.sizes if (rank.contestant, s) in report.outcomes},
        }
    return {
        "benchmark": "suite",
        "quick": quick,
        "seed": seed,
        "sets": report.sizes,
        "contestants": contestants,
        "refused": report.refused,
        "failed": report.failed,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }


def _outcome(report: SuiteReport, contestant: str, set: str) -> dict[str, Any]:
    from awry.cli.bench_rule import sum_up

    outcome = report.outcomes[(contestant, set)]
    body: dict[str, Any] = {"microseconds_per_sample": _number(outcome.microseconds), "coverage": _number(outcome.coverage)}
    for output in outcome.outputs:
        best = outcome.events[output]
        body[output] = {name: _number(value) for name, value in outcome.measures(output).items()}
        body[output] |= {
            "threshold": _number(best.threshold),
            "found": best.found,
            "false_alerts": best.false_alerts,
            "delay_rows": _number(best.delay_rows),
            "delay_ms": _number(best.delay_ms),
        }
        if outcome.nab:
            body[output]["nab"] = {name: _number(score) for name, score in outcome.nab[output].items()}
    ruled = [file.watched for file in outcome.files if file.watched is not None]
    body["rule"] = {k: _number(v) for k, v in sum_up(ruled).items()} if ruled else None
    return body


def _number(value: float | int | None) -> float | int | None:
    if value is None or isinstance(value, int):
        return value
    return float(f"{value:.6g}") if math.isfinite(value) else None
