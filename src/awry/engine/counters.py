"""Per source: received, accepted, refused by reason, lag; for the status page and /metrics. Changed on the event loop only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class SourceCounter:
    """What one source has brought since the process started."""

    received: int = 0
    accepted: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    last_time: int = 0
    """Newest accepted sample, Unix ms; 0: none yet."""
    last_seen: int = 0
    """When a sample was last accepted, Unix ms; 0: never."""
    lag_ms: int = 0
    """How far the newest sample was behind the clock when it was accepted."""
    error: str = ""
    """Why the source does not run now, or ""."""
    connected: bool = False


@dataclass(slots=True)
class Counters:
    """All sources' counters by name."""

    sources: dict[str, SourceCounter] = field(default_factory=dict)

    def of(self, source: str) -> SourceCounter:
        """The counter of a source, made at first use."""
        return self.sources.setdefault(source, SourceCounter())

    def receive(self, source: str, n: int) -> None:
        """n samples arrived."""
        self.of(source).received += n

    def refuse(self, source: str, reason: str, n: int = 1) -> None:
        """n samples were refused for a reason."""
        refused = self.of(source).refused
        refused[reason] = refused.get(reason, 0) + n

    def refuse_all(self, source: str, reasons: Mapping[str, int]) -> None:
        """Several refusals at once."""
        for reason, n in reasons.items():
            self.refuse(source, reason, n)

    def accept(self, source: str, n: int, newest: int, now: int) -> None:
        """n samples were committed, the newest of this time (Unix ms)."""
        counter = self.of(source)
        counter.accepted += n
        if n:
            counter.last_time = max(counter.last_time, newest)
            counter.last_seen = now
            counter.lag_ms = max(0, now - newest)

    def fail(self, source: str, message: str) -> None:
        """The source does not run, and why; "" clears it."""
        self.of(source).error = message
