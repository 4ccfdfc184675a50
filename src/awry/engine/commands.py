"""Commands: what people change while the stream runs; each is a journal row in the order of the stream."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from awry.core.rule import Rule, Silence


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


def encode_command(command: Command) -> bytes:
    """JSON of a command, as the journal keeps it."""
    return msgspec.json.encode({"kind": type(command).__name__, "body": command})


def decode_command(data: bytes) -> Command:
    """The command of a journal row."""
    envelope = msgspec.json.decode(data)
    command: Command = msgspec.convert(envelope["body"], _KINDS[envelope["kind"]])
    return command
