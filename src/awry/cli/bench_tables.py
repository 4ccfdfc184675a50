"""The figures of `awry bench suite` as tables in a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Pick = Callable[[dict[str, Any]], float | None]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a set's table: its head, where its figure stands, whether more is better, and how it is written."""

    head: str
    pick: Pick
    better: int = 1
    """1: more is better, -1: less is, 0: neither."""
    show: Callable[[float], str] = lambda value: f"{value:.3f}".replace("0.", ".", 1) if value < 1 else f"{value:.3f}"


def _of(*path: str) -> Pick:
    def pick(body: dict[str, Any]) -> float | None:
        at: Any = body
        for name in path:
            at = at.get(name) if at else None
        return at  # type: ignore[no-any-return]

    return pick


def duration(ms: float) -> str:
    """A time a person can read: 40 s, 7 min, 3.5 h, 2 d."""
    for unit, size, below in (("s", 1_000, 90_000), ("min", 60_000, 5_400_000), ("h", 3_600_000, 172_800_000)):
        if ms < below:
            return f"{ms / size:.3g} {unit}"
    return f"{ms / 86_400_000:.3g} d"


def _rows(value: float) -> str:
    return f"{value:g}"


QUALITY = (
    Column("VUS-PR", _of("raw", "vus_pr")),
    Column("AUC-PR", _of("raw", "auc_pr")),
    Column("event F1", _of("raw", "f1")),
    Column("recall@10k", _of("raw", "recall_at_rate")),
    Column("delay", _of("raw", "delay_ms"), 0, duration),
    Column("score VUS", _of("score", "vus_pr")),
    Column("score F1", _of("score", "f1")),
    Column("score @10k", _of("score", "recall_at_rate")),
    Column("us/sample", _of("microseconds_per_sample"), -1, lambda value: f"{value:.2f}"),
)
NAB = tuple(
    Column(prefix + head, _of(output, "nab", profile), 1, lambda value: f"{value:.1f}")
    for output, prefix in (("raw", ""), ("score", "score "))
    for head, profile in (("NAB", "standard"), ("low FP", "reward_low_FP"), ("low FN", "reward_low_FN"))
)
RULE = (
    Column("recall", _of("rule", "recall")),
    Column("opened in it", _of("rule", "recall_opened")),
    Column("false/metric/week", _of("rule", "false_per_metric_week"), -1),
    Column("delay", _of("rule", "delay_ms"), 0, duration),
    Column("time open", _of("rule", "share_of_time_open"), 0, lambda value: f"{100 * value:.2f} %"),
    Column("in the band", _of("coverage"), 0, lambda value: f"{100 * value:.2f} %"),
)


def tables(figures: dict[str, Any]) -> Iterator[tuple[str, list[str], list[list[tuple[str, bool]]]]]:
    """Title, heads and rows of (text, best) of every table; for the terminal and for the page."""
    people = figures["contestants"]
    ranked = [
        [(name, False), (f"{body['mean_rank']:.2f}", k == 0), ("{:.1f} to {:.1f}".format(*body["mean_rank_90"]), False),
         ("" if body["causal"] else "looks ahead", False)]
        for k, (name, body) in enumerate(people.items())
    ]  # fmt: skip
    if len(people) > 1:
        yield (
            "Mean rank over all sets and measures of raw (1 is best)",
            ["", "rank", "90 % of resampled", ""],
            ranked,
        )
    for name, size in figures["sets"].items():
        rows = [(who, body["sets"][name]) for who, body in people.items() if name in body["sets"]]
        title = f"{name}: {size['files']} files, {size['metrics']} metrics, {size['rows']:,} rows scored, {size['events']} events"
        columns = QUALITY if all("nab" not in body["raw"] for _, body in rows) else (*QUALITY[:4], *NAB, QUALITY[-1])
        yield title, *_table(columns, rows)
    for name in figures["sets"]:
        rows = [(who, body["sets"][name]) for who, body in people.items() if name in body["sets"] and body["sets"][name]["rule"]]
        if rows:
            yield f"{name}: the default rule, on each metric by itself", *_table(RULE, rows)


def _table(columns: Sequence[Column], rows: Sequence[tuple[str, dict[str, Any]]]) -> tuple[list[str], list[list[tuple[str, bool]]]]:
    best = []
    for column in columns:
        known = [value for _, body in rows if (value := column.pick(body)) is not None]
        best.append(column.better and len(rows) > 1 and known and (max(known) if column.better > 0 else min(known)))
    body_rows = []
    for who, body in rows:
        cells = [(who, False)]
        for column, top in zip(columns, best, strict=True):
            value = column.pick(body)
            bold = value is not None and top is not False and bool(column.better) and value == top
            cells.append(("-" if value is None else column.show(value), bold))
        body_rows.append(cells)
    return ["", *(column.head for column in columns)], body_rows


def print_tables(figures: dict[str, Any]) -> None:
    """All tables, then what was left out."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 140)
    for title, heads, rows in tables(figures):
        console.print(title, style="italic", markup=False, highlight=False)  # a table's own title is wrapped at its width
        table = Table(box=box.SIMPLE_HEAD)
        for head in heads:
            table.add_column(escape(head), justify="right" if head else "left")
        for row in rows:
            table.add_row(*(f"[bold]{escape(text)}[/]" if best else escape(text) for text, best in row))
        console.print(table)
    for row in figures["refused"]:
        console.print(f"left out: {row['set']} {row['file']}: {row['why']}", style="dim", markup=False)
    for row in figures["failed"]:
        console.print(f"failed: {row['contestant']} on {row['set']} {row['file']}: {row['why']}", style="dim", markup=False)
