"""One self-contained HTML file with the anomalies of a table and charts of its worst series; for `awry detect --html`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Scored
from awry.formats.columns import Table
from awry.library.episodes import Episodes, thin

MOST_CHARTS = 24
"""Series drawn: the worst ones."""
POINTS = 2000
"""Points drawn of each; what is left out lies between the least, the greatest and the worst of its stretch."""


def render_report(
    name: str, summary: str, table: Table, scored: Scored, episodes: Episodes, anomalies: Sequence[dict[str, Any]]
) -> str:
    """The page. `anomalies` are rows as `awry detect --json` prints them."""
    slots = list(dict.fromkeys(episodes.slot.tolist())) or list(range(min(len(table.keys), 3)))
    data = {
        "name": name,
        "summary": summary,
        "interval": table.interval_ms,
        "anomalies": anomalies,
        "charts": [_chart(table, scored, episodes, slot) for slot in slots[:MOST_CHARTS] if (table.batch.slot == slot).any()],
    }
    text = json.dumps([data], allow_nan=False, separators=(",", ":"))[1:-1]
    template = resources.files("awry.cli").joinpath("report.html").read_text(encoding="utf-8")
    return template.replace("@DATA@", text.replace("<", "\\u003c"), 1)


def _chart(table: Table, scored: Scored, episodes: Episodes, slot: int) -> dict[str, Any]:
    batch = table.batch
    start, stop = (int(np.searchsorted(batch.slot, s)) for s in (slot, slot + 1))
    rows = thin(batch.value, scored.segment, start, stop, POINTS)
    mine = np.flatnonzero(episodes.slot == slot)
    columns = {name: _plain(getattr(scored, name)[rows]) for name in ("low", "high", "score", "segment")}
    return {
        "series": table.keys[slot],
        "time": batch.time[rows].tolist(),
        "value": _plain(batch.value[rows]),
        **columns,
        "spans": [[int(batch.time[episodes.start[k]]), int(batch.time[episodes.end[k]])] for k in mine],
    }


def _plain(values: NDArray[Any]) -> list[float | None]:
    """Numbers with six digits, None for NaN."""
    return [float(f"{v:.6g}") if np.isfinite(v) else None for v in values.tolist()]
