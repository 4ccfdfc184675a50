"""Contestants on shares of labelled sets, all in one run over the same rows; for the peers' suite and the ablation."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from awry.detection.evaluation.contestants import Contestant
from awry.detection.evaluation.labelled import Labelled, SetFile, read_sets
from awry.detection.evaluation.ranks import mean_ranks
from awry.detection.evaluation.suite import SuiteReport, run_suite

Share = tuple[int, int]
"""Take one file in so many, and of it one column in so many."""
Row = dict[str, float | None]
MEASURES = ("f1", "recall_at_rate", "vus_pr", "auc_pr")
"""Event F1 at the best pooled threshold, recall at one false alert in 10,000 rows, both of onsets; areas of the segment."""


def files_of(data: Path, shares: Mapping[str, Share]) -> dict[str, list[SetFile]]:
    """The chosen files of each set, unread, with the chosen columns only."""

    def thinned(file: SetFile, column: int) -> SetFile:
        def load() -> Labelled:
            read = file.load()
            return replace(read, value=np.ascontiguousarray(read.value[:, ::column]), columns=read.columns[::column])

        return SetFile(file.set, file.name, load)

    sets = read_sets(data, tuple(shares))
    return {name: [thinned(file, shares[name][1]) for file in files[:: shares[name][0]]] for name, files in sets.items()}


def warm_up() -> Labelled:
    """A short seeded file: what compiles at its first call does so before the clock runs."""
    value = np.random.default_rng(1).normal(size=(300, 1))
    return Labelled("", "", 1_500_000_000_000 + 60_000 * np.arange(300), value, ("value",), np.zeros(300, np.bool_), 100)


def measured(
    contestants: Sequence[Contestant], data: Path, shares: Mapping[str, Share], keep: Callable[[SuiteReport], None]
) -> SuiteReport:
    """Run set by set on one core; `keep` is given what is known after each set."""
    for contestant in contestants:
        contestant.strengths(warm_up())
    whole, began = SuiteReport(contestants), time.monotonic()
    for name, files in files_of(data, shares).items():

        def done(file: SetFile) -> None:
            print(f"{time.monotonic() - began:6.0f} s  {file.set}/{file.name}", file=sys.stderr, flush=True)

        part = run_suite({name: files}, contestants, progress=done, threads=1)
        whole.outcomes.update(part.outcomes)
        whole.sizes.update(part.sizes)
        whole.failed += part.failed
        whole.refused += part.refused
        keep(whole)
    return whole


def figures(report: SuiteReport, set: str, contestant: str) -> Row:
    """What one contestant reached on one set, rounded; None where it cannot be told, empty when it failed."""
    outcome = report.outcomes.get((contestant, set))
    if outcome is None:
        return {}
    best = outcome.events["raw"]
    row = {**outcome.measures(), "delay_rows": best.delay_rows, "false_alerts_at_best": best.false_alerts}
    row["microseconds_per_sample"] = outcome.microseconds
    if outcome.nab:
        row["nab"] = outcome.nab["raw"]["standard"]
    return {key: None if math.isnan(value) else round(float(value), 4) for key, value in row.items()}


def ranks(report: SuiteReport, names: Sequence[str]) -> dict[str, list[float]]:
    """Mean rank among these contestants over all sets and measures, and its 90 % bootstrap interval; best first."""
    among = [contestant for contestant in report.contestants if contestant.name in names]
    return {
        rank.contestant: [round(rank.mean, 2), round(rank.low, 2), round(rank.high, 2)]
        for rank in mean_ranks(replace(report, contestants=among), repeats=50)
    }


def cell(row: Row) -> str:
    """MEASURES in hundredths, and NAB's standard score in brackets where it was measured."""
    if not row:
        return "-"
    shown = [row.get(measure) for measure in MEASURES]
    text = " ".join("-" if value is None else f".{min(round(100 * value), 99):02d}" for value in shown)
    nab = row.get("nab")
    return text if nab is None else f"{text} ({nab:.1f})"
