"""Selectors `name{label="x",other=~"re"}`: which series a rule, a silence or a search means."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from awry.core.errors import InvalidSelector
from awry.core.series_key import Labels, parse_key

_MATCHER = re.compile(r'\s*([^\s{}"=,!~\x00-\x1f\x7f]+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*(,|$)', re.DOTALL)
_ESCAPE = re.compile(r'\\(["\\])')
MAX_SELECTOR_LENGTH = 4096


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on a label (`__name__` is the name): op is one of = != =~ !~; regular expressions are anchored (RE2)."""

    label: str
    op: str
    value: str
    found: Callable[[str], bool] | None
    """Whether the regular expression matches a whole value."""

    def holds(self, value: str) -> bool:
        """Whether a label value (empty when the label is absent) satisfies the condition."""
        match self.op:
            case "=":
                return value == self.value
            case "!=":
                return value != self.value
        found = self.found is not None and self.found(value)
        return found if self.op == "=~" else not found


@dataclass(frozen=True, slots=True)
class Selector:
    """A conjunction of matchers; no matcher at all selects every series."""

    text: str
    matchers: tuple[Matcher, ...]

    def matches(self, name: str, labels: Labels) -> bool:
        """Whether the series of this name and these labels is meant."""
        if not self.matchers:
            return True
        values = dict(labels)
        values["__name__"] = name
        return all(m.holds(values.get(m.label, "")) for m in self.matchers)

    def matches_key(self, key: str) -> bool:
        """Whether the series of this canonical key is meant."""
        if not self.matchers:
            return True
        return self.matches(*parse_key(key))


@lru_cache(maxsize=1024)
def parse_selector(text: str) -> Selector:
    """Read a selector: `name`, `name{...}`, `{...}`, or empty for all; a `*` in the name matches anything.

    Raises InvalidSelector with the place that does not parse.
    """
    if len(text) > MAX_SELECTOR_LENGTH:
        raise InvalidSelector(f"cannot read a selector of {len(text)} characters: the limit is {MAX_SELECTOR_LENGTH}")
    stripped = text.strip()
    brace = stripped.find("{")
    name = stripped if brace < 0 else stripped[:brace].strip()
    matchers: list[Matcher] = []
    if name and name != "*":
        if "*" in name:
            matchers.append(Matcher("__name__", "=~", name, _expression(".*".join(re.escape(part) for part in name.split("*")))))
        else:
            matchers.append(Matcher("__name__", "=", name, None))
    if brace >= 0:
        if not stripped.endswith("}"):
            raise InvalidSelector(f"cannot read the selector {text[:120]!r}: it has no closing brace")
        matchers.extend(_body(stripped[brace + 1 : -1], text))
    return Selector(stripped, tuple(matchers))


def _body(body: str, text: str) -> list[Matcher]:
    matchers, at = [], 0
    while at < len(body):
        found = _MATCHER.match(body, at)
        if found is None:
            if not body[at:].strip():
                break
            raise InvalidSelector(
                f"cannot read the selector {text[:120]!r}: expected a condition at {body[at : at + 20]!r}",
                hint='write conditions as label="x", label!="x", label=~"regex" or label!~"regex", separated by commas',
            )
        label, op, value = found[1], found[2], _ESCAPE.sub(r"\1", found[3])
        matchers.append(Matcher(label, op, value, _expression(value) if op in ("=~", "!~") else None))
        at = found.end()
    return matchers


def _expression(text: str) -> Callable[[str], bool]:
    """A regular expression over whole values, in RE2's dialect as in Prometheus: its time is linear, whatever people send.

    Python's own engine takes exponential time on some expressions and stops every thread meanwhile.
    """
    import re2  # only those who use an expression wait for it

    options = re2.Options()
    options.log_errors = False
    options.dot_nl = True
    options.max_mem = 1 << 20
    try:
        pattern = re2.compile(text, options)
    except re2.error as error:
        cause = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
        raise InvalidSelector(
            f"cannot read the regular expression {text[:120]!r}: {cause}",
            hint="expressions are RE2's: no look-around, no back-references",
        ) from error

    @lru_cache(maxsize=4096)  # label values repeat
    def found(value: str) -> bool:
        return pattern.fullmatch(value) is not None

    return found
