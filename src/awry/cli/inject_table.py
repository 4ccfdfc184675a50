"""Tables of injected faults for the terminal; shared by `awry bench inject` and `awry inject`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from awry.detection.evaluation.inject import Cell, InjectReport
    from awry.detection.evaluation.young import Young


NEAR = 0.05 + 1e-9


def label(cell: Cell) -> str:
    """ "spike 3", "speed x2", "flat line"."""
    if not cell.size:
        return cell.kind
    return f"{cell.kind} {'x' if cell.kind == 'speed' else ''}{cell.size:g}"


def number(value: float, digits: int = 3) -> float | None:
    """For JSON: no NaN."""
    return None if math.isnan(value) else round(value, digits)


def report_json(report: InjectReport, young: Young | None = None) -> dict[str, Any]:
    """One detector's report as JSON."""
    body: dict[str, Any] = {
        "detector": report.detector,
        "stretches": report.stretches,
        "clean_rows": report.clean_rows,
        "threshold": {name: round(value, 4) for name, value in report.threshold.items()},
        "false_per_10k": report.false_per_10k,
        "faults": [
            {
                "kind": cell.kind,
                "size": cell.size,
                "faults": cell.faults,
                "recall": cell.recall,
                "delay_rows": {name: number(value, 1) for name, value in cell.delay.items()},
                "named": cell.named,
                "named_right": number(cell.right),
            }
            for cell in report.cells
        ],
    }
    if young is not None:
        body["young"] = {"beginnings": young.beginnings, "recall": young.recall}
    return body


def print_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns under their heads; numbers to the right."""
    widths = [max(len(row[k]) for row in (head, *rows)) for k in range(len(head))]
    print(title)
    for row in (head, *rows):
        print("  ".join(cell.ljust(w) if k == 0 else cell.rjust(w) for k, (cell, w) in enumerate(zip(row, widths, strict=True))))
    print()


def recall_rows(report: InjectReport, heads: int) -> tuple[list[str], list[list[str]]]:
    """Recall (median delay) by kind and size; beside the outputs the best of the heads alone, and the part that was named."""
    head = ["fault, size in sigma", "faults", *report.outputs[:heads], "best head", *report.outputs[heads:], "named right", "named"]
    rows = []
    for cell in report.cells:
        best = max(report.outputs[:heads], key=lambda name, cell=cell: cell.recall[name])  # type: ignore[misc]
        cells = {name: _recall(cell.recall[name], cell.delay[name]) for name in report.outputs}
        named = " ".join(f"{name}:{count}" for name, count in list(cell.named.items())[:3])
        right = "-" if math.isnan(cell.right) else f"{cell.right:.2f}"
        ordered = [*(cells[name] for name in report.outputs[:heads]), cells[best]]
        rows.append([label(cell), str(cell.faults), *ordered, *(cells[name] for name in report.outputs[heads:]), right, named])
    return head, rows


def close_to_best(report: InjectReport, heads: int, output: str) -> int:
    """Rows of the table in which an output's recall is at most NEAR below that of the best of the heads alone."""
    alone = report.outputs[:heads]
    return sum(cell.recall[output] >= max(cell.recall[name] for name in alone) - NEAR for cell in report.cells)


def _recall(recall: float, delay: float) -> str:
    return f"{recall:.2f}" + ("     " if math.isnan(delay) else f" {f'({delay:.0f})':>5}")
