"""The only place that asks what time it is; tests drive a manual clock instead."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """Tells the time in Unix milliseconds."""

    def now_ms(self) -> int:
        """Unix milliseconds."""
        ...


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """Unix milliseconds by the machine's clock."""
        return time.time_ns() // 1_000_000


@dataclass(slots=True)
class ManualClock:
    """A clock that moves only when told to; for tests and replay."""

    ms: int = 0

    def now_ms(self) -> int:
        """The time last set."""
        return self.ms

    def advance(self, ms: int) -> int:
        """Move on by `ms` milliseconds and tell the new time."""
        self.ms += ms
        return self.ms
