"""Slow, obvious twins of the evaluation's measures: straight from their definitions, for tests only."""

from __future__ import annotations

import math

import numpy as np


def runs(truth):
    """Maximal runs of true rows as (first, last)."""
    found, start = [], None
    for row, true in enumerate([*truth, False]):
        if true and start is None:
            start = row
        if not true and start is not None:
            found.append((start, row - 1))
            start = None
    return found


def average_precision(strength, truth):
    """Sum over falling thresholds of the step of recall times precision."""
    area, before = 0.0, 0.0
    for threshold in sorted(set(strength), reverse=True):
        said = [s >= threshold for s in strength]
        hit = sum(1 for a, b in zip(said, truth, strict=True) if a and b)
        recall = hit / sum(truth)
        area += (recall - before) * hit / sum(said)
        before = recall
    return area


def roc_area(strength, truth):
    """Share of pairs of a true and another row that are in order, ties counting half."""
    pairs = [(a, b) for a, yes in zip(strength, truth, strict=True) if yes for b, no in zip(strength, truth, strict=True) if not no]
    return sum((a > b) + 0.5 * (a == b) for a, b in pairs) / len(pairs)


def range_average_precision(strength, truth, window):
    """Average precision at 250 ranks with labels widened by `window` // 2 rows of falling weight, recall times events touched."""
    rows, events = len(truth), runs(truth)
    weight = np.zeros(rows)
    near = np.zeros(rows, bool)
    for first, last in events:
        for row in range(max(first - window // 2, 0), min(last + window // 2, rows - 1) + 1):
            near[row] = True
            distance = max(first - row, row - last, 0)
            weight[row] += math.sqrt(1.0 - distance / window) if distance else 1.0
    weight = np.minimum(weight, 1.0)
    groups = []
    for first, last in events:
        if groups and groups[-1][1] >= first - window // 2:
            groups[-1] = (groups[-1][0], last + window // 2)
        else:
            groups.append((max(first - window // 2, 0), last + window // 2))
    falling = sorted(strength, reverse=True)
    area, before = 0.0, 0.0
    for at in np.linspace(0, rows - 1, 250).astype(int):
        said = np.asarray(strength) >= falling[at]
        hit = (weight * said).sum()
        widened = sum(truth) + (weight * said * ~np.asarray(truth)).sum()
        recall = min(hit / ((sum(truth) + widened) / 2), 1.0)
        recall *= sum(said[a : b + 1].any() for a, b in groups) / len(groups)
        area += (recall - before) * hit / said.sum()
        before = recall
    return area


def volume(strength, truth, window):
    """Mean of it over all windows up to one."""
    return float(np.mean([range_average_precision(strength, truth, w) for w in range(window + 1)]))


def best_f1(files):
    """Over all thresholds: files are (emitted, truth) pairs; returns (f1, threshold, found, false)."""
    best = (0.0, math.inf, 0, 0)
    events = sum(len(runs(truth)) for _, truth in files)
    for threshold in sorted({s for emitted, _ in files for s in emitted if s > 0}, reverse=True):
        found = false = 0
        for emitted, truth in files:
            alerts = [row for row, s in enumerate(emitted) if s >= threshold]
            found += sum(any(a <= row <= b for row in alerts) for a, b in runs(truth))
            false += sum(not truth[row] for row in alerts)
        f1 = 2 * found / (found + false + events)
        if f1 > best[0] + 1e-12:
            best = (f1, threshold, found, false)
    return best


def recall_at(files, rows_per_false):
    """Largest share of events found with at most one false alert in so many rows."""
    events, rows = sum(len(runs(truth)) for _, truth in files), sum(len(truth) for _, truth in files)
    best = 0
    for threshold in sorted({s for emitted, _ in files for s in emitted if s > 0}, reverse=True):
        found = false = 0
        for emitted, truth in files:
            alerts = [row for row, s in enumerate(emitted) if s >= threshold]
            found += sum(any(a <= row <= b for row in alerts) for a, b in runs(truth))
            false += sum(not truth[row] for row in alerts)
        if false * rows_per_false <= rows:
            best = max(best, found)
    return best / events
