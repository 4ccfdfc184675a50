"""How good alerts and segment scores are against truth: precision-recall areas, and events found by alerts; for the suite.

An event is a maximal run of true rows. An alert is an onset (detection/onset.py), so a lasting strength alerts once. An alert at
a row of an event finds it; every other alert is false. One threshold holds for all files of a set.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROWS_PER_FALSE = 10_000
"""`recall_at_rate` allows one false alert in so many scored rows."""


def auc_pr(strength: NDArray[Any], truth: NDArray[np.bool_]) -> float:
    """Average precision over rows: the sum over thresholds of the step of recall times precision; NaN without both kinds of row."""
    if not 0 < int(truth.sum()) < len(truth):
        return math.nan
    order = np.argsort(-strength, kind="stable")
    level, hit = strength[order], np.cumsum(truth[order])
    last = np.append(np.flatnonzero(np.diff(level)), len(level) - 1)
    recall = hit[last] / hit[-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * hit[last] / (last + 1.0)))


def auc_roc(strength: NDArray[Any], truth: NDArray[np.bool_]) -> float:
    """Chance that a true row is stranger than another one, ties counting half; NaN without both kinds of row."""
    if not 0 < int(truth.sum()) < len(truth):
        return math.nan
    _, level, count = np.unique(strength, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - 0.5 * (count - 1.0))[level]
    true = int(truth.sum())
    return float((rank[truth].sum() - true * (true + 1) / 2) / (true * (len(truth) - true)))


def events_of(truth: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(events, 2): first and last row of each maximal run of truth."""
    edges = np.diff(np.concatenate(([0], truth.astype(np.int8), [0])))
    return np.stack([np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1], axis=1).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Alerts:
    """The alerts of one file, in order of row, and its events; rows count from the first scored one."""

    row: NDArray[np.int64]
    strength: NDArray[np.float32]
    event: NDArray[np.int64]
    """Number of the event that each one finds, -1 for a false one."""
    events: NDArray[np.int64]
    """(events, 2): first and last row."""
    rows: int
    event_time: NDArray[np.int64]
    """Unix ms of each event's first row."""
    alert_time: NDArray[np.int64]
    """Unix ms of each alert."""

    @staticmethod
    def of(emitted: NDArray[Any], truth: NDArray[np.bool_], time: NDArray[np.int64]) -> Alerts:
        """Alerts are the rows where `emitted` is above 0; all arrays begin with the first scored row."""
        events = events_of(truth)
        row = np.flatnonzero(emitted > 0).astype(np.int64)
        number = np.cumsum(np.diff(truth.astype(np.int64), prepend=0) == 1) - 1
        event = np.where(truth[row], number[row], -1).astype(np.int64)
        return Alerts(row, np.asarray(emitted[row], np.float32), event, events, len(truth), time[events[:, 0]], time[row])


@dataclass(frozen=True, slots=True)
class EventScore:
    """What one threshold over all files of a set gives."""

    f1: float
    threshold: float
    found: int
    events: int
    false_alerts: int
    delay_rows: float
    """Median over the found events; NaN when none was."""
    delay_ms: float


class Pool:
    """The alerts of all files of a set, strongest first; every threshold's outcome, also with files counted several times."""

    def __init__(self, files: Sequence[Alerts]) -> None:
        self.files = files
        self.events = np.array([len(file.events) for file in files], np.int64)
        self.rows = np.array([file.rows for file in files], np.int64)
        strength = np.concatenate([file.strength for file in files]) if files else np.zeros(0, np.float32)
        owner = np.repeat(np.arange(len(files)), [len(file.row) for file in files])
        event = np.concatenate([np.zeros(0, np.int64), *self._numbered()])
        order = np.argsort(-strength, kind="stable")
        self._strength, self._owner, event = strength[order], owner[order], event[order]
        self._false = event < 0
        # of the alerts in one event the strongest finds it; the others are neither right nor wrong
        self._first = np.zeros(len(event), np.bool_)
        self._first[np.unique(event, return_index=True)[1]] = True
        self._first &= ~self._false
        size = len(self._strength)
        self._last = np.append(np.flatnonzero(np.diff(self._strength)), size - 1) if size else np.zeros(0, np.int64)
        self._shorten()

    def _numbered(self) -> list[NDArray[np.int64]]:
        before = np.cumsum(self.events) - self.events
        return [np.where(file.event < 0, -1, file.event + first) for file, first in zip(self.files, before, strict=True)]

    def _shorten(self) -> None:
        """Drop what no measure looks at: thresholds with far more false alerts than events or allowed ones."""
        most = 20 * self.events.sum() + self.rows.sum() // 1000 + 10
        keep = int(np.searchsorted(np.cumsum(self._false), most, side="right"))
        ends = self._last[: int(np.searchsorted(self._last, keep, side="left"))]
        if len(ends) < len(self._last) and len(ends):
            cut = int(ends[-1]) + 1
            self._last = ends
            self._strength, self._owner = self._strength[:cut], self._owner[:cut]
            self._false, self._first = self._false[:cut], self._first[:cut]

    def curve(self, times: NDArray[np.int64] | None = None) -> tuple[NDArray[np.int64], NDArray[np.int64], int, int]:
        """By falling threshold: events found and false alerts; then events and rows in all. times: how often each file counts."""
        weight = np.ones(len(self.files), np.int64) if times is None else times
        each = weight[self._owner]
        found = np.cumsum(each * self._first)[self._last]
        false = np.cumsum(each * self._false)[self._last]
        return found, false, int(weight @ self.events), int(weight @ self.rows)

    def measures(self, times: NDArray[np.int64] | None = None) -> tuple[float, float]:
        """The best event F1, and the recall at one false alert per ROWS_PER_FALSE rows; NaN without events."""
        found, false, events, rows = self.curve(times)
        if events == 0:
            return math.nan, math.nan
        f1 = 2.0 * found / (found + false + events)
        within = found[false * ROWS_PER_FALSE <= rows]
        return float(f1.max(initial=0.0)), float(within.max(initial=0)) / events

    def best(self) -> EventScore:
        """The outcome at the threshold with the best event F1."""
        found, false, events, _ = self.curve()
        if events == 0 or not len(found):
            return EventScore(math.nan if events == 0 else 0.0, math.inf, 0, events, 0, math.nan, math.nan)
        f1 = 2.0 * found / (found + false + events)
        at = int(np.argmax(f1))
        threshold = float(self._strength[self._last[at]])
        rows, times = self._delays(threshold)
        return EventScore(
            float(f1[at]), threshold, int(found[at]), events, int(false[at]),
            float(np.median(rows)) if len(rows) else math.nan, float(np.median(times)) if len(times) else math.nan,
        )  # fmt: skip

    def _delays(self, threshold: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        rows, times = [], []
        for file in self.files:
            loud = np.flatnonzero((file.strength >= threshold) & (file.event >= 0))
            event, first = np.unique(file.event[loud], return_index=True)
            rows.append(file.row[loud[first]] - file.events[event, 0])
            times.append(file.alert_time[loud[first]] - file.event_time[event])
        return np.concatenate(rows), np.concatenate(times)
