"""Capacity runs as a chart: one small panel a figure, over the number of series; SVG by itself or in a page with the table."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence

from awry.cli.capacity.figures import FIGURES, Figure, Run, count_text, shown, value_of

ACROSS, WIDE, HIGH = 4, 250, 150
"""Panels in a row, and their size in pixels."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 28, 38, 46, 26
_STYLE = """text{font:11px system-ui,sans-serif;fill:#333}.name{font-weight:600;font-size:12px}.dim{fill:#777}
.line{fill:none;stroke:#2b6cb0;stroke-width:2}.point{fill:#2b6cb0}.axis{stroke:#bbb}.paper{fill:#fff}
@media(prefers-color-scheme:dark){text{fill:#ddd}.dim{fill:#999}.line{stroke:#7fb3e6}.point{fill:#7fb3e6}.axis{stroke:#555}.paper{fill:#1b1e23}}"""

_PAGE_STYLE = """body{font:15px system-ui;margin:2rem auto;max-width:66rem;color-scheme:light dark}
td,th{padding:.2rem .8rem;text-align:right}svg{max-width:100%;height:auto}"""


def svg(runs: Sequence[Run], title: str) -> str:
    """The chart: logarithmic both ways, so that what grows with the series rises at 45 degrees and what does not is level."""
    figures = [figure for figure in FIGURES if figure.chart and any(value_of(run, figure.key) for run in runs)]
    rows = -(-len(figures) // ACROSS)
    width, height = ACROSS * WIDE, rows * HIGH + 30
    panels = [_panel(figure, runs, k % ACROSS * WIDE, k // ACROSS * HIGH + 26) for k, figure in enumerate(figures)]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">'
    paper = f'<rect class="paper" width="{width}" height="{height}"/>'
    name = f'<title>{html.escape(title)}</title><text class="dim" x="12" y="18">{html.escape(title)}</text>'
    return "\n".join([head, f"<style>{_STYLE}</style>", paper, name, *panels, "</svg>", ""])


def page(runs: Sequence[Run], title: str) -> str:
    """A page of its own: the chart and every figure."""
    head = "".join(f"<th>{count_text(run['series'])}</th>" for run in runs)
    rows = "".join(f"<tr><th>{html.escape(f.name)}</th>{_cells(f, runs)}</tr>" for f in FIGURES)
    name = html.escape(title)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{name}</title><style>{_PAGE_STYLE}</style><h1>{name}</h1>'
        f"{svg(runs, title)}<table><tr><th>series</th>{head}</tr>{rows}</table></html>\n"
    )


def _cells(figure: Figure, runs: Sequence[Run]) -> str:
    return "".join(f"<td>{html.escape(shown(value_of(run, figure.key), figure.unit))}</td>" for run in runs)


def _panel(figure: Figure, runs: Sequence[Run], left: float, top: float) -> str:
    """One figure: a line through its values, each written beside its point."""
    known = [(run["series"], value) for run in runs if (value := value_of(run, figure.key))]
    x = _scale([run["series"] for run in runs], _LEFT, WIDE - _RIGHT)
    y = _scale([value for _, value in known], HIGH - _BOTTOM - 8, _TOP)
    base = HIGH - _BOTTOM
    parts = [f'<g transform="translate({left:g} {top:g})"><text class="name" x="12" y="16">{html.escape(figure.name)}</text>']
    parts.append(f'<line class="axis" x1="12" x2="{WIDE - 12}" y1="{base}" y2="{base}"/>')
    points = [(x(series), y(value)) for series, value in known]
    parts.append(
        '<path class="line" d="' + "".join(f"{'L' if k else 'M'}{a:.1f} {b:.1f}" for k, (a, b) in enumerate(points)) + '"/>'
    )
    for (series, value), (a, b) in zip(known, points, strict=True):
        parts.append(f'<circle class="point" cx="{a:.1f}" cy="{b:.1f}" r="3"/>')
        parts.append(f'<text x="{a:.1f}" y="{b - 8:.1f}" text-anchor="middle">{html.escape(shown(value, figure.unit))}</text>')
        parts.append(f'<text class="dim" x="{a:.1f}" y="{base + 15}" text-anchor="middle">{count_text(series)}</text>')
    return "\n".join([*parts, "</g>"])


def _scale(values: Sequence[float], begin: float, end: float) -> Callable[[float], float]:
    """Logarithmic, and never steeper than the whole height for a factor of ten."""
    low, high = math.log10(min(values)), math.log10(max(values))
    if high - low < 1.0:
        middle = (high + low) / 2
        low, high = middle - 0.5, middle + 0.5
    return lambda value: begin + (end - begin) * (math.log10(value) - low) / (high - low)
