"""`awry top`: the strangest series of a running server, live in the terminal."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import time
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from awry.cli.client import Client, add_server_arguments, read_token
from awry.core.errors import AwryError, InvalidInput

BLOCKS = " ▏▎▍▌▋▊▉█"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `awry top`."""
    add_server_arguments(parser)
    parser.add_argument(
        "--match", default="", metavar="SELECTOR", help='only series that match, such as host_load1 or {host="web-3"}'
    )
    parser.add_argument("--rows", type=int, default=0, metavar="N", help="series to show (default: as many as fit)")
    parser.add_argument("--every", type=float, default=2.0, metavar="SECONDS", help="time between two looks (default 2)")
    parser.add_argument("--once", action="store_true", help="print one look and exit")
    parser.add_argument("--json", action="store_true", help="with --once: print the series as JSON")
    parser.epilog = "examples:\n  awry top\n  awry top --once --rows 5\n  awry top --match '{host=\"web-3\"}'"


def run(args: argparse.Namespace) -> int:
    """Show the table until interrupted, or once."""
    console = Console()
    if not console.is_terminal:  # a pipe has no width, and a cut key is of no use to a script
        console = Console(width=200)
    if args.rows < 0 or args.every < 0:
        raise InvalidInput("cannot show fewer than no rows, or look before the last look", hint="--rows and --every are above 0")
    rows = args.rows or max(5, min(50, console.height - 6))
    with Client(args.url, read_token(args)) as client:
        if args.once:
            series, incidents = look(client, args.match, rows)
            if args.json:
                print(json.dumps(series))
            else:
                console.print(table(series, incidents, client.url))
            return 0
        with contextlib.suppress(KeyboardInterrupt):  # the way to leave it
            _watch(console, client, args, rows)
        return 0


def _watch(console: Console, client: Client, args: argparse.Namespace, rows: int) -> None:
    with Live(console=console, screen=console.is_terminal, auto_refresh=False) as live:
        while True:
            try:
                live.update(table(*look(client, args.match, rows), client.url), refresh=True)
            except AwryError as error:
                # a server that restarts is no reason to leave
                live.update(Text(f"{error.message}\n{error.hint}", style="red"), refresh=True)
            time.sleep(max(0.2, args.every))


def look(client: Client, match: str, rows: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The strangest series, and the open incidents."""
    params: dict[str, Any] = {"order": "score", "limit": max(1, min(1000, rows))}
    if match:
        params["match"] = match
    series = client.call("GET", "/api/v1/series", params=params)["series"]
    incidents = client.call("GET", "/api/v1/incidents", params={"state": "open", "limit": 5})["incidents"]
    return series, incidents


def table(series: list[dict[str, Any]], incidents: list[dict[str, Any]], url: str) -> Table:
    """The look as a table; colour repeats what the numbers say."""
    now = datetime.now(UTC).strftime("%H:%M:%S UTC")
    count = f"{len(incidents)}{'+' if len(incidents) == 5 else ''} open incident{'' if len(incidents) == 1 else 's'}"
    caption = "\n".join(str(i["title"]) for i in incidents[:5]) or "no open incidents"
    shown = Table(
        title=f"awry top  {url}  {now}  {count}", caption=Text(caption), title_justify="left", caption_justify="left", expand=True
    )
    shown.add_column("score", width=13, no_wrap=True)
    shown.add_column("series", ratio=1, overflow="ellipsis", no_wrap=True)
    shown.add_column("value", justify="right", no_wrap=True)
    shown.add_column("expected", justify="right", no_wrap=True)
    shown.add_column("state", no_wrap=True)
    for one in series:
        score = one.get("segment")
        band = "" if one.get("low") is None else f"{number(one['low'])} – {number(one['high'])}"
        shown.add_row(bar(score), Text(one["key"]), number(one.get("value")), band, one["state"])
    return shown


def bar(score: float | None) -> Text:
    """A score as number and bar, grey below 0.3, yellow below 0.5, red from there."""
    if score is None or math.isnan(score):
        return Text("   –", style="dim")
    eighths = round(max(0.0, min(1.0, score)) * 8 * 8)
    drawn = BLOCKS[8] * (eighths // 8) + (BLOCKS[eighths % 8] if eighths % 8 else "")
    style = "red" if score >= 0.5 else "yellow" if score >= 0.3 else "dim"
    return Text(f"{score:.2f} {drawn}", style=style)


def number(value: float | None) -> str:
    """Four digits."""
    return "–" if value is None else f"{value:.4g}"
