"""The `awry` command: finds the subcommand, loads only its module, and says errors in one way; for people at a terminal."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

COMMANDS: dict[str, tuple[str, str]] = {
    "serve": ("awry.cli.serve", "take in metrics and watch them: the server"),
    "demo": ("awry.cli.demo", "the server with this machine and some recorded series to look at"),
    "detect": ("awry.cli.detect", "score a file and print its anomalies"),
    "inject": ("awry.cli.inject", "put faults into your own data: what would you have been told, how soon"),
    "replay": ("awry.cli.replay", "send recorded series through the engine as if live"),
    "top": ("awry.cli.top", "live view of the strangest series of a running server"),
    "series": ("awry.cli.series", "list or delete series of a running server"),
    "explain": ("awry.cli.explain", "rebuild what a detector knew at one sample, and why it judged so"),
    "bench": ("awry.cli.bench", "measure detection quality, or what this machine carries"),
    "size": ("awry.cli.size", "what a load will cost in processor, memory and disk"),
    "check-config": ("awry.cli.check_config", "find every mistake of a config file"),
    "state": ("awry.cli.state", "move everything to another machine or database"),
    "backup": ("awry.cli.backup", "copy the database, also while the server runs"),
    "compact": ("awry.cli.compact", "seal, apply retention and give space back (server stopped)"),
    "version": ("awry.cli.version", "print versions"),
}
"""Name -> module with `add_arguments(parser)` and `run(args) -> int`, and what the overview says of it."""

EPILOG = """examples:
  awry demo                                   look around at http://127.0.0.1:7979
  awry serve --data /var/lib/awry             the server, for good
  awry detect cpu.csv --html report.html      anomalies of a file
  awry replay cpu.csv --speed max             incidents a file would have made
  awry top                                    what is strange right now

`awry COMMAND --help` tells more about a command.
"""


def build_parser(command: str = "") -> argparse.ArgumentParser:
    """The parser of all commands; only the module of `command` is loaded for its arguments, "*" loads all (for the docs)."""
    parser = argparse.ArgumentParser(
        prog="awry",
        description="Awry tells you when your metrics go awry.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, (module, summary) in COMMANDS.items():
        sub = subparsers.add_parser(
            name, help=summary, description=summary.capitalize() + ".", formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if command in (name, "*"):
            importlib.import_module(module).add_arguments(sub)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0 for success, 1 for "no" (a check that failed), 2 for an error."""
    words = list(sys.argv[1:] if argv is None else argv)
    command = next((word for word in words if not word.startswith("-")), "")
    # here and not above, so that the modules it takes are not loaded for --help
    from awry.core.errors import AwryError

    try:
        parser = build_parser(command)
        args = parser.parse_args(words)
        if args.version:
            from awry.cli.version import version

            print(f"awry {version()}")
            return 0
        if not args.command:
            parser.print_help()
            return 0
        status: int = importlib.import_module(COMMANDS[args.command][0]).run(args)
        sys.stdout.flush()
        return status
    except AwryError as error:
        print(f"awry: {error.message}", file=sys.stderr)
        if error.hint and error.hint not in error.message:
            print(f"  {error.hint}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130
    except BrokenPipeError:
        # the reader went away (`| head`): nothing more to say, and nothing to flush at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


if __name__ == "__main__":
    sys.exit(main())
