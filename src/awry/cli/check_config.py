"""`awry check-config`: every mistake of a config file with its line, without starting anything."""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `awry check-config`."""
    parser.add_argument("file", type=Path, metavar="FILE", help="the config file")
    parser.epilog = (
        "example:\n  awry check-config awry.toml\n\nThe exit status is 0 when the file is fine and 1 when it has mistakes."
    )


def run(args: argparse.Namespace) -> int:
    """Print the mistakes."""
    from awry.server.config import check_config

    findings = check_config(args.file, env=os.environ)
    for finding in findings:
        print(f"{args.file}: {finding}")
    if not findings:
        print(f"{args.file}: fine")
    return 1 if findings else 0
