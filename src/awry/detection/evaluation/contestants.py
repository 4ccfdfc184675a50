"""What takes part in the suite: installed detectors, their heads alone, and methods from outside behind one function."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Arrays, Batch, Raw, Scored
from awry.core.errors import InvalidInput
from awry.core.placement import AUTO
from awry.core.protocols import Detector, Judge
from awry.detection.calibration import Prior
from awry.detection.catalogue import detector_names, make_detector
from awry.detection.evaluation.labelled import Labelled
from awry.detection.onset import FADE, HOLD, onsets
from awry.detection.router import Router
from awry.detection.scorer import Scorer, apart_of, channels_of

Column = NDArray[Any]
TOGETHER = ("peers",)
"""Detectors that compare series at the same instant: their samples come row by row, not column by column."""
WEIGHTS = ("mix", "channels", "apart", "hold", "fades", "lasting", "prior")
"""Fields of a detector that change nothing of its strengths: presets that differ in these only share a pass."""
SOFTNESS = 4.0
"""Strength that counts as much as e metrics of none. A sum of strengths is drowned by a hundred calm metrics, the maximum is owned
by one noisy metric; between them this was the best compromise on ASD, SKAB and SMD, of 1 to 6 and of p-norms."""


def soft_maximum(total: Column, columns: int) -> Column:
    """Severity of a file of several metrics from the sum over them of exp(strength / SOFTNESS); one metric's is its strength."""
    severity: Column = SOFTNESS * np.log(np.maximum(total, 1e-300) / math.sqrt(columns))
    return severity


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
    hold: int = HOLD
    """Rows for which the strength remembers an onset."""
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
    is the soft maximum over its metrics of twice that, near to our own 2 ln(1 + z). segment: it stays high while the series is
    abnormal, so it is its own segment.
    """

    def run(file: Labelled) -> Severity:
        total, columns = np.zeros(len(file.time)), file.value.shape[1]
        for column in range(columns):
            strength = np.asarray(strengths(file.value[:, column], file.time), np.float64)
            if strength.shape != total.shape:
                raise InvalidInput(f"cannot use {name}: {strength.shape} strengths for {total.shape} rows")
            total += np.exp(2.0 / SOFTNESS * np.nan_to_num(strength, nan=0.0, posinf=50.0, neginf=0.0))
        whole = soft_maximum(total, columns)
        return Severity(whole, whole if segment else None)

    return Contestant(name, causal, run)


def by_judge(name: str, make: Callable[[], Judge]) -> Contestant:
    """A contestant from any judge, such as the router: `raw` is then taken at its onsets only, and is its own segment's source."""

    def run(file: Labelled) -> Severity:
        batch, row = samples_of(file)
        began = time.thread_time()
        judge = make()
        judge.grow(file.value.shape[1])
        said = judge.step(batch)
        seconds = time.thread_time() - began
        return _together(file, Judged(batch, said, row), HOLD, seconds)

    return Contestant(name, True, run, tuple(make().parts))


def _together(file: Labelled, judged: Judged, hold: int, seconds: float, lasting: Column | None = None) -> Severity:
    """The file's severity: the soft maximum of its metrics' strengths, the sums of their scores and segments.

    lasting: a strength of its own for the segment, sample by sample.
    """

    def total(values: Column) -> Column:
        return np.bincount(judged.row, np.nan_to_num(values, nan=0.0), minlength=len(file.time))

    said, columns = judged.scored, file.value.shape[1]
    silent = columns - np.bincount(judged.row, minlength=len(file.time))

    def whole(strength: Column) -> Column:
        return soft_maximum(total(np.exp(np.nan_to_num(strength, nan=0.0) / SOFTNESS)) + silent, columns)

    segment = None if lasting is None else onsets(whole(lasting))[1]
    return Severity(whole(said.raw), segment, hold, total(said.score), total(said.segment), judged, seconds)


def installed(names: Sequence[str] = ()) -> list[Contestant]:
    """Contestants by name: `NAME`, `NAME:HEAD` for one head of a detector alone, or `auto`, the router; heads share one pass.

    No names: the router, the default detector, each of its heads alone, and every other installed one. Raises InvalidInput.
    """
    passes: dict[str, DetectorPass] = {}
    out = []
    for name in names or _everything():
        if name == AUTO:
            out.append(by_judge(name, Router))
            continue
        detector, _, head = name.partition(":")
        made = make_detector(detector)
        run = passes.setdefault(_signature(detector, made), DetectorPass(detector))
        entry = _Entry(detector, made, run)
        out.append(Contestant(name, True, entry.alone(head) if head else entry.whole, tuple(made.parts)))
    return out


def _everything() -> list[str]:
    heads = make_detector("default").heads
    names = [name for name in detector_names() if name != "default" and _made(name) is not None]
    return ["default", AUTO, *(f"default:{head}" for head in heads), *names]


def _signature(name: str, detector: Detector) -> str:
    """The same for detectors that give the same strengths."""
    if not is_dataclass(detector):
        return name
    told = [field for field in fields(detector) if field.init and field.name not in WEIGHTS and not field.name.startswith("_")]
    return repr((type(detector), [(field.name, getattr(detector, field.name)) for field in told]))


def _made(name: str) -> Detector | None:
    try:
        return make_detector(name)
    except ImportError:
        return None


class DetectorPass:
    """One detector's strengths of a file: a fresh one, a series per metric; a thread's last file is remembered."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._last = threading.local()

    def __call__(self, file: Labelled) -> tuple[Judged, Raw, float]:
        """The samples of a file, not yet calibrated, what the detector says of them, and the CPU time that took."""
        known = getattr(self._last, "known", None)
        if known is None or known[0] is not file:
            batch, row = samples_of(file, together=self._name in TOGETHER)
            began = time.thread_time()
            detector = make_detector(self._name)
            detector.grow(file.value.shape[1])
            raw = detector.step(batch)
            known = self._last.known = file, (Judged(batch, Scored.blank(0), row), raw, time.thread_time() - began)
        answer: tuple[Judged, Raw, float] = known[1]
        return answer


class _Entry:
    """A detector's name in the suite: its pass, which it may share, and its own weights and calibration."""

    def __init__(self, name: str, detector: Detector, run: DetectorPass) -> None:
        self._name, self._heads, self._parts, self._run = name, tuple(detector.heads), tuple(detector.parts), run
        heads = len(self._heads)
        self._mix = tuple(getattr(detector, "mix", (1.0 / heads,) * heads))
        self._channels = tuple(map(tuple, channels_of(detector).tolist()))
        self._apart = tuple(apart_of(detector).tolist())
        self._fades = tuple(getattr(detector, "fades", (FADE,) * len(self._channels)))
        self._hold = int(getattr(detector, "hold", HOLD))
        self._lasting = tuple(getattr(detector, "lasting", ()))
        self._prior = Prior.shipped(getattr(detector, "prior", name), len(self._channels))
        # compiles, before time is taken
        instants, value = np.arange(64) * 60_000, np.arange(64.0)[:, None] % 7
        self.whole(Labelled("", "", instants, value, ("value",), np.zeros(64, np.bool_), 0))

    def whole(self, file: Labelled) -> Severity:
        """With all its heads, weighted as the detector says."""
        said = _Said(self._heads, self._parts, self._mix, self._channels, self._apart, self._fades, self._hold)
        return self._severity(file, said, range(len(self._heads)), self._prior)

    def alone(self, head: str) -> Callable[[Labelled], Severity]:
        """With the strength of one head, calibrated by itself. Raises InvalidInput when there is none of the name."""
        if head not in self._heads:
            raise InvalidInput(f"cannot find the head {head!r} of {self._name}", hint=f"there are: {', '.join(self._heads)}")
        at = self._heads.index(head)
        said = _Said((head,), self._parts, (1.0,), ((1.0,),), (False,), (FADE,), HOLD)
        return lambda file: self._severity(file, said, [at], Prior.plain(1))

    def _severity(self, file: Labelled, said: _Said, heads: Sequence[int], prior: Prior) -> Severity:
        judged, raw, seconds = self._run(file)
        began = time.thread_time()
        judge = Scorer(said, prior=prior, marked=False)
        judge.grow(file.value.shape[1])
        mixed, score, segment = judge.calibrate(judged.batch, np.ascontiguousarray(raw.strength[:, list(heads)]))
        seconds += time.thread_time() - began
        scored = Scored(mixed, score, segment, raw.expected, raw.low, raw.high, raw.part)

        lasting = raw.strength @ np.array(self._lasting) if self._lasting and len(said.heads) == len(self._heads) else None
        return _together(file, Judged(judged.batch, scored, judged.row), said.hold, seconds, lasting)


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
    """Stands for a detector whose strengths are there already: what its calibration needs to know of it."""

    heads: tuple[str, ...]
    parts: tuple[str, ...]
    mix: tuple[float, ...]
    channels: tuple[tuple[float, ...], ...]
    apart: tuple[bool, ...]
    fades: tuple[float, ...]
    hold: int
    warmup: int = 0

    def grow(self, slots: int) -> None:
        """It has no state."""

    def step(self, batch: Batch) -> Raw:
        """It says nothing more."""
        raise InvalidInput("cannot step a detector that has been heard")

    def dump(self, start: int = 0, stop: int | None = None) -> Arrays:
        """It has no state."""
        return {}

    def load(self, state: Arrays, start: int = 0) -> None:
        """It has no state."""
