"""`awry series`: list the series of a running server, or delete those nobody needs."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from awry.cli.client import Client, add_server_arguments, read_token


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `awry series`."""
    add_server_arguments(parser)
    parser.add_argument("action", choices=("list", "delete"), help="what to do")
    parser.add_argument("match", nargs="?", default="", metavar="SELECTOR", help="which series; needed for delete")
    parser.add_argument("--yes", action="store_true", help="delete for good; without it, delete only tells what it would do")
    parser.epilog = "examples:\n  awry series list '{host=\"web-3\"}'\n  awry series delete '{host=\"web-3\"}' --yes"


def run(args: argparse.Namespace) -> int:
    """List or delete."""
    with Client(args.url, read_token(args)) as client:
        if args.action == "delete":
            return _delete(client, args.match, args.yes)
        after = ""
        while True:
            params: dict[str, Any] = {"limit": 1000}
            params |= {"match": args.match} if args.match else {}
            params |= {"after": after} if after else {}
            page = client.call("GET", "/api/v1/series", params=params)
            if not page["series"] and not after:
                print("no series matches" if args.match else "there are no series yet", file=sys.stderr)
            for one in page["series"]:
                print(f"{one['state']:8} {one['key']}")
            after = page["next"] or ""
            if not after:
                return 0


def _delete(client: Client, match: str, sure: bool) -> int:
    params = {"match": match, "confirm": "true"} if sure else {"match": match}
    answer = client.call("DELETE", "/api/v1/series", params=params)
    rest = ", and there are more" if answer["more"] else ""
    print(
        f"{answer['count']} series deleted{rest}"
        if sure
        else f"{answer['count']} series would be deleted{rest}; add --yes to do it"
    )
    return 0
