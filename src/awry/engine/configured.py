"""What a restart has to change so that the rules are those of the configuration; for the engine, as commands of the stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from awry.core.rule import Rule
from awry.engine.commands import Command, DeleteRule, PutRule


def configured(known: Mapping[str, Rule], rules: Sequence[Rule]) -> list[Command]:
    """What turns the recovered rules into those of the configuration; a default rule changed over the API stays so."""
    wanted = {r.name: r for r in rules}
    gone: list[Command] = [DeleteRule(n) for n, r in known.items() if r.origin != "api" and n not in wanted]
    changed = {n for n, r in known.items() if r.origin == "api" and wanted.get(n, r).origin == "default"}
    return gone + [PutRule(r) for n, r in wanted.items() if known.get(n) != r and n not in changed]
