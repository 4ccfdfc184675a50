"""`awry bench`: finds the benchmark by its name; each has its own module, loaded when it is asked for."""

from __future__ import annotations

import argparse
import importlib

BENCHMARKS: dict[str, tuple[str, str]] = {
    "nab": ("awry.cli.bench_nab", "the Numenta Anomaly Benchmark, beside its published scoreboard"),
    "suite": ("awry.cli.bench_suite", "detectors on your own labelled sets: quality, the default rule, rank"),
    "inject": ("awry.cli.bench_inject", "recall and delay by kind and size of fault, injected into normal data"),
    "calibration": ("awry.cli.bench_calibration", "promised against realised alert episodes"),
    "capacity": ("awry.cli.bench_capacity", "what this machine carries: speed, delay, memory, recovery, by number of series"),
}
"""Name -> module with `add_arguments(parser)` and `run(args) -> int`, and what the overview says of it."""

EPILOG = """examples:
  awry bench nab --data nab
  awry bench suite sets --html suite.html
  awry bench inject sets
  awry bench calibration
  awry bench capacity --series 10k

`awry bench NAME --help` tells more about a benchmark."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `awry bench`: a sub-command for each benchmark."""
    subparsers = parser.add_subparsers(dest="benchmark", metavar="BENCHMARK", required=True, title="benchmarks", help="which one")
    for name, (module, summary) in BENCHMARKS.items():
        sub = subparsers.add_parser(
            name, help=summary, description=summary[:1].upper() + summary[1:] + ".", formatter_class=parser.formatter_class
        )
        importlib.import_module(module).add_arguments(sub)
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    """Run the benchmark that was asked for."""
    status: int = importlib.import_module(BENCHMARKS[args.benchmark][0]).run(args)
    return status
