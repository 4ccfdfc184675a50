"""`awry bench capacity`: what this machine carries, measured on a real server at several numbers of series."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from awry.cli.quantities import parse_count, parse_seconds
from awry.cli.written import check_folder, save

if TYPE_CHECKING:
    from awry.cli.capacity.run import Plan, Told

SIZES = (1_000, 10_000, 100_000, 1_000_000)
EPILOG = """examples:
  awry bench capacity
  awry bench capacity --series 1000000 --interval 60
  awry bench capacity --series 10k,100k --lean --json
  awry bench capacity --protocol remote-write --chart capacity.html --out capacity.json

It starts a server of its own in a temporary folder, with the durable defaults and wider limits, on free ports of the loopback
address, and removes it at the end. In turn, at each number of series: a first sample of each, some history, the stated load
(every series once an interval, spread over it) with samples, faults and questions on top whose answers are timed, kill -9 in the
middle of it, the start after it, full speed, and the size of the database. The sender shares the machine.

--seconds is how long the stated load lasts. By default 30, a minute from 100,000 series and five minutes from 1,000,000. The
folder must be on the disk that counts: give --folder where the temporary one is in memory."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `awry bench capacity`."""
    parser.add_argument(
        "--series", type=_counts, default=SIZES, metavar="N[,N...]", help="numbers of series (default: 1k,10k,100k,1M)"
    )
    parser.add_argument(
        "--interval", type=parse_seconds, default=60.0, metavar="TIME", help="each series sends once in this time (default: 60s)"
    )
    parser.add_argument(
        "--seconds", type=float, metavar="N", help="how long the stated load lasts (default: 30 to 300, by the series)"
    )
    parser.add_argument(
        "--protocol", choices=("graphite", "remote-write"), default="graphite", help="how samples are sent (default: %(default)s)"
    )
    parser.add_argument("--lean", action="store_true", help="the lean detector for every series")
    parser.add_argument("--burst", action="store_true", help="all series at the beginning of the interval, not spread over it")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="work below this folder (default: the temporary one)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the JSON to this file")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="also draw the figures: .svg, or .html with the table")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    """Measure each size, print, write."""
    from awry.cli.capacity.compare import compared
    from awry.cli.capacity.figures import as_json
    from awry.cli.capacity.run import Plan, measure
    from awry.core.errors import InvalidInput

    check_folder(args.out, args.chart)
    if args.chart and args.chart.suffix not in (".svg", ".html"):
        raise InvalidInput(f"cannot draw {args.chart}: charts are .svg or .html")
    if args.folder is not None and not args.folder.is_dir():
        raise InvalidInput(f"cannot work in {args.folder}: there is no such folder")
    if args.seconds is not None and not args.seconds >= 1.0:
        raise InvalidInput("cannot measure a load that lasts less than a second")
    plans = [
        Plan(
            series=series,
            interval_ms=round(args.interval * 1000),
            seconds=args.seconds or default_seconds(series),
            protocol=args.protocol,
            lean=args.lean,
            burst=args.burst,
        )
        for series in sorted(set(args.series))
    ]
    runs = []
    with _progress(plans) as steps:
        for plan, told in steps:
            with tempfile.TemporaryDirectory(prefix="awry-capacity-", dir=args.folder, ignore_cleanup_errors=True) as folder:
                runs.append(measure(plan, Path(folder), told))
            runs[-1]["prediction"] = compared(runs[-1])
    body = as_json(runs, machine())
    if args.out:
        save(args.out, lambda: args.out.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8"))
    if args.chart:
        from awry.cli.capacity.chart import page, svg

        draw = svg if args.chart.suffix == ".svg" else page
        save(args.chart, lambda: args.chart.write_text(draw(runs, title(plans[0])), encoding="utf-8"))
    if args.json:
        print(json.dumps(body))
    else:
        from awry.cli.capacity.table import print_tables

        print_tables(runs, title(plans[0]))
    lost = sum(run["acknowledged_lost"] for run in runs)
    if lost:
        print(f"awry: {lost} acknowledged samples were not there after kill -9", file=sys.stderr)
    return 1 if lost else 0


def default_seconds(series: int) -> float:
    """How long the stated load lasts."""
    return 300.0 if series >= 1_000_000 else 60.0 if series >= 100_000 else 30.0


def machine() -> dict[str, Any]:
    """What it was measured on."""
    import psutil

    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def title(plan: Plan) -> str:
    """What all runs have in common."""
    words = [f"one sample each {plan.interval_ms / 1000:g} s", "at once" if plan.burst else "spread over it", plan.protocol]
    return "What this machine carries: " + ", ".join([*words, "lean detector" if plan.lean else "default detectors"])


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _counts(text: str) -> tuple[int, ...]:
    return tuple(parse_count(part) for part in text.split(","))


@contextmanager
def _progress(plans: Sequence[Plan]) -> Iterator[Iterator[tuple[Plan, Told]]]:
    """Each plan, with a function that shows how far it is on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from awry.cli.capacity.figures import count_text
    from awry.cli.capacity.run import PHASES

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:

        def each() -> Iterator[tuple[Plan, Told]]:
            for plan in plans:
                task = bar.add_task("", total=len(PHASES))
                name = f"{count_text(plan.series)} series"

                def told(phase: str, share: float, task: Any = task, name: str = name) -> None:
                    bar.update(task, completed=PHASES.index(phase) + share, description=f"{name}: {phase}")

                yield plan, told
                bar.update(task, completed=len(PHASES), description=f"{name}: done")

        yield each()
