"""Writes the generated parts of docs/reference from the code: settings, command line, metrics, rules and components.

A page keeps its own words outside of the marks `<!-- begin NAME -->` and `<!-- end NAME -->`; what lies between is replaced.
`--check` writes nothing and ends with status 1 when a page is out of date.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import msgspec

from awry.cli.main import COMMANDS, build_parser
from awry.core.rule import Rule
from awry.server.components import component_types, load_type
from awry.server.metrics import METRICS
from awry.server.rule_shape import RuleBody, SilenceBody
from awry.server.settings import SECTIONS, settings_table

DOCS = Path(__file__).parents[1] / "docs"
PLAIN = re.compile(r"(int|float|str|bool|None|tuple|list|dict|Mapping|Path|Secret|[\[\], .|])+")
RULE = {
    "severity": "How urgent: info, warning or critical.",
    "enabled": "A rule that is not enabled does nothing.",
}
SILENCE = {
    "selector": "Which series.",
    "start": "From when, in Unix ms or RFC 3339; now if not given.",
    "end": "Until when (exclusive).",
    "duration": 'Instead of an end, such as "2h".',
    "comment": "Why.",
    "author": "Who.",
}


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines)


def sentences(cls: type[Any]) -> dict[str, str]:
    """The text that stands below each field of a class."""
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, below in zip(body.body, body.body[1:], strict=False):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = inspect.cleandoc(text)
    return found


def default_of(field: dataclasses.Field[Any]) -> str:
    """The default of a component's field as it is written in the file."""
    if field.default is not dataclasses.MISSING:
        return _toml(field.default)
    if field.default_factory is not dataclasses.MISSING:
        return _toml(field.default_factory())
    return "required"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if value is None or (not value and isinstance(value, str | tuple | dict)):
        return "none"
    if isinstance(value, tuple):
        return "`[" + ", ".join(_toml(v).strip("`") for v in value) + "]`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


def options(cls: type[Any]) -> list[tuple[str, str, str, str]]:
    """Name, type, default and sentence of each option that a config file can give to a component."""
    docs = sentences(cls)
    return [
        (f"`{field.name}`", str(field.type), default_of(field), docs.get(field.name, ""))
        for field in dataclasses.fields(cls)
        if field.init and field.name != "name" and not field.name.startswith("_") and PLAIN.fullmatch(str(field.type))
    ]


def components(group: Any) -> str:
    """A section for each installed component of a group."""
    parts = []
    for name in component_types(group):
        cls = load_type(group, name)
        rows = options(cls)
        parts += [f"## {name}", inspect.cleandoc(cls.__doc__ or "")]
        parts.append(table(["Option", "Type", "Default", ""], rows) if rows else "It has no options.")
    return "\n\n".join(parts)


def detectors() -> str:
    """A section for each installed detector."""
    parts = []
    for point in sorted(entry_points(group="awry.detectors"), key=lambda p: p.name):
        cls = point.load()
        made = cls()
        parts += [f"## {point.name}", inspect.cleandoc(cls.__doc__ or "")]
        parts.append(f"Heads: {', '.join(f'`{head}`' for head in made.heads)}. Warm-up: {made.warmup} samples.")
    return "\n\n".join(parts)


def settings() -> str:
    """Every setting of the fixed sections."""
    parts = []
    for section, cls in SECTIONS.items():
        rows = [
            (f"`{s.name}`", s.type, "not set" if s.default == "not set" else f"`{s.default}`", s.sentence, f"`{s.env}`")
            for s in settings_table()
            if s.section == section
        ]
        about = (cls.__doc__ or "").split("\n")[0].split(": ", 1)[-1].split(". ")[0].rstrip(".")
        parts += [f"## [{section}]", about[:1].upper() + about[1:] + "."]
        parts.append(table(["Setting", "Type", "Default", "", "Environment"], rows))
    return "\n\n".join(parts)


def command_line() -> str:
    """Every command with its flags."""
    commands = _subcommands(build_parser("*"))
    parts = [table(["Command", ""], [(f"[`awry {name}`](#awry-{name})", summary) for name, (_, summary) in COMMANDS.items()])]
    for name, sub in commands.items():
        parts += _command(f"awry {name}", sub, "##")
        for inner, subsub in _subcommands(sub).items():
            parts += _command(f"awry {name} {inner}", subsub, "###")
    return "\n\n".join(parts)


def _subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    found = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(found[0].choices) if found else {}


def _command(title: str, sub: argparse.ArgumentParser, level: str) -> list[str]:
    usage = " ".join(sub.format_usage().split()).removeprefix("usage: ")
    parts = [f"{level} {title}", inspect.cleandoc(sub.description or ""), f"```\n{usage}\n```"]
    rows = []
    for action in sub._actions:
        if isinstance(action, argparse._SubParsersAction):
            inner = {choice.dest: choice.help or "" for choice in action._choices_actions}
            rows += [(f"[`{name}`](#{title.replace(' ', '-')}-{name})", summary) for name, summary in inner.items()]
        elif action.dest != "help" and action.help != argparse.SUPPRESS:
            rows.append((_flag(action), (action.help or "").replace("%%", "%").replace("%(default)s", str(action.default))))
    if rows:
        parts.append(table(["Argument", ""], rows))
    if sub.epilog:
        parts.append(f"```\n{inspect.cleandoc(sub.epilog).strip()}\n```")
    return parts


def _flag(action: argparse.Action) -> str:
    value = action.metavar or (None if action.nargs == 0 else action.dest.upper())
    if action.choices is not None:
        value = "{" + ",".join(str(choice) for choice in action.choices) + "}"
    if not action.option_strings:
        return f"`{value}`"
    return ", ".join(f"`{option}{f' {value}' if value and action.nargs != 0 else ''}`" for option in action.option_strings)


def metrics() -> str:
    """Every metric of /metrics."""
    return table(["Metric", "Kind", "Labels", ""], [(f"`{m.name}`", m.kind, ", ".join(m.labels), m.help) for m in METRICS])


def rules() -> str:
    """The fields of a rule, as written in the file and over the API."""
    docs, rows = {**RULE, **sentences(Rule)}, []
    for field in _struct_fields(RuleBody):
        sentence = docs.get(field[0]) or docs.get(f"{field[0]}_ms", "")
        rows.append((f"`{field[0]}`", field[1], sentence.replace(", in milliseconds", "").replace("many milliseconds", "long")))
    return table(["Field", "Default", ""], rows)


def silences() -> str:
    """The fields of a silence."""
    return table(["Field", ""], [(f"`{name}`", SILENCE[name]) for name, _ in _struct_fields(SilenceBody)])


def _struct_fields(struct: Any) -> list[tuple[str, str]]:
    return [(f.encode_name, _toml("" if f.default is msgspec.NODEFAULT else f.default)) for f in msgspec.structs.fields(struct)]


PARTS: dict[str, tuple[str, Callable[[], str]]] = {
    "settings": ("settings.md", settings),
    "cli": ("cli.md", command_line),
    "metrics": ("metrics.md", metrics),
    "rules": ("rules.md", rules),
    "silences": ("rules.md", silences),
    "sources": ("sources.md", lambda: components("awry.sources")),
    "notifiers": ("notifiers.md", lambda: components("awry.notifiers")),
    "detectors": ("detectors.md", detectors),
}


def generate(name: str, page: str) -> str:
    """The page with its part of this name written anew."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    before, mark, rest = page.partition(begin)
    after = rest.partition(end)[2]
    assert mark, f"no {begin} in the page"
    return f"{before}{begin}\n\n{PARTS[name][1]()}\n\n{end}{after}"


def main(argv: Sequence[str] | None = None) -> int:
    """Write, or with --check compare, every page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; status 1 when a page is out of date")
    check = parser.parse_args(argv).check
    stale = 0
    for name, (file, _) in PARTS.items():
        path = DOCS / "reference" / file
        old = path.read_text(encoding="utf-8")
        new = generate(name, old)
        if new != old:
            stale += 1
            print(
                f"{path.relative_to(DOCS.parent)}: {name} is out of date"
                if check
                else f"{path.relative_to(DOCS.parent)}: {name} written"
            )
            if not check:
                path.write_text(new, encoding="utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
