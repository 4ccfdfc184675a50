"""Rebuilds the exact detector state before one stored sample and says what was thought of it; for `awry explain`.

Scoring is a pure function of the series' own stream, so any saved state of it and the samples since lead there: its checkpoint
block, what was parked, or nothing at all when every sample since the first is still stored. Whether it worked is checked: each
replayed score must be the stored one, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Arrays, Batch, Scored
from awry.core.errors import NotFound
from awry.core.past import Past
from awry.core.placement import Placement
from awry.core.quantity import num, unit_of
from awry.core.reason import TELLING, clause
from awry.core.rule import Rule
from awry.core.selector import parse_selector
from awry.core.series_key import parse_key
from awry.detection.choice import Choice
from awry.detection.parts import PARTS
from awry.detection.router import FULL_BYTES, Router
from awry.detection.scorer import Scorer
from awry.detection.workings import Workings, workings
from awry.engine.arrivals import Arrivals
from awry.engine.blocks import BLOCK_SLOTS, Stages
from awry.engine.commands import DeleteRule, PutRule, decode_command
from awry.engine.parking import HERE
from awry.engine.pipeline import TIMERS
from awry.engine.threshold import rule_threshold

STEP_ROWS = 100_000
"""Samples replayed at once."""
Origin = Literal["checkpoint", "parked", "first sample", "oldest sample kept"]


@dataclass(frozen=True, slots=True)
class Basis:
    """Where the replay began."""

    origin: Origin
    seq: int
    """The tick of that state; 0 when it began with samples."""
    samples: int
    """Replayed before the sample that is explained."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule asks of such a sample."""

    rule: str
    threshold: float
    why: str
    reached: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything about one sample; `found` is computed anew, `stored` what the server stored of it, one row each."""

    past: Past
    row: int
    """Of the sample among the stored ones."""
    found: Scored
    stored: Scored
    choice: Choice
    workings: Workings | None
    sentence: str
    basis: Basis
    compared: int
    """Samples replayed, this one included."""
    unequal: int
    first_unequal: int | None
    """Time of the first sample that was stored otherwise."""
    exact: bool
    notes: tuple[str, ...]
    interval: float
    """As the series' samples came until then, ms."""
    seen: int
    """Samples of the series until then, this one included."""
    verdicts: tuple[Verdict, ...]


def explain(past: Past, at: int, placement: Placement, memory_bytes: int = 0) -> Explanation:
    """Explain the last sample stored at or before `at`, Unix ms. placement, memory_bytes: as the server's configuration has them.

    Raises NotFound when there is none.
    """
    row = int(np.searchsorted(past.batch.time, at, side="right")) - 1
    if row < 0:
        raise NotFound(f"cannot explain {past.key[:200]!r}: no sample at or before that time is stored")
    # one series in a router of its own: whether memory was used up before it is all that its slot decides
    beyond = memory_bytes > 0 and past.slot >= memory_bytes // FULL_BYTES
    router = _router(placement, beyond, [past.key])
    router.grow(1)
    basis, start = _begin(
        past, row, router, lambda at, block: _of_block(block, at, _router(placement, beyond, at * [""] + [past.key]))
    )
    found = [
        router.step(_mine(past.batch, rows)) for rows in (slice(i, min(i + STEP_ROWS, row)) for i in range(start, row, STEP_ROWS))
    ]
    choice, last = router.choice(0), _mine(past.batch, slice(row, row + 1))
    inside = _workings(router, choice, last, placement.of(past.key).siblings_by)
    found.append(router.step(last))
    replayed, stored = Scored.concat(found), past.scored.take(slice(start, row + 1))
    unequal = np.flatnonzero(~_same(replayed, stored))
    notes = _notes(past, basis, unequal.size, placement)
    interval, seen, exact_rules = _arrived(past, row)
    one = stored.take(slice(-1, None))
    return Explanation(
        past=past, row=row, found=replayed.take(slice(-1, None)), stored=one, choice=choice, workings=inside,
        sentence=_sentence(past, row), basis=basis, compared=len(stored.score), unequal=int(unequal.size),
        first_unequal=int(past.batch.time[start + unequal[0]]) if unequal.size else None,
        exact=not unequal.size and basis.origin != "oldest sample kept" and not placement.of(past.key).siblings_by,
        notes=notes if exact_rules else (*notes, "the rules are those of the last checkpoint, which is newer than the sample"),
        interval=interval, seen=seen, verdicts=_verdicts(past, row, float(one.score[0]), interval, seen),
    )  # fmt: skip


def _router(placement: Placement, beyond: bool, keys: list[str]) -> Router:
    router = Router(placement, memory_bytes=1 if beyond else 0)
    router.use_keys(keys)
    return router


def _begin(past: Past, row: int, router: Router, of_block: Callable[[int, Arrays], bytes]) -> tuple[Basis, int]:
    """Load the newest state from before the sample; tells what it was and the first row to replay."""
    seq = int(past.seq[row])
    states: list[tuple[int, Origin, bytes]] = []
    block = past.block
    if block is not None and past.born <= block.seq < seq and "judge.slots" in block.arrays:
        at = past.slot % BLOCK_SLOTS
        where = block.arrays.get("parked", np.zeros(0, np.uint8))
        if at < block.arrays["judge.slots"].shape[0] and (at >= where.shape[0] or where[at] == HERE):
            states.append((block.seq, "checkpoint", of_block(at, block.arrays)))
    for parked, back, data in past.parked:
        if past.born <= parked < seq and past.journal_from <= (parked + 1 if back is None else back):
            states.append((parked, "parked", data))
    for saved, origin, data in sorted(states, reverse=True):
        if router.unpark([0], [data]):
            start = int(np.searchsorted(_rising(past.seq), saved, side="right"))
            return Basis(origin, saved, row - start), start
    if states:
        router.unpark([0], [b""])
    return Basis("first sample" if _whole(past) else "oldest sample kept", 0, row), 0


def _of_block(arrays: Arrays, at: int, everyone: Router) -> bytes:
    """The state of the series at this place of a block, as it would be parked. everyone: knows its key, and takes the block."""
    everyone.load({"slots": arrays["judge.slots"], "rows": arrays["judge.rows"]})
    return everyone.park([at])[0]


def _rising(seq: NDArray[np.int64]) -> NDArray[np.int64]:
    """Ticks by sample; sealed ones (0) come before."""
    rising: NDArray[np.int64] = np.maximum.accumulate(seq)
    return rising


def _whole(past: Past) -> bool:
    """Whether every sample that was ever accepted is still stored."""
    if past.journal_from and past.journal_from <= past.born:
        return True
    counted = _counted(past)
    return counted is not None and counted == int(np.count_nonzero(~_after_stages(past)))


def _counted(past: Past) -> int | None:
    """Samples accepted until the stages were saved; None when they were not, or before the series began."""
    stages = past.stages
    if stages is None or stages.seq < past.born or past.slot >= stages.arrays["arrivals.count"].shape[0]:
        return None
    return int(stages.arrays["arrivals.count"][past.slot])


def _after_stages(past: Past) -> NDArray[np.bool_]:
    """Which samples came after the stages were saved."""
    after: NDArray[np.bool_] = past.seq > (past.stages.seq if past.stages is not None else -1)
    return after


def _mine(batch: Batch, rows: slice) -> Batch:
    """The series' samples, for a judge that knows no other."""
    part = batch.take(rows)
    return Batch(np.zeros(len(part), np.int32), part.time, part.value)


def _workings(router: Router, choice: Choice, last: Batch, siblings_by: str) -> Workings | None:
    judge, row = router.seat(0) or (None, 0)
    if siblings_by or not isinstance(judge, Scorer):
        return None
    return workings(judge, choice.detector, Batch(np.array([row], np.int32), last.time, last.value))


def _same(a: Scored, b: Scored) -> NDArray[np.bool_]:
    """Which rows are equal bit for bit; one NaN is as good as another."""
    same: NDArray[np.bool_] = a.part == b.part
    for name in ("raw", "score", "segment", "expected", "low", "high"):
        x, y = getattr(a, name), getattr(b, name)
        same &= (x.view(np.uint32) == y.view(np.uint32)) | (np.isnan(x) & np.isnan(y))
    return same


def _notes(past: Past, basis: Basis, unequal: int, placement: Placement) -> tuple[str, ...]:
    notes = []
    if basis.origin == "oldest sample kept":
        notes.append("retention took its first samples: the state was learned from those that are left, and is not what it was")
    if placement.of(past.key).siblings_by:
        notes.append("it is compared with its siblings, which are not replayed")
    elif unequal and basis.origin != "oldest sample kept":
        notes.append(
            "other scores were stored: was another configuration or another version of Awry at work? --config names the file"
        )
    return tuple(notes)


def _sentence(past: Past, row: int) -> str:
    stored = past.scored
    if np.isnan(stored.score[row]):
        return (
            "is not judged: no observation" if np.isnan(past.batch.value[row]) else "is not judged yet: the series is being learnt"
        )
    unit = unit_of(parse_key(past.key)[0])
    value, expected, low, high = (float(c[row]) for c in (past.batch.value, stored.expected, stored.low, stored.high))
    if stored.score[row] < TELLING:
        return f"is {num(value, unit)}: nothing strange begins here"
    return clause(PARTS[stored.part[row]], value, expected, low, high, unit)


def _arrived(past: Past, row: int) -> tuple[float, int, bool]:
    """Interval (ms) and count of the series after the sample, and whether the rules of that moment are known."""
    known = past.stages is None or past.seq[row] > past.stages.seq
    arrivals = Arrivals()
    arrivals.grow(1)
    if _whole(past):
        arrivals.admit(_mine(past.batch, slice(0, row + 1)), 0, 1 << 62)
        return float(arrivals.columns["interval"][0]), row + 1, known
    counted = _counted(past)
    if counted is None or past.stages is None:
        return float(np.median(np.diff(past.batch.time[: row + 1]))) if row else 0.0, row + 1, known
    late = _after_stages(past)
    for name, column in arrivals.columns.items():
        saved = past.stages.arrays.get(f"arrivals.{name}")
        if saved is not None:  # another version may keep others
            column[0] = saved[past.slot]
    arrivals.admit(_mine(past.batch.take(np.flatnonzero(late[: row + 1])), slice(None)), 0, 1 << 62)
    since = int(np.count_nonzero(late[: row + 1])) - int(np.count_nonzero(~late[row + 1 :]))
    return float(arrivals.columns["interval"][0]), max(1, counted + since), known


def _verdicts(past: Past, row: int, score: float, interval: float, seen: int) -> tuple[Verdict, ...]:
    """What each enabled rule that means the series says, the rules being those of that moment as far as they are known."""
    rules: dict[str, Rule] = {}
    saved = -1
    if past.stages is not None:
        saved = past.stages.seq
        stages = msgspec.json.decode(past.stages.arrays["json"].tobytes(), type=Stages)
        rules = {rule.name: rule for rule in stages.rules}
    for seq, data in past.commands:
        if saved < seq <= past.seq[row] and data != TIMERS:
            match decode_command(data):
                case PutRule(rule):
                    rules[rule.name] = rule
                case DeleteRule(name):
                    rules.pop(name, None)
    found: Sequence[Rule] = [r for r in rules.values() if r.enabled and parse_selector(r.selector).matches_key(past.key)]
    told = [(rule.name, *rule_threshold(rule, interval, seen)) for rule in found]
    return tuple(Verdict(name, threshold, why, score >= threshold) for name, threshold, why in told)
