"""What `awry explain` found, as text for a terminal."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from awry.detection.parts import PARTS
from awry.engine.explain import Explanation


def print_text(found: Explanation, before: int) -> None:
    """Print it on standard output."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    past, row, scored = found.past, found.row, found.found
    console.print(Text(f"{past.key} at {clock(int(past.batch.time[row]))}", style="bold"))
    console.print(Text(f"it {found.sentence}"))
    console.print()
    facts = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    sent = float(past.sent[row])
    rate = "" if math.isnan(sent) else f" a second, the counter being at {number(sent)}"
    facts.add_row("value", f"{number(past.batch.value[row])}{rate}")
    facts.add_row("expected", f"{number(scored.expected[0])}, within {number(scored.low[0])} to {number(scored.high[0])}")
    inside = found.workings
    facts.add_row("score", number(scored.score[0]) + ("" if inside is None else f", {odds(inside.p)}"))
    facts.add_row("segment", number(scored.segment[0]) + ("" if inside is None else f", {odds(inside.segment_p)}"))
    facts.add_row("raw", number(scored.raw[0]))
    facts.add_row("spoken by", PARTS[scored.part[0]])
    facts.add_row("detector", f"{found.choice.detector}: {found.choice.reason}")
    facts.add_row("series", f"{found.seen:,} samples until then, one every {found.interval / 1000:g} s")
    for verdict in found.verdicts:
        verb = "opens at" if verdict.reached else "would open at"
        facts.add_row(f"rule {verdict.rule}", f"{verb} a score of {verdict.threshold:.4f}: {verdict.why}")
    console.print(facts)
    if inside is not None:
        console.print()
        console.print(heads(found))
    if before and row:
        console.print()
        console.print(samples(found, before))
    console.print()
    console.print(Text(basis(found)))
    for note in found.notes:
        console.print(Text(note, style="yellow"))


def heads(found: Explanation) -> Table:
    """Each head's strength, and the odds of each that is calibrated."""
    inside = found.workings
    assert inside is not None
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("head", "strength", "begins", "of late"):
        table.add_column(name, justify="left" if name == "head" else "right")
    calibrated = {channel.heads: channel for channel in inside.channels}
    for name, strength in inside.heads:
        channel = calibrated.pop((name,), None)
        told = ("", "") if channel is None else (odds(channel.p), odds(channel.segment_p))
        table.add_row(name, number(strength), *told)
    for names, channel in calibrated.items():
        table.add_row(" + ".join(names), number(channel.strength), odds(channel.p), odds(channel.segment_p))
    return table


def samples(found: Explanation, before: int) -> Table:
    """The samples before it and it, as they are stored."""
    past = found.past
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("time", "value", "expected", "low", "high", "score", "segment"):
        table.add_column(name, justify="left" if name == "time" else "right")
    for i in range(max(0, found.row - before), found.row + 1):
        s = past.scored
        columns = (past.batch.value, s.expected, s.low, s.high, s.score, s.segment)
        table.add_row(clock(int(past.batch.time[i])), *(number(column[i]) for column in columns))
    return table


def basis(found: Explanation) -> str:
    """Where the state comes from, and whether it is what it was."""
    began = {
        "checkpoint": f"from the checkpoint of tick {found.basis.seq:,}",
        "parked": f"from the state that was parked at tick {found.basis.seq:,}",
        "first sample": "from the first sample of the series",
        "oldest sample kept": "from the oldest sample that is kept",
    }[found.basis.origin]
    text = f"rebuilt {began}, {found.basis.samples:,} samples on; "
    if found.unequal:
        first = clock(found.first_unequal or 0)
        return f"{text}{found.unequal:,} of {found.compared:,} scores are not what was stored, the first at {first}"
    return f"{text}all {found.compared:,} scores are what was stored, bit for bit" + (
        "" if found.exact else ", but it is not exact"
    )


def odds(p: float) -> str:
    """1 in so many."""
    return "nothing new" if p >= 1 else f"1 in {1 / p:,.0f}" if p < 0.1 else f"1 in {1 / p:.1f}"


def number(value: float) -> str:
    """Four digits."""
    return "–" if math.isnan(value) else f"{value:.4g}"


def clock(ms: int) -> str:
    """To the second, or the millisecond where there is one."""
    at = datetime.fromtimestamp(ms / 1000, UTC)
    return at.strftime("%Y-%m-%d %H:%M:%S") + (f".{ms % 1000:03}" if ms % 1000 else "") + " UTC"
