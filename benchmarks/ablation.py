"""The default detector with each of its parts taken out, on every set: what a part is worth, and what it costs.

    python -m benchmarks.ablation DATA [--json] [--markdown] [--quick | --whole] [--sets NAME ...] [--parts NAME ...]

Every variant runs with `without=(NAME,)` on the same files in one run; names are `DefaultDetector.ABLATIONS`. All figures are of
`raw`, the onset strength; areas of its decaying maximum. `--markdown` writes docs/explanation/ablation.md; the figures go to
results/ablation.json, unless only some sets or parts are asked for.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from awry.detection.default import DefaultDetector
from awry.detection.evaluation.contestants import Contestant, Severity, samples_of
from awry.detection.evaluation.labelled import Labelled
from awry.detection.evaluation.suite import SuiteReport
from awry.detection.scorer import Scorer
from benchmarks.machine import machine
from benchmarks.measured import MEASURES, Row, Share, cell, figures, measured

RESULTS = Path(__file__).parent / "results" / "ablation.json"
PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "ablation.md"
SHARES: Mapping[str, Share] = {"wsd": (3, 1), "mscloud": (1, 1), "asd": (1, 2), "skab": (1, 1), "smd": (2, 4), "nab": (1, 1)}
"""One file in so many, one column in so many."""
QUICK: Mapping[str, Share] = {"wsd": (25, 1), "mscloud": (6, 1), "asd": (3, 5), "skab": (4, 2), "smd": (7, 9), "nab": (6, 1)}
WHOLE: Mapping[str, Share] = dict.fromkeys(SHARES, (1, 1))
FULL = "all parts"
WORTH = 0.01
"""A part counts as a help, or a harm, on a set from this mean change of the measures on; less is noise."""


def variants(parts: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """Options of the detector by the name of the variant, the whole first."""
    known = parts or DefaultDetector.ABLATIONS
    return {FULL: {}, **{f"without {part}": {"without": (part,)} for part in known}}


def contestant(name: str, options: Mapping[str, Any]) -> Contestant:
    """One variant: a fresh detector with its calibration per file, a series per metric, `raw` summed over the metrics."""

    def run(file: Labelled) -> Severity:
        batch, row = samples_of(file)
        detector = DefaultDetector(**options)
        judge = Scorer(detector, name=detector.prior, marked=False)
        judge.grow(file.value.shape[1])
        raw = np.nan_to_num(judge.step(batch).raw, nan=0.0)
        return Severity(np.bincount(row, raw, minlength=len(file.time)), hold=detector.hold)

    return Contestant(name, True, run)


def change(row: Row, full: Row) -> float:
    """Mean change of the measures against the whole; negative: the part that is missing here helped. NaN: it failed."""
    pairs = [(row.get(measure), full.get(measure)) for measure in MEASURES]
    known = [one - other for one, other in pairs if one is not None and other is not None]
    return float(np.mean(known)) if known else float("nan")


def page(report: SuiteReport, shares: Mapping[str, Share]) -> str:
    """The table and how to read it, as Markdown."""
    names = [one.name for one in report.contestants]
    rows = {name: {set: figures(report, set, name) for set in report.sizes} for name in names}
    lines = [
        "# What each part is worth",
        "",
        "<!-- written by `python -m benchmarks.ablation DATA --markdown`; do not edit -->",
        "",
        "The default detector as it ships, and with one part taken out at a time, on the same rows in one run. A cell holds,",
        "in hundredths, the event F1 at the best threshold for the whole set, the recall of events at one false alert in",
        "10,000 rows, the VUS-PR and the average precision of the segment; for NAB also its standard score, in brackets.",
        "*Change* is the mean change of these four when the part is missing, in hundredths: below 0, the part helps.",
        f"A part is said to help or to harm on a set when that is {WORTH} or more.",
        "",
        "| detector | " + " | ".join(report.sizes) + " | change | helps on | harms on | us/sample |",
        "|---" * (len(report.sizes) + 5) + "|",
    ]
    for name in names:
        changes = {set: change(rows[name][set], rows[FULL][set]) for set in report.sizes}
        mean = float(np.mean(list(changes.values())))
        helps = [set for set, value in changes.items() if value <= -WORTH]
        harms = [set for set, value in changes.items() if value >= WORTH]
        cost = [row["microseconds_per_sample"] or 0.0 for row in rows[name].values() if row]
        told = ["", "", ""] if name == FULL else [f"{100 * mean:+.1f}", ", ".join(helps) or "none", ", ".join(harms) or "none"]
        cells = [cell(row) for row in rows[name].values()]
        lines.append(f"| {' | '.join([name, *cells, *told])} | {np.mean(cost):.2f} |")
    taken = "; ".join(
        f"{set} {size['files']} files (one in {file}), {size['metrics']} metrics (one in {column}), {size['events']} events"
        for (set, size), (file, column) in zip(report.sizes.items(), (shares[set] for set in report.sizes), strict=True)
    )
    return "\n".join([*lines, "", f"Measured on {taken}. The machine is named in `benchmarks/results/ablation.json`.", ""])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a folder with a folder for each set")
    parser.add_argument("--json", action="store_true", help="print the results as JSON rather than the page")
    parser.add_argument("--markdown", action="store_true", help="write the page of the documentation")
    parser.add_argument("--quick", action="store_true", help="a few files of each set")
    parser.add_argument("--whole", action="store_true", help="every row of every set")
    parser.add_argument("--sets", nargs="+", default=(), help="only these sets; writes no results")
    parser.add_argument("--parts", nargs="+", default=(), help="only these parts; writes no results")
    options = parser.parse_args(arguments)
    shares = QUICK if options.quick else WHOLE if options.whole else SHARES
    shares = {n: s for n, s in shares.items() if (options.data / n).is_dir() and (not options.sets or n in options.sets)}
    chosen = variants(options.parts)
    head = {"machine": machine(), "shares": {n: list(s) for n, s in shares.items()}, "measures": MEASURES}
    head["variants"] = {name: {key: list(value) for key, value in how.items()} for name, how in chosen.items()}

    def result(report: SuiteReport) -> str:
        sets = {set: {name: figures(report, set, name) for name in chosen} for set in report.sizes}
        return json.dumps({**head, "sizes": report.sizes, "sets": sets, "failed": report.failed}, indent=1)

    def keep(report: SuiteReport) -> None:
        if not options.sets and not options.parts:
            RESULTS.write_text(result(report) + "\n", encoding="utf-8")

    report = measured([contestant(name, how) for name, how in chosen.items()], options.data, shares, keep)
    print(result(report) if options.json else page(report, shares))
    if options.markdown:
        PAGE.write_text(page(report, shares), encoding="utf-8")


if __name__ == "__main__":
    main()
