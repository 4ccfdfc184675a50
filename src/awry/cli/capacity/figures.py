"""The figures of capacity runs as people read them: names, units, how each grows, and one JSON object of it all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

Run = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the table."""

    key: str
    name: str
    unit: str = ""
    """s, ms, B, % (of a share) or "" for a plain number."""
    chart: bool = False


FIGURES = (
    Figure("samples_per_second", "load, samples/s"),
    Figure("machine_share", "share of the machine", "%", chart=True),
    Figure("series_per_core", "series/core at this interval", chart=True),
    Figure("bytes_per_series", "memory per series", "B", chart=True),
    Figure("resident_bytes", "memory of the process", "B"),
    Figure("end_to_end_samples_per_second", "samples/s at full speed", chart=True),
    Figure("samples_per_core_second", "samples per CPU second"),
    Figure("p50_ingest_to_score_ms", "ingest to score, p50", "ms"),
    Figure("p99_ingest_to_score_ms", "ingest to score, p99", "ms", chart=True),
    Figure("p50_ingest_to_change_ms", "ingest to change, p50", "ms"),
    Figure("p99_ingest_to_change_ms", "ingest to change, p99", "ms", chart=True),
    Figure("recovery_seconds", "recovery after kill -9", "s", chart=True),
    Figure("recovery_samples", "samples there after it"),
    Figure("cold_start_seconds", "cold start", "s"),
    Figure("first_sight_series_per_second", "new series/s"),
    Figure("longest_pause", "longest pause", "ms", chart=True),
    Figure("database_bytes_per_sample", "database per sample", "B"),
    Figure("database_bytes_per_series", "database per series", "B"),
    Figure("sender_cores", "cores used by the sender"),
)


def value_of(run: Run, key: str) -> float | None:
    """A figure of a run; the longest pause is that of its worst phase."""
    if key == "longest_pause":
        return max(run["longest_pause_ms"].values(), default=None)
    value = run.get(key)
    return None if value is None else float(value)


def growth(runs: Sequence[Run]) -> dict[str, list[float | None]]:
    """By what each figure is multiplied when the series are ten times as many, from one run to the next."""
    found: dict[str, list[float | None]] = {}
    for figure in FIGURES:
        row: list[float | None] = []
        for less, more in pairwise(runs):
            a, b = value_of(less, figure.key), value_of(more, figure.key)
            decades = math.log10(more["series"] / less["series"])
            row.append(round((b / a) ** (1.0 / decades), 3) if a and b and a > 0 and b > 0 and decades else None)
        found[figure.key] = row
    return found


def as_json(runs: Sequence[Run], machine: Mapping[str, Any]) -> dict[str, Any]:
    """One object: the last run's figures at its top, and all of several under `runs`, with how each grows."""
    body: dict[str, Any] = {**runs[-1], "benchmark": "capacity", "machine": dict(machine)}
    body["longest_pause"] = value_of(runs[-1], "longest_pause")
    if len(runs) > 1:
        body |= {"runs": [dict(run) for run in runs], "growth_per_tenfold": growth(runs)}
    return body


def shown(value: float | None, unit: str = "") -> str:
    """A number with its unit, three digits of it."""
    if value is None or not math.isfinite(value):
        return "–"
    if unit == "%":
        return f"{value:.1%}" if value >= 0.001 else f"{value:.2%}"
    if unit == "B":
        for name, size in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
            if abs(value) >= size:
                return f"{value / size:.3g} {name}"
        return f"{value:.3g} B"
    if unit:
        return f"{value:.3g} {unit}" if abs(value) < 1000 else f"{value:,.0f} {unit}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def count_text(count: int) -> str:
    """1 k, 250 k, 1 M; numbers that are not round stay as they are."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if count >= size and count * 10 % size == 0:
            return f"{count / size:g} {letter}"
    return f"{count:,}"
