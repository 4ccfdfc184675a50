"""Series whose state a router gave away go on, once it has it back, as if they had never left."""

from __future__ import annotations

import numpy as np
import pytest

from awry.core.batch import Arrays, Batch, Scored
from awry.core.placement import Placement, Placing
from awry.detection.router import Router

T0 = 1_760_000_000_000
N = 12


def batch(i: int, slots: list[int], *, seed: int = 0) -> Batch:
    """One sample of each of these series in minute i; every third is mostly zero."""
    rng = np.random.default_rng([seed, i])
    value = rng.normal(10, 2, N)
    value[::3] = rng.random(len(value[::3])) < 0.1
    return Batch.of(slots, [T0 + 60_000 * i] * len(slots), value[slots])


def same(left: Scored, right: Scored) -> bool:
    """Bit for bit."""
    names = ("raw", "score", "segment", "expected", "low", "high", "part")
    return all(getattr(left, n).tobytes() == getattr(right, n).tobytes() for n in names)


def equal(left: Arrays, right: Arrays) -> bool:
    return all(np.array_equal(left[name], right[name]) for name in left)


def router(placement: Placement | None = None) -> Router:
    made = Router(placement)
    made.use_keys([f"s{i}" for i in range(N)])
    made.grow(N)
    return made


@pytest.mark.parametrize("parked", [[3], [0, 1, 2, 6, 9], [4, 5, 11]])
@pytest.mark.parametrize("length", [40, 620])
def test_parking_leaves_no_trace(parked: list[int], length: int) -> None:
    """Series parked for a while and taken back have the state and scores of those that stayed, in whatever row they sit now.

    At 620 samples some are learning a second detector, and that goes with them.
    """
    calm, moved = router(), router()
    rest = [s for s in range(N) if s not in parked]
    for i in range(length):
        assert same(calm.step(batch(i, list(range(N)))), moved.step(batch(i, list(range(N)))))
    blobs = moved.park(parked)
    for i in range(length, length + 20):
        assert same(calm.step(batch(i, rest)), moved.step(batch(i, rest)))
    moved.park(rest[:2])  # their rows are free: what comes back takes others than it had
    moved.unpark(parked, blobs)
    for slot in parked:
        assert equal(calm.dump(slot, slot + 1), moved.dump(slot, slot + 1))
    for i in range(length + 20, length + 400):
        assert same(calm.step(batch(i, parked)), moved.step(batch(i, parked)))


def test_a_parked_series_costs_no_row() -> None:
    """Rows of parked series serve others; a dump holds nothing of them, and asking about one tells that it is parked."""
    judge = router()
    judge.step(batch(0, list(range(N))))
    used = judge._benches[0].used
    judge.park([2, 3, 7])
    judge.grow(N + 3)
    assert used == judge._benches[0].used
    assert judge.dump(2, 4)["rows"].size == 0
    assert judge.seat(2) is None
    assert "store" not in judge.choice(4).reason
    assert "store" in judge.choice(2).reason


def test_what_cannot_be_read_is_learned_anew_alone() -> None:
    """A blob of another layout, a broken one and none at all: the series begins anew, its neighbours go on."""
    calm, judge, young = router(), router(), router()
    for i in range(30):
        calm.step(batch(i, [0, 1, 2, 3]))
        judge.step(batch(i, [0, 1, 2, 3]))
    blobs = judge.park([0, 1, 2, 3])
    other = bytearray(blobs[1])
    other[8:16] = np.int64(12345).tobytes()
    judge.unpark([0, 1, 2, 3], [blobs[0], bytes(other), blobs[2][:100], b""])
    assert equal(calm.dump(0, 1), judge.dump(0, 1))
    for slot in (1, 2, 3):
        assert equal(young.dump(slot, slot + 1), judge.dump(slot, slot + 1))


def test_forgotten_series_begin_anew() -> None:
    """A deleted series' row is blank for who gets it, and its slot begins as one never seen."""
    judge, young = router(), router()
    for i in range(30):
        judge.step(batch(i, [0, 1, 2, 3]))
    judge.forget([1, 2])
    judge.unpark([1, 2], [b"", b""])
    for i in range(30, 60):
        assert same(young.step(batch(i, [1, 2])), judge.step(batch(i, [1, 2])))


def test_a_changed_configuration_is_obeyed() -> None:
    """A series whose detector was changed while it was parked is learned anew by the new one."""
    before_all, before = router(), router()
    for judge in (before_all, before):
        judge.step(batch(0, list(range(N))))
    blobs = before.park([1, 2])
    after = router(Placement((Placing.of("x", "s1", "ewma"),)))
    after.forget([1, 2])
    after.unpark([1, 2], blobs)
    assert ("ewma", "default") == (after.choice(1).detector, after.choice(2).detector)
    assert equal(before_all.dump(2, 3), after.dump(2, 3))
