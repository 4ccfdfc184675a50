"""`awry compact`: seal, apply retention, merge small chunks and give free space back; while no server runs."""

from __future__ import annotations

import argparse

from awry.cli.settings import add_store_arguments, store_options, store_target


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `awry compact`."""
    add_store_arguments(parser)
    parser.epilog = "examples:\n  awry compact\n  awry compact --config /etc/awry.toml"


def run(args: argparse.Namespace) -> int:
    """Compact, and say what it gave."""
    target = store_target(args)
    from awry.core.clock import SystemClock
    from awry.stores import open_store

    store = open_store(target, **store_options(args))
    try:
        sizes = store.compact(SystemClock().now_ms())
    finally:
        store.close()
    before, after = sizes["bytes_before"], sizes["bytes_after"]
    print(f"{before:,} bytes before, {after:,} bytes after")
    if after > before:
        print("sealed samples are kept in the journal for two hours as well; run it later to give that space back")
    return 0
