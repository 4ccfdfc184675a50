"""`awry size`: says beforehand what a load will cost on one machine, and when it should be spread over more."""

from __future__ import annotations

import argparse
import json
import os
from typing import TYPE_CHECKING

from awry.cli.quantities import parse_count, parse_seconds

if TYPE_CHECKING:
    from awry.cli.capacity.prediction import Prediction

EPILOG = """examples:
  awry size --series 250k --interval 60s --retention 30d
  awry size --series 1M --interval 60s --lean --json
  awry size --series 50k --interval 10s --cores 4 --memory 8GiB

The figures were measured on the machine that it names, by `awry bench capacity`; run that on yours to see how it compares."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `awry size`."""
    parser.add_argument("--series", type=parse_count, required=True, metavar="N", help="how many series, such as 250k")
    parser.add_argument(
        "--interval", type=parse_seconds, default=60.0, metavar="TIME", help="each sends one sample in this time (default: 60s)"
    )
    parser.add_argument(
        "--retention", type=parse_seconds, default=90 * 86_400.0, metavar="TIME", help="samples are kept this long (default: 90d)"
    )
    parser.add_argument("--lean", action="store_true", help="with the lean detector for every series")
    parser.add_argument("--cores", type=int, metavar="N", help="cores of the machine it is for (default: this one's)")
    parser.add_argument("--memory", metavar="SIZE", help="memory of the machine it is for, such as 8GiB (default: this one's)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    """Predict and print."""
    import psutil

    from awry.cli.capacity.prediction import predict
    from awry.core.errors import InvalidInput
    from awry.server.durations import parse_size

    if args.cores is not None and args.cores < 1:
        raise InvalidInput("cannot size a machine without cores")
    told = predict(args.series, round(args.interval * 1000), round(args.retention * 1000), lean=args.lean)
    cores = args.cores or os.cpu_count() or 1
    memory = parse_size(args.memory) if args.memory else psutil.virtual_memory().total
    reasons = told.leave(cores, memory)
    if args.json:
        print(json.dumps(as_json(told, cores, reasons)))
    else:
        print("\n".join(lines(told, cores, memory, reasons)))
    return 0


def as_json(told: Prediction, cores: int, reasons: list[str]) -> dict[str, object]:
    """The prediction as one object; bytes, seconds and shares of 1."""
    return {
        "series": told.series,
        "samples_per_second": round(told.samples_per_second, 2),
        "cores": round(told.cores, 4),
        "machine_share": round(told.cores / cores, 5),
        "memory_bytes": round(told.memory_bytes),
        "disk_bytes": round(told.disk_bytes),
        "recovery_seconds": round(told.recovery_seconds, 1),
        "fits": not reasons,
        "reasons": reasons,
        "beyond_what_was_measured": told.beyond,
        "measured_on": told.machine,
    }


def lines(told: Prediction, cores: int, memory: float, reasons: list[str]) -> list[str]:
    """The prediction for people."""
    from awry.cli.capacity.figures import count_text, shown

    first, last = (count_text(n) for n in told.measured)
    guess = "; this is beyond it, so take it as a guess" if told.beyond else ""
    text = [
        f"{count_text(told.series)} series, {shown(told.samples_per_second)} samples/s",
        f"  processor  {told.cores:.2g} cores, {shown(told.cores / cores, '%')} of {cores}",
        f"  memory     {shown(told.memory_bytes, 'B')} of {shown(memory, 'B')}",
        f"  disk       {shown(told.disk_bytes, 'B')}",
        f"  recovery   {shown(told.recovery_seconds, 's')} after a crash",
        f"measured on {told.machine}, at {first} to {last} series{guess}",
    ]
    if not reasons:
        return [*text, "One machine of this size carries it."]
    return [*text, "Leave one machine, or take a larger one:", *(f"  - {reason}" for reason in reasons)]
