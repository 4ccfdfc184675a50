"""What takes part in the suite: installed detectors, their heads alone, and methods from outside behind one function."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Arrays, Batch, Raw, Scored
from awry.core.errors import InvalidInput
from awry.core.protocols import Detector
from awry.detection.calibration import FADE, Prior
from awry.detection.catalogue import detector_names, make_detector
from awry.detection.evaluation.labelled import Labelled
from awry.detection.scorer import Scorer

Column = NDArray[Any]
TOGETHER = ("peers",)
"""Detectors that compare series at the same instant: their samples come row by row, not column by column."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A file's samples as they were given to a detector, and what it said of each; `row` is the file's row of each sample."""

    batch: Batch
    scored: Scored
    row: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Severity:
    """What a contestant says of the rows of one file, all its metrics together; every array is (rows,), NaN counts 0."""

    strength: Column
    """In natural logarithms, so that twice as strange is ln 2 more: alerts are its onsets."""
    segment: Column | None = None
    """High while the file is abnormal; None: the decaying maximum of the strength."""
    score: Column | None = None
    """Sum over the metrics of the calibrated score; None: not calibrated."""
    score_segment: Column | None = None
    judged: Judged | None = None
    """Sample by sample, for the band and the rule; None: no band, no rule."""
    seconds: float | None = None
    """CPU time of scoring; None: the suite takes its own."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One line of the suite. A method from outside is one too: see `per_column`."""

    name: str
    causal: bool
    """Whether each row is judged from it and rows before it only."""
    strengths: Callable[[Labelled], Severity]
    """May be called from several threads at once, each time for a whole file; keeps nothing from file to file."""
    parts: tuple[str, ...] = ()
    """Names that `Scored.part` points into."""


def per_column(
    name: str, strengths: Callable[[NDArray[np.float64], NDArray[np.int64]], Column], *, causal: bool, segment: bool = False
) -> Contestant:
    """A contestant from a function of one metric: values (rows,) with NaN for missing, Unix ms (rows,) -> strength (rows,).

    The strength is in natural logarithms (of a distance d for instance ln(1 + d / usual d)), NaN or 0 where it has none; the file's
    is the sum over its metrics. segment: it stays high while the series is abnormal, so it is its own segment.
    """

    def run(file: Labelled) -> Severity:
        total = np.zeros(len(file.time))
        for column in range(file.value.shape[1]):
            strength = np.asarray(strengths(file.value[:, column], file.time), np.float64)
            if strength.shape != total.shape:
                raise InvalidInput(f"cannot use {name}: {strength.shape} strengths for {total.shape} rows")
            total += np.nan_to_num(strength, nan=0.0, posinf=50.0, neginf=0.0)
        return Severity(total, total if segment else None)

    return Contestant(name, causal, run)


def installed(names: Sequence[str] = ()) -> list[Contestant]:
    """Contestants by name: `NAME`, or `NAME:HEAD` for one head of a detector alone; those with several heads share one pass.

    No names: the default detector, each of its heads alone, and every other installed detector. Raises InvalidInput.
    """
    passes: dict[str, DetectorPass] = {}
    out = []
    for name in names or _everything():
        detector, _, head = name.partition(":")
        run = passes.setdefault(detector, DetectorPass(detector))
        out.append(Contestant(name, True, run.whole if not head else run.alone(head), run.parts))
    return out


def _everything() -> list[str]:
    default = make_detector("default")
    made = {name: _made(name) for name in detector_names()}
    # a preset differs from the default by its weights only, and its heads are there already
    others = [name for name, detector in made.items() if detector is not None and type(detector) is not type(default)]
    return ["default", *(f"default:{head}" for head in default.heads), *others]


def _made(name: str) -> Detector | None:
    try:
        return make_detector(name)
    except ImportError:
        return None


class DetectorPass:
    """One detector over one file: a fresh one, a series per metric, the same samples for the whole and for its heads alone."""

    def __init__(self, name: str) -> None:
        self.name = name
        detector = make_detector(name)
        self.parts, self.heads = detector.parts, detector.heads
        heads = len(self.heads)
        self._mix = np.array(getattr(detector, "mix", (1.0 / heads,) * heads), np.float64)
        self._fades = tuple(getattr(detector, "fades", (FADE,) * heads))
        self._prior = Prior.shipped(getattr(detector, "prior", name), heads)
        self._last = threading.local()
        # compiles, before time is taken
        time, value = np.arange(64) * 60_000, np.arange(64.0)[:, None] % 7
        self.whole(Labelled("", "", time, value, ("value",), np.zeros(64, np.bool_), 0))

    def whole(self, file: Labelled) -> Severity:
        """With all its heads, weighted as the detector says."""
        return self._severity(file, tuple(range(len(self.heads))), self._mix)

    def alone(self, head: str) -> Callable[[Labelled], Severity]:
        """With one head, calibrated by itself. Raises InvalidInput when there is none of the name."""
        if head not in self.heads:
            raise InvalidInput(f"cannot find the head {head!r} of {self.name}", hint=f"there are: {', '.join(self.heads)}")
        at = self.heads.index(head)
        return lambda file: self._severity(file, (at,), np.ones(1))

    def _severity(self, file: Labelled, heads: tuple[int, ...], mix: NDArray[np.float64]) -> Severity:
        batch, row, raw, seconds = self._pass(file)
        began = time.thread_time()
        strength = np.ascontiguousarray(raw.strength[:, heads])
        part = Raw(strength, raw.expected, raw.low, raw.high, raw.part)
        said = _Said(part, tuple(self.heads[h] for h in heads), self.parts, tuple(mix), tuple(self._fades[h] for h in heads))
        judge = Scorer(said, prior=Prior(np.ascontiguousarray(self._prior.log_rate[:, heads])))
        judge.grow(file.value.shape[1])
        scored = judge.step(batch)
        seconds += time.thread_time() - began

        def total(values: Column) -> Column:
            return np.bincount(row, np.nan_to_num(values, nan=0.0), minlength=len(file.time))

        judged = Judged(batch, scored, row)
        return Severity(total(strength @ mix), None, total(scored.score), total(scored.segment), judged, seconds)

    def _pass(self, file: Labelled) -> tuple[Batch, NDArray[np.int64], Raw, float]:
        """The samples of a file and what the detector says of them; a thread's last file is remembered."""
        known = getattr(self._last, "known", None)
        if known is not None and known[0] is file:
            return known[1]  # type: ignore[no-any-return]
        batch, row = samples_of(file, together=self.name in TOGETHER)
        began = time.thread_time()
        raw = self._run(batch, file.value.shape[1])
        answer = batch, row, raw, time.thread_time() - began
        self._last.known = (file, answer)
        return answer

    def _run(self, batch: Batch, series: int) -> Raw:
        detector = make_detector(self.name)
        detector.grow(series)
        return detector.step(batch)


def samples_of(file: Labelled, *, together: bool = False) -> tuple[Batch, NDArray[np.int64]]:
    """A file's samples that a server would accept, metric by metric (together: row by row), and the file's row of each."""
    rows = np.flatnonzero(file.fit_rows)
    columns = file.value.shape[1]
    value, series = file.value[rows], np.arange(columns, dtype=np.int32)
    if together:
        row = np.repeat(rows, columns)
        return Batch.of(np.tile(series, len(rows)), file.time[row], value.ravel()), row
    row = np.tile(rows, columns)
    return Batch.of(np.repeat(series, len(rows)), file.time[row], value.T.ravel()), row


@dataclass
class _Said:
    """A detector that repeats what was said already, so that the calibration of live runs is the one that is measured."""

    raw: Raw
    heads: tuple[str, ...]
    parts: tuple[str, ...]
    mix: tuple[float, ...]
    fades: tuple[float, ...]
    warmup: int = field(default=0)

    def grow(self, slots: int) -> None:
        """Nothing to grow."""

    def step(self, batch: Batch) -> Raw:
        """The whole of it, once."""
        return self.raw

    def dump(self, start: int = 0, stop: int | None = None) -> Arrays:
        """It has no state."""
        return {}

    def load(self, state: Arrays, start: int = 0) -> None:
        """It has no state."""
