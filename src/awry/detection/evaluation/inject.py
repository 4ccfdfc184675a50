"""How surely and how soon a detector finds faults put into series that go well, at one pooled rate of false alerts.

A stretch is rows of one series without labels. The detector learns its history, goes on over the clean rows after it, and the
largest values it emits there set, for each output, one threshold for all stretches: the lowest that gives at most one alert in
10,000 clean rows. At two rows of each stretch its state is kept, and each fault continues from there. An alert is an onset at or
above the threshold; it finds the fault when it comes within the rows that count for its kind (faults.py), and none comes about
that row without the fault. The outputs are each head alone, `raw`, the mixture of them, and `score`, the calibrated one.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Arrays, Floats, Times, Values
from awry.core.errors import InvalidInput
from awry.detection.evaluation.explain import RIGHT, right_parts
from awry.detection.evaluation.faults import SIZES, Fault, inject, sigma_of
from awry.detection.evaluation.labelled import Labelled, read_sets
from awry.detection.evaluation.watch import SCORE, Watch, threshold_for

FALSE_ROWS = 10_000
"""Clean rows per false alert."""
PER_SET = 70
"""Stretches taken of one set at most, evenly over its series."""
HISTORY, ROWS, AT, JITTER = 6000, 10_000, (6000, 7200), 600
"""Of a stretch of a labelled set: rows of history, rows in all, and two faults, each up to 600 rows later."""
FEWEST_VALUES = 50
"""A column of a set with fewer distinct values is left out."""
ANYWAY = 10
"""An alert this near to one that comes without the fault does not find it."""
MOSTLY = 0.95
"""Share of rows that a stretch must have values for."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows of one series in which nothing was labelled: a history, then the clean rows, with faults at some of them."""

    name: str
    time: Times
    value: Values
    sigma: float
    history: int
    places: tuple[int, ...]
    """Rows at which faults are put in, rising, none before the history's end."""

    @property
    def step_ms(self) -> float:
        """Median distance of two rows."""
        return float(np.median(np.diff(self.time)))

    @property
    def day_rows(self) -> int:
        """Rows that make a day."""
        return round(86_400_000 / self.step_ms)


@dataclass(slots=True)
class Cell:
    """One kind and size: per output how many faults were found, and after how many rows in the median."""

    kind: str
    size: float
    faults: int
    recall: dict[str, float]
    delay: dict[str, float]
    """NaN where nothing was found."""
    named: dict[str, int] = field(default_factory=dict)
    """Parts named at the first alert of the speaker, with how often."""
    right: float = float("nan")
    """Share of those that name a right part (explain.py); NaN for a detector that has no such parts."""


@dataclass(slots=True)
class InjectReport:
    """What came out for one detector."""

    detector: str
    outputs: tuple[str, ...]
    stretches: dict[str, int]
    """Per set."""
    clean_rows: int
    threshold: dict[str, float]
    false_per_10k: dict[str, float]
    cells: list[Cell]


def stretches(data: Path, only: Sequence[str] = (), *, quick: bool = False) -> dict[str, list[Stretch]]:
    """Of each set the series that have ROWS unlabelled rows on end: the first of the longest such run.

    quick: a quarter as many series, and one place in each. Raises InvalidInput when there is no such series.
    """
    found: dict[str, list[Stretch]] = {}
    for name, files in read_sets(data, only).items():
        candidates = [one for file in files for one in _stretches_of(file.load(), AT[:1] if quick else AT)]
        if candidates:
            most = min(PER_SET // 4 if quick else PER_SET, len(candidates))
            picked = np.unique(np.linspace(0, len(candidates) - 1, most).astype(int))
            found[name] = [candidates[k] for k in picked]
    if not found:
        raise InvalidInput(f"cannot inject faults into {data}: no series has {ROWS:,} rows on end without a label")
    return found


def _stretches_of(file: Labelled, at: Sequence[int]) -> Iterator[Stretch]:
    fit = file.fit_rows
    edges = np.flatnonzero(np.diff(np.concatenate(([True], file.truth[fit], [True])).astype(np.int8)))
    starts, stops = edges[::2], edges[1::2]
    if not len(starts):
        return
    longest = int(np.argmax(stops - starts))
    if stops[longest] - starts[longest] < ROWS:
        return
    part = slice(int(starts[longest]), int(starts[longest]) + ROWS)
    time, value = file.time[fit][part], file.value[fit][part]
    for column, label in enumerate(file.columns):
        if len(np.unique(value[np.isfinite(value[:, column]), column])) > FEWEST_VALUES:
            one = stretch_of(f"{file.set}/{file.name}/{label}", time, value[:, column], HISTORY, at, JITTER)
            if one is not None:
                yield one


def stretch_of(name: str, time: Times, value: Values, history: int, at: Sequence[int], jitter: int) -> Stretch | None:
    """The stretch, each place up to `jitter` rows after `at`, by a seed; None where it is mostly one value, or mostly missing."""
    sigma = sigma_of(value)
    if sigma <= 0 or np.mean(np.isfinite(value)) < MOSTLY:
        return None
    moved = np.random.default_rng(zlib.crc32(name.encode())).integers(jitter + 1, size=len(at))
    return Stretch(name, time, np.ascontiguousarray(value), sigma, history, tuple((np.array(at) + moved).tolist()))


@dataclass(slots=True)
class _Trial:
    """One injected fault as the outputs saw it from its start on."""

    kind: str
    size: float
    start: int
    """Rows after the place of the injection."""
    emitted: Floats
    """(rows, outputs)"""
    part: NDArray[np.uint8]


def _clean(watch: Watch, stretch: Stretch) -> tuple[Floats, list[Arrays]]:
    """Emissions after the history, and the states before each place."""
    out, states, at = [], [], 0
    for stop in (*stretch.places, len(stretch.value)):
        rows = slice(at, stop)
        out.append(watch.step(np.zeros(stop - at, np.int32), stretch.time[rows], stretch.value[rows])[0])
        if stop < len(stretch.value):
            states.append(watch.dump())
        at = stop
    return np.concatenate(out)[stretch.history :], states


def _faults(stretch: Stretch, row: int, sizes: dict[str, tuple[float, ...]]) -> Iterator[Fault]:
    for kind, of_kind in sizes.items():
        for size in of_kind:
            seed = zlib.crc32(f"{stretch.name} {row} {kind} {size:g}".encode())
            fault = inject(kind, size, stretch.value, row, stretch.sigma, stretch.day_rows, np.random.default_rng(seed))
            if fault is not None:
                yield fault


def _trials(name: str, stretch: Stretch, row: int, state: Arrays, sizes: dict[str, tuple[float, ...]]) -> Iterator[_Trial]:
    faults = list(_faults(stretch, row, sizes))
    here = [fault for fault in faults if fault.past is None]
    if here:
        watch = Watch(name)
        watch.load(state, len(here))
        yield from _continued(watch, stretch, row, here)
    for fault in faults:
        if fault.past is not None:
            watch = Watch(name)
            watch.step(np.zeros(row, np.int32), stretch.time[:row], fault.past)
            yield from _continued(watch, stretch, row, [fault])


def _continued(watch: Watch, stretch: Stretch, row: int, faults: Sequence[Fault]) -> Iterator[_Trial]:
    """All faults in one call, one slot each."""
    lengths = [len(fault.values) for fault in faults]
    slot = np.repeat(np.arange(len(faults), dtype=np.int32), lengths)
    time = np.concatenate([stretch.time[row : row + n] for n in lengths])
    emitted, part = watch.step(slot, time, np.concatenate([fault.values for fault in faults]))
    at = 0
    for fault, n in zip(faults, lengths, strict=True):
        rows = slice(at + fault.start, at + n)
        yield _Trial(fault.kind, fault.size, fault.start, emitted[rows], part[rows])
        at += n


def run_inject(
    detector: str,
    series: dict[str, list[Stretch]],
    *,
    sizes: dict[str, tuple[float, ...]] = SIZES,
    fixed: Callable[[Stretch], float] | None = None,
    speaker: str = SCORE,
    progress: Progress = lambda done, of: None,
) -> InjectReport:
    """Measure one detector. fixed: the threshold of a rule on `score`, by stretch: one output more, named "rule".
    speaker: the output whose first alert names a part."""
    every = [one for of_set in series.values() for one in of_set]
    clean, kept = [], []
    for number, one in enumerate(every):
        watch = Watch(detector)
        emitted, states = _clean(watch, one)
        limit = fixed(one) if fixed else None
        clean.append(_with_rule(emitted, limit))
        kept.append((one, list(zip(one.places, states, strict=True)), limit))
        progress(number + 1, 2 * len(every))
    outputs = (*Watch(detector).outputs, *(("rule",) if fixed else ()))
    pooled = np.concatenate(clean)
    threshold = threshold_for(pooled, len(pooled) // FALSE_ROWS)
    if fixed:
        threshold[-1] = 0.5
    tally: dict[tuple[str, float], list[tuple[NDArray[np.int64], str]]] = {}
    parts, spoke = Watch(detector).parts, outputs.index(speaker)
    for number, ((one, snapshots, limit), calm) in enumerate(zip(kept, clean, strict=True)):
        near = _near(calm >= threshold)
        for row, state in snapshots:
            for trial in _trials(detector, one, row, state, sizes):
                emitted = _with_rule(trial.emitted, limit)
                at = row - one.history + trial.start
                alerts = (emitted >= threshold) & ~near[at : at + len(emitted)]
                first = np.where(alerts.any(axis=0), alerts.argmax(axis=0), -1)
                named = parts[trial.part[first[spoke]]] if first[spoke] >= 0 else ""
                tally.setdefault((trial.kind, trial.size), []).append((first, named))
        progress(len(every) + number + 1, 2 * len(every))
    known = any(part in RIGHT[kind] for part in parts for kind in RIGHT)
    wanted = [of for of in ((kind, size) for kind in sizes for size in sizes[kind]) if of in tally]
    return InjectReport(
        detector,
        outputs,
        {name: len(of_set) for name, of_set in series.items()},
        len(pooled),
        dict(zip(outputs, threshold.tolist(), strict=True)),
        dict(zip(outputs, ((pooled >= threshold).mean(axis=0) * FALSE_ROWS).round(3).tolist(), strict=True)),
        [_cell(*of, tally[of], outputs, spoke, known) for of in wanted],
    )  # fmt: skip


def _near(alerts: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Rows (rows, outputs) with an alert at most ANYWAY rows away."""
    total: NDArray[np.int64] = np.zeros((len(alerts) + 1, alerts.shape[1]), np.int64)
    np.cumsum(alerts, axis=0, out=total[1:])
    rows = np.arange(len(alerts))
    since = total[np.minimum(rows + ANYWAY + 1, len(alerts))] - total[np.maximum(rows - ANYWAY, 0)]
    return np.asarray(since > 0, np.bool_)


def _with_rule(emitted: Floats, limit: float | None) -> Floats:
    """Emissions with one column more: whether `score` reaches the rule's threshold."""
    if limit is None:
        return emitted
    return np.column_stack((emitted, emitted[:, -1] >= np.float32(limit - 5e-5))).astype(np.float32)


def _cell(
    kind: str, size: float, seen: list[tuple[NDArray[np.int64], str]], outputs: Sequence[str], spoke: int, known: bool
) -> Cell:
    first = np.stack([f for f, _ in seen])
    found = first >= 0
    recall = dict(zip(outputs, found.mean(axis=0).round(3).tolist(), strict=True))
    delay = {name: float(np.median(first[found[:, k], k])) if found[:, k].any() else float("nan") for k, name in enumerate(outputs)}
    names = [(name, int(f[spoke])) for f, name in seen if f[spoke] >= 0]
    named: dict[str, int] = {}
    for name, _ in names:
        named[name] = named.get(name, 0) + 1
    told = names and known
    right = float(np.mean([name in right_parts(kind, row) for name, row in names])) if told else float("nan")
    ordered = dict(sorted(named.items(), key=lambda item: -item[1]))
    return Cell(kind, size, len(seen), recall, delay, ordered, right)
