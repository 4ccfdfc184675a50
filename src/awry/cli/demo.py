"""`awry demo`: the server, watching this machine and a few recorded series, to look around in."""

from __future__ import annotations

import argparse

from awry.cli import serve


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `awry serve`."""
    serve.add_arguments(parser)
    parser.epilog = """Seven recorded series (Numenta Anomaly Benchmark) are sent at once, their time
stamps moved so that they end now. Their last day is held back and goes on arriving
at its own pace. This machine is watched as well.

examples:
  awry demo
  awry demo --data /tmp/awry-demo --http 127.0.0.1:8080"""


def run(args: argparse.Namespace) -> int:
    """Serve with the recordings."""
    return serve.start(args, demo=True)
