"""`awry inject FILE`: faults put into your own normal data; which would you have been told of, and how soon."""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from awry.cli.written import check_folder, save

if TYPE_CHECKING:
    from awry.core.rule import Rule
    from awry.detection.evaluation.inject import Cell, InjectReport, Stretch
    from awry.formats.columns import Table

EPILOG = """examples:
  awry inject cpu.csv
  awry inject cpu.csv --budget "1 per 7d"          with a rule that may cost more
  awry inject metrics.parquet --detector records --json
  awry inject cpu.csv --html faults.html           with a picture of each kind of fault

FILE is read as by `awry detect` and should hold days in which nothing went wrong. The detector learns the first 60 % of each
series; into the rest, faults of known kind and size are put, one at a time, and what the rule says is noted. One sigma is 1.4826
times the median absolute deviation of the series: about the usual width of its chart.

exit status: 0 done; 2 the file cannot be read, or has no series that is long enough (500 samples)."""
LEARNED = 0.6
SHORTEST = 500
PLACES, MOST_PLACES, MOST_SERIES = 60, 15, 200
"""Faults of each kind aimed at, at most so many in one series, and series used at most."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `awry inject`."""
    parser.add_argument("file", metavar="FILE", help='the file; "-" reads standard input')
    parser.add_argument("--detector", default="default", metavar="NAME", help="the detector (default: %(default)s)")
    parser.add_argument("--threshold", type=float, metavar="SCORE", help="anomaly score, 0 to 1, at which the rule opens")
    parser.add_argument(
        "--budget", metavar="RATE", help='instead, false alerts the rule may cost per series (default: "1 per 30d")'
    )
    parser.add_argument("--interval", metavar="TIME", help="distance between rows where there is no time column: 60s, 5m")
    parser.add_argument("--time", default="", metavar="COLUMN", help="name of the time column, where it is not recognised")
    parser.add_argument("--series", default="", metavar="COLUMN", help="name of the series column, where it is not recognised")
    parser.add_argument("--value", default="", metavar="COLUMN", help="name of the value column, where it is not recognised")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with the table and a picture of each kind of fault")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    """Read, inject, print."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from awry.cli.inject_table import print_table, report_json
    from awry.core.errors import InvalidInput
    from awry.core.rule import Rule
    from awry.detection.catalogue import make_judge
    from awry.detection.evaluation.inject import run_inject
    from awry.engine.threshold import check_rule, rule_threshold

    rule = Rule(name="inject", threshold=args.threshold, budget=args.budget)
    check_rule(rule)
    make_judge(args.detector)
    check_folder(args.html)
    table = _read(args)
    series, left_out = _stretches(table)
    if not series:
        raise InvalidInput(
            f"cannot inject faults into {args.file}: {left_out}", hint="give days of data in which nothing went wrong"
        )
    if left_out:
        print(f"left out: {left_out}", file=sys.stderr)
    shown = (TextColumn("injecting"), BarColumn(), TimeRemainingColumn())
    with Progress(*shown, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("", total=1)
        report = run_inject(
            args.detector,
            {args.file: series},
            fixed=lambda one: rule_threshold(rule, one.step_ms, one.history)[0],
            speaker="rule",
            progress=lambda done, of: bar.update(task, completed=done, total=of),
        )
    steps = {one.step_ms for one in series}
    step_ms = steps.pop() if len(steps) == 1 else 0.0
    false_per_day = _false_per_day(report, series)
    summary = _summary(report, series, rule, false_per_day)
    if args.html:
        from awry.cli.inject_page import render_faults

        page = render_faults(args.file, *_table(report, step_ms), summary, series)
        save(args.html, lambda: args.html.write_text(page, encoding="utf-8"))
    if args.json:
        body = {
            "file": args.file,
            "series": len(series),
            "step_ms": step_ms or None,
            "false_alerts_per_series_and_day": false_per_day,
        }
        print(json.dumps(body | report_json(report)))
        return 0
    print_table(f"{args.detector}: faults that would have been told", *_table(report, step_ms))
    print(summary)
    return 0


def _read(args: argparse.Namespace) -> Table:
    from awry.formats.columns import Choice
    from awry.formats.files import read_bytes, read_file
    from awry.library.durations import duration_ms

    choice = Choice(args.time, args.series, args.value)
    interval_ms = duration_ms(args.interval) if args.interval else None
    if args.file == "-":
        return read_bytes(sys.stdin.buffer.read(), name="standard input", choice=choice, interval_ms=interval_ms)
    return read_file(Path(args.file), choice=choice, interval_ms=interval_ms)


def _stretches(table: Table) -> tuple[list[Stretch], str]:
    """The series that faults can be put into, and in words what was left out."""
    import numpy as np

    from awry.detection.evaluation.faults import LEAST_AHEAD
    from awry.detection.evaluation.inject import stretch_of

    starts = np.searchsorted(table.batch.slot, np.arange(len(table.keys) + 1))
    long = [slot for slot in range(len(table.keys)) if starts[slot + 1] - starts[slot] >= SHORTEST]
    picked = [long[k] for k in np.unique(np.linspace(0, len(long) - 1, min(MOST_SERIES, len(long))).astype(int))] if long else []
    found, calm = [], 0
    for slot in picked:
        rows = slice(int(starts[slot]), int(starts[slot + 1]))
        count = rows.stop - rows.start
        history, last = int(LEARNED * count), count - LEAST_AHEAD
        history = min(history, last)
        places = max(1, min(MOST_PLACES, PLACES // len(picked), last - history + 1))
        jitter = (last - history) // (2 * places)
        at = [history + k * (last - history) // places for k in range(places)]
        one = stretch_of(table.keys[slot], table.batch.time[rows], table.batch.value[rows], history, at, jitter)
        if one is None:
            calm += 1
        else:
            found.append(one)
    short = len(table.keys) - len(long)
    reasons = [f"{short:,} series of fewer than {SHORTEST} samples"] * (short > 0)
    reasons += [f"{len(long) - len(picked):,} of {len(long):,} series, evenly"] * (len(long) > len(picked))
    reasons += [f"{calm:,} series that are mostly one value, or mostly missing"] * (calm > 0)
    return found, "; ".join(reasons)


def _false_per_day(report: InjectReport, series: list[Stretch]) -> float:
    """Alerts of the rule in the clean rows, per series and day."""
    days = sum(float(one.time[-1] - one.time[one.history]) for one in series) / 86_400_000
    return round(report.false_per_10k["rule"] / 10_000 * report.clean_rows / days, 4) if days > 0 else math.nan


def _summary(report: InjectReport, series: list[Stretch], rule: Rule, false_per_day: float) -> str:
    from awry.engine.threshold import rule_threshold

    scores = {rule_threshold(rule, one.step_ms, one.history) for one in series}
    score, why = min(scores)
    many = "" if len(scores) == 1 else " and more, by series"
    opened = report.false_per_10k["rule"] * report.clean_rows / 10_000
    return (
        f"{len(series):,} series, {report.clean_rows:,} clean rows. The rule: a score of {score:.2f}{many} ({why}); "
        f"without a fault it opened {opened:.0f} times, {false_per_day:.2g} a series and day"
    )


def _table(report: InjectReport, step_ms: float) -> tuple[list[str], list[list[str]]]:
    """Fault, how many, share told and how soon by the rule, by `score` at 1 in 10,000 if the rows tell, and what was named."""
    from awry.cli.inject_table import label
    from awry.detection.evaluation.inject import FALSE_ROWS

    outputs = {"rule": "told by the rule"} | ({"score": "told at 1 in 10,000"} if report.clean_rows >= FALSE_ROWS else {})
    head = ["fault, size in sigma", "faults"]
    for text in outputs.values():
        head += [text, "after"]
    rows = []
    for cell in report.cells:
        row = [label(cell), str(cell.faults)]
        for name in outputs:
            row += [f"{cell.recall[name]:.0%}", _after(cell, name, step_ms)]
        rows.append([*row, ", ".join(list(cell.named)[:3])])
    return [*head, "named"], rows


def _after(cell: Cell, output: str, step_ms: float) -> str:
    rows = cell.delay[output]
    if math.isnan(rows):
        return "-"
    if not step_ms:
        return f"{rows:.0f} samples"
    seconds = rows * step_ms / 1000
    if seconds == 0:
        return "at once"
    for unit, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 1.5 * unit:
            return f"{seconds / unit:.3g} {name}"
    return f"{seconds:.3g} s"
