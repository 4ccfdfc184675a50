"""The engine around the pipeline: commits before it answers, survives a store that is away, recovers what was committed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from awry.core.batch import Batch, Scored
from awry.core.clock import ManualClock
from awry.core.errors import InvalidInput, Overloaded, StoreUnavailable
from awry.core.protocols import Store
from awry.core.rule import Rule
from awry.core.series_table import SeriesTable
from awry.detection.router import Router
from awry.engine.commands import DeleteSeries, PutRule
from awry.engine.engine import Engine
from awry.engine.settings import EngineSettings
from awry.engine.snapshot import STATES
from awry.stores import open_store
from tests.engine.fakes import MemoryStore, StepJudge

T0 = 1_760_000_000_000


def make(
    store: Store,
    *,
    queue_samples: int = 1000,
    rules: tuple[Rule, ...] = (Rule(name="high", threshold=0.5),),
    judge: StepJudge | None = None,
) -> Engine:
    settings = EngineSettings(shards=2, queue_samples=queue_samples)
    return Engine(
        judge=judge or StepJudge(), store=store, table=SeriesTable(), clock=ManualClock(T0), settings=settings, rules=rules
    )


async def until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    for _ in range(int(seconds * 100)):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to hold")


def rows(engine: Engine, key: str, count: int, start: int = 0) -> Batch:
    slot = engine.table.intern(key)
    return Batch.of([slot] * count, [T0 + (start + i) * 1000 for i in range(count)], [1.0] * count)


async def test_answers_after_commit() -> None:
    """The receipt comes only when the samples are in the store; refused rows are named and counted."""
    store = MemoryStore()
    async with make(store) as engine:
        batch = Batch.concat([rows(engine, "a", 3), rows(engine, "a", 1)])
        receipt = await (await engine.put(batch, source="test", position=b"7"))
        assert sum(len(t.batch) for t in store.ticks) == 3
        assert (receipt.accepted, receipt.rows.tolist()) == (3, [3])
        counter = engine.counters.of("test")
        assert (counter.received, counter.accepted, counter.refused) == (4, 3, {"late": 1})
    assert store.recover().positions == {"test": b"7"}


async def test_restart_goes_on_where_it_was() -> None:
    """A second engine on the same store knows series, rules, positions and what it already has."""
    store = MemoryStore()
    async with make(store) as engine:
        await (await engine.put(rows(engine, "a", 5), source="test"))
        await engine.command(PutRule(Rule(name="mine", threshold=0.9)))
    async with make(store) as engine:
        assert engine.table.keys == ["a"]
        assert {r.name for r in engine.snapshot.rules} == {"high", "mine"}
        receipt = await (await engine.put(rows(engine, "a", 5), source="test"))
        assert receipt.accepted == 0


@pytest.mark.parametrize(("back_ms", "went_back"), [(3_600_000, False), (30 * 86_400_000, True)])
async def test_time_goes_on_after_a_restart(tmp_path: Path, back_ms: int, went_back: bool) -> None:
    """A clock set back while the server was stopped does not turn the ticks back; one that was weeks ahead is forgotten."""
    with closing(open_store(tmp_path)) as store:
        async with make(store) as engine:
            await (await engine.put(rows(engine, "a", 5), source="test"))
    with closing(open_store(tmp_path)) as store:
        engine = make(store)
        engine._clock = ManualClock(T0 - back_ms)
        async with engine:
            assert (engine._tick_time() < T0) == went_back


async def test_full_disk_is_told_and_recovers() -> None:
    """While the store is away nothing is acknowledged; afterwards what was queued is stored once and work goes on."""
    store = MemoryStore()
    async with make(store) as engine:
        store.down.set()
        with pytest.raises(StoreUnavailable):
            await (await engine.put(rows(engine, "a", 2), source="test"))
        with pytest.raises(StoreUnavailable):
            await engine.put(rows(engine, "a", 2, 5), source="test")
        store.down.clear()
        await until(lambda: sum(len(t.batch) for t in store.ticks) == 2)
        await until(lambda: not engine._writer.error)
        receipt = await (await engine.put(rows(engine, "a", 2, 5), source="test"))
        assert receipt.accepted == 2


async def test_stops_although_the_store_is_away() -> None:
    """Leaving does not wait for ever for a store that cannot write; what it loses was never acknowledged."""
    store = MemoryStore()
    async with asyncio.timeout(60), make(store) as engine:
        store.down.set()
        with pytest.raises(StoreUnavailable):
            await (await engine.put(rows(engine, "a", 2), source="test"))
    assert store.ticks == [t for t in store.ticks if not len(t.batch)]


async def test_bounded_queue() -> None:
    """Beyond the bound put_nowait refuses and put waits for room; nothing is lost."""
    store = MemoryStore()
    async with make(store, queue_samples=10) as engine:
        first = engine.put_nowait(rows(engine, "a", 8), source="test")
        with pytest.raises(Overloaded):
            engine.put_nowait(rows(engine, "a", 8, 8), source="test")
        more = [await engine.put(rows(engine, "a", 8, 8 * i), source="test") for i in range(1, 5)]
        assert [(await f).accepted for f in [first, *more]] == [8] * 5


async def test_configured_rules_replace_their_former_selves() -> None:
    """A rule gone from the configuration goes from the engine; one made over the API stays."""
    store = MemoryStore()
    async with make(store, rules=(Rule(name="a", threshold=0.5, origin="config"),)) as engine:
        await engine.command(PutRule(Rule(name="api", threshold=0.5)))
    async with make(store, rules=(Rule(name="b", threshold=0.5, origin="config"),)) as engine:
        assert {r.name for r in engine.snapshot.rules} == {"api", "b"}


async def test_rule_that_cannot_work_is_refused() -> None:
    """The engine checks a rule before it takes it."""
    async with make(MemoryStore()) as engine:
        with pytest.raises(InvalidInput):
            await engine.command(PutRule(Rule(name="x", threshold=7)))


async def test_deleted_series_comes_back_as_new() -> None:
    """A deleted series keeps nothing; the same key gets a new slot."""
    store = MemoryStore()
    async with make(store) as engine:
        await (await engine.put(rows(engine, "a", 5), source="test"))
        await engine.command(DeleteSeries((0,)))
        receipt = await (await engine.put(rows(engine, "a", 5), source="test"))
        assert (receipt.accepted, engine.table.keys) == (5, ["", "a"])
    async with make(store) as engine:
        assert engine.table.keys == ["", "a"]


def spike(engine: Engine, key: str) -> Batch:
    """A quiet series, one giant, and quiet again: one incident from its start to its end."""
    slot = engine.table.intern(key)
    return Batch.of([slot] * 60, [T0 - 60_000 + i * 1000 for i in range(60)], [1.0] * 40 + [20.0] + [1.0] * 19)


async def test_incidents_of_a_deleted_series_are_replayed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash after a series was deleted: the restart counts its incidents too, so that no later one takes their numbers."""
    store = open_store(tmp_path)
    monkeypatch.setattr(store, "save", lambda blocks: None)  # the whole journal is replayed
    for key in ("a", "b"):
        async with make(store) as engine:
            await (await engine.put(spike(engine, key), source="test"))
            await engine.command(DeleteSeries((engine.table.find(key),)))
            assert engine.table.keys == ["", ""][: engine.snapshot.series]
    told = [(c.number, c.kind, c.incident.id, c.incident.series[0].key) for c in store.changes()]
    store.close()
    assert told == [(1, "opened", "i1", "a"), (2, "resolved", "i1", "a"), (3, "opened", "i2", "b"), (4, "resolved", "i2", "b")]


async def test_numbers_in_the_store_are_not_given_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash, then a start with rules by which the replay opens nothing: later changes and incidents are numbered on."""
    store = open_store(tmp_path)
    monkeypatch.setattr(store, "save", lambda blocks: None)
    async with make(store) as engine:
        await (await engine.put(spike(engine, "a"), source="test"))
    monkeypatch.setattr("awry.engine.pipeline.Pipeline.replay", lambda self, ticks, marks: 0)
    async with make(store) as engine:
        await (await engine.put(spike(engine, "b"), source="test"))
    told = [(c.number, c.incident.id) for c in store.changes()]
    store.close()
    assert told == [(1, "i1"), (2, "i1"), (3, "i2"), (4, "i2")]


async def test_samples_before_a_deletion_are_judged_as_those_of_their_series() -> None:
    """What was taken in before the command keeps its series' name, however late it is decided: a replay sees it so."""
    store = MemoryStore()
    async with make(store) as engine:
        for i in range(200):
            engine.put_nowait(rows(engine, f"other{i}", 1), source="test")
        engine.put_nowait(spike(engine, "a"), source="test")
        await engine.command(DeleteSeries((engine.table.find("a"),)))
    assert [c.incident.series[0].key for t in store.ticks for c in t.changes] == ["a", "a"]


async def test_deleting_twice_does_not_forget_the_successor() -> None:
    """The key of a deleted series belongs to its new slot, also when the old slot is deleted again."""
    async with make(MemoryStore()) as engine:
        await (await engine.put(rows(engine, "a", 5), source="test"))
        first = asyncio.create_task(engine.command(DeleteSeries((0,))))
        await asyncio.sleep(0)
        new = engine.table.intern("a")
        await engine.command(DeleteSeries((0,)))
        await first
        assert (new, engine.table.find("a"), engine.table.intern("a")) == (1, 1, 1)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_an_engine_that_ended_says_so() -> None:
    """A defect in the middle of the stream: samples are refused, and the picture does not go on looking quiet."""

    class Defective(StepJudge):
        def step(self, batch: Batch) -> Scored:
            if len(batch):
                raise ZeroDivisionError("a defect")
            return super().step(batch)

    async with make(MemoryStore(), judge=Defective()) as engine:
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="a defect"):
                await (await engine.put(rows(engine, "a", 1), source="test"))
        assert "a defect" in engine.snapshot.store_error
        assert "a defect" in engine.ended


async def test_who_waits_for_room_when_the_engine_stops_is_told() -> None:
    """Nobody is left waiting for room that will not come."""
    store, release = MemoryStore(), threading.Event()
    commit = store.commit
    store.commit = lambda ticks: (release.wait(), commit(ticks))[1]  # type: ignore[method-assign]  # a disk that takes its time
    engine = make(store, queue_samples=10, rules=())
    async with engine:
        await engine.put(rows(engine, "a", 10), source="test")
        waiting = asyncio.create_task(engine.put(rows(engine, "b", 10), source="test"))
        await asyncio.sleep(0)
        leaving = asyncio.create_task(engine.__aexit__())
        with pytest.raises(StoreUnavailable, match="not running"):
            await asyncio.wait_for(waiting, 30)
        release.set()
        await leaving


async def test_changes_reach_subscribers_after_commit() -> None:
    """A subscriber sees the change of an incident that a committed sample opened."""
    store = MemoryStore()
    async with make(store) as engine:
        queue = engine.subscribe()
        await (await engine.put(rows(engine, "a", 9), source="test"))
        await (await engine.put(Batch.of([0], [T0 + 9000], [50.0]), source="test"))
        change = await asyncio.wait_for(queue.get(), 10)
        assert (change.kind, change.incident.series[0].key) == ("opened", "a")
        assert engine.snapshot.incidents[0].id == change.incident.id


async def test_questions_are_answered_between_ticks() -> None:
    """A question sees what was committed before it, its own error comes back to who asked, and a stopped engine says so."""
    async with make(MemoryStore()) as engine:
        await (await engine.put(rows(engine, "a", 3), source="test"))
        assert 3 == await engine.ask(lambda pipeline: int(pipeline.arrivals.columns["count"][0]))
        with pytest.raises(ZeroDivisionError):
            await engine.ask(lambda pipeline: 1 // (pipeline.slots - 1))
        assert 1 == await engine.ask(lambda pipeline: pipeline.slots)
    with pytest.raises(StoreUnavailable):
        await engine.ask(lambda pipeline: pipeline.slots)


async def test_too_many_questions_are_refused() -> None:
    """While the engine's thread is held, a hundred questions wait and the next one is told to come again."""
    async with make(MemoryStore()) as engine:
        held = threading.Event()
        first = asyncio.create_task(engine.ask(lambda _: held.wait(30)))
        await asyncio.sleep(0.3)
        waiting = [asyncio.create_task(engine.ask(lambda pipeline: pipeline.slots)) for _ in range(100)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await engine.ask(lambda pipeline: pipeline.slots)
        held.set()
        assert [True, *[0] * 100] == await asyncio.gather(first, *waiting)


class Shaky:
    """A store in which parked state cannot be read while `down` is set."""

    def __init__(self, path: Path) -> None:
        self._store, self.down = open_store(path, retention_ms=600_000), threading.Event()
        self.reusable = self._store.reusable

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def parked(self, slots: Sequence[int], seq: int) -> dict[int, bytes]:
        if self.down.is_set():
            raise StoreUnavailable("the server is away")
        return self._store.parked(slots, seq)


@pytest.mark.slow
async def test_series_are_parked_come_back_and_die(tmp_path: Path) -> None:
    """Silence parks, a sample brings back (and waits for a store that is away), and too long a silence deletes; the name may
    come again, and the slot of the dead serves another after a while."""
    clock, store = ManualClock(T0), Shaky(tmp_path)
    settings = EngineSettings(shards=1, silent_ms=60_000, forget_ms=600_000, checkpoint_ms=500)
    engine = Engine(judge=Router(), store=store, table=SeriesTable(), clock=clock, settings=settings)  # type: ignore[arg-type]
    with closing(store._store):
        async with engine:

            async def send(*keys: str) -> None:
                now = clock.now_ms()
                slots = [engine.table.intern(key) for key in keys]
                answer = await engine.put(Batch.of(slots, [now] * len(slots), [1.0] * len(slots)), source="test")
                assert (await answer).accepted == len(keys)

            def states() -> list[str]:
                return [STATES[i] for i in engine.snapshot.state.tolist()]

            for _ in range(20):
                await send("a", "b")
                clock.advance(1000)
            clock.advance(90_000)
            await until(lambda: states() == ["parked", "parked"])
            store.down.set()
            returning = asyncio.ensure_future(send("a"))
            await asyncio.sleep(0.1)
            store.down.clear()
            await returning
            assert engine.table.find("b") == 1
            while engine.table.find("b") == 1:
                clock.advance(60_000)
                await send("a")
                await asyncio.sleep(0.05)
            assert engine.table.live == 1
            await send("b")
            assert engine.table.find("b") == 2
            while not engine.table._free:  # samples out of the chunks, and every block saved since
                clock.advance(61_000)
                await send("a", "b")
                await asyncio.sleep(0.05)
            await send("c")
            assert (engine.table.keys, engine.table.reused) == (["a", "c", "b"], 1)
        assert [[1], [0], [2]] == [[engine.table.find(key)] for key in ("c", "a", "b")]
