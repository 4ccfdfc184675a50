"""`awry serve`: the server, with its settings from flags, environment and one file."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from awry.server.run import Running

SECOND_AFTER_SECONDS = 2.0
"""Kernels that are compiled already are ready long before."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `awry serve`; `awry demo` has the same."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="config file (TOML); `awry check-config` checks it")
    parser.add_argument("--data", metavar="DIR", help="folder of the database (default ./data)")
    parser.add_argument("--http", metavar="HOST:PORT", help="dashboard and API (default 127.0.0.1:7979)")
    parser.add_argument("--graphite", metavar="HOST:PORT", help="Graphite listener, or off (default 127.0.0.1:2003)")
    parser.epilog = """examples:
  awry serve
  awry serve --config /etc/awry.toml --data /var/lib/awry
  awry serve --http 127.0.0.1:8080 --graphite off

Every setting can also be given as environment variable AWRY_<SECTION>_<NAME>.
Flags win over the environment, and the environment wins over the file."""


def flags(args: argparse.Namespace) -> dict[str, str]:
    """The settings given as flags, as the config reader takes them."""
    given = {"server.data": args.data, "server.http": args.http, "server.graphite": args.graphite}
    return {name: value for name, value in given.items() if value is not None}


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    return start(args)


def start(args: argparse.Namespace, *, demo: bool = False) -> int:
    """Run the server; what is not compiled yet is compiled once settings, port and data folder are known to be right."""
    from awry.server import garbage

    garbage.hold()
    from awry.server.config import load_config

    config = load_config(args.config, env=os.environ, flags=flags(args))
    from awry.server.run import serve

    def ready(server: Running) -> None:
        garbage.settle()
        _say(f"open {server.url} in a browser; Ctrl-C ends it")

    return serve(config, demo=demo, prepare=compile_kernels, ready=ready)


def compile_kernels() -> None:
    """Compile the kernels on first start, with lines that say so; later starts find them in their cache and say nothing."""
    from awry.server.warm import compile_all

    second = _Second()
    timers: list[threading.Timer] = []

    def progress(message: str) -> None:
        # only what takes long is worth a line
        timers.append(threading.Timer(1.0, _say, [f"compiling, this once: {message}"]))
        timers[-1].daemon = True
        timers[-1].start()
        for timer in timers[:-1]:
            timer.cancel()

    try:
        compile_all(progress, second.wait)
    finally:
        second.end()
        for timer in timers:
            timer.cancel()


class _Second:
    """A second process that compiles the doors meanwhile, begun when it takes long; one core has no use for it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._timer = threading.Timer(SECOND_AFTER_SECONDS, self._begin)
        self._timer.daemon = True
        if (os.cpu_count() or 1) > 1:
            self._timer.start()

    def wait(self) -> None:
        """Until it has ended, however it did: what it did not compile is compiled here."""
        self._timer.cancel()
        if self._timer.ident is not None:
            self._timer.join()
        if self._process is not None:
            self._process.wait()

    def end(self) -> None:
        """Now, for it is wanted no more."""
        self._timer.cancel()
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def _begin(self) -> None:
        program = "from awry.server.warm import compile_doors; compile_doors()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )


def _say(message: str) -> None:
    print(f"awry: {message}", file=sys.stderr, flush=True)
