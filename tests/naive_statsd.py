"""StatsD lines gathered slowly, in dictionaries; the twin of `formats.statsd`. All values of a timer are kept."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field

from awry.core.errors import InvalidSelector
from awry.core.series_key import format_key

KINDS = {b"c": "counter", b"g": "gauge", b"ms": "timer", b"h": "timer", b"d": "timer", b"s": "set"}
NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass
class Metric:
    """What one metric has gathered since the window began."""

    name: str
    labels: tuple[tuple[str, str], ...]
    kind: str
    silent: int = 0
    touched: bool = False
    total: float = 0.0
    count: float = 0.0
    values: list[float] = field(default_factory=list)
    members: set[bytes] = field(default_factory=set)

    def key(self, suffix: str) -> str:
        return format_key(self.name + suffix, self.labels)


@dataclass
class SlowWindow:
    """Metrics by key and kind, and the refusals so far."""

    idle: int
    metrics: dict[tuple[str, str], Metric] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)

    def gather(self, body: bytes) -> None:
        for line in body.split(b"\n"):
            line = line.removesuffix(b"\r")
            if line:
                self.line(line)

    def line(self, line: bytes) -> None:
        if len(line) > 8192:
            self.refused["too_long"] += 1
        elif line.startswith(b"_e{"):
            self.refused["event"] += 1
        elif line.startswith(b"_sc|"):
            self.refused["service_check"] += 1
        else:
            name, colon, rest = line.partition(b":")
            values, bar, more = rest.partition(b"|")
            if not name or not colon or not bar or b"|" in name:
                self.refused["malformed"] += 1
                return
            letter, *sections = more.split(b"|")
            if letter not in KINDS:
                self.refused["unknown_type"] += 1
                return
            self.add(name, values, KINDS[letter], sections)

    def add(self, name: bytes, values: bytes, kind: str, sections: list[bytes]) -> None:
        rate, tags = 1.0, b""
        for section in sections:
            if section.startswith(b"@"):
                rate = number(section[1:]) or 0.0
                if not 0 < rate <= 1:
                    self.refused["malformed"] += 1
                    return
            elif section.startswith(b"#"):
                tags = section[1:]
        packed = [values] if kind == "set" else values.split(b":")
        numbers = [] if kind == "set" else [number(one) for one in packed]
        if not values or (numbers and (numbers[0] is None or packed[1:2] == [b""] == packed[1:])):
            self.refused["malformed"] += 1
            return
        try:
            pairs = [tag.partition(":") for tag in tags.decode().split(",")]
            labels = tuple((label, value if colon else "true") for label, colon, value in pairs if label)
            text = name.decode()
            key = (format_key(text, labels), kind)
        except UnicodeDecodeError:
            self.refused["not_utf8"] += 1
            return
        except InvalidSelector:
            self.refused["bad_key"] += 1
            return
        metric = self.metrics.setdefault(key, Metric(text, labels, kind))
        metric.touched = True
        if kind == "set":
            metric.members.add(values)
        for i, (one, value) in enumerate(zip(packed, numbers, strict=False)):
            if value is None or packed[i + 1 :] == [b""]:
                self.refused["malformed"] += 1
                return
            if kind == "counter":
                metric.total += value / rate
            elif kind == "gauge":
                metric.total = metric.total + value if one[:1] in (b"+", b"-") else value
            else:
                metric.values.append(value)
                metric.count += 1 / rate

    def settle(self, seconds: float) -> dict[str, float]:
        """Key of each series -> its value."""
        found: dict[str, float] = {}
        for metric in self.metrics.values():
            metric.silent = 0 if metric.touched else metric.silent + 1
            if not metric.touched:
                if metric.kind in ("counter", "timer") and metric.silent <= self.idle:
                    found[metric.key("_rate")] = 0.0
                continue
            if metric.kind == "counter":
                found[metric.key("_rate")] = metric.total / seconds
            elif metric.kind == "gauge":
                found[metric.key("")] = metric.total
            elif metric.kind == "set":
                found[metric.key("_unique")] = float(len(metric.members))
            else:
                total = 0.0
                for value in metric.values:
                    total += value
                found[metric.key("_rate")] = metric.count / seconds
                found[metric.key("_mean")] = total / len(metric.values)
                for name, q in (("_p50", 0.5), ("_p90", 0.9), ("_p99", 0.99)):
                    found[metric.key(name)] = quantile(sorted(metric.values), q)
                found[metric.key("_max")] = max(metric.values)
            if metric.kind != "gauge":
                metric.total = 0.0
            metric.touched, metric.count, metric.values, metric.members = False, 0.0, [], set()
        return found


def number(text: bytes) -> float | None:
    """A finite number, or None."""
    if not NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def quantile(ordered: list[float], q: float) -> float:
    """On the line between two values."""
    at = q * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)
