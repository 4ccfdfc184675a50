"""The pipeline is a pure function of the stream: what it refuses, how incidents live, and that replay is exact."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from awry.core.batch import Batch
from awry.core.rule import Rule, Silence
from awry.core.tick import REASONS, Tick
from awry.engine import blocks
from awry.engine.blocks import Marks, stages
from awry.engine.commands import DeleteRule, DeleteSeries, PutRule, PutSilence
from awry.engine.pipeline import Pipeline
from awry.engine.settings import EngineSettings
from tests.engine.fakes import StepJudge

T0 = 1_760_000_000_000
STEP = 10_000
RULE = Rule(name="high", threshold=0.5, keep_for_ms=0)


def make(keys: list[str], shards: int = 1) -> Pipeline:
    return Pipeline(StepJudge(), keys, EngineSettings(shards=shards))


def run(pipeline: Pipeline, rows: list[list[float]], start: int = 0, rule: Rule | None = RULE) -> list[Tick]:
    """One tick per row of values, a value per slot, STEP apart; the rule comes with the first."""
    ticks = []
    for i, values in enumerate(rows, start):
        at = T0 + i * STEP
        batch = Batch.of(range(len(values)), [at] * len(values), values)
        commands = [PutRule(rule)] if rule and i == 0 else []
        ticks.append(pipeline.step(at + 5, batch, commands)[0])
    return ticks


QUIET = [[1.0, 2.0]] * 40


def changes(ticks: list[Tick]) -> list[str]:
    return [c.kind for t in ticks for c in t.changes]


@pytest.mark.parametrize(
    ("time", "value", "reason"),
    [
        (T0 + STEP, 1.0, "accepted"),
        (T0 + STEP, float("nan"), "accepted"),
        (T0 + STEP, 1e308, "accepted"),
        (T0, 7.0, "duplicate"),
        (T0, 8.0, "late"),
        (T0 - 1, 7.0, "late"),
        (T0 + 700_000, 1.0, "future"),
        (253_402_300_799_000, 1.0, "future"),
        (1_443_197, 1.0, "out_of_range"),
        (T0 + STEP, float("inf"), "infinite"),
        (T0 + STEP, float("-inf"), "infinite"),
    ],
)
def test_reason(time: int, value: float, reason: str) -> None:
    """Each bad sample is refused for its reason, and costs its neighbours nothing."""
    pipeline = make(["a", "b"])
    pipeline.step(T0, Batch.of([0], [T0], [7.0]))
    tick, reasons = pipeline.step(T0, Batch.of([0, 1], [time, T0], [value, 1.0]))
    assert [REASONS[r] for r in reasons] == [reason, "accepted"]
    assert len(tick.batch) == 1 + (reason == "accepted")


def test_series_that_start_together_are_one_incident() -> None:
    """Two series that fire at once make one incident, opened once, resolved when both are back."""
    ticks = run(make(['load{host="web-3"}', 'cpu{host="web-3"}']), [*QUIET, [20.0, 30.0], [20.0, 30.0], *[[1.0, 2.0]] * 3])
    assert changes(ticks) == ["opened", "resolved"]
    incident = [t for t in ticks if t.incidents][-1].incidents[0]
    assert [s.key for s in incident.series] == ['load{host="web-3"}', 'cpu{host="web-3"}'] or incident.total == 2
    assert (incident.state, incident.start, incident.total) == ("resolved", T0 + 40 * STEP, 2)
    assert "1 other series of web-3 moved with it" in incident.title


def test_for_delays_firing() -> None:
    """A blip shorter than `for` never fires; a longer one fires with its onset as the start."""
    rule = Rule(name="high", threshold=0.5, for_ms=2 * STEP)
    assert changes(run(make(["a", "b"]), [*QUIET, [20.0, 2.0], [1.0, 2.0], [1.0, 2.0]], rule=rule)) == []
    ticks = run(make(["a", "b"]), [*QUIET, *[[20.0, 2.0]] * 3], rule=rule)
    assert changes(ticks) == ["opened"]
    assert ticks[-1].incidents[0].start == T0 + 40 * STEP


def test_keep_for_bridges_gaps() -> None:
    """With keep_for, a short return to normal does not end the incident."""
    rule = Rule(name="high", threshold=0.5, keep_for_ms=5 * STEP)
    ticks = run(make(["a", "b"]), [*QUIET, [20.0, 2.0], *[[1.0, 2.0]] * 3, [30.0, 2.0]], rule=rule)
    assert changes(ticks) == ["opened"]


def test_absent_series_opens_and_returns() -> None:
    """A steady series that stops is an incident of its own words; its next sample ends it."""
    pipeline = make(["a"])
    run(pipeline, [[1.0]] * 40)
    last = T0 + 39 * STEP
    assert pipeline.timers(last + 30_000) is None
    tick = pipeline.timers(last + 90_000)
    assert tick is not None
    assert tick.changes[0].incident.title.startswith("a stopped sending, since")
    back, _ = pipeline.step(last + 100_000, Batch.of([0], [last + 100_000], [1.0]))
    assert [c.kind for c in back.changes] == ["resolved"]


def test_a_series_that_goes_strange_and_then_stops_is_one_series() -> None:
    """An incident counts and lists series, not their causes: nobody reads of a neighbour that is not there."""
    pipeline = make(["a"])
    run(pipeline, [*[[1.0]] * 40, [20.0]])
    tick = pipeline.timers(T0 + 40 * STEP + 90_000)
    (incident,) = [found.incident for found in pipeline.incidents.open.values()]
    assert tick is not None
    assert (1, ["a"]) == (incident.total, [s.key for s in incident.series])
    assert "moved with it" not in incident.title


def test_series_that_never_returns_is_let_go() -> None:
    """After a day of silence an absent series counts as parked: its incident ends then, not at its last sample."""
    pipeline = make(["a"])
    run(pipeline, [[1.0]] * 40)
    last = T0 + 39 * STEP
    pipeline.timers(last + 90_000)
    parked = last + 86_400_000 + STEP
    tick = pipeline.timers(parked)
    assert tick is not None
    assert [(c.kind, c.incident.end) for c in tick.changes] == [("resolved", parked)]


def test_silence_holds_back_and_then_tells() -> None:
    """A change under a silence is marked; when the silence ends with the incident open, it is told."""
    pipeline = make(["a", "b"])
    run(pipeline, QUIET)
    silence = Silence(id="s1", selector="a", start=T0, end=T0 + 42 * STEP)
    tick, _ = pipeline.step(T0 + 40 * STEP, Batch.of([0], [T0 + 40 * STEP], [20.0]), [PutSilence(silence)])
    assert [(c.kind, c.silenced) for c in tick.changes] == [("opened", "s1")]
    later = pipeline.timers(T0 + 43 * STEP)
    assert later is not None
    assert [(c.kind, c.silenced) for c in later.changes] == [("opened", "")]


def test_history_pages_nobody() -> None:
    """An incident that began and ended in samples loaded hours later is kept, and its changes are marked; a live one is not."""
    rows = [*QUIET, [20.0, 2.0], [1.0, 2.0], [1.0, 2.0]]
    times = [T0 + i * STEP for i in range(len(rows)) for _ in range(2)]
    batch = Batch.of([0, 1] * len(rows), times, [v for row in rows for v in row])
    for late, held in ((3_000, ""), (7_200_000, "history")):
        tick, _ = make(["a", "b"]).step(times[-1] + late, batch, [PutRule(RULE)])
        assert [(c.kind, c.silenced) for c in tick.changes] == [("opened", held), ("resolved", held)]


def test_deleted_rule_and_series_let_go() -> None:
    """Deleting the rule, or the series, resolves what was open."""
    for command in (DeleteRule("high"), DeleteSeries((0,))):
        pipeline = make(["a", "b"])
        run(pipeline, [*QUIET, [20.0, 2.0]])
        tick, _ = pipeline.step(T0 + 41 * STEP, Batch.empty(), [command])
        assert [c.kind for c in tick.changes] == ["resolved"]


def test_whoever_heard_of_an_incident_hears_its_end_when_the_rule_is_deleted() -> None:
    """The last change goes to the notifiers of the rule that was, not to all."""
    pipeline = make(["a", "b"])
    opened = run(pipeline, [*QUIET, [20.0, 2.0]], rule=Rule(name="high", threshold=0.5, notify=("ops",)))[-1]
    ended, _ = pipeline.step(T0 + 41 * STEP, Batch.empty(), [DeleteRule("high")])
    assert [("opened", ("ops",)), ("resolved", ("ops",))] == [(c.kind, c.notify) for c in (*opened.changes, *ended.changes)]


def test_stopped_series_do_not_keep_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block whose series all stopped is saved again within an hour or so: a restart need not read what came long before."""
    monkeypatch.setattr(blocks, "BLOCK_SLOTS", 2)
    pipeline, saved = make(["a", "b", "c"]), dict[tuple[str, int], int]()
    for i in range(1000):
        slots = [0, 2] if i < 5 else [2]
        pipeline.step(T0 + i * STEP, Batch.of(slots, [T0 + i * STEP] * len(slots), [1.0] * len(slots)))
        saved |= {(b.name, b.index): b.seq for b in pipeline.next_block()}
    assert min(saved.values()) > 1000 - 4_000_000 // STEP


def test_cut_of_the_stream_does_not_change_incidents() -> None:
    """One large batch or one batch a row: series fire and come back at the same times."""
    rows = [[1.0, 2.0]] * 40 + [[20.0, 2.0]] + [[1.0, 2.0]] * 5 + [[30.0, 30.0]] * 2 + [[1.0, 2.0]] * 5
    keys, spans = ["a", "b"], []
    for size in (1, 7, len(rows)):
        pipeline, ended = make(keys), set[tuple[str, int, int]]()
        for i in range(0, len(rows), size):
            part = rows[i : i + size]
            times = [T0 + (i + k) * STEP for k in range(len(part)) for _ in keys]
            batch = Batch.of([0, 1] * len(part), times, [v for row in part for v in row])
            tick, _ = pipeline.step(times[-1], batch, [PutRule(RULE)] if i == 0 else [])
            ended |= {(s.key, s.start, s.end) for x in tick.incidents for s in x.series if s.end}
        spans.append(ended)
    assert spans[0]
    assert spans == [spans[0]] * 3


def _stream(seed: int = 3) -> list[list[float]]:
    rng = np.random.default_rng(seed)
    values = rng.normal(5, 1, (120, 3)) + 15 * (rng.random((120, 3)) < 0.03)
    return [row.tolist() for row in values]


def state(pipeline: Pipeline) -> list[bytes]:
    found = [*pipeline.changed_blocks(range(-(-pipeline.slots // blocks.BLOCK_SLOTS))), stages(pipeline)]
    found = [b for b in found if b.arrays and (b.name == "series" or b is found[-1])]
    return [b"".join(name.encode() + np.ascontiguousarray(a).tobytes() for name, a in sorted(b.arrays.items())) for b in found]


@pytest.mark.parametrize("cut", [0, 1, 37, 119, 120])
@pytest.mark.parametrize("lag", [0, 20])
def test_replay_equals_never_stopping(cut: int, lag: int) -> None:
    """Blocks saved at a tick, stages saved `lag` ticks earlier, and the journal since: the same state, bit for bit."""
    keys = ["a", "b", "c"]
    pipeline, ticks, saved = make(keys), [], []
    for i, row in enumerate(_stream()):
        if i == max(0, cut - lag):
            saved += pipeline.changed_blocks()[-1:]
        if i == cut and cut:
            saved += pipeline.changed_blocks([0])
        ticks += run(pipeline, [row], i)
        timer = pipeline.timers(T0 + i * STEP + 1000 + (200_000 if i == 100 else 0))
        ticks += [timer] if timer else []
    twin = make(keys)
    marks = twin.load(saved) if cut else Marks()
    twin.replay(ticks, marks)
    assert state(pipeline) == state(twin)


@pytest.mark.parametrize("other", [None, np.zeros(2, np.int32), np.zeros((2, 3), np.int64)])
def test_state_of_another_version_is_learned_anew(other: NDArray[np.generic] | None) -> None:
    """Detector state with other columns is not taken for ours; rules, arrivals and incidents go on."""
    pipeline = make(["a", "b"])
    run(pipeline, QUIET)
    saved = pipeline.changed_blocks()
    del saved[0].arrays["judge.n"]
    if other is not None:
        saved[0].arrays["judge.n"] = other
    twin = make(["a", "b"])
    twin.load(saved)
    assert (twin.relearning, twin.arrivals.columns["count"][:2].tolist()) == (2, [40, 40])
    assert twin.judge.dump()["n"].tolist() == [0, 0]


def test_shards_do_not_change_results() -> None:
    """The same ticks come out for any number of compute threads."""
    from concurrent.futures import ThreadPoolExecutor

    keys = [f"s{i}" for i in range(3000)]
    rng = np.random.default_rng(0)
    rows = [rng.normal(0, 1, 3000).tolist() for _ in range(8)]
    with ThreadPoolExecutor(3) as pool:
        many = Pipeline(StepJudge(), keys, EngineSettings(shards=3), pool)
        one = make(keys)
        for a, b in zip(run(many, rows), run(one, rows), strict=True):
            np.testing.assert_array_equal(a.scored.score, b.scored.score)
            assert a.changes == b.changes
