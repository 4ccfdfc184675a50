"""`awry state`: moves a whole instance, with everything it has learned, to another machine or another kind of database."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from awry.cli.client import Client, add_token_argument, read_token
from awry.cli.settings import add_store_arguments, new_store_target, store_target
from awry.core.clock import SystemClock
from awry.core.errors import Conflict, InvalidInput

EPILOG = """examples:
  awry state export /backup/awry-state.tar --url http://127.0.0.1:7979
  awry state export awry-state.tar --data /var/lib/awry
  awry state import awry-state.tar --data /srv/awry
  awry state import awry-state.tar --config /etc/awry.toml     into the database of [store] url"""
Told = Callable[[int, int], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `awry state`: one sub-command for each direction."""
    ways = parser.add_subparsers(dest="way", metavar="WAY", required=True, title="ways", help="which way")
    out = "write everything that a server has to a file, also while it runs"
    export = ways.add_parser("export", help=out, description=out.capitalize() + ".", formatter_class=parser.formatter_class)
    export.add_argument("file", type=Path, metavar="FILE", help="the file to write; it must not exist yet")
    export.add_argument("--url", help="ask the running server at this address, instead of reading its database here")
    add_token_argument(export)
    add_store_arguments(export)
    export.add_argument(
        "--without-history",
        action="store_true",
        help="leave out sealed samples: detectors, rules and incidents, and the last hour or two",
    )
    into = "put such a file into an empty data folder or database"
    restore = ways.add_parser("import", help=into, description=into.capitalize() + ".", formatter_class=parser.formatter_class)
    restore.add_argument("file", type=Path, metavar="FILE", help="a file of `awry state export`")
    add_store_arguments(restore)
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    """Export or import, and say what is in the file."""
    return _export(args) if args.way == "export" else _import(args)


def _export(args: argparse.Namespace) -> int:
    file: Path = args.file
    if file.exists():
        raise Conflict(f"cannot write {file}: it exists already", hint="choose another name, or move the old file away")
    if args.url and (args.data or args.config):
        raise InvalidInput("cannot export from a server and from a database at once", hint="give --url, or --data or --config")
    part = file.with_name(file.name + ".part")
    try:
        with _progress("exporting") as told:
            try:
                with part.open("xb") as handle:
                    written = 0
                    for piece in _pieces(args):
                        handle.write(piece)
                        written += len(piece)
                        told(written, 0)
                    os.fsync(handle.fileno())
            except OSError as error:
                raise InvalidInput(
                    f"cannot write {part}: {error.strerror or error}", hint="remove a .part file that an earlier try left"
                ) from error
        from awry.stores.container import check_file

        with _progress("checking") as told:
            manifest = check_file(part, told)
        part.rename(file)
    except BaseException as error:
        if not isinstance(error.__cause__, FileExistsError):
            part.unlink(missing_ok=True)
        raise
    made = datetime.fromtimestamp(manifest.made / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    rows = {table.name: table.rows for table in manifest.tables}
    print(f"{file}: {file.stat().st_size:,} bytes, {rows.get('series', 0):,} series as of {made} (tick {manifest.seq:,})")
    return 0


def _pieces(args: argparse.Namespace) -> Iterator[bytes]:
    if args.url:
        with Client(args.url, read_token(args), timeout_seconds=60.0) as client:
            yield from client.stream("/api/v1/state", params={"history": "false"} if args.without_history else {})
        return
    from awry.cli.version import version
    from awry.stores.connect import database_url
    from awry.stores.export import export_state

    made = SystemClock().now_ms()
    with closing(
        export_state(database_url(store_target(args)), history=not args.without_history, awry=version(), now_ms=made)
    ) as pieces:
        yield from pieces


def _import(args: argparse.Namespace) -> int:
    target = new_store_target(args)
    from awry.stores.connect import database_url
    from awry.stores.restore import import_state

    url = database_url(target)
    started = time.monotonic()
    with _progress("checking") as checking, _progress("importing") as writing:
        manifest = import_state(args.file, url, checking=checking, writing=writing)
    rows = {table.name: table.rows for table in manifest.tables}
    where = url.render_as_string(hide_password=True) if url.get_backend_name() != "sqlite" else url.database
    print(
        f"{where}: {rows.get('series', 0):,} series, {sum(rows.values()):,} rows in {time.monotonic() - started:.1f} s; "
        "start the server there, and it goes on where the file ends"
    )
    return 0


@contextmanager
def _progress(doing: str) -> Iterator[Told]:
    """A bar on standard error: called with how many bytes are done and how many there are, 0 where nobody knows."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = (TextColumn(doing), BarColumn(), DownloadColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
    task = bar.add_task("", total=None)
    begun = False

    def told(done: int, total: int) -> None:
        nonlocal begun
        if not begun:  # the next bar begins when the former is through: a terminal shows one at a time
            bar.start()
            begun = True
        bar.update(task, completed=done, total=total or None)
        if done == total:
            bar.stop()

    try:
        yield told
    finally:
        bar.stop()
