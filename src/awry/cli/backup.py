"""`awry backup`: a consistent copy of the database, also while the server runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from awry.cli.settings import add_store_arguments, store_target


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `awry backup`."""
    parser.add_argument("file", type=Path, metavar="FILE", help="where the copy goes; it must not exist yet")
    add_store_arguments(parser)
    parser.epilog = """examples:
  awry backup /backup/awry.db
  awry backup /backup/awry.db --data /var/lib/awry

To go back, stop the server, put the copy in the place of awry.db in the data folder (and remove awry.db-wal
and awry.db-shm beside it), and start the server."""


def run(args: argparse.Namespace) -> int:
    """Copy, and say how large the copy is."""
    target = store_target(args)
    from awry.stores.backup import copy_database
    from awry.stores.connect import database_url

    copy_database(database_url(target), args.file)
    print(f"{args.file}: {args.file.stat().st_size:,} bytes")
    return 0
