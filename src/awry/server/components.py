"""Builds sources and notifiers that the config file names, through entry points; their fields are their options."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal

import msgspec

from awry.core.errors import InvalidConfig
from awry.server.secrets import Secret, is_secret_table, read_secret

Group = Literal["awry.sources", "awry.notifiers"]
_PLAIN = (str, int, float, bool, type(None), Secret, Path)
_CONTAINERS = (tuple, list, dict, Mapping)
_UNIONS = (typing.Union, types.UnionType)


@dataclass(frozen=True, slots=True)
class ComponentSpec:
    """One `[source.NAME]` or `[notifier.NAME]` of the config file, checked but not yet built."""

    group: Group
    name: str
    type: str
    options: Mapping[str, Any] = field(repr=False)
    """Values by field name, secrets resolved; not printed, for a secret may be among them."""


def component_types(group: Group) -> list[str]:
    """Names that `type` can have."""
    return sorted({point.name for point in entry_points(group=group)})


def load_type(group: Group, type_name: str) -> type[Any]:
    """The dataclass of a component type. Raises InvalidConfig."""
    for point in entry_points(group=group):
        if point.name == type_name:
            try:
                loaded: type[Any] = point.load()
            except ImportError as error:
                raise InvalidConfig(f"cannot load the type {type_name!r}: {error}", hint="install the extra it needs") from error
            return loaded
    known = component_types(group)
    raise InvalidConfig(f"cannot find the type {type_name!r}", hint=f"there are: {', '.join(known)}{nearest(type_name, known)}")


def read_options(
    group: Group, type_name: str, table: Mapping[str, Any], env: Mapping[str, str], base: Path
) -> tuple[dict[str, Any], list[tuple[str, InvalidConfig]]]:
    """Options of a component checked against its fields, and every problem with the key it is at ("" for the whole)."""
    cls = load_type(group, type_name)
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}
    names = [name for name in fields if name != "name" and is_option(hints[name])]
    options: dict[str, Any] = {}
    problems: list[tuple[str, InvalidConfig]] = []
    for key, value in table.items():
        try:
            if key not in names:
                raise InvalidConfig(
                    f"cannot use the unknown key {key!r}", hint=f"known are: {', '.join(names)}{nearest(key, names)}"
                )
            options[key] = _option(value, hints[key], env, base)
        except InvalidConfig as error:
            problems.append((key, error))
    for name in names:
        needed = fields[name].default is dataclasses.MISSING and fields[name].default_factory is dataclasses.MISSING
        if needed and is_option(hints[name]) and name not in table:
            problems.append(("", InvalidConfig(f"cannot do without the key {name!r}")))
    return options, problems


def build(spec: ComponentSpec) -> Any:
    """The component of a spec, not yet entered. Raises InvalidConfig."""
    cls = load_type(spec.group, spec.type)
    options = dict(spec.options)
    if any(f.name == "name" and f.init for f in dataclasses.fields(cls)):
        options["name"] = spec.name
    try:
        return cls(**options)
    except (TypeError, ValueError, InvalidConfig) as error:
        kind = spec.group.removeprefix("awry.").removesuffix("s")
        raise InvalidConfig(f"cannot build [{kind}.{spec.name}]: {error}") from error


def is_option(hint: Any) -> bool:
    """Whether a field of this type can stand in a config file; clocks, callables and the like are for code only."""
    parts = typing.get_args(hint)
    if parts and typing.get_origin(hint) is Literal:
        return True
    if parts:
        origin = typing.get_origin(hint)
        return (origin in _CONTAINERS or origin in _UNIONS) and all(part is Ellipsis or is_option(part) for part in parts)
    return hint in _PLAIN


def nearest(word: str, known: list[str]) -> str:
    """ "; did you mean …?" for a mistyped word, or "" when nothing is near."""
    found = difflib.get_close_matches(word, known, 1, 0.6)
    return f"; did you mean {found[0]!r}?" if found else ""


def _option(value: object, hint: Any, env: Mapping[str, str], base: Path) -> Any:
    if is_secret_table(value):
        secret = read_secret(value, env, base)
        return secret if hint is Secret else secret.value
    try:
        return msgspec.convert(_resolved(value, env, base), hint)
    except msgspec.ValidationError as error:
        raise InvalidConfig(f"cannot use the value: {error}") from error


def _resolved(value: object, env: Mapping[str, str], base: Path) -> object:
    """A list or table with the secrets among its values read: urls and headers often are some."""
    if isinstance(value, list):
        return [_resolved(one, env, base) for one in value]
    if is_secret_table(value):
        return read_secret(value, env, base).value
    return {key: _resolved(one, env, base) for key, one in value.items()} if isinstance(value, dict) else value
