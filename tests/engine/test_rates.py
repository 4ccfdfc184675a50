"""Counters are stored, scored and shown as rates: the kernel, and that a restart at any moment leaves no trace."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from awry.core.batch import Batch
from awry.core.placement import Placement, Placing
from awry.core.series_table import SeriesTable
from awry.core.tick import REASONS, Tick
from awry.engine import blocks
from awry.engine.commands import Command, DeleteSeries, PutKind, changed_kinds
from awry.engine.pipeline import Pipeline
from awry.engine.rates import Rates, as_sent
from awry.engine.settings import EngineSettings
from tests.engine.fakes import MemoryStore, StepJudge
from tests.naive_rates import rates

T0 = 1_760_000_000_000
KINDS = bytes([1, 0, 1, 0, 1, 0, 1, 0, 1])
NAN = math.nan

values = st.floats(allow_infinity=False) | st.integers(0, 1000).map(float) | st.just(2.0**64)
streams = st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 100_000), values), max_size=12), max_size=6)


def begun(kinds: bytes) -> Rates:
    found = Rates()
    found.grow(len(kinds), kinds)
    return found


def batches(drawn: list[list[tuple[int, int, float]]]) -> list[Batch]:
    """(slot, ms since any last sample, value) as batches whose times rise."""
    now, found = T0, []
    for rows in drawn:
        times = [now := now + step for _, step, _ in rows]
        found.append(Batch.of([slot for slot, _, _ in rows], times, [value for _, _, value in rows]))
    return found


@settings(max_examples=200, deadline=None, derandomize=True)
@given(streams)
def test_rates_are_those_of_the_definition(drawn: list[list[tuple[int, int, float]]]) -> None:
    """Bit for bit, however the stream is cut; gauges are left alone; what was sent comes back, and so does the state."""
    stage, again = begun(bytes([1, 0, 1, 1])), begun(bytes([1, 0, 1, 1]))
    sent, made = Batch.empty(), Batch.empty()
    for batch in batches(drawn):
        rated, kept = stage.of(batch)
        sent, made = Batch.concat([sent, batch]), Batch.concat([made, rated])
        assert batch.value.tobytes() == as_sent(rated, kept).value.tobytes() == again.replay(rated, kept).value.tobytes()
        assert rated is batch or kept is not None
    for slot in range(4):
        mine = sent.slot == slot
        twin = rates(list(zip(sent.time[mine].tolist(), sent.value[mine].tolist(), strict=True)))
        expected = sent.value[mine] if slot == 1 else np.array(twin)
        np.testing.assert_array_equal(expected, made.value[mine])
    assert {k: v.tobytes() for k, v in stage.dump().items()} == {k: v.tobytes() for k, v in again.dump().items()}


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ([100.0, 160.0, 160.0], [NAN, 6.0, 0.0]),
        ([100.0, 30.0, 60.0], [NAN, 3.0, 3.0]),  # a reset: 30 came since
        ([2.0**32 - 10, 50.0], [NAN, 5.0]),  # a counter of 32 bits that wrapped reads as a reset
        ([100.0, NAN, 160.0], [NAN, NAN, 3.0]),  # over the gap
        ([NAN, 100.0, 110.0], [NAN, NAN, 1.0]),
        ([100.0, NAN, 20.0], [NAN, NAN, 1.0]),
        ([-1.7e308, 1.7e308, 1.7e308], [NAN, NAN, 0.0]),  # no float64 holds that rise
    ],
)
def test_counters(sent: list[float], expected: list[float]) -> None:
    """Ten seconds apart: rises, resets, wraps, gaps and absurd values."""
    stage = begun(b"\x01")
    rated, kept = stage.of(Batch.of([0] * len(sent), [T0 + 10_000 * i for i in range(len(sent))], sent))
    np.testing.assert_array_equal(expected, rated.value)
    assert kept is not None
    np.testing.assert_array_equal(sent, kept.value)


def test_a_batch_without_counters_is_left_as_it_is() -> None:
    """The very batch, so that gauges cost nothing."""
    batch = Batch.of([1, 1], [T0, T0 + 1], [5.0, 7.0])
    assert (batch, None) == begun(b"\x00\x00").of(batch) == begun(b"\x01\x00").of(batch)


def make(kinds: bytes = KINDS) -> Pipeline:
    return Pipeline(StepJudge(), [f"s{i}" for i in range(len(kinds))], EngineSettings(shards=1), kinds=kinds)


def stream(seed: int) -> list[tuple[int, Batch, list[Command]]]:
    """(tick, batch, commands): counters and gauges, resets, NaN, doubles, a deletion, new kinds."""
    rng = np.random.default_rng(seed)
    level, steps = np.zeros(len(KINDS)), []
    for i in range(60):
        slots = np.flatnonzero((rng.random(len(KINDS)) < 0.8) & (np.arange(len(KINDS)) <= i // 2)).repeat(2)
        level[rng.random(len(KINDS)) < 0.05] = 0
        rows = []
        for n, slot in enumerate(slots):
            level[slot] += rng.integers(0, 300)
            rows.append(NAN if rng.random() < 0.05 else level[slot])
            if n % 2 and rng.random() < 0.1:
                rows[-1] = rows[-2]
        times = T0 + 10_000 * i + 5_000 * (np.arange(len(slots)) % 2)
        commands: list[Command] = []
        if i == 30:
            commands = [DeleteSeries((2,))]
        if i == 40:
            commands = [PutKind(True, (3,)), PutKind(False, (4,))]
        steps.append((T0 + 10_000 * i + 5_003, Batch.of(slots, times, rows), commands))
    return steps


def scores(ticks: list[Tick]) -> list[tuple[bytes, ...]]:
    return [(t.batch.value.tobytes(), t.scored.raw.tobytes(), t.scored.score.tobytes()) for t in ticks]


def state(pipeline: Pipeline) -> dict[tuple[str, int, str], bytes]:
    """Every array of every block; the heat map is a picture."""
    found = [*pipeline.changed_blocks(range(-(-pipeline.slots // blocks.BLOCK_SLOTS))), blocks.stages(pipeline)]
    return {(b.name, b.index, n): a.tobytes() for b in found for n, a in b.arrays.items() if not n.startswith("heat.")}


@pytest.fixture
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine series are three blocks, each saved at its own tick."""
    monkeypatch.setattr(blocks, "BLOCK_SLOTS", 4)


@pytest.mark.usefixtures("_small_blocks")
@pytest.mark.parametrize("saves", [0, 1, 2, 4])
def test_a_crash_between_any_two_samples_leaves_no_trace(saves: int) -> None:
    """Blocks and stages saved at different ticks between samples of counters: state, later rates and scores are equal."""
    calm = make()
    expected = [calm.step(now, batch, commands)[0] for now, batch, commands in stream(1)]
    assert any(t.sent is not None and len(t.sent.rows) > 1 for t in expected)
    for dies in (1, 8, 17, 29, 31, 32, 39, 41, 42, 55):
        store = MemoryStore()
        first = make()
        for i, (now, batch, commands) in enumerate(stream(1)[:dies]):
            store.commit([first.step(now, batch, commands)[0]])
            if saves and i % 3 == saves % 3:
                for _ in range(saves):
                    store.save(first.next_block())
        found = store.recover()
        second = make(found.kinds + KINDS[len(found.kinds) :])
        marks = second.load(found.blocks)
        second.replay(found.ticks, marks)
        second.rates.know(found.kinds)
        assert state(first) == state(second), f"dies at {dies}"
        rest = [second.step(now, batch, commands)[0] for now, batch, commands in stream(1)[dies:]]
        assert scores(expected[dies:]) == scores(rest), f"dies at {dies}"
        assert state(calm) == state(second)


def test_a_counter_sent_again_is_a_duplicate() -> None:
    """What was sent decides, not the rate: the answer was lost, the sample comes again; another value is late."""
    pipeline = make()
    one = Batch.of([0, 1], [T0, T0], [100.0, 100.0])
    pipeline.step(T0, one)
    two = Batch.of([0, 1], [T0 + 10_000] * 2, [150.0, 150.0])
    tick, _ = pipeline.step(T0 + 10_000, two)
    np.testing.assert_array_equal([5.0, 150.0], tick.batch.value)
    assert tick.sent is not None
    assert ([0], [150.0]) == (tick.sent.rows.tolist(), tick.sent.value.tolist())
    again = Batch.of([0, 0], [T0 + 10_000] * 2, [150.0, 5.0])
    tick, reason = pipeline.step(T0 + 11_000, again)
    assert ["duplicate", "late"] == [REASONS[r] for r in reason]
    assert None is tick.sent


def test_first_sight_names_the_counters() -> None:
    """A tick tells which of its new series are counters."""
    tick, _ = make().step(T0, Batch.of([0, 1, 2], [T0] * 3, [1.0, 2.0, 3.0]))
    assert ((0, 2), [0, 1, 2]) == (tick.counters, [slot for slot, _ in tick.series])


def test_a_deleted_counter_begins_anew() -> None:
    """No rate over its deletion, when another series gets its slot, of whatever kind that is."""
    keys, kinds = ["a", "b"], bytearray(b"\x01\x01")
    pipeline = Pipeline(StepJudge(), keys, EngineSettings(shards=1), kinds=kinds)
    pipeline.step(T0, Batch.of([0, 1], [T0] * 2, [100.0] * 2))
    pipeline.step(T0 + 1, Batch.empty(), [DeleteSeries((0, 1))])
    keys[:], kinds[1] = ["c", "d"], 0
    tick, _ = pipeline.step(T0 + 10_000, Batch.of([0, 1], [T0 + 10_000] * 2, [150.0] * 2))
    np.testing.assert_array_equal([NAN, 150.0], tick.batch.value)
    assert (0,) == tick.counters


def test_a_change_of_kind_is_told_to_the_store_and_begins_anew() -> None:
    """From the tick after the command on; no rate over the change."""
    pipeline = make()
    pipeline.step(T0, Batch.of([0, 1], [T0, T0], [100.0, 100.0]))
    tick, _ = pipeline.step(T0 + 1, Batch.empty(), [PutKind(False, (0,)), PutKind(True, (1,))])
    assert ((0, 0), (1, 1)) == tick.kinds
    made = [pipeline.step(T0 + 10_000 * i, Batch.of([0, 1], [T0 + 10_000 * i] * 2, [150.0, 100.0 + i]))[0] for i in (1, 2)]
    np.testing.assert_array_equal([[150.0, NAN], [150.0, 0.1]], [t.batch.value for t in made])


def test_a_change_of_kind_lets_the_detector_begin_anew() -> None:
    """It learned other numbers: that of the other series goes on, with its scores."""
    pipeline = make()
    for i in range(20):
        tick, _ = pipeline.step(T0 + 10_000 * i, Batch.of([1, 3], [T0 + 10_000 * i] * 2, [100.0 * i] * 2))
    assert not np.isnan(tick.scored.score).any()
    pipeline.step(T0 + 200_000, Batch.empty(), [PutKind(True, (1,))])
    tick, _ = pipeline.step(T0 + 210_000, Batch.of([1, 3], [T0 + 210_000] * 2, [2100.0] * 2))
    assert [True, False] == np.isnan(tick.scored.score).tolist()


def test_kinds_that_the_configuration_changes() -> None:
    """Only series whose kind it tells otherwise, and never deleted ones."""
    placement = Placement([Placing.of("a", 'x{job="a"}', kind="gauge"), Placing.of("b", "x", kind="counter")])
    table = SeriesTable(placement=placement)
    table.restore(['x{job="a"}', 'x{job="b"}', "y", "", 'x{job="c"}'], bytes([1, 0, 1, 1, 1]))
    assert [PutKind(False, (0,)), PutKind(True, (1,))] == changed_kinds(table)
    for command in changed_kinds(table):
        table.put_kind(command.slots, command.counter)
    assert [] == changed_kinds(table)


def test_a_nan_leaves_the_same_state_whatever_its_sign() -> None:
    """A replay takes the rate from the journal, where a NaN may carry a sign; what it leaves does not."""
    minus_nan = np.array([0xFFF8000000000000], np.uint64).view(np.float64)
    left = []
    for nan in (minus_nan, np.array([np.nan])):
        batch = Batch.of([0], [60_000], nan)
        live, again = Rates(), Rates()
        for each in (live, again):
            each.grow(1, b"\x01")
        rated, sent = live.of(batch)
        again.replay(rated, sent)
        left += [live.dump()["state"].tobytes(), again.dump()["state"].tobytes()]
    assert len(set(left)) == 1
