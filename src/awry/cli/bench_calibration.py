"""`awry bench calibration [DIR]`: alert episodes promised by the score against those that come where nothing is labelled."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from awry.detection.evaluation.promises import Promise

EPILOG = """examples:
  awry bench calibration                         synthetic families
  awry bench calibration data                    and the unlabelled rows of the sets in a folder
  awry bench calibration data --detector lean --json

A cell is episodes seen / promised after a series' first 500 rows, and the 95 % interval that their number allows: 1 is exact, 0.5
half as many alerts as promised. "start" is the same in the first 500 rows. "series" is the share of series whose own count is
within a factor 3; only series that promise three and more are in it, and beside it stands what an exact score would reach.

The sets should not be those that the shipped prior was fitted on; benchmarks/calibration.py leaves each of these out in turn."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `awry bench calibration`."""
    parser.add_argument(
        "data", type=Path, nargs="?", metavar="DIR", help="folder of labelled sets (default: only synthetic series)"
    )
    parser.add_argument("--detector", default="default", metavar="NAME", help="the detector (default: %(default)s)")
    parser.add_argument("--set", action="append", metavar="NAME", default=[], help="only this set or family; may be given again")
    parser.add_argument("--quick", action="store_true", help="fewer series: 5 of each family, 20 of each set")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    """Run all families and sets, and print what became of the promises."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from awry.core.errors import InvalidInput
    from awry.detection.catalogue import make_judge
    from awry.detection.evaluation.labelled import read_sets
    from awry.detection.evaluation.promises import columns_of_set, family, measure
    from awry.detection.evaluation.synthetic import FAMILIES

    make_judge(args.detector)
    families = [name for name in FAMILIES if name in args.set or not args.set]
    wanted = [name for name in args.set if name not in FAMILIES]
    if wanted and not args.data:
        hint = f"there are: {', '.join(FAMILIES)}; for a labelled set, give the folder that holds it"
        raise InvalidInput(f"cannot find the family {wanted[0]!r}", hint=hint)
    sets = list(read_sets(args.data, wanted)) if args.data and (wanted or not args.set) else []
    count, most = (5, 20) if args.quick else (20, 150)
    found = []
    shown = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*shown, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("", total=len(families) + len(sets))
        for name in families:
            bar.update(task, description=name)
            found.append(measure(name, family(name, count=count), args.detector))
            bar.advance(task)
        for name in sets:
            bar.update(task, description=name)
            found.append(measure(name, columns_of_set(args.data, name, most), args.detector))
            bar.advance(task)
    if args.json:
        machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        body = {"benchmark": "calibration", "detector": args.detector, "machine": machine}
        print(json.dumps(body | {"families": [as_json(promise) for promise in found]}))
    else:
        print_promises(found)
    return 0


def as_json(promise: Promise) -> dict[str, Any]:
    """One family as JSON; null where there is too little to say."""

    def number(value: float) -> float | None:
        return None if math.isnan(value) else round(value, 3)

    kept = {
        f"{k.p:g}": {
            "promised": round(k.promised, 1),
            "seen": k.seen,
            "ratio": number(k.ratio),
            "interval": [number(k.low), number(k.high)],
            "first_500": number(k.first_500),
            "series": k.series,
            "within_3": number(k.within),
            "within_3_if_exact": number(k.within_at_best),
        }
        for k in promise.kept
    }
    return {"name": promise.name, "series": promise.series, "rows": promise.rows, "promises": kept}


def print_promises(found: list[Promise]) -> None:
    """A row for each family, three groups of columns for the promises."""
    from awry.cli.inject_table import print_table

    head = ["seen / promised", "series", "rows"]
    rows = [[promise.name, str(promise.series), f"{promise.rows:,}"] for promise in found]
    for k, kept in enumerate(found[0].kept):
        head += [f"1 in {1 / kept.p:,.0f}", "", "start", "series (exact)"]
        for row, promise in zip(rows, found, strict=True):
            one = promise.kept[k]
            row += [_text(one.ratio), f"{_text(one.low)}-{_text(one.high)}", _text(one.first_500)]
            row += [f"{_text(one.within)} ({_text(one.within_at_best)})" if one.series else "-"]
    print_table("", head, rows)


def _text(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"
