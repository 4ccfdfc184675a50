"""Detectors of other projects beside ours, on the same rows of the same sets, in one run and by one alert rule.

    python -m benchmarks.peers_suite DATA [--json] [--quick | --whole] [--sets NAME ...] [--without NAME ...]

Needs `pip install -e '.[peers]'`; a family that is not installed is named with the reason and left out. Slow peers set the pace: by
default only SHARES of each set are taken, for all contestants, ours too. `--whole` takes all (a day), `--quick` three files a set.
The rules that all peers keep are in benchmarks/peers/columns.py. Batch peers see the whole series before they score its first
row: they could not have alerted, and stand apart. Point-adjusted F1 is not measured: random scores reach .97 in it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from awry.detection.catalogue import detector_names
from awry.detection.evaluation.contestants import Contestant, Severity, installed
from awry.detection.evaluation.labelled import Labelled
from awry.detection.evaluation.suite import SuiteReport
from benchmarks.machine import machine
from benchmarks.measured import MEASURES, Share, cell, figures, measured, ranks
from benchmarks.peers import found
from benchmarks.peers.columns import Peer

RESULTS = Path(__file__).parent / "results" / "peers_suite.json"
SHARES: Mapping[str, Share] = {"wsd": (25, 1), "mscloud": (3, 1), "asd": (2, 7), "skab": (2, 3), "smd": (7, 13), "nab": (5, 1)}
"""One file in so many, one column in so many."""
QUICK: Mapping[str, Share] = {"wsd": (50, 1), "mscloud": (20, 1), "asd": (3, 10), "skab": (12, 4), "smd": (7, 20), "nab": (20, 1)}
WHOLE: Mapping[str, Share] = dict.fromkeys(SHARES, (1, 1))
OURS = ("default", "records", "shape", "lean", "ewma", "rolling", "nearest", "autoregression", "half_space_trees", "holt_winters")
"""Of ours: the shipped presets, and the classics that the peers' tables usually hold."""


def contestant(peer: Peer) -> Contestant:
    """A peer as the suite takes it: each metric alone, on the rows that a server would accept, summed in logarithms."""

    def run(file: Labelled) -> Severity:
        fit = file.fit_rows
        start = int(fit[: file.scored_from].sum())
        alerts, segment = np.zeros(len(file.time)), np.zeros(len(file.time))
        for column in range(file.value.shape[1]):
            for total, part in zip((alerts, segment), peer.strengths(file.time[fit], file.value[fit, column], start), strict=True):
                total[fit] += np.nan_to_num(part, nan=0.0, posinf=50.0, neginf=0.0)
        # the score of a window around its row is high all through what is odd; that of others is held as ours is
        return Severity(alerts, None if peer.around is None else segment)

    return Contestant(peer.name, peer.causal, run)


def ours() -> list[Contestant]:
    """Those of OURS that are installed."""
    return installed([name for name in OURS if name in detector_names()])


def table(report: SuiteReport, causal: Sequence[str], batch: Sequence[str]) -> str:
    """Markdown: per set F1, recall, VUS-PR, AUC-PR in hundredths; mean ranks among the causal and among all; time."""
    among, everyone = ranks(report, causal), ranks(report, [*causal, *batch])
    lines = ["| contestant | " + " | ".join(report.sizes) + " | rank of causal (90 %) | rank of all | us/sample |"]
    lines.append("|---" * (len(report.sizes) + 4) + "|")
    for name in [*among, *(name for name in everyone if name in batch)]:
        rows = [figures(report, set, name) for set in report.sizes]
        cost = [row["microseconds_per_sample"] or 0.0 for row in rows if row]
        mean, low, high = among.get(name, (0.0, 0.0, 0.0))
        rank = f"{mean:.1f} ({low:.1f}-{high:.1f})" if name in among else "-"
        label = name if name in among else f"{name} (batch)"
        speed = f"{np.mean(cost):.1f}" if cost else "-"
        lines.append(f"| {label} | {' | '.join(map(cell, rows))} | {rank} | {everyone[name][0]:.1f} | {speed} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a folder with a folder for each set")
    parser.add_argument("--json", action="store_true", help="print the results as JSON rather than the table")
    parser.add_argument("--quick", action="store_true", help="three files or so of each set; writes nothing")
    parser.add_argument("--whole", action="store_true", help="every row of every set; takes a day")
    parser.add_argument("--sets", nargs="+", default=(), help="only these sets; writes nothing")
    parser.add_argument("--without", nargs="+", default=(), help="leave out contestants whose names contain one of these")
    options = parser.parse_args(arguments)
    shares = QUICK if options.quick else WHOLE if options.whole else SHARES
    shares = {n: s for n, s in shares.items() if (options.data / n).is_dir() and (not options.sets or n in options.sets)}
    # before anything loads OpenMP: each contestant gets one core, so that times compare
    os.environ["OMP_NUM_THREADS"] = "1"
    peers, missing = found()
    all_ = [one for one in [*ours(), *map(contestant, peers)] if not any(part in one.name for part in options.without)]
    causal, batch = [one.name for one in all_ if one.causal], [one.name for one in all_ if not one.causal]
    head = {"machine": machine(), "missing": missing, "shares": {n: list(s) for n, s in shares.items()}, "measures": MEASURES}

    def result(report: SuiteReport) -> str:
        sets = {set: {one.name: figures(report, set, one.name) for one in all_} for set in report.sizes}
        body = {"sizes": report.sizes, "causal": ranks(report, causal), "all": ranks(report, [*causal, *batch]), "batch": batch}
        return json.dumps({**head, **body, "sets": sets, "failed": report.failed, "refused": report.refused}, indent=1)

    def keep(report: SuiteReport) -> None:
        if not options.quick and not options.sets:
            RESULTS.write_text(result(report) + "\n", encoding="utf-8")

    report = measured(all_, options.data, shares, keep)
    print(result(report) if options.json else table(report, causal, batch))
    for what, why in [*missing.items(), *((f"{row['contestant']} on {row['set']}", row["why"]) for row in report.failed)]:
        print(f"left out: {what}: {why}", file=sys.stderr)


if __name__ == "__main__":
    main()
