"""The page of `awry inject --html`: the table, and a picture of each kind of fault in one of the series; one file, no scripts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from awry.core.batch import Values
    from awry.detection.evaluation.inject import Stretch

WIDTH, HEIGHT, BEFORE = 420, 120, 120
STYLE = """body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem;color:#222;background:#fff}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
td,th{padding:.15rem .8rem;text-align:right;border-bottom:1px solid #ddd}
td:first-child,th:first-child,td:last-child,th:last-child{text-align:left}figure{display:inline-block;margin:.5rem}
figcaption{font-size:.85rem}svg{border:1px solid #ddd;background:#fafafa}.was{stroke:#aaa}.is{stroke:#c33}.was,.is{fill:none}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}svg{background:#222}svg,td,th{border-color:#444}.was{stroke:#777}}"""


def render_faults(name: str, head: Sequence[str], rows: Sequence[Sequence[str]], summary: str, series: Sequence[Stretch]) -> str:
    """The page: what was told, and what the faults look like."""
    cells = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    heads = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    title = f"Faults in {escape(name)}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{STYLE}</style><h1>{title}</h1><p>{escape(summary)}.</p>"
        f"<table><tr>{heads}</tr>{cells}</table><h2>What they look like</h2>"
        f"<p>Grey: as it was. Red: with the fault. One of the sizes, in the first series that has room for it.</p>"
        f"{''.join(_pictures(series))}</html>\n"
    )


def _pictures(series: Sequence[Stretch]) -> list[str]:
    from awry.detection.evaluation.faults import SIZES, inject

    found = []
    for kind, sizes in SIZES.items():
        size = sizes[len(sizes) // 2]
        for one in series:
            row = one.places[0]
            fault = inject(kind, size, one.value, row, one.sigma, one.day_rows, np.random.default_rng(1))
            if fault is not None:
                first = max(row + max(fault.start - BEFORE, -BEFORE), 0)
                last = min(row + len(fault.values) + BEFORE // 2, len(one.value))
                was, now = one.value[first:last], one.value.copy()
                now[row : row + len(fault.values)] = fault.values
                if fault.past is not None:
                    now[:row] = fault.past
                found.append(_picture(f"{kind} {size:g}" if size else kind, one.name, was, now[first:last]))
                break
    return found


def _picture(label: str, name: str, was: Values, now: Values) -> str:
    both = np.concatenate((was, now))
    low, high = float(np.nanmin(both)), float(np.nanmax(both))
    scale = (HEIGHT - 10) / ((high - low) or 1.0)

    def points(values: Values) -> str:
        at = np.flatnonzero(np.isfinite(values))
        return " ".join(f"{k * WIDTH / max(len(values) - 1, 1):.1f},{HEIGHT - 5 - (values[k] - low) * scale:.1f}" for k in at)

    return (
        f'<figure><svg width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{escape(label)}">'
        f'<polyline class="is" points="{points(now)}"/><polyline class="was" points="{points(was)}"/></svg>'
        f"<figcaption>{escape(label)}, {escape(name)}</figcaption></figure>"
    )
