"""Turns looks at the machine into means, maxima and rates per window, and keeps the list of top processes; for HostSource."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from awry.connectors.host_reader import Labels, Measure, Process

Identity = tuple[str, Labels]
Row = tuple[str, Labels, float]
"""Name, labels and value of one sample; its time is the window's end."""


@dataclass(slots=True)
class _Track:
    """What one window has seen of one measure."""

    total: float = 0.0
    weight: float = 0.0
    peak: float = float("-inf")
    wanted: bool = False

    def add(self, value: float, weight: float, peak: bool) -> None:
        self.total += value * weight
        self.weight += weight
        self.peak = max(self.peak, value)
        self.wanted = peak


class HostWindow:
    """Collects looks; `close` gives one mean per measure, and the maximum of those that ask for it."""

    def __init__(self) -> None:
        self._before: dict[Identity, tuple[int, float]] = {}
        self._tracks: dict[Identity, _Track] = {}

    def add(self, now_ms: int, measures: Iterable[Measure]) -> None:
        """Take one look at time `now_ms` (Unix ms). A counter that fell was reset: that step is left out."""
        for measure in measures:
            identity = (measure.name, measure.labels)
            if not measure.counter:
                self._tracks.setdefault(identity, _Track()).add(measure.value, 1.0, measure.peak)
                continue
            before = self._before.get(identity)
            self._before[identity] = (now_ms, measure.value)
            if before is None or now_ms <= before[0] or measure.value < before[1]:
                continue
            seconds = (now_ms - before[0]) / 1000.0
            rate = min((measure.value - before[1]) / seconds, measure.ceiling)
            self._tracks.setdefault(identity, _Track()).add(rate, seconds, measure.peak)

    def close(self) -> list[Row]:
        """The window's rows, and begin the next one."""
        rows: list[Row] = []
        for (name, labels), track in self._tracks.items():
            rows.append((name, (*labels, ("stat", "mean")), track.total / track.weight))
            if track.wanted:
                rows.append((name, (*labels, ("stat", "max")), track.peak))
        self._tracks = {}
        return rows


@dataclass(slots=True)
class TopProcesses:
    """CPU and memory summed by process name, for a bounded set of names that have been among the top for a while.

    A name stays for good once it is in, 0 when no such process runs: a series that came and went would be reported as
    absent. It is replaced only when it has been gone for `keep_seconds` and another name needs its place.
    """

    limit: int = 10
    """Names watched at most."""
    keep_seconds: float = 86_400.0
    steady: float = 0.15
    """Share of recent windows (a memory of about 30) a name must have been among the top before it is watched."""
    cpu_floor: float = 0.01
    """A name counts as a consumer from this many cores on."""
    memory_floor: float = 0.01
    """…or from this share of the machine's memory on."""
    names: dict[str, int] = field(default_factory=dict)
    """Watched name -> Unix ms when a process of that name last ran."""
    _before: dict[tuple[int, float], float] = field(default_factory=dict, repr=False)
    _before_ms: int = 0
    _often: dict[str, float] = field(default_factory=dict, repr=False)

    def step(self, now_ms: int, processes: Sequence[Process], memory_total: float) -> list[Row]:
        """Rows of the watched names for the time since the last step; the first step only sets the baseline."""
        cpu, memory = self._sum(now_ms, processes)
        if cpu is not None:
            self._admit(now_ms, cpu, memory, memory_total)
        for name in self.names:
            if name in memory:
                self.names[name] = now_ms
        if cpu is None:
            return []
        rows: list[Row] = []
        for name in sorted(self.names):
            labels = (("process", name), ("stat", "mean"))
            rows.append(("host_process_cpu_cores", labels, cpu.get(name, 0.0)))
            rows.append(("host_process_memory_bytes", labels, memory.get(name, 0.0)))
        return rows

    def _sum(self, now_ms: int, processes: Sequence[Process]) -> tuple[dict[str, float] | None, dict[str, float]]:
        seconds = (now_ms - self._before_ms) / 1000.0
        known = self._before_ms > 0 and seconds > 0
        cpu: dict[str, float] = {}
        memory: dict[str, float] = {}
        after: dict[tuple[int, float], float] = {}
        for process in processes:
            name = process.name.partition("/")[0] or process.name  # kworker/0:1-events is a kworker
            identity = (process.pid, process.started)
            after[identity] = process.cpu_seconds
            # a process born since the last step used all of its time since then; one of unknown past counts from now on
            born = process.started * 1000.0 >= self._before_ms
            used = process.cpu_seconds - self._before.get(identity, 0.0 if born else process.cpu_seconds)
            memory[name] = memory.get(name, 0.0) + process.memory_bytes
            if known:
                cpu[name] = cpu.get(name, 0.0) + max(0.0, used) / seconds
        self._before, self._before_ms = after, now_ms
        return (cpu if known else None), memory

    def _admit(self, now_ms: int, cpu: dict[str, float], memory: dict[str, float], memory_total: float) -> None:
        busiest = sorted((n for n, used in cpu.items() if used >= self.cpu_floor), key=lambda n: -cpu[n])
        biggest = sorted((n for n, size in memory.items() if size >= self.memory_floor * memory_total), key=lambda n: -memory[n])
        top = set(busiest[: self.limit // 2]) | set(biggest[: self.limit // 2])
        for name in {*self._often, *top}:
            often = self._often.get(name, 0.0) + ((name in top) - self._often.get(name, 0.0)) / 30.0
            if often < 0.01:
                self._often.pop(name, None)
            else:
                self._often[name] = often
        for name in sorted(top - self.names.keys(), key=lambda n: -self._often.get(n, 0.0)):
            if self._often.get(name, 0.0) < self.steady:
                break
            if len(self.names) >= self.limit:
                oldest = min(self.names, key=lambda n: self.names[n])
                if now_ms - self.names[oldest] < self.keep_seconds * 1000:
                    break
                del self.names[oldest]
            self.names[name] = now_ms
