"""`awry detect FILE`: the anomalies of a file as a table, and all scores as a file or a report; for people at a terminal."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from awry.cli.written import check_folder, save

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from awry.core.batch import Scored
    from awry.formats.columns import Table
    from awry.library.episodes import Episodes

EPILOG = """examples:
  awry detect cpu.csv                              anomalies, worst first
  awry detect cpu.csv --html report.html           the same with charts, in one file
  awry detect metrics.parquet --out scores.parquet every sample with its scores
  awry detect load.csv --interval 60s              a file without times
  cat cpu.csv | awry detect - --json

Files are CSV, TSV, Parquet or JSON lines, gzip-compressed or not, long (series, time, value; other text columns become labels) or
wide (time and one column per series). Times are Unix seconds, milliseconds or ISO 8601; without a zone, UTC.

exit status: 0 done, with anomalies or without; 2 the input cannot be read or the output not written."""

SILENT = {
    "static": "static has no limits here and finds nothing: the reference of detectors says how to give it some, in Python",
    "peers": "nothing was compared: peers needs five series or more that have samples at the same times",
}
"""What is said where a detector found no sample strange at all, for those that need something."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `awry detect`."""
    parser.add_argument("file", metavar="FILE", help='the file; "-" reads standard input')
    parser.add_argument("--out", type=Path, metavar="FILE", help="write every sample with its scores: .parquet, .csv or .jsonl")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a report with charts, one self-contained file")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument("--interval", metavar="TIME", help="distance between rows where there is no time column: 60s, 5m")
    parser.add_argument("--threshold", type=float, metavar="SCORE", help="anomaly score, 0 to 1, from which a sample is an anomaly")
    parser.add_argument(
        "--budget", metavar="RATE", help='instead of a threshold, false anomalies allowed per series (default: "1 per 30d")'
    )
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="anomalies printed (default: %(default)s; 0: all)")
    parser.add_argument("--time", default="", metavar="COLUMN", help="name of the time column, where it is not recognised")
    parser.add_argument("--series", default="", metavar="COLUMN", help="name of the series column, where it is not recognised")
    parser.add_argument("--value", default="", metavar="COLUMN", help="name of the value column, where it is not recognised")
    parser.add_argument(
        "--detector",
        default="default",
        metavar="NAME",
        help="its name, or auto: each series gets the one it needs (default: %(default)s)",
    )
    parser.add_argument(
        "--time-zone", default="UTC", metavar="ZONE", help="where the series live, such as Europe/Berlin (default: %(default)s)"
    )
    parser.add_argument(
        "--holidays", default="", metavar="COUNTRY", help="whose holidays are to be expected like Sundays: DE, DE-BY, US-CA"
    )
    parser.add_argument(
        "--siblings-by",
        default="",
        metavar="LABEL",
        help="with --detector peers: the label in which alone siblings differ, such as host",
    )
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    """Read, score, find anomalies, print and write."""
    from awry.library.episodes import intervals

    _check(args)
    table = _read(args)
    scored = _score(args, table)
    episodes, why = _find(args, table, scored)
    every = intervals(table.batch, len(table.keys))
    anomalies = [_row(table, scored, episodes, k, args.detector, float(every[episodes.slot[k]])) for k in range(len(episodes))]
    samples, found = _count(len(table.batch), "sample", "samples"), _count(len(anomalies), "anomaly", "anomalies")
    summary = f"{samples} of {len(table.keys):,} series, {found} ({why})"
    if args.out:
        _write(args.out, table, scored, args.detector)
    if args.html:
        from awry.cli.report import render_report

        page = render_report(_name(args), summary, table, scored, episodes, anomalies[:200])
        save(args.html, lambda: args.html.write_text(page, encoding="utf-8"))
    if args.json:
        body = {"samples": len(table.batch), "series": len(table.keys), "refused": table.refused, "rule": why}
        print(json.dumps(body | {"anomalies": anomalies[: args.limit or None]}))
        return 0
    _print(anomalies, args.limit, table.interval_ms)
    print(summary)
    if not anomalies:
        _console_note(_strangest(table, scored) or SILENT.get(args.detector, ""))
    return 0


def _strangest(table: Table, scored: Scored) -> str:
    """What came nearest, for someone who sees a fault in the chart and no row in the table."""
    import numpy as np

    if not len(table.batch):
        return ""
    row = int(np.argmax(np.nan_to_num(scored.score, nan=0.0)))
    score = float(np.nan_to_num(scored.score[row], nan=0.0))
    if score < 0.01:
        return "nothing was scored: every series was still warming up" if np.isnan(scored.score).all() else ""
    where = f"{_printable(table.keys[table.batch.slot[row]])} at {_when(int(table.batch.time[row]), table.interval_ms)}"
    value, low, high = (_text(float(column[row])) for column in (table.batch.value, scored.low, scored.high))
    lower = int(score * 100) / 100
    return (
        f"the strangest sample was {where}: {value}, expected {low} to {high}, score {score:.2f} (--threshold {lower:g} shows it)"
    )


def _console_note(text: str) -> None:
    if text:
        print(text, file=sys.stderr)


def _printable(text: str) -> str:
    """A name may hold tabs or a terminal's control codes."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def _count(n: int, one: str, many: str) -> str:
    return f"{n:,} {one if n == 1 else many}"


def _check(args: argparse.Namespace) -> None:
    from awry.core.errors import InvalidInput
    from awry.library.judges import local_judge, make_judge

    if args.threshold is not None and not 0 < args.threshold <= 1:
        raise InvalidInput(
            f"cannot use the threshold {args.threshold:g}", hint="a score lies between 0 and 1; 0.4 is one in ten thousand"
        )
    if args.threshold is not None and args.budget:
        raise InvalidInput("cannot use both --threshold and --budget", hint="leave one of them out")
    if args.limit < 0:
        raise InvalidInput(f"cannot use the limit {args.limit}", hint="give 0 for all")
    if args.out and args.out.suffix not in _WRITERS:
        raise InvalidInput(f"cannot write {args.out}: unknown kind of file", hint=f"end it in one of {', '.join(_WRITERS)}")
    check_folder(args.out, args.html)
    local_judge(lambda: make_judge(args.detector), args.time_zone, args.holidays)()


def _read(args: argparse.Namespace) -> Table:
    from awry.formats.columns import Choice
    from awry.formats.files import read_bytes, read_file
    from awry.library.durations import duration_ms

    choice = Choice(args.time, args.series, args.value)
    interval_ms = duration_ms(args.interval) if args.interval else None
    if args.file == "-":
        table = read_bytes(sys.stdin.buffer.read(), name="standard input", choice=choice, interval_ms=interval_ms)
    else:
        table = read_file(Path(args.file), choice=choice, interval_ms=interval_ms)
    for note in table.notes:
        print(f"{_name(args)}: {note}", file=sys.stderr)
    if table.refused:
        left_out = ", ".join(f"{count:,} {reason}" for reason, count in table.refused.items())
        print(f"{_name(args)}: left out: {left_out}", file=sys.stderr)
    return table


def _name(args: argparse.Namespace) -> str:
    return "standard input" if args.file == "-" else Path(args.file).name


def _score(args: argparse.Namespace, table: Table) -> Scored:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from awry.library.detect import score

    shown = (TextColumn("scoring"), BarColumn(), TextColumn("{task.percentage:3.0f} %"), TimeRemainingColumn())
    with Progress(*shown, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("", total=len(table.batch))
        return score(
            table,
            args.detector,
            args.time_zone,
            args.holidays,
            args.siblings_by,
            progress=lambda done, _: bar.update(task, completed=done),
        )


def _find(args: argparse.Namespace, table: Table, scored: Scored) -> tuple[Episodes, str]:
    import numpy as np

    from awry.core.rule import Rule
    from awry.detection.calibration import GROWN
    from awry.engine.threshold import rule_clear, rule_threshold
    from awry.library.episodes import find_episodes, intervals

    rule = Rule(name="detect", threshold=args.threshold, budget=args.budget)
    every: NDArray[np.float64] = np.nan_to_num(intervals(table.batch, len(table.keys)), nan=60_000.0)
    seen = np.bincount(table.batch.slot, minlength=len(table.keys))
    ages = list(zip(every.tolist(), np.minimum(seen, GROWN).tolist(), strict=True))
    known = {age: rule_threshold(rule, *age) for age in set(ages)}
    threshold = np.array([known[age][0] for age in ages], np.float64)
    clear = np.array([rule_clear(rule, t) for t in threshold.tolist()], np.float64)
    words = {f"score of {t:.2f} and more: {why}" if args.threshold is None else why for t, why in known.values()}
    why = words.pop() if len(words) == 1 else f"score of {threshold.min():.2f} to {threshold.max():.2f} and more, by interval"
    return find_episodes(table.batch, scored, threshold, clear), why


def _row(table: Table, scored: Scored, episodes: Episodes, k: int, detector: str, interval: float) -> dict[str, Any]:
    from awry.core.odds import how_often
    from awry.core.quantity import unit_of
    from awry.core.reason import clause
    from awry.library.judges import parts

    peak, batch = int(episodes.peak[k]), table.batch

    def number(value: float) -> float | None:
        return None if value != value else float(f"{float(value):.7g}")

    key, part = table.keys[episodes.slot[k]], parts(detector)[scored.part[peak]]
    value, expected, low, high = (float(c[peak]) for c in (batch.value, scored.expected, scored.low, scored.high))
    return {
        "series": key,
        "start": int(batch.time[episodes.start[k]]),
        "end": int(batch.time[episodes.end[k]]),
        "time": int(batch.time[peak]),
        "score": number(scored.score[peak]),
        "raw": number(scored.raw[peak]),
        "value": number(batch.value[peak]),
        "expected": number(scored.expected[peak]),
        "low": number(scored.low[peak]),
        "high": number(scored.high[peak]),
        "part": part,
        "why": clause(part, value, expected, low, high, unit_of(key.partition("{")[0])),
        "odds": how_often(float(scored.score[peak]), interval),
    }


def _print(anomalies: list[dict[str, Any]], limit: int, interval_ms: int) -> None:
    """A table: drawn for a terminal, without what the last column says in words; whole and tab-separated for a pipe."""
    shown = anomalies[: limit or None]
    head = ("series", "from", "to", "worst at", "score", "value", "expected", "spoke", "why")
    rows = [
        (
            _printable(a["series"]),
            *(_when(a[moment], interval_ms) for moment in ("start", "end", "time")),
            f"{a['score']:.2f}",
            _text(a["value"]),
            f"{_text(a['low'])} to {_text(a['high'])}",
            a["part"],
            f"{a['why']}; {a['odds']}" if a["odds"] else a["why"],
        )
        for a in shown
    ]
    if not sys.stdout.isatty():
        for row in [head, *rows] if rows else []:
            print("\t".join(row))
    elif rows:
        from rich import box
        from rich.console import Console
        from rich.table import Table as Drawn
        from rich.text import Text

        drawn = Drawn(box=box.SIMPLE_HEAD)
        chosen = [head.index(name) for name in ("series", "from", "to", "score", "spoke", "why")]
        for at in chosen:
            drawn.add_column(head[at], justify="right" if head[at] == "score" else "left", overflow="fold")
        for row in rows:
            drawn.add_row(*(Text(row[at]) for at in chosen))
        Console().print(drawn)
    if len(anomalies) > len(shown):
        print(f"and {len(anomalies) - len(shown):,} more (--limit 0 shows all)", file=sys.stderr)


def _when(ms: int, interval_ms: int) -> str:
    if interval_ms:
        return f"row {ms // interval_ms}"
    text = datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return text if ms % 1000 == 0 else f"{text}.{ms % 1000:03}"


def _text(value: float | None) -> str:
    return "?" if value is None or value != value else f"{value:.5g}"


_WRITERS = {".parquet": "write_parquet", ".csv": "write_csv", ".jsonl": "write_ndjson"}


def _write(path: Path, table: Table, scored: Scored, detector: str) -> None:
    import polars as pl

    from awry.library.detect import columns_of
    from awry.library.judges import parts

    columns = columns_of(table, scored, parts(detector))
    keys = pl.Series("series", table.keys, dtype=pl.String).gather(table.batch.slot)
    frame = pl.DataFrame([keys, *(pl.Series(name, values) for name, values in columns.items() if name != "series")])
    if not table.interval_ms:
        frame = frame.with_columns(pl.col("time").cast(pl.Datetime("ms")).dt.replace_time_zone("UTC"))
    frame = frame.with_columns(pl.col(pl.Float32, pl.Float64).fill_nan(None))
    options = {"datetime_format": "%Y-%m-%dT%H:%M:%S%.3fZ"} if path.suffix == ".csv" and not table.interval_ms else {}
    save(path, lambda: getattr(frame, _WRITERS[path.suffix])(path, **options))
