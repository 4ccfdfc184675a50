"""Watching this machine: windows, rates, resets, top processes; driven by a clock and a reader of the test's own."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from contextlib import aclosing

import pytest

from awry.connectors.host import HostSource
from awry.connectors.host_reader import Measure, Process, PsutilReader
from awry.connectors.host_window import HostWindow, TopProcesses
from awry.core.clock import ManualClock
from awry.core.series_key import parse_key
from awry.core.series_table import SeriesLimits, SeriesTable
from awry.core.tick import Rows

T0 = 1_700_000_000_000
GB = 1e9


class Machine:
    """A machine that is as the test says: one gauge, one counter, some processes."""

    def __init__(self) -> None:
        self.gauge, self.count = 1.0, 0.0
        self.running: list[Process] = []

    def measures(self) -> Sequence[Measure]:
        return [Measure("load", self.gauge), Measure("bytes_per_second", self.count, (("device", "a"),), counter=True, peak=True)]

    def processes(self) -> Sequence[Process]:
        return list(self.running)

    def memory_total(self) -> float:
        return 10 * GB


async def looks(machine: Machine, seconds: int, table: SeriesTable, resume: bytes | None = None, start: int = T0) -> list[Rows]:
    """The batches of so many seconds; the counter grows by 100 a second, and by 1000 in every tenth."""
    clock, found = ManualClock(start), []

    class Over(Exception):
        pass

    async def sleep(wait: float) -> None:
        if clock.now_ms() >= start + seconds * 1000:
            raise Over
        clock.advance(round(wait * 1000))
        machine.count += 1000 if clock.now_ms() // 1000 % 10 == 5 else 100

    async with HostSource(host="web-3", reader=machine, clock=clock, sleep=sleep) as source:
        try:
            async with aclosing(source.rows(table, resume)) as rows:  # type: ignore[type-var]
                async for batch in rows:
                    found.append(batch)  # noqa: PERF401 - the batches before the end count
        except Over:
            return found
    return found


def by_key(rows: Rows, table: SeriesTable) -> dict[str, float]:
    """Key -> value of one batch."""
    return {table.keys[slot]: value for slot, value in zip(rows.batch.slot.tolist(), rows.batch.value.tolist(), strict=True)}


async def test_windows_are_means_and_maxima() -> None:
    """Ten seconds make one sample per series, stamped with the window's end; counters are rates, a burst shows in the maximum."""
    table = SeriesTable()
    found = await looks(Machine(), 30, table)
    assert [T0 + 10_000, T0 + 20_000, T0 + 30_000] == [int(rows.batch.time[0]) for rows in found]
    assert {
        'load{host="web-3",stat="mean"}': 1.0,
        'bytes_per_second{device="a",host="web-3",stat="mean"}': 190.0,
        'bytes_per_second{device="a",host="web-3",stat="max"}': 1000.0,
    } == by_key(found[1], table)


async def test_resumes_without_repeating() -> None:
    """After a restart within a window, no time comes twice, and watched processes are watched on."""
    table, machine = SeriesTable(), Machine()
    position = json.dumps({"end": T0 + 10_000, "processes": ["postgres"]}).encode()
    found = await looks(machine, 20, table, position, start=T0 + 3_000)
    assert [T0 + 20_000] == [int(rows.batch.time[0]) for rows in found]
    assert 0.0 == by_key(found[0], table)['host_process_memory_bytes{host="web-3",process="postgres",stat="mean"}']


async def test_limits_are_counted() -> None:
    """When the table takes no more series, what it refused is told."""
    found = await looks(Machine(), 10, SeriesTable(SeriesLimits(total=2)))
    assert (2, {"series_limit": 1}) == (len(found[0].batch), dict(found[0].refused))


def test_counter_reset_is_left_out() -> None:
    """A counter that fell gives no rate for that step, and the next step counts from there."""
    window = HostWindow()
    for second, count in enumerate([100.0, 200.0, 0.0, 50.0]):
        window.add(T0 + second * 1000, [Measure("c", count, counter=True)])
    assert [("c", (("stat", "mean"),), 75.0)] == window.close()
    assert [] == window.close()


def test_rates_have_a_ceiling() -> None:
    """A busy share never reads above 1, whatever the rounding."""
    window = HostWindow()
    window.add(T0, [Measure("busy", 0.0, counter=True, ceiling=1.0)])
    window.add(T0 + 1000, [Measure("busy", 1.03, counter=True, ceiling=1.0)])
    assert 1.0 == window.close()[0][2]


def process(pid: int, name: str, cpu: float, memory: float = 0.5 * GB, started: float = 0.0) -> Process:
    """One process."""
    return Process(pid, started, name, cpu, memory)


def names(top: TopProcesses) -> set[str]:
    return set(top.names)


def test_processes_are_summed_by_name() -> None:
    """Two workers of one name are one series; a kernel worker's number is dropped; those that end leave no negative rate."""
    top = TopProcesses(steady=0.0)
    top.step(T0, [process(1, "web", 10), process(2, "web", 20), process(3, "kworker/0:1", 5)], 10 * GB)
    rows = top.step(T0 + 10_000, [process(1, "web", 15), process(3, "kworker/0:1", 6)], 10 * GB)
    values = {(name, dict(labels)["process"]): value for name, labels, value in rows}
    assert 0.5 == values[("host_process_cpu_cores", "web")]
    assert 0.1 == values[("host_process_cpu_cores", "kworker")]
    assert 0.5 * GB == values[("host_process_memory_bytes", "web")]


def test_a_passing_process_makes_no_series() -> None:
    """Ten seconds of full load by something that then ends, every five minutes, are not worth a series; steady use is."""
    top = TopProcesses()
    for step in range(120):
        running = [process(1, "db", step * 5.0)]
        if step % 30 == 0:
            running.append(process(100 + step, "cron", 10.0, started=(T0 + step * 10_000 - 5_000) / 1000))
        top.step(T0 + step * 10_000, running, 10 * GB)
    assert {"db"} == names(top)


def test_a_watched_name_reports_zero_when_gone() -> None:
    """Its series goes on, so that it is not reported as absent."""
    top = TopProcesses()
    for step in range(20):
        top.step(T0 + step * 10_000, [process(1, "db", step * 5.0), process(2, "init", 0.0, 0.0)], 10 * GB)
    rows = top.step(T0 + 200_000, [process(2, "init", 0.0, 0.0)], 10 * GB)
    assert {"host_process_cpu_cores": 0.0, "host_process_memory_bytes": 0.0} == {name: value for name, _, value in rows}


def test_names_are_bounded_and_replaced_after_a_day() -> None:
    """No more than `limit` names; one that is gone for a day makes room, one that runs does not."""
    top = TopProcesses(limit=2)

    def run(start: int, *running: str) -> None:
        for step in range(start, start + 30):
            top.step(T0 + step * 10_000, [process(n + 1, name, step * 5.0) for n, name in enumerate(running)], 10 * GB)

    run(0, "a")
    run(30, "b")
    assert {"a", "b"} == names(top)
    run(60, "c")
    assert {"a", "b"} == names(top)
    run(9_000, "c")
    assert {"b", "c"} == names(top)


def test_this_machine() -> None:
    """The real reader gives some twenty finite measures without loopback or virtual devices, and a list of processes."""
    reader = PsutilReader()
    measures = reader.measures()
    assert 8 <= len(measures) <= 80
    assert all(math.isfinite(measure.value) for measure in measures)
    assert {"lo"}.isdisjoint({dict(measure.labels).get("interface", "") for measure in measures})
    assert len(measures) == len({(measure.name, measure.labels) for measure in measures})
    assert all(process.cpu_seconds >= 0 and process.memory_bytes > 0 for process in reader.processes())
    assert reader.memory_total() > 0


@pytest.mark.slow
async def test_this_machine_makes_few_series() -> None:
    """A window of the real machine gives at most 70 series, each with a host and a stat."""
    table = SeriesTable()
    source = HostSource(interval_seconds=1.0, read_seconds=0.25)
    async with source, aclosing(source.rows(table, None)) as rows:  # type: ignore[type-var]
        async for batch in rows:
            assert 8 <= len(batch.batch) <= 70
            break
    assert all({"host", "stat"} <= dict(parse_key(key)[1]).keys() for key in table.keys)
