"""The detector's state before any stored sample is rebuilt exactly from what the store has; where it cannot be, that is said."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from awry.core.batch import Batch
from awry.core.errors import NotFound
from awry.core.placement import Place, Placement, Placing
from awry.core.rule import Rule
from awry.detection.router import FULL_BYTES, Router
from awry.engine.blocks import BLOCK_SLOTS
from awry.engine.commands import Command, DeleteRule, DeleteSeries, PutRule
from awry.engine.explain import Explanation, explain
from awry.engine.pipeline import Pipeline
from awry.engine.settings import DEFAULT_RULE, EngineSettings
from awry.stores import SqlStore, open_store
from awry.stores.connect import database_url
from awry.stores.past import read_past
from tests.engine.parking_life import Life, stream
from tests.stores.conftest import target  # noqa: F401  # a fixture

T0, MINUTE = 1_760_000_000_000 // 60_000 * 60_000, 60_000
KEYS = ['cpu{host="a"}', 'jobs{host="a"}', 'cpu{host="b"}']
MINUTES = 900


def values(seed: int) -> np.ndarray:
    """A wave with jumps, rare events (which another detector takes over), and a walk."""
    rng = np.random.default_rng(seed)
    i = np.arange(MINUTES)
    wave = 50 + 10 * np.sin(i / 30) + rng.normal(0, 1, MINUTES) + 80 * (rng.random(MINUTES) < 0.01)
    wave[820] += 900
    events = (rng.random(MINUTES) < 0.03) * rng.integers(1, 4, MINUTES)
    return np.stack([wave, events, rng.normal(0, 1, MINUTES).cumsum()]).round(3)


class Run:
    """An engine of its own over a store: minute after minute, checkpoints at some of them."""

    def __init__(self, path: str | Path, placement: Placement, memory_bytes: int = 0, **options: int) -> None:
        self.path, self.placement, self.memory_bytes = path, placement, memory_bytes
        self.store: SqlStore = open_store(path, seal_rows_each=0, **options)
        self.keys = list(KEYS)
        self.pipeline = Pipeline(Router(placement, memory_bytes=memory_bytes), self.keys, EngineSettings(shards=1))

    def to(self, minutes: range, save: Sequence[int] = (), commands: dict[int, list[Command]] | None = None) -> Run:
        """Live through these minutes."""
        data = values(7)
        for i in minutes:
            at = T0 + i * MINUTE
            batch = Batch.of(np.arange(3), np.full(3, at), data[:, i])
            batch.value[2] = np.nan if i % 50 == 3 else batch.value[2]
            self.store.commit([self.pipeline.step(at + 500, batch, (commands or {}).get(i, []))[0]])
            if i in save:
                self.store.save(self.pipeline.changed_blocks())
            while self.store.upkeep(at + 1000):
                pass
        return self

    def explained(self, key: str, minute: int) -> Explanation:
        """Of the sample of that minute, read beside the open store."""
        past = read_past(database_url(self.path), key, BLOCK_SLOTS)
        return explain(past, T0 + minute * MINUTE + 7, self.placement, self.memory_bytes)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Fifteen hours, sealed in between, the journal trimmed, the last checkpoint two hours before the end."""
    placement = Placement([Placing.of("b", '{host="b"}', "holt_winters", "Europe/Berlin")])
    rule = PutRule(Rule(name="mine", selector="cpu", threshold=0.31))
    commands: dict[int, list[Command]] = {0: [PutRule(DEFAULT_RULE)], 850: [rule], 880: [DeleteRule("mine")]}
    return Run(tmp_path_factory.mktemp("run"), placement, seal_samples=400).to(range(MINUTES), (100, 500, 780), commands)


@pytest.mark.parametrize("minute", [3, 17, 60, 400, 511, 512, 600, 767, 768, 780, 781, 860, 899])
@pytest.mark.parametrize("key", KEYS)
def test_exact(run: Run, key: str, minute: int) -> None:
    """Before, at and after a checkpoint, in chunks and in the journal, with any detector, and while one takes over from another."""
    found = run.explained(key, minute)
    assert (True, 0) == (found.exact, found.unequal)
    assert ((minute <= 780) * ["rules"]) == [note.split()[1] for note in found.notes]
    assert minute == found.row
    assert ("checkpoint" if minute > 780 else "first sample") == found.basis.origin
    assert (minute - 780 if minute > 780 else minute + 1) == found.compared
    assert (minute + 1, 60_000) == (found.seen, found.interval) if minute else True
    assert T0 + minute * MINUTE == found.past.batch.time[found.row]


def strangest(run: Run) -> int:
    """The minute with the highest score of the wave."""
    return int(np.nanargmax(run.store.samples(0, 0, 1 << 60).scored.score))


def test_the_detector_and_its_reason(run: Run) -> None:
    """The detector is the one of that moment: a series of rare events was given another later on."""
    assert "default" == run.explained(KEYS[1], 400).choice.detector
    assert "counts" == run.explained(KEYS[1], 899).choice.detector
    assert "holt_winters" == run.explained(KEYS[2], 899).choice.detector
    assert "counts takes over" in run.explained(KEYS[1], 600).choice.reason


def test_the_rules_of_that_moment(run: Run) -> None:
    """Rules are those that held then, with the threshold for a series of that age, and whether the sample reached it."""
    assert ["default"] == [v.rule for v in run.explained(KEYS[0], 840).verdicts]
    assert ["default", "mine"] == [v.rule for v in run.explained(KEYS[0], 850).verdicts]
    assert ["default"] == [v.rule for v in run.explained(KEYS[0], 880).verdicts]
    assert ["default"] == [v.rule for v in run.explained(KEYS[1], 850).verdicts]
    found = run.explained(KEYS[0], 850)
    assert [0.31, "score of 0.31, as the rule says"] == [found.verdicts[1].threshold, found.verdicts[1].why]
    assert run.explained(KEYS[0], strangest(run)).verdicts[0].reached


def test_what_is_said(run: Run) -> None:
    """A jump in its words, a NaN, a sample of the first minutes, and one that is nothing strange."""
    assert "far above anything seen before (expected" in run.explained(KEYS[0], strangest(run)).sentence
    assert run.explained(KEYS[0], 3).sentence.startswith("is not judged yet")
    assert run.explained(KEYS[2], 53).sentence == "is not judged: no observation"
    assert run.explained(KEYS[2], 53).workings is None
    assert [] != [i for i in range(200, 220) if "nothing strange" in run.explained(KEYS[0], i).sentence]


def test_what_is_not_there(run: Run) -> None:
    """A series nobody knows, and a moment before its first sample."""
    with pytest.raises(NotFound, match="cannot find the series"):
        run.explained("nothing", 5)
    with pytest.raises(NotFound, match="no sample at or before"):
        run.explained(KEYS[0], -5)


def test_another_configuration_is_noticed(run: Run) -> None:
    """Without the server's configuration a series gets another detector: the scores differ, which is said, and where first."""
    past = read_past(database_url(run.path), KEYS[2], BLOCK_SLOTS)
    found = explain(past, T0 + 700 * MINUTE, Placement())
    assert not found.exact
    assert found.unequal > 0
    assert found.first_unequal is not None
    assert "--config" in found.notes[0]


def test_history_that_retention_cut(tmp_path: Path) -> None:
    """When first samples are gone a state from before the last checkpoint cannot be exact, and says so; a later one still is."""
    run = Run(tmp_path, Placement(), seal_samples=300).to(range(500), (450,))
    with closing(sqlite3.connect(tmp_path / "awry.db")) as connection, connection:
        connection.execute("DELETE FROM chunks WHERE id = (SELECT MIN(id) FROM chunks)")
    cut = run.explained(KEYS[0], 440)
    assert ("oldest sample kept", False) == (cut.basis.origin, cut.exact)
    assert "retention took its first samples" in cut.notes[0]
    assert (441, 60_000) == (cut.seen, cut.interval)
    later = run.explained(KEYS[0], 460)
    assert ("checkpoint", True, 461) == (later.basis.origin, later.exact, later.seen)


def test_before_any_checkpoint(tmp_path: Path) -> None:
    """The journal alone is enough while it reaches back to the first sample."""
    run = Run(tmp_path, Placement()).to(range(90), (), {5: [PutRule(DEFAULT_RULE)]})
    found = run.explained(KEYS[0], 89)
    assert ("first sample", True, 90, 1) == (found.basis.origin, found.exact, found.seen, len(found.verdicts))


def test_any_database(target: str) -> None:  # noqa: F811
    """PostgreSQL and MariaDB are read like SQLite, beside the server that writes."""
    run = Run(target, Placement(), seal_samples=100).to(range(120), (60,), {0: [PutRule(DEFAULT_RULE)]})
    for minute, origin in ((30, "first sample"), (100, "checkpoint")):
        found = run.explained(KEYS[0], minute)
        assert (origin, True, minute + 1) == (found.basis.origin, found.exact, found.seen)
    run.store.close()


def test_a_series_beyond_memory(tmp_path: Path) -> None:
    """Series that got the lean detector because memory was used up are judged by it again."""
    run = Run(tmp_path, Placement(), memory_bytes=2 * FULL_BYTES).to(range(120), (60,))
    assert [("default", True), ("default", True), ("lean", True)] == [
        ((found := run.explained(key, minute)).choice.detector, found.exact)
        for key, minute in zip(KEYS, (40, 100, 40), strict=True)
    ]
    late = run.explained(KEYS[2], 100)
    assert ("lean", "checkpoint", True) == (late.choice.detector, late.basis.origin, late.exact)


def test_siblings(tmp_path: Path) -> None:
    """A detector that compares series cannot be rebuilt alone: never called exact."""
    placing = Placing.of("all", "cpu", "peers", siblings_by="host")
    run = Run(tmp_path, Placement([placing], Place())).to(range(80))
    found = run.explained(KEYS[0], 70)
    assert (False, None) == (found.exact, found.workings)
    assert "compared with its siblings" in found.notes[0]


def test_a_deleted_series(tmp_path: Path) -> None:
    """It is not there any more."""
    run = Run(tmp_path, Placement()).to(range(40), (20,), {30: [DeleteSeries((0,))]})
    with pytest.raises(NotFound):
        run.explained(KEYS[0], 10)


def test_a_life_with_parking(tmp_path: Path) -> None:
    """While series stop, are parked, come back, die and give their slots away, every rebuilt score is the stored one."""
    life = Life(tmp_path, reuse=True).run(stream(1, 300, 25))
    origins = set()
    for slot, key in enumerate(life.table.keys):
        if key and len(life.store.samples(slot, 0, 1 << 60)):
            past = read_past(database_url(tmp_path), key, BLOCK_SLOTS)
            for row in {len(past.batch) // 2, len(past.batch) - 1}:
                found = explain(past, int(past.batch.time[row]), Placement())
                origins.add(found.basis.origin)
                whole = found.basis.origin != "oldest sample kept"
                assert (whole, True) == (found.exact, not whole or not found.unequal), (key, row, found.basis)
                assert ["r"] == [verdict.rule for verdict in found.verdicts]
    assert {"parked", "first sample", "oldest sample kept"} <= origins


def test_parked_state(run: Run) -> None:
    """A series that came back goes on from what was parked, when that is newer than its checkpoint or stands in for it."""
    past = read_past(database_url(run.path), KEYS[0], BLOCK_SLOTS)
    router = Router(run.placement)
    router.use_keys([KEYS[0]])
    router.grow(1)
    row = 850
    router.step(Batch(np.zeros(row, np.int32), past.batch.time[:row], past.batch.value[:row]))
    seq = int(past.seq[row - 1])
    parked = replace(past, parked=[(seq, seq + 1, router.park([0])[0])])
    found = explain(parked, T0 + 870 * MINUTE, run.placement)
    assert ("parked", seq, 20, True) == (found.basis.origin, found.basis.seq, found.basis.samples, found.exact)
    assert past.block is not None
    away = {**past.block.arrays, "parked": np.ones(3, np.uint8)}
    found = explain(replace(parked, block=replace(past.block, arrays=away)), T0 + 800 * MINUTE, run.placement)
    assert ("first sample", True) == (found.basis.origin, found.exact)
