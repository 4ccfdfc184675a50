"""Reads the one config file with its environment and flags; every mistake is found with its line, for `serve`."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from awry.core.errors import InvalidConfig, InvalidInput
from awry.core.placement import Place, Placement, Placing
from awry.core.rule import Rule
from awry.server.components import ComponentSpec, Group, nearest, read_options
from awry.server.exposure import exposure_problems, graphite_problem, statsd_problem
from awry.server.placing_shape import check_pairs, placing_problems, read_placing
from awry.server.rule_shape import NAME, read_rule
from awry.server.secrets import Secret, read_secret
from awry.server.settings import (
    SECTIONS,
    AuthSection,
    DetectionSection,
    EngineSection,
    HostSection,
    LimitSection,
    OtlpSection,
    ServerSection,
    StoreSection,
    convert,
    file_name,
)

_TABLES = ("source", "notifier", "series", "rule")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything that can be set, checked."""

    server: ServerSection = field(default_factory=ServerSection)
    auth: AuthSection = field(default_factory=AuthSection)
    store: StoreSection = field(default_factory=StoreSection)
    engine: EngineSection = field(default_factory=EngineSection)
    detection: DetectionSection = field(default_factory=DetectionSection)
    limits: LimitSection = field(default_factory=LimitSection)
    host: HostSection = field(default_factory=HostSection)
    otlp: OtlpSection = field(default_factory=OtlpSection)
    sources: tuple[ComponentSpec, ...] = ()
    notifiers: tuple[ComponentSpec, ...] = ()
    rules: tuple[Rule, ...] = ()
    series: tuple[Placing, ...] = ()
    """Tables [series.NAME] in the order of the file."""
    path: Path | None = None

    @property
    def placement(self) -> Placement:
        """Which detector, time zone and holidays each series gets."""
        section = self.detection
        return Placement(self.series, Place(section.detector, section.time_zone, section.holidays))


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake: where it is, what it is, what to do. Line 0: not in the file."""

    key: str
    line: int
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line else ""
        return f"{place}{self.key + ': ' if self.key else ''}{self.message}{' (' + self.hint + ')' if self.hint else ''}"


def load_config(
    path: Path | None = None, *, env: Mapping[str, str] | None = None, flags: Mapping[str, str] | None = None
) -> Config:
    """The config of a file, environment variables and flags (`{"server.http": ":8080"}`), later ones winning.

    Raises InvalidConfig that lists every mistake.
    """
    config, findings = _Reader(path, env or {}, flags or {}).read()
    if findings:
        where = f"the config file {path}" if path else "the settings"
        raise InvalidConfig(f"cannot use {where}:\n  " + "\n  ".join(str(f) for f in findings), hint=findings[0].hint)
    return config


def check_config(path: Path, env: Mapping[str, str] | None = None) -> list[Finding]:
    """Every mistake of a config file, in order of lines; empty when it is fine."""
    return sorted(_Reader(path, env or {}, {}).read()[1], key=lambda f: f.line)


class _Reader:
    def __init__(self, path: Path | None, env: Mapping[str, str], flags: Mapping[str, str]) -> None:
        self.path, self.env, self.flags = path, env, flags
        self.base = path.parent if path else Path()
        self.text = ""
        self.findings: list[Finding] = []

    def read(self) -> tuple[Config, list[Finding]]:
        document = self._parse()
        for name in document:
            if name not in SECTIONS and name not in _TABLES:
                known = [*SECTIONS, *_TABLES]
                self._note(
                    name, "", f"cannot use the unknown section [{name}]", f"known are: {', '.join(known)}{nearest(name, known)}"
                )
        sections: dict[str, Any] = {name: self._section(name, cls, document.get(name, {})) for name, cls in SECTIONS.items()}
        notifiers = self._components("awry.notifiers", "notifier", document)
        config = Config(
            **sections,
            sources=self._components("awry.sources", "source", document),
            notifiers=notifiers,
            rules=self._rules(document, frozenset(spec.name for spec in notifiers)),
            series=self._series(document),
            path=self.path,
        )
        self._detection(config)
        for section, key, error in exposure_problems(config.server, config.auth):
            self._note(section, key, error.message, error.hint)
        for spec in config.sources:
            host = str(spec.options.get("host", "127.0.0.1"))
            check = graphite_problem if spec.type.startswith("graphite") else statsd_problem if spec.type == "statsd" else None
            if check is not None and (refusal := check(host, config.auth)):
                self._note(f"source.{spec.name}", "host", refusal.message, refusal.hint)
        return config, self.findings

    def _parse(self) -> dict[str, Any]:
        if self.path is None:
            return {}
        try:
            self.text = self.path.read_text(encoding="utf-8")
            return tomllib.loads(self.text)
        except OSError as error:
            self.findings.append(Finding("", 0, f"cannot read {self.path}: {error.strerror}"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            found = re.search(r"line (\d+)", str(error))
            self.findings.append(Finding("", int(found[1]) if found else 0, f"cannot read it as TOML: {error}"))
        return {}

    def _section(self, section: str, cls: type[Any], table: object) -> Any:
        fields = {file_name(f.name): f for f in dataclasses.fields(cls)}
        given: dict[str, object] = {}
        if isinstance(table, dict):
            given.update(table)
        else:
            self._note(section, "", f"cannot use {section} as a value: it is a section", f"write [{section}]")
        prefix = f"AWRY_{section}_".upper()
        given.update({k[len(prefix) :].lower(): v for k, v in self.env.items() if k.startswith(prefix)})
        given.update({k.partition(".")[2]: v for k, v in self.flags.items() if k.partition(".")[0] == section})
        values: dict[str, Any] = {}
        for key, value in given.items():
            if key not in fields:
                known = list(fields)
                self._note(
                    section, key, f"cannot use the unknown key {key!r}", f"known are: {', '.join(known)}{nearest(key, known)}"
                )
                continue
            try:
                values[fields[key].name] = self._value(fields[key].metadata, key, value, table)
            except InvalidInput as error:
                self._note(section, key, error.message, error.hint)
        return cls(**values)

    def _value(self, meta: Mapping[str, Any], key: str, value: object, table: object) -> Any:
        if meta["kind"] != "secret":
            return convert(meta["kind"], value, meta["low"], meta["high"])
        from_file = isinstance(table, dict) and table.get(key) is value
        return Secret(value) if isinstance(value, str) and value and not from_file else read_secret(value, self.env, self.base)

    def _named(self, kind: str, document: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        tables = document.get(kind, {})
        if not isinstance(tables, dict):
            self._note(kind, "", f"cannot use {kind} as a value", f"write [{kind}.NAME]")
            return []
        found = []
        for name, table in tables.items():
            if not isinstance(table, dict):
                self._note(kind, name, f"cannot use the key {name!r} here", f"write [{kind}.NAME] with a name of your own")
            elif not NAME.fullmatch(name):
                self._note(f"{kind}.{name}", "", "cannot use this name: letters, digits, '-', '_' and '.' are possible")
            else:
                found.append((name, table))
        return found

    def _components(self, group: Group, kind: str, document: Mapping[str, Any]) -> tuple[ComponentSpec, ...]:
        specs = []
        for name, table in self._named(kind, document):
            section, options = f"{kind}.{name}", {k: v for k, v in table.items() if k != "type"}
            if not isinstance(table.get("type"), str):
                self._note(section, "type", "cannot do without the key 'type'")
                continue
            try:
                values, problems = read_options(group, table["type"], options, self.env, self.base)
            except InvalidConfig as error:
                self._note(section, "type", error.message, error.hint)
                continue
            for key, problem in problems:
                self._note(section, key, problem.message, problem.hint)
            specs.append(ComponentSpec(group, name, table["type"], values))
        return tuple(specs)

    def _rules(self, document: Mapping[str, Any], notifiers: frozenset[str]) -> tuple[Rule, ...]:
        rules = []
        for name, table in self._named("rule", document):
            body = {**table, "name": name}
            while body:  # reading ends at a rule's first mistake: without that key, the next one shows
                try:
                    rules.append(read_rule(body, "config", notifiers))
                    break
                except InvalidInput as error:
                    found = re.search(r"rule's (\w+):|field `(\w+)`|\$\.(\w+)", error.message)
                    key = next((g for g in found.groups() if g), "") if found else ""
                    self._note(f"rule.{name}", key, error.message, error.hint)
                    if key == "name" or body.pop(key, None) is None:
                        break
        return tuple(rules)

    def _series(self, document: Mapping[str, Any]) -> tuple[Placing, ...]:
        found = []
        for name, table in self._named("series", document):
            placing, problems = read_placing(name, table)
            for key, problem in problems:
                self._note(f"series.{name}", key, problem.message, problem.hint)
            if placing is not None:
                found.append(placing)
        return tuple(found)

    def _detection(self, config: Config) -> None:
        section = config.detection
        stated = {"detector": section.detector, "time_zone": section.time_zone, "holidays": section.holidays}
        for key, problem in placing_problems(stated):
            self._note("detection", key, problem.message, problem.hint)
        if not self.findings and (too_many := check_pairs(config.placement)):
            self._note("detection", "", too_many.message, too_many.hint)

    def _note(self, section: str, key: str, message: str, hint: str = "") -> None:
        self.findings.append(Finding(f"{section}.{key}" if key else section, self._line(section, key), message, hint))

    def _line(self, section: str, key: str) -> int:
        current, header = "", 0
        for number, line in enumerate(self.text.splitlines(), 1):
            stripped = line.strip()
            if found := re.match(r"\[\s*([^\]]+?)\s*\]", stripped):
                current = found[1].replace('"', "").replace(" ", "")
                header = number if current == section else header
            elif key and current == section and re.match(rf'"?{re.escape(key)}"?\s*=', stripped):
                return number
        return header
