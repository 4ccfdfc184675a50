"""`awry bench inject DIR`: recall and delay of detectors by kind and size of fault, injected into series that go well."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

EPILOG = """examples:
  awry bench inject data
  awry bench inject data --detector default --detector ewma --json
  awry bench inject data --quick

DIR holds labelled sets as `awry bench suite` reads them; of each set up to 70 series that have 10,000 rows on end without a label
are taken. A detector learns 6,000 rows; in the 4,000 after them each of its outputs may give one false alert in 10,000 rows, pooled
over all series, which sets its threshold; then faults are put in. A cell is the share found, and after how many rows."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `awry bench inject`."""
    parser.add_argument("data", type=Path, metavar="DIR", help="folder of labelled sets")
    parser.add_argument("--detector", action="append", metavar="NAME", help="a detector; may be given again (default: default)")
    parser.add_argument("--set", action="append", metavar="NAME", default=[], help="only this set; may be given again")
    parser.add_argument("--quick", action="store_true", help="a quarter of the series, one fault of each kind in each")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    """Inject, measure, print."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    from awry.cli.inject_table import close_to_best, print_table, recall_rows, report_json
    from awry.core.rule import Rule
    from awry.detection.catalogue import make_detector
    from awry.detection.evaluation.inject import HISTORY, run_inject, stretches
    from awry.detection.evaluation.young import run_young
    from awry.engine.threshold import rule_threshold

    names = args.detector or ["default"]
    heads = {name: len(make_detector(name).heads) for name in names}
    series = stretches(args.data, args.set, quick=args.quick)
    rule = Rule(name="default")
    found: list[dict[str, Any]] = []
    shown = (TextColumn("{task.description}"), BarColumn())
    with Progress(*shown, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        for name in names:
            task, began = bar.add_task(name, total=1), time.perf_counter()
            report = run_inject(
                name,
                series,
                fixed=lambda one: rule_threshold(rule, one.step_ms, HISTORY)[0],
                progress=lambda done, of, task=task: bar.update(task, completed=done, total=of),  # type: ignore[misc]
            )
            young = run_young(name, [one for of_set in series.values() for one in of_set])
            seconds = time.perf_counter() - began
            found.append(report_json(report, young) | {"seconds": round(seconds, 1)})
            if args.json:
                continue
            of_sets = ", ".join(f"{count} {name}" for name, count in report.stretches.items())
            title = f"{name}: recall (median delay in rows); {of_sets}; {report.clean_rows:,} clean rows; {seconds:.0f} s"
            print_table(title, *recall_rows(report, heads[name]))
            print("false alerts in 10,000 clean rows:", *(f"{n} {v:.2f}" for n, v in report.false_per_10k.items()), sep="  ")
            near = (f"{output} in {close_to_best(report, heads[name], output)}" for output in ("raw", "score"))
            print(f"within .05 of the best head: {', '.join(near)} of {len(report.cells)} rows")
            alerts = [(cell.right, sum(cell.named.values())) for cell in report.cells if cell.right == cell.right]
            if alerts:
                right, of = sum(share * count for share, count in alerts), sum(count for _, count in alerts)
                print(
                    f"the part named at the first alert of score was a right one in {right:.0f} of {of} faults ({right / of:.0%})"
                )
            rows = [
                [f"{output}, {fault}", *(f"{v:.2f}" for v in by_row.values())]
                for output, faults in young.recall.items()
                for fault, by_row in faults.items()
            ]
            first = next(iter(next(iter(young.recall.values())).values()))
            print_table(
                f"\n{name}: recall in a new series at its row, 1 false alert per 1,000 rows; {young.beginnings} beginnings",
                ["output, fault", *map(str, first)],
                rows,
            )
    if args.json:
        machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        print(json.dumps({"benchmark": "inject", "machine": machine, "detectors": found}))
    return 0
