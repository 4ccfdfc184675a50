"""Sparklines as inline SVG, drawn on the server: they print, theme and scale by themselves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from awry.core.batch import Times, Values

WIDTH, HEIGHT = 150, 28
COLUMNS = 60
"""Columns of the ingest chart."""


@dataclass(frozen=True, slots=True)
class Points:
    """Where a sparkline goes: x in [0, 1], y in [0, 1] (1 on top), and from which x on the series was strange."""

    xy: tuple[tuple[float, float], ...]
    strange_from: float | None = None


def points(time: Times, value: Values, start: int, end: int, strange_from: int | None = None, steps: int = 72) -> Points:
    """At most two points (lowest, highest) for each of `steps` equal stretches of [start, end)."""
    keep = ~np.isnan(value) & (time >= start) & (time < end)
    time, value = time[keep], value[keep]
    if len(time) == 0 or end <= start:
        return Points(())
    low, high = float(value.min()), float(value.max())
    size = high - low if math.isfinite(high - low) and high > low else 1.0
    bucket = ((time - start) * steps // (end - start)).astype(np.int64)
    chosen: list[int] = []
    edges = np.flatnonzero(np.diff(bucket)) + 1
    for rows in np.split(np.arange(len(time)), edges):
        ends = {int(rows[int(value[rows].argmin())]), int(rows[int(value[rows].argmax())])}
        chosen.extend(sorted(ends))
    if chosen[-1] != len(time) - 1:
        chosen.append(len(time) - 1)
    xy = tuple((float((time[i] - start) / (end - start)), float((value[i] - low) / size)) for i in chosen)
    onset = None if strange_from is None else min(1.0, max(0.0, (strange_from - start) / (end - start)))
    return Points(xy, onset)


def bars(counts: Sequence[int], width: int = 150, height: int = 28) -> str:
    """A small column chart, for the ingest rate."""
    if not counts:
        return ""
    counts = [0] * (COLUMNS - len(counts)) + list(counts[-COLUMNS:])
    top, step = max(max(counts), 1), width / len(counts)
    d = "".join(
        f"M{i * step:.1f} {height}v{-max(0.5, n / top * (height - 2)):.1f}h{max(0.6, step - 0.6):.1f}V{height}z"
        for i, n in enumerate(counts)
        if n
    )
    return (
        f'<svg class="bars" width="{width}" height="{height}" viewBox="0 0 {width} {height}" preserveAspectRatio="none" '
        f'aria-hidden="true"><path class="fill" d="{d}"/></svg>'
    )


def spark(p: Points) -> str:
    """The line, a wash from the onset on and a dot at the newest sample."""
    head = f'<svg class="spark" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true">'
    if not p.xy:
        return head + "</svg>"
    places = [(1 + x * (WIDTH - 6), HEIGHT - 3 - y * (HEIGHT - 6)) for x, y in p.xy]
    wash = ""
    if p.strange_from is not None:
        x = 1 + p.strange_from * (WIDTH - 6)
        wash = f'<rect class="wash" x="{x:.1f}" width="{max(2.0, WIDTH - 3 - x):.1f}" height="{HEIGHT}"/>'
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    x, y = places[-1]
    return f'{head}{wash}<path class="line" d="{path}"/><circle class="end" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/></svg>'
