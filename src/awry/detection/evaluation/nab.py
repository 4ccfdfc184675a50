"""The NAB scorer: window geometry per file, one sorted sweep over the corpus, the three official profiles; for benches.

Lavin and Ahmad, "Evaluating Real-time Anomaly Detection Algorithms - the Numenta Anomaly Benchmark", 2015, section III
(doi:10.1109/ICMLA.2015.141). A detection inside a labelled window counts once per window, by its earliest (best) row, a
sigmoid of how early; a detection outside costs, the more the farther behind a window. The threshold is the best one over the
whole corpus, by profile. A corpus score is normalised so that a detector that never speaks has 0 and a perfect one 100.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PROBATION_FRACTION = 0.15
PROBATION_ROWS = 750
"""Rows at the start of a file that are not scored: 15 % of it, at most these."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a profile pays for a window found, and takes for a window missed and for a false alert."""

    found: float
    missed: float
    false_alert: float


PROFILES: Mapping[str, Profile] = {
    "standard": Profile(1.0, 1.0, 0.11),
    "reward_low_FP": Profile(1.0, 1.0, 0.22),
    "reward_low_FN": Profile(1.0, 2.0, 0.11),
}
"""The official profiles, by the names of our report (the published files add "_rate")."""

Windows = Sequence[tuple[int, int]]
"""Labelled windows of a file as (first row, last row), both inside, in order, not overlapping."""


@dataclass(frozen=True, slots=True)
class Result:
    """One profile's outcome at one threshold over a corpus."""

    score: float
    """Normalised: 0 is a detector that never speaks, 100 a perfect one."""
    threshold: float
    """Rows with at least this strength were detections; inf when the best is never to speak."""
    found: int
    windows: int
    false_alerts: int
    """Rows outside all windows that were detections."""


def probation(rows: int) -> int:
    """How many rows at the start of a file of this length are not scored."""
    return min(math.floor(PROBATION_FRACTION * rows), PROBATION_ROWS)


def worth(rows: int, windows: Windows) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """What a detection at each row is worth, before a profile's weights, and the window it lies in (-1: none).

    Inside a window 1 at its first row, falling to nearly 0 at its last; outside from nearly 0 right behind a window down to -1
    (three window widths behind one, or with none before).
    """
    value, member = np.full(rows, -1.0), np.full(rows, -1, np.int64)
    for number, (first, last) in enumerate(windows):
        width = last - first + 1
        inside = np.arange(first, last + 1)
        value[inside] = _sigmoid(-(last - inside + 1) / width) / _sigmoid(np.array(-1.0))
        member[inside] = number
        until = windows[number + 1][0] if number + 1 < len(windows) else rows
        behind = np.arange(last + 1, until)
        if width > 1:
            value[behind] = _sigmoid((behind - last) / (width - 1))
    return value, member


def _sigmoid(position: NDArray[np.float64]) -> NDArray[np.float64]:
    """NAB's scaled sigmoid: 1 far ahead, 0 at the right edge of a window, -1 from three widths behind it on."""
    scaled = 2.0 / (1.0 + np.exp(5.0 * np.minimum(position, 4.0))) - 1.0
    return np.where(position > 3.0, -1.0, scaled)


class Sweep:
    """All detections of one detector on a corpus, strongest first, with the running totals that every threshold needs."""

    def __init__(self, files: Sequence[tuple[NDArray[np.floating], Windows]]) -> None:
        """files: per file the strength of each row (NaN: no opinion, never a detection) and the labelled windows."""
        strengths, values, members = [], [], []
        windows_before = 0
        for strength, windows in files:
            value, member = worth(len(strength), windows)
            start = probation(len(strength))
            strengths.append(np.asarray(strength, np.float64)[start:])
            values.append(value[start:])
            members.append(np.where(member < 0, -1, member + windows_before)[start:])
            windows_before += len(windows)
        strength, value, member = np.concatenate(strengths), np.concatenate(values), np.concatenate(members)
        self.windows = int(np.unique(member[member >= 0]).size)
        """Windows that can be found: one that ends within probation is neither found nor missed."""
        spoken = np.flatnonzero(~np.isnan(strength))
        order = spoken[np.argsort(-strength[spoken], kind="stable")]
        strength, value, member = strength[order], value[order], member[order]
        outside = member < 0
        gain, first = _first_and_gain(value, member)
        last_of_tie = np.append(np.flatnonzero(np.diff(strength)), len(strength) - 1) if len(strength) else np.zeros(0, np.int64)
        self.thresholds = np.append(np.inf, strength[last_of_tie])
        """Every threshold that differs, falling; the first detects nothing."""
        self._false_worth = np.append(0.0, np.cumsum(np.where(outside, value, 0.0))[last_of_tie])
        self._false_alerts = np.append(0, np.cumsum(outside)[last_of_tie])
        self._found_worth = np.append(0.0, np.cumsum(gain)[last_of_tie])
        self._found = np.append(0, np.cumsum(first)[last_of_tie])

    def best(self, profile: Profile) -> Result:
        """The outcome at the threshold that is best for this profile."""
        return self._result(profile, int(np.argmax(self._totals(profile))))

    def at(self, profile: Profile, threshold: float) -> Result:
        """The outcome when rows with at least this strength are detections."""
        return self._result(profile, int(np.searchsorted(-self.thresholds, -threshold, side="right")) - 1)

    def _totals(self, profile: Profile) -> NDArray[np.float64]:
        missed = self.windows - self._found
        return np.asarray(
            profile.found * self._found_worth - profile.missed * missed + profile.false_alert * self._false_worth, np.float64
        )

    def _result(self, profile: Profile, at: int) -> Result:
        silent, perfect = -profile.missed * self.windows, profile.found * self.windows
        score = 100.0 * (float(self._totals(profile)[at]) - silent) / (perfect - silent) if self.windows else 0.0
        threshold, found, false_alerts = self.thresholds[at], self._found[at], self._false_alerts[at]
        return Result(score, float(threshold), int(found), self.windows, int(false_alerts))


def _first_and_gain(value: NDArray[np.float64], member: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Per detection, strongest first: how much it betters its window's best worth so far, and whether it is its first."""
    gain, first = np.zeros(len(value)), np.zeros(len(value), np.bool_)
    inside = np.flatnonzero(member >= 0)
    grouped = inside[np.argsort(member[inside], kind="stable")]
    for rows in np.split(grouped, np.flatnonzero(np.diff(member[grouped])) + 1):
        if len(rows):
            gain[rows] = np.diff(np.maximum.accumulate(value[rows]), prepend=0.0)
            first[rows[0]] = True
    return gain, first
