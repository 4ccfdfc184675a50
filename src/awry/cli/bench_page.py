"""The suite's report as one self-contained HTML page: every table, and the worst misses and false alarms drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from awry.cli.bench_tables import duration, tables
from awry.detection.evaluation.contestants import Contestant, Severity
from awry.detection.evaluation.labelled import Labelled, SetFile
from awry.detection.evaluation.suite import FileOutcome, SuiteReport

DRAWN = 3
"""Misses and false alarms drawn of each set."""
CANDIDATES = 24
"""Misses of a set that are looked at to find the most visible ones."""
POINTS = 480
"""Points drawn of each picture; of a stretch that one stands for, its least and greatest value are kept."""
BEFORE, AFTER = 240, 120
"""Rows drawn before and after; more for longer events."""
WIDTH, HEIGHT = 1000.0, 100.0
"""Of the drawing's own coordinates."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One drawing; paths are SVG in 1000 x 100 coordinates."""

    kind: str
    """miss or false alarm."""
    title: str
    note: str
    value: str
    band: str
    truth: Sequence[tuple[float, float, bool]]
    """x and width of each event, and whether it is the one that was missed."""
    alerts: Sequence[tuple[float, bool]]
    """x of each alert, and whether it is the false one that is meant."""
    top: str
    bottom: str
    """Greatest and least value."""
    begin: str
    end: str


@dataclass(frozen=True, slots=True)
class _Case:
    """What is to be drawn: an event that was missed, or a false alert; rows count from the file's first."""

    kind: str
    first: int
    last: int
    strength: float


def render_page(report: SuiteReport, figures: Mapping[str, Any], sets: Mapping[str, Sequence[SetFile]]) -> str:
    """The page; the pictures show the first contestant."""
    import jinja2

    one = report.contestants[0]
    pictures = {
        name: list(_pictures(report, one, name, files)) for name, files in sets.items() if (one.name, name) in report.outcomes
    }
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = resources.files("awry.cli").joinpath("bench_page.html").read_text(encoding="utf-8")
    return environment.from_string(template).render(
        tables=list(tables(dict(figures))), pictures=pictures, who=one.name, figures=figures,
        files=sum(size["files"] for size in report.sizes.values()), samples=sum(size["samples"] for size in report.sizes.values()),
    )  # fmt: skip


def _pictures(report: SuiteReport, one: Contestant, name: str, files: Sequence[SetFile]) -> Iterator[Picture]:
    """The most visible events that no alert at the best threshold finds, then the strongest false alerts."""
    outcome = report.outcomes[(one.name, name)]
    threshold = outcome.events["raw"].threshold
    cases: list[tuple[FileOutcome, _Case]] = []
    for file in outcome.files:
        alerts, loud = file.alerts["raw"], file.alerts["raw"].strength >= threshold
        start = file.first
        found = set(alerts.event[loud].tolist())
        for number, (first, last) in enumerate(alerts.events.tolist()):
            if number not in found:
                cases.append((file, _Case("miss", first + start, last + start, last - first)))
        for k in np.flatnonzero(loud & (alerts.event < 0)).tolist():
            row = int(alerts.row[k]) + start
            cases.append((file, _Case("false alarm", row, row, float(alerts.strength[k]))))
    readers = {file.name: file for file in files}
    for kind in ("miss", "false alarm"):
        wanted = sorted((c for c in cases if c[1].kind == kind), key=lambda c: -c[1].strength)
        wanted = _spread(wanted)[: CANDIDATES if kind == "miss" else DRAWN]
        drawn: list[tuple[float, Picture]] = []
        for file in {id(c[0]): c[0] for c in wanted}.values():
            read = readers[file.name].load()
            severity = one.strengths(read)
            drawn += [_draw(read, severity, file, case, threshold) for owner, case in wanted if owner is file]
        drawn.sort(key=lambda pair: -pair[0])
        yield from (picture for _, picture in drawn[:DRAWN])


def _spread(cases: list[tuple[FileOutcome, _Case]]) -> list[tuple[FileOutcome, _Case]]:
    """The first of each file before the second of any, so that one bad file does not fill the page."""
    seen: dict[int, int] = {}
    order = []
    for file, case in cases:
        seen[id(file)] = seen.get(id(file), 0) + 1
        order.append((seen[id(file)], (file, case)))
    return [pair for _, pair in sorted(order, key=lambda item: item[0])]


def _draw(file: Labelled, severity: Severity, outcome: FileOutcome, case: _Case, threshold: float) -> tuple[float, Picture]:
    """How visible a case is (how far outside of the band, in widths of it), and its picture: of the metric that shows it best."""
    low, high, raw = _by_row(file, severity)
    rows = slice(case.first, case.last + 1)
    width = np.maximum(high - low, 1e-12 + 1e-6 * np.abs(high))
    outside = np.nan_to_num(np.maximum(file.value - high, low - file.value) / width, nan=-1.0)
    column = int(np.argmax((outside if case.kind == "miss" or not raw.any() else raw)[rows].max(axis=0)))
    visible = float(outside[rows, column].max())
    long = case.last - case.first + 1
    begin, end = max(0, case.first - max(BEFORE, long)), min(len(file.time), case.last + 1 + max(AFTER, long))
    shown = slice(begin, end)
    value = file.value[shown, column]
    bottom, top = _range(value, low[shown, column], high[shown, column])

    def x(row: float) -> float:
        return round(WIDTH * (row - begin) / max(1, end - begin - 1), 2)

    def across(first: int, last: int) -> tuple[float, float]:
        left, right = x(max(first, begin) - 0.5), x(min(last, end - 1) + 0.5)
        return left, round(max(2.0, right - left), 2)

    def y(v: NDArray[np.float64]) -> NDArray[np.float64]:
        return HEIGHT * (1.0 - (np.clip(v, bottom, top) - bottom) / (top - bottom))

    rows_x = WIDTH * np.arange(end - begin) / max(1, end - begin - 1)
    start = outcome.first
    alerts = outcome.alerts["raw"]
    loud = [int(r) + start for r, s in zip(alerts.row, alerts.strength, strict=True) if s >= threshold and begin <= r + start < end]
    events = [(int(a) + start, int(b) + start) for a, b in alerts.events.tolist() if b + start >= begin and a + start < end]
    instant = str(np.datetime64(int(file.time[case.first]), "ms").astype("datetime64[s]")).replace("T", " ")
    if case.kind == "miss":
        note = f"{instant}, {duration((case.last - case.first + 1) * file.step_ms)} long"
        widths = f"up to {visible:.1f} widths of the band" if visible < 100 else "more than 100 widths of the band"
        note += f", {widths} outside of it" if visible > 0 else ", never outside of the band"
    else:
        note = f"{instant}, strength {case.strength:.2f} against a threshold of {threshold:.2f}"
    metric = f" · {file.columns[column]}" if len(file.columns) > 1 else ""
    most, least = (f"{np.nanmax(value):.4g}", f"{np.nanmin(value):.4g}") if np.isfinite(value).any() else ("", "")
    return visible, Picture(
        case.kind, file.name + metric, note,
        _line(rows_x, y(value), value), _area(rows_x, y(low[shown, column]), y(high[shown, column])),
        [(*across(first, last), case.kind == "miss" and first == case.first) for first, last in events],
        [(x(row), case.kind != "miss" and row == case.first) for row in loud],
        most, least, _day(file, begin), _day(file, end - 1),
    )  # fmt: skip


def _by_row(file: Labelled, severity: Severity) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """low, high and strength as (rows, columns)."""
    out = tuple(np.full(file.value.shape, fill) for fill in (np.nan, np.nan, 0.0))
    if severity.judged is not None:
        at = severity.judged.row, severity.judged.batch.slot
        said = severity.judged.scored
        for array, column in zip(out, (said.low, said.high, np.nan_to_num(said.raw, nan=0.0)), strict=True):
            array[at] = column
    return out[0], out[1], out[2]


def _range(value: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> tuple[float, float]:
    """What the drawing spans: all values, and as much of the band as does not hide them."""
    known = value[np.isfinite(value)]
    least, most = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    room = max(most - least, 1e-9 * max(abs(least), abs(most)), 1e-12)
    if np.isfinite(low).any():
        least = max(min(least, float(np.nanmin(low))), least - 0.5 * room)
        most = min(max(most, float(np.nanmax(high))), most + 0.5 * room)
    return least - 0.05 * room, most + 0.05 * room


def _day(file: Labelled, row: int) -> str:
    return str(np.datetime64(int(file.time[row]), "ms").astype("datetime64[m]")).replace("T", " ")


def _line(x: NDArray[np.float64], y: NDArray[np.float64], value: NDArray[np.float64]) -> str:
    """A path that breaks at missing samples."""
    keep = _thin(y, np.isfinite(value))
    out, drawing, before = [], False, -1
    for k in keep:
        if drawing and not np.isfinite(value[before : k + 1]).all():
            drawing = False
        out.append(f"{'L' if drawing else 'M'}{x[k]:.1f} {y[k]:.1f}")
        drawing, before = True, k
    return "".join(out)


def _thin(y: NDArray[np.float64], known: NDArray[np.bool_]) -> list[int]:
    """Rows to draw: of each stretch its least and greatest value."""
    rows = np.flatnonzero(known)
    if len(rows) <= POINTS:
        return rows.tolist()
    kept: set[int] = {int(rows[0]), int(rows[-1])}
    for part in np.array_split(rows, POINTS // 2):
        kept |= {int(part[np.argmin(y[part])]), int(part[np.argmax(y[part])])}
    return sorted(kept)


def _area(x: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> str:
    rows = np.flatnonzero(np.isfinite(low) & np.isfinite(high))
    if len(rows) < 2:
        return ""
    rows = rows[:: max(1, len(rows) // (POINTS // 2))]
    there = "L".join(f"{x[k]:.1f} {high[k]:.1f}" for k in rows)
    back = "L".join(f"{x[k]:.1f} {low[k]:.1f}" for k in rows[::-1])
    return f"M{there}L{back}Z"
