"""Incremental checkpoints: detector state in blocks of slots, each saved at its own tick; the stages saved together.

Series are independent, so a block saved after tick n needs only its own rows of the ticks after n. A restart loads the
blocks and replays each journal row into the slots whose block is older than the row.

Not independent are siblings, which the detector `peers` compares: a replayed row finds those of a newer block beyond its tick and
is learned alone, so after a restart a group that spans blocks knows its last minutes a little less well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Arrays
from awry.core.rule import Rule, Silence
from awry.core.tick import Block
from awry.engine.incidents import Open
from awry.engine.rules import Held, Sighting

if TYPE_CHECKING:
    from awry.engine.pipeline import Pipeline

BLOCK_SLOTS = 1024
RENEW_COLUMNS = 6
"""A block that nothing changed is saved again after so many ten minutes of ticks."""


class Dirty:
    """Which blocks changed since they were last saved."""

    def __init__(self) -> None:
        self._flags: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self._saved: NDArray[np.int64] = np.zeros(0, np.int64)
        self._born: dict[int, int] = {}
        self.stages_known = False
        """Whether the stages were ever saved."""

    def grow(self, slots: int, seq: int) -> None:
        """Have a flag for every block of this many slots; new ones hold nothing of tick `seq` and before."""
        have, need = self._flags.shape[0], -(-slots // BLOCK_SLOTS)
        if need > have:
            self._flags = np.concatenate([self._flags, np.zeros(need - have, np.bool_)])
            self._saved = np.concatenate([self._saved, np.zeros(need - have, np.int64)])
            self._born |= dict.fromkeys(range(have, need), seq)

    def loaded(self, index: int) -> None:
        """This block stands in the store already."""
        self._born.pop(index, None)

    def placeholders(self) -> list[Block]:
        """Empty blocks in place of those that were never saved.

        They go with the next save: else the oldest saved block would tell a restart to begin after their first ticks.
        """
        found = [Block("series", index, seq, {}) for index, seq in self._born.items()]
        self._born.clear()
        return found

    def touch(self, slots: NDArray[np.int32]) -> None:
        """These slots changed."""
        self._flags[slots // BLOCK_SLOTS] = True

    def changed(self) -> list[int]:
        """Numbers of changed blocks."""
        return [int(i) for i in np.flatnonzero(self._flags)]

    def renew(self, column: int) -> None:
        """Call for blocks that have long been as they were saved; `column` counts ten minutes (as in Heat).

        The tick a block was saved at says where a restart begins to read: a block whose series all stopped would otherwise keep
        the whole journal since from being trimmed.
        """
        self._saved[self._saved == 0] = column
        self._flags |= column - self._saved >= RENEW_COLUMNS

    def saved(self, index: int, column: int) -> None:
        """This block is about to be saved as it is, in this ten minutes."""
        self._flags[index] = False
        self._saved[index] = column
        self._born.pop(index, None)


@dataclass(slots=True)
class Marks:
    """Up to which tick each part of the state is known: `stages` for rules, incidents and arrivals, and per block."""

    stages: int = 0
    by_block: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    old: set[int] = field(default_factory=set)
    """Blocks of an older version, which do not say whose slots are empty."""

    def behind(self, slot: NDArray[np.int32], seq: int) -> NDArray[np.bool_]:
        """Rows whose series' state has not seen tick `seq` yet."""
        index = slot // BLOCK_SLOTS
        if not index.size:
            return np.zeros(0, np.bool_)
        need = int(index.max()) + 1
        if need > self.by_block.shape[0]:
            self.by_block = np.concatenate([self.by_block, np.zeros(need - self.by_block.shape[0], np.int64)])
        behind: NDArray[np.bool_] = self.by_block[index] < seq
        return behind

    def ones_behind(self, slots: Sequence[int], seq: int) -> list[int]:
        """Those of the slots whose state has not seen tick `seq` yet, in rising order."""
        mine = np.array(sorted(slots), np.int32)
        found: list[int] = mine[self.behind(mine, seq)].tolist()
        return found


@dataclass(slots=True)
class Stages:
    """Rules, silences, what they hold and the open incidents: small, saved whole as JSON."""

    rules: list[Rule]
    silences: list[Silence]
    held: list[Held]
    worst: list[tuple[str, int, Sighting]]
    open: list[Open]
    next_incident: int
    next_change: int


def collect(pipeline: Pipeline, wanted: Sequence[int] | None) -> list[Block]:
    """Blocks of the wanted numbers; with None of all changed ones, and the stages with the arrivals."""
    found = []
    for index in pipeline.dirty.changed() if wanted is None else wanted:
        start, stop = index * BLOCK_SLOTS, min((index + 1) * BLOCK_SLOTS, pipeline.slots)
        pipeline.dirty.saved(index, pipeline.heat.newest)
        state: Arrays = {f"judge.{k}": v for k, v in pipeline.judge.dump(start, stop).items()}
        state |= {f"heat.{k}": v for k, v in pipeline.heat.dump(start, stop).items()}
        state["parked"] = pipeline.parking.where[start:stop].copy()
        latest = pipeline.latest.take(slice(start, stop))
        state |= {f"latest.{name}": getattr(latest, name).copy() for name in _LATEST}
        found.append(Block("series", index, pipeline.seq, state))
    if wanted is None or not pipeline.dirty.stages_known:
        found.append(stages(pipeline))
    return pipeline.dirty.placeholders() + found


def restore(pipeline: Pipeline, saved: Iterable[Block]) -> Marks:
    """Load blocks into an empty pipeline, those of the series first."""
    marks = Marks()
    for block in saved:
        pipeline.seq = max(pipeline.seq, block.seq)
        if block.name == "series":
            if block.arrays:
                _load_series(pipeline, block)
                if "parked" not in block.arrays:
                    marks.old.add(block.index)
            pipeline.grow(block.index * BLOCK_SLOTS + 1)
            pipeline.dirty.loaded(block.index)
            if block.index >= marks.by_block.shape[0]:
                marks.by_block = np.concatenate([marks.by_block, np.zeros(block.index + 1 - marks.by_block.shape[0], np.int64)])
            marks.by_block[block.index] = block.seq
        else:
            _load_stages(pipeline, block)
            pipeline.dirty.stages_known = True
            marks.stages = block.seq
    return marks


_LATEST = ("raw", "score", "segment", "expected", "low", "high", "part")


def _part(block: Block, prefix: str) -> Arrays:
    return {k.removeprefix(prefix): v for k, v in block.arrays.items() if k.startswith(prefix)}


def _layout(arrays: Arrays) -> dict[str, tuple[str, tuple[int, ...]]]:
    """What a state's rows look like: another version of a detector may keep other columns."""
    return {name: (array.dtype.str, array.shape[1:]) for name, array in arrays.items()}


def _load_series(pipeline: Pipeline, block: Block) -> None:
    start, latest = block.index * BLOCK_SLOTS, _part(block, "latest.")
    stop = start + latest["score"].shape[0]
    pipeline.grow(stop)
    state = _part(block, "judge.")
    if _layout(state) == _layout(pipeline.judge.dump(0, 0)):
        pipeline.judge.load(state, start)
    else:
        pipeline.relearning += stop - start
    if "parked" in block.arrays:
        pipeline.parking.load(block.arrays["parked"].astype(np.uint8), start)
    pipeline.heat.load(_part(block, "heat."), start)
    for name in _LATEST:
        getattr(pipeline.latest, name)[start:stop] = latest[name]


def stages(pipeline: Pipeline) -> Block:
    """Rules, incidents and arrivals as they stand, as one block."""
    rules, incidents = pipeline.rules, pipeline.incidents
    held = Stages(
        rules=list(rules.rules.values()),
        silences=list(incidents.silences.values()),
        held=list(rules.held.values()),
        worst=[(rule, slot, seen) for (rule, slot), seen in rules.worst.items()],
        open=list(incidents.open.values()),
        next_incident=incidents.next_incident,
        next_change=incidents.next_change,
    )
    arrays: Arrays = {f"arrivals.{k}": v for k, v in pipeline.arrivals.dump().items()}
    arrays |= {f"rates.{k}": v for k, v in pipeline.rates.dump().items()}
    pipeline.dirty.stages_known = True
    arrays["json"] = np.frombuffer(msgspec.json.encode(held), np.uint8)
    return Block("stages", 0, pipeline.seq, arrays)


def _load_stages(pipeline: Pipeline, block: Block) -> None:
    stages = msgspec.json.decode(block.arrays["json"].tobytes(), type=Stages)
    pipeline.arrivals.load(_part(block, "arrivals."))
    pipeline.grow(pipeline.arrivals.slots)
    pipeline.rates.load(_part(block, "rates."))
    pipeline.rules.load(stages.rules, stages.held, stages.worst)
    for found in stages.open:  # what older versions wrote does not say it
        found.firing = sum(series.end is None for series in found.members.values())
    pipeline.incidents.open = {o.incident.id: o for o in stages.open}
    pipeline.incidents.silences = {s.id: s for s in stages.silences}
    pipeline.incidents.next_incident, pipeline.incidents.next_change = stages.next_incident, stages.next_change
