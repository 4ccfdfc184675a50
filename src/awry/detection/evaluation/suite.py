"""Runs contestants over sets of labelled files and measures each; for `awry bench suite` and whoever compares detectors.

Alerts are measured on the strength (`raw`) and, where a contestant is calibrated, on the score; the segments likewise. Areas are
means over the files that have both kinds of row; event measures pool the files of a set under one threshold.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from awry.core.errors import InvalidInput
from awry.detection.evaluation.contestants import Contestant, Severity
from awry.detection.evaluation.labelled import Labelled, SetFile
from awry.detection.evaluation.metrics import Alerts, EventScore, Pool, auc_pr, auc_roc, events_of
from awry.detection.evaluation.nab import PROFILES, Sweep, Windows
from awry.detection.evaluation.vus import vus_pr, window_of
from awry.detection.onset import onsets

RANKED = ("vus_pr", "auc_pr", "f1", "recall_at_rate")
"""Measures of `raw` that the mean rank takes, on every set; on NAB also its standard score."""
NAB = "nab"
"""The set that is scored by NAB's own rules too."""
Watch = Callable[[Labelled, Contestant, Severity], Any]
"""Told of every file that a contestant judged; what it gives is kept with the file."""


@dataclass(frozen=True, slots=True)
class Areas:
    """Areas of one file's segment; NaN when all of its rows or none are true."""

    vus_pr: float
    auc_pr: float
    auc_roc: float


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """How one contestant did on one file, from its first scored row on."""

    name: str
    first: int
    """The first scored row."""
    rows: int
    """Scored ones."""
    samples: int
    """Of the whole file, all metrics."""
    seconds: float
    alerts: Mapping[str, Alerts]
    """By output: raw, and score when it is calibrated."""
    areas: Mapping[str, Areas]
    inside: int
    known: int
    """Unlabelled samples within the band, and those that had one."""
    marks: Mapping[str, NDArray[np.float32]]
    """Alerts of the whole file by output, kept for NAB's own scorer; empty for other sets."""
    windows: Windows
    watched: Any


@dataclass(frozen=True, slots=True)
class SetOutcome:
    """How one contestant did on one set."""

    contestant: str
    set: str
    files: Sequence[FileOutcome]
    pools: Mapping[str, Pool]
    events: Mapping[str, EventScore]
    """By output, at the threshold with the best event F1."""
    nab: Mapping[str, Mapping[str, float]]
    """By output and profile; empty for other sets."""

    def area(self, output: str, measure: str, times: NDArray[np.int64] | None = None) -> float:
        """Mean over the files that have it, each counted `times`."""
        values = np.array([getattr(file.areas[output], measure) for file in self.files])
        weight = np.where(np.isnan(values), 0, 1 if times is None else times)
        return float(np.nan_to_num(values) @ weight / weight.sum()) if weight.sum() else math.nan

    def measures(self, output: str = "raw", times: NDArray[np.int64] | None = None) -> dict[str, float]:
        """vus_pr, auc_pr, auc_roc, f1, recall_at_rate by name; NaN where it cannot be told."""
        f1, recall = self.pools[output].measures(times)
        areas = {name: self.area(output, name, times) for name in ("vus_pr", "auc_pr", "auc_roc")}
        return {**areas, "f1": f1, "recall_at_rate": recall}

    @property
    def outputs(self) -> tuple[str, ...]:
        """raw, and score when the contestant is calibrated."""
        return tuple(self.pools)

    @property
    def coverage(self) -> float:
        """Share of unlabelled samples within the band; NaN without a band."""
        known = sum(file.known for file in self.files)
        return sum(file.inside for file in self.files) / known if known else math.nan

    @property
    def microseconds(self) -> float:
        """CPU time per sample."""
        return 1e6 * sum(file.seconds for file in self.files) / max(1, sum(file.samples for file in self.files))


@dataclass
class SuiteReport:
    """All outcomes, and the files that could not be used."""

    contestants: Sequence[Contestant]
    outcomes: dict[tuple[str, str], SetOutcome] = field(default_factory=dict)
    """By contestant and set."""
    sizes: dict[str, dict[str, int]] = field(default_factory=dict)
    """By set: files, metrics, rows scored, events."""
    refused: list[dict[str, str]] = field(default_factory=list)
    """Files that were left out: set, file, why."""
    failed: list[dict[str, str]] = field(default_factory=list)
    """Contestants that could not judge a file: contestant, set, file, why."""


def run_suite(
    sets: Mapping[str, Sequence[SetFile]],
    contestants: Sequence[Contestant],
    *,
    watch: Watch | None = None,
    progress: Callable[[SetFile], None] = lambda file: None,
    threads: int = 2,
) -> SuiteReport:
    """Judge every file by every contestant, `threads` files at a time, and measure it.

    A file that cannot be read is refused and the rest goes on; a contestant that fails on a file has no outcome for that set.
    progress: told of each file done, from any thread. Raises InvalidInput when no file can be used.
    """
    report = SuiteReport(contestants)
    found: dict[tuple[str, str], list[FileOutcome]] = {}

    def one(file: SetFile) -> tuple[Labelled, dict[str, FileOutcome | Exception]] | InvalidInput:
        try:
            read = file.load()
            return read, {contestant.name: _judge(contestant, read, watch) for contestant in contestants}
        except InvalidInput as error:
            return error
        finally:
            progress(file)

    with ThreadPoolExecutor(threads, thread_name_prefix="awry-suite") as pool:
        futures: list[tuple[SetFile, Future[Any]]] = [(file, pool.submit(one, file)) for files in sets.values() for file in files]
        try:
            wait([future for _, future in futures], return_when=FIRST_EXCEPTION)
        finally:
            pool.shutdown(cancel_futures=True)
    for file, future in futures:
        answer = future.result()
        if isinstance(answer, InvalidInput):
            report.refused.append({"set": file.set, "file": file.name, "why": answer.message})
            continue
        read, answers = answer
        _count(report, read)
        for name, outcome in answers.items():
            if isinstance(outcome, Exception):
                why = f"{type(outcome).__name__}: {outcome}"
                report.failed.append({"contestant": name, "set": file.set, "file": file.name, "why": why})
            else:
                found.setdefault((name, file.set), []).append(outcome)
    if not report.sizes:
        why = report.refused[0]["why"] if report.refused else "there is none"
        raise InvalidInput(f"cannot measure anything: no file could be used ({why})")
    broken = {(row["contestant"], row["set"]) for row in report.failed}
    report.outcomes = {key: _outcome(*key, files) for key, files in found.items() if key not in broken}
    return report


def _judge(contestant: Contestant, file: Labelled, watch: Watch | None) -> FileOutcome | Exception:
    began = time.thread_time()
    try:
        severity = contestant.strengths(file)
        seconds = time.thread_time() - began if severity.seconds is None else severity.seconds
        return _measure(file, severity, seconds, watch(file, contestant, severity) if watch else None)
    except Exception as error:  # whatever a contestant from outside does must not end the run of the others
        return error


def _measure(file: Labelled, severity: Severity, seconds: float, watched: Any) -> FileOutcome:
    start, truth, at = file.scored_from, file.truth[file.scored_from :], file.time[file.scored_from :]
    emitted, decaying = onsets(severity.strength, severity.hold)
    segments = {"raw": decaying if severity.segment is None else np.nan_to_num(severity.segment, nan=0.0)}
    marks = {"raw": emitted}
    if severity.score is not None and severity.score_segment is not None:
        marks["score"] = np.nan_to_num(np.asarray(severity.score, np.float32), nan=0.0)
        segments["score"] = np.nan_to_num(severity.score_segment, nan=0.0)
    window = window_of(file.value[:, 0])
    areas = {
        output: Areas(vus_pr(s[start:], truth, window), auc_pr(s[start:], truth), auc_roc(s[start:], truth))
        for output, s in segments.items()
    }
    inside, known = _coverage(file, severity)
    nab = file.set == NAB
    windows = [(int(first), int(last)) for first, last in events_of(file.truth)] if nab else []
    alerts = {output: Alerts.of(mark[start:], truth, at) for output, mark in marks.items()}
    return FileOutcome(
        file.name, start, len(truth), file.value.size, seconds, alerts, areas,
        inside, known, marks if nab else {}, windows, watched,
    )  # fmt: skip


def _coverage(file: Labelled, severity: Severity) -> tuple[int, int]:
    """Unlabelled samples from the first scored row on that lie within the band, and all that have one."""
    if severity.judged is None:
        return 0, 0
    row, value, said = severity.judged.row, severity.judged.batch.value, severity.judged.scored
    counted = (row >= file.scored_from) & ~file.truth[row] & np.isfinite(value) & ~np.isnan(said.low)
    return int((counted & (value >= said.low) & (value <= said.high)).sum()), int(counted.sum())


def _count(report: SuiteReport, file: Labelled) -> None:
    size = report.sizes.setdefault(file.set, {"files": 0, "metrics": 0, "rows": 0, "events": 0, "samples": 0})
    truth = file.truth[file.scored_from :]
    for name, more in (
        ("files", 1), ("metrics", file.value.shape[1]), ("rows", len(truth)), ("samples", file.value.size),
        ("events", int((np.diff(truth.astype(np.int8), prepend=0) == 1).sum())),
    ):  # fmt: skip
        size[name] += more


def _outcome(contestant: str, set: str, files: list[FileOutcome]) -> SetOutcome:
    outputs = tuple(files[0].alerts)
    pools = {output: Pool([file.alerts[output] for file in files]) for output in outputs}
    nab: dict[str, dict[str, float]] = {}
    if set == NAB:
        for output in outputs:
            sweep = Sweep([(file.marks[output], file.windows) for file in files])
            nab[output] = {name: sweep.best(profile).score for name, profile in PROFILES.items()}
    return SetOutcome(contestant, set, files, pools, {output: pool.best() for output, pool in pools.items()}, nab)
