"""`awry explain`: what a series' detector knew, expected and computed at one sample, rebuilt bit for bit from what is stored."""

from __future__ import annotations

import argparse
import json
import math
import sys
from typing import TYPE_CHECKING, Any

from awry.cli.settings import add_store_arguments, judged_by, store_target

if TYPE_CHECKING:
    from awry.core.batch import Scored
    from awry.engine.explain import Explanation

SHOWN = 5
EPILOG = """examples:
  awry explain 'cpu{host="web-3"}' --at 2026-01-31T12:00:00Z
  awry explain 'cpu{host="web-3"}' --config /etc/awry.toml --json

It reads the database, also while the server runs, and changes nothing. Exit status: 0 when the rebuilt scores equal the
stored ones, 1 when they do not."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `awry explain`."""
    parser.add_argument("series", metavar="SERIES", help="key of the series, such as 'cpu{host=\"web-3\"}'")
    parser.add_argument(
        "--at", metavar="TIME", help="the last sample at or before this moment, RFC 3339 or Unix ms (default: the newest)"
    )
    add_store_arguments(parser)
    parser.add_argument("--last", type=int, default=SHOWN, metavar="N", help=f"samples to show before it (default {SHOWN})")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    """Rebuild, and say what was found."""
    target = store_target(args)
    placement, memory_bytes = judged_by(args)
    from awry.core.series_key import canonical
    from awry.engine.blocks import BLOCK_SLOTS
    from awry.engine.explain import explain
    from awry.server.api.params import MAX_TIME_MS, time_of
    from awry.stores.connect import database_url
    from awry.stores.past import read_past

    at = MAX_TIME_MS if args.at is None else time_of("--at", args.at)
    past = read_past(database_url(target), canonical(args.series), BLOCK_SLOTS)
    found = explain(past, at, placement, memory_bytes)
    before = max(0, args.last)
    if args.json:
        print(json.dumps(as_json(found, before), allow_nan=False))
    else:
        from awry.cli.explain_text import print_text

        print_text(found, before)
    if found.unequal:
        print(f"awry: {found.unequal:,} of {found.compared:,} rebuilt scores are not what was stored", file=sys.stderr)
        return 1
    return 0


def as_json(found: Explanation, before: int = SHOWN) -> dict[str, Any]:
    """One JSON object; null where a number is not known."""
    from awry.detection.parts import PARTS

    past, row, inside = found.past, found.row, found.workings
    sent = float(past.sent[row])
    start = max(0, row - before)
    return {
        "series": past.key,
        "time": int(past.batch.time[row]),
        "value": _number(past.batch.value[row]),
        "sent": _number(sent),
        **_scored(found.found, 0),
        "part": PARTS[found.found.part[0]],
        "why": found.sentence,
        "stored": {**_scored(found.stored, 0), "part": PARTS[found.stored.part[0]]},
        "detector": found.choice.detector,
        "detector_reason": found.choice.reason,
        "seen": found.seen,
        "interval": round(found.interval),
        "heads": [] if inside is None else [{"name": name, "strength": _number(strength)} for name, strength in inside.heads],
        "channels": []
        if inside is None
        else [
            {
                "heads": list(channel.heads),
                "strength": _number(channel.strength),
                "p": channel.p,
                "segment_p": channel.segment_p,
                "apart": channel.apart,
            }
            for channel in inside.channels
        ],
        "p": None if inside is None else inside.p,
        "segment_p": None if inside is None else inside.segment_p,
        "rules": [
            {"name": v.rule, "threshold": v.threshold, "threshold_reason": v.why, "reached": v.reached} for v in found.verdicts
        ],
        "before": [
            {"time": int(past.batch.time[i]), "value": _number(past.batch.value[i]), **_scored(past.scored, i)}
            for i in range(start, row)
        ],
        "rebuilt": {
            "from": found.basis.origin,
            "tick": found.basis.seq or None,
            "samples": found.basis.samples,
            "compared": found.compared,
            "unequal": found.unequal,
            "first_unequal": found.first_unequal,
            "exact": found.exact,
            "notes": list(found.notes),
        },
    }


def _scored(scored: Scored, at: int) -> dict[str, float | None]:
    return {name: _number(getattr(scored, name)[at]) for name in ("expected", "low", "high", "raw", "score", "segment")}


def _number(value: float) -> float | None:
    """Seven digits tell any float32."""
    number = float(value)
    return None if not math.isfinite(number) else float(f"{number:.9g}")
