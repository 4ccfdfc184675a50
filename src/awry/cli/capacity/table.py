"""The table of capacity runs at a terminal: figures by size, how each grows, and the prediction beside what was measured."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from awry.cli.capacity.figures import FIGURES, Run, count_text, growth, shown, value_of

_PREDICTED = (("cores", "cores", ""), ("memory_bytes", "memory", "B"), ("database_bytes", "database", "B"))

LATE_SECONDS = 2.0
"""A sender that was later than this was held back."""


def print_tables(runs: Sequence[Run], title: str) -> None:
    """Print everything to standard output."""
    console = Console()
    if not console.is_terminal:  # a pipe has no width
        console = Console(width=132)
    console.print(title)
    console.print(measured_table(runs))
    for run in runs:
        size = count_text(run["series"])
        if run["acknowledged_lost"]:
            console.print(f"[red]{run['acknowledged_lost']} acknowledged samples were lost at {size} series")
        if run["sender_behind_seconds"] > LATE_SECONDS:
            console.print(f"The load at {size} series could not be kept up: up to {run['sender_behind_seconds']:.0f} s late")
        if run["changes_missed"]:
            console.print(f"{run['changes_missed']} of {run['faults']} faults were not told within 10 s at {size} series")
    if any(run.get("prediction") for run in runs):
        console.print("What awry size predicts, and what was measured")
        console.print(prediction_table(runs))


def measured_table(runs: Sequence[Run]) -> Table:
    """A row a figure, a column a size, and how it grows from one to the next."""
    table = Table()
    table.add_column("series")
    for run in runs:
        table.add_column(count_text(run["series"]), justify="right")
    grown = growth(runs)
    if len(runs) > 1:
        table.add_column("for 10x series", justify="right", style="dim")
    for figure in FIGURES:
        cells = [shown(value_of(run, figure.key), figure.unit) for run in runs]
        if len(runs) > 1:
            cells.append("  ".join("–" if ratio is None else f"×{ratio:.3g}" for ratio in grown[figure.key]))
        table.add_row(figure.name, *cells)
    return table


def prediction_table(runs: Sequence[Run]) -> Table:
    """What `awry size` says of each run, what was measured, and how far it is off."""
    table = Table()
    for name in ("series", "", "predicted", "measured", "off by"):
        table.add_column(name, justify="right" if name else "left")
    for run in runs:
        for key, name, unit in _PREDICTED:
            pair = (run.get("prediction") or {}).get(key)
            if pair:
                mark = "" if pair["within_15_percent"] else "  more than 15 %"
                figures = shown(pair["predicted"], unit), shown(pair["measured"], unit)
                table.add_row(count_text(run["series"]), name, *figures, f"{pair['error']:+.0%}{mark}")
    return table
