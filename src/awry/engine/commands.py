"""Commands: what people change while the stream runs; each is a journal row in the order of the stream."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from awry.core.kind import COUNTER, KINDS
from awry.core.rule import Rule, Silence
from awry.core.series_table import SeriesTable

AT_ONCE = 10_000
"""Series named by one command at most."""


@dataclass(frozen=True, slots=True)
class PutRule:
    """Create a rule, or replace the one of this name."""

    rule: Rule


@dataclass(frozen=True, slots=True)
class DeleteRule:
    """Remove a rule; what it holds open is resolved."""

    name: str


@dataclass(frozen=True, slots=True)
class PutSilence:
    """Create a silence, or replace the one of this id."""

    silence: Silence


@dataclass(frozen=True, slots=True)
class DeleteSilence:
    """Remove a silence."""

    id: str


@dataclass(frozen=True, slots=True)
class DeleteSeries:
    """Remove series for good: samples, state and their part in open incidents."""

    slots: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PutKind:
    """Series are counters, or gauges, from now on, whatever they were taken for; what was sent before says nothing of a rate."""

    counter: bool
    slots: tuple[int, ...]


Command = PutRule | DeleteRule | PutSilence | DeleteSilence | DeleteSeries | PutKind

_KINDS: dict[str, type] = {c.__name__: c for c in (PutRule, DeleteRule, PutSilence, DeleteSilence, DeleteSeries, PutKind)}


def changed_kinds(table: SeriesTable) -> list[PutKind]:
    """What turns the recovered kinds of series into those that the configuration tells; one it does not tell stays as it is."""
    found: dict[bool, list[int]] = {False: [], True: []}
    if any(t.kind is not None for t in table.placement.tables):
        for slot, key in enumerate(table.keys):
            told = table.placement.kind_of(key) if key else ""
            if told and KINDS[table.kinds[slot]] != told:
                found[KINDS.index(told) == COUNTER].append(slot)
    return [PutKind(counter, tuple(s[at : at + AT_ONCE])) for counter, s in found.items() for at in range(0, len(s), AT_ONCE)]


def encode_command(command: Command) -> bytes:
    """JSON of a command, as the journal keeps it."""
    return msgspec.json.encode({"kind": type(command).__name__, "body": command})


def decode_command(data: bytes) -> Command:
    """The command of a journal row."""
    envelope = msgspec.json.decode(data)
    command: Command = msgspec.convert(envelope["body"], _KINDS[envelope["kind"]])
    return command
