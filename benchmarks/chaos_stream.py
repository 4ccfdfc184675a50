"""A seeded stream of what a server meets in an hour, good and bad rows, commands and clock jumps; for the chaos harness.

A step is what one client sends at once, or one command. Steps are sent in order, each again until it was acknowledged, so a stream
is the same whether the server dies in between or not.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from awry.core.rule import Rule, Silence
from awry.engine.commands import Command, DeleteRule, DeleteSilence, PutRule, PutSilence

T0 = 1_760_000_000_000
INTERVAL_MS = 10_000
HISTORY = 30
"""Samples of each of the first series that the first step brings, so that scores count soon."""
FIRST_SERIES, MOST_SERIES = 8, 24
DAY_MS = 86_400_000

Row = tuple[str, int, float]


@dataclass(frozen=True, slots=True)
class Forget:
    """A person deletes a series, by its key."""

    key: str


@dataclass(frozen=True, slots=True)
class Retype:
    """A person says that a series is a counter, or is none."""

    key: str
    counter: bool


@dataclass(frozen=True, slots=True)
class Step:
    """What is sent at one moment of the clock (Unix ms): rows, or a command alone."""

    clock: int
    rows: tuple[Row, ...] = ()
    command: Command | Forget | Retype | None = None


@dataclass
class Sender:
    """One series as its sender sees it."""

    key: str
    level: float
    strange_until: int = -1
    """Step up to which its values are far off."""
    sends: bool = True
    total: float = 0.0
    """Of a counter: its count so far."""
    last: Row | None = None

    @property
    def counter(self) -> bool:
        """Whether it sends a count that rises."""
        return self.key.split("{")[0].endswith("_total")


class World:
    """Series that come, go, break and lie, and a person with rules and silences; everything follows from the seed."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.senders: list[Sender] = []
        self.true = T0
        self.ahead = 0
        """How far the server's clock is ahead of the true time."""
        self._gone: list[str] = []
        for _ in range(FIRST_SERIES):
            self.begin()

    def begin(self) -> None:
        """A series that was never seen, or one that was deleted before."""
        number = len(self.senders)
        name = ("load", "cpu_seconds", "requests_total")[number % 3]
        key = self._gone.pop() if self._gone and self.rng.random() < 0.5 else f'{name}{{host="h{number // 3}",n="{number}"}}'
        self.senders.append(Sender(key, self.rng.uniform(5, 50)))

    def steps(self, count: int) -> Iterator[Step]:
        """History, a rule, then `count` steps."""
        rows = tuple(row for i in range(HISTORY) for s in self.senders for row in self._rows(s, T0 + i * INTERVAL_MS, -1))
        self.true = T0 + HISTORY * INTERVAL_MS
        yield Step(self.true, command=PutRule(Rule(name="r", threshold=0.3, keep_for_ms=20_000, group_by=("host",))))
        yield Step(self.true, rows)
        for number in range(count):
            self.true += INTERVAL_MS
            if self.rng.random() < 0.04:
                self.true += self.rng.choice((300_000, 3_600_000, 2 * DAY_MS))  # nothing is sent for a while
            if self.rng.random() < 0.05:
                self.ahead = self.rng.choice((0, 3_000, 3_600_000, -60_000, -3_600_000))
            if self.rng.random() < 0.25 and (command := self._command()) is not None:
                yield Step(self.true + self.ahead, command=command)
            yield Step(self.true + self.ahead, tuple(self._mixed(number)))

    def _mixed(self, number: int) -> Iterator[Row]:
        rng = self.rng
        if rng.random() < 0.15 and len(self.senders) < MOST_SERIES:
            self.begin()
        if rng.random() < 0.08:  # a host is in trouble: several series at once
            host = f'host="h{rng.randrange(3)}"'
            for sender in self.senders:
                if host in sender.key:
                    sender.strange_until = number + rng.randrange(1, 8)
        for sender in self.senders:
            if rng.random() < 0.02:
                sender.sends = not sender.sends
            if sender.sends and rng.random() < 0.85:
                yield from self._rows(sender, self.true, number)

    def _rows(self, sender: Sender, time: int, number: int) -> Iterator[Row]:
        rng, last = self.rng, sender.last
        value = rng.gauss(sender.level, 1.0) + (40.0 if number <= sender.strange_until else 0.0)
        if sender.counter:
            sender.total = 0.0 if rng.random() < 0.01 else sender.total + max(0.0, value)
            value = sender.total
        dice = rng.random()
        if last is not None and dice < 0.03:
            yield last
        elif last is not None and dice < 0.06:
            yield sender.key, last[1] - rng.randrange(1, 60_000), value
        elif dice < 0.07:
            yield sender.key, time + 3 * DAY_MS, value
        elif dice < 0.08:
            yield sender.key, time, float("inf")
        elif dice < 0.10 and number >= 0:
            yield sender.key, time - 5_000, value
        sender.last = (sender.key, time, float("nan") if rng.random() < 0.02 else value)
        yield sender.last

    def _command(self) -> Command | Forget | Retype | None:
        rng, now = self.rng, self.true + self.ahead
        dice = rng.randrange(7)
        if dice == 0:
            rule = Rule(name="r", threshold=rng.choice((0.2, 0.3, 0.5)), keep_for_ms=rng.choice((0, 20_000)))
            return PutRule(replace(rule, group_by=rng.choice(((), ("host",))), for_ms=rng.choice((0, 10_000))))
        if dice == 1:
            return PutRule(Rule(name="second", selector=f'{{host="h{rng.randrange(3)}"}}', budget="1 per 1h", absent=False))
        if dice == 2:
            return DeleteRule("second")
        if dice == 3:
            selector = f'{{host="h{rng.randrange(3)}"}}'
            return PutSilence(Silence(id=f"s{rng.randrange(3)}", selector=selector, start=now, end=now + rng.randrange(1, 300_000)))
        if dice == 4:
            return DeleteSilence(f"s{rng.randrange(3)}")
        if dice == 5:
            return Retype(rng.choice(self.senders).key, rng.random() < 0.5)
        if len(self.senders) < 4:
            return None
        victim = self.senders.pop(rng.randrange(len(self.senders)))
        self._gone.append(victim.key)
        return Forget(victim.key)
