"""The router: which detector a series gets and why, the same however the stream is cut, saved or spread over threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from awry.core.batch import Batch, Scored
from awry.core.placement import Place, Placement, Placing
from awry.detection.catalogue import detector_names, make_detector, make_judge
from awry.detection.ewma import Ewma
from awry.detection.parts import PARTS
from awry.detection.router import FULL_BYTES, SWITCH, Router
from awry.detection.scorer import Scorer

START_MS, STEP_MS = 1_700_006_400_000, 60_000
ROWS = 1600


def sparse(rows: int = ROWS, seed: int = 1) -> NDArray[np.float64]:
    """Zero in 95 % of the samples, else 1 to 3."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(rows) < 0.05, rng.integers(1, 4, rows), 0).astype(np.float64)


def dense(rows: int = ROWS, seed: int = 2) -> NDArray[np.float64]:
    """Noise about 50."""
    return np.random.default_rng(seed).normal(50, 3, rows)


def stream(*columns: NDArray[np.float64]) -> Batch:
    """One series per column, a sample of each at every tick."""
    rows = len(columns[0])
    times = np.repeat(START_MS + np.arange(rows, dtype=np.int64) * STEP_MS, len(columns))
    return Batch.of(np.tile(np.arange(len(columns)), rows), times, np.stack(columns, axis=1).ravel())


def mixed() -> Batch:
    """Dense, sparse, sparse and then dense, all zero, holes."""
    turning = np.concatenate([sparse(800, 3), dense(800, 4)])
    holed = sparse(ROWS, 5)
    holed[::7] = np.nan
    return stream(dense(), sparse(), turning, np.zeros(ROWS), holed)


def fresh(placement: Placement | None = None, memory_bytes: int = 0, keys: list[str] | None = None, slots: int = 5) -> Router:
    """A router with `ewma` in the place of `counts`, which depends on nothing."""
    router = Router(placement, memory_bytes=memory_bytes, intermittent="ewma")
    if keys is not None:
        router.use_keys(keys)
    router.grow(slots)
    return router


def same(got: Scored, wanted: Scored) -> None:
    """Equal bit for bit."""
    for name in ("raw", "score", "segment", "expected", "low", "high", "part"):
        np.testing.assert_array_equal(getattr(got, name), getattr(wanted, name), err_msg=name)


def joined(pieces: list[Scored]) -> Scored:
    return Scored.concat(pieces)


def test_dense_series_are_judged_as_without_a_router() -> None:
    """With nothing configured and nothing sparse the answer is the default scorer's, bit for bit."""
    batch = stream(dense(), dense(seed=9))
    plain = Scorer()
    plain.grow(2)
    same(fresh(slots=2).step(batch), plain.step(batch))


@pytest.mark.parametrize("size", [1, 7, 333, 4000])
def test_any_cut_gives_the_same(size: int) -> None:
    """Scores, choices and dumps do not depend on how the stream is cut, changes of detector included."""
    batch, whole, cut = mixed(), fresh(), fresh()
    wanted = whole.step(batch)
    same(joined([cut.step(batch.take(slice(at, at + size))) for at in range(0, len(batch), size)]), wanted)
    for slot in range(5):
        assert whole.choice(slot) == cut.choice(slot)
    for name, rows in whole.dump().items():
        np.testing.assert_array_equal(cut.dump()[name], rows, err_msg=name)


@pytest.mark.parametrize("at", [100, 511, 512, 600, 767, 768, 1023, 1100])
def test_resuming_from_ranges_equals_never_stopping(at: int) -> None:
    """A dump in two ranges, loaded in the other order, continues bit for bit: before, during and after a change of detector."""
    batch, whole = mixed(), fresh()
    wanted = whole.step(batch)
    first = fresh()
    first.step(batch.take(slice(0, at * 5)))
    second = fresh()
    second.load(first.dump(2, 5), 2)
    second.load(first.dump(0, 2), 0)
    same(second.step(batch.take(slice(at * 5, None))), wanted.take(slice(at * 5, None)))
    assert [whole.choice(s) for s in range(5)] == [second.choice(s) for s in range(5)]


def test_a_change_of_detector_makes_no_noise() -> None:
    """Until its last sample the old detector speaks; then the new one, as if it had been there since the look at 512 samples."""
    values = sparse()
    got = fresh(slots=1).step(stream(values))
    old, new = Scorer(), make_judge("ewma")
    old.grow(1)
    new.grow(1)
    same(got.take(slice(0, 512 + SWITCH)), old.step(stream(values)).take(slice(0, 512 + SWITCH)))
    after = new.step(stream(values[512:]))
    np.testing.assert_array_equal(got.score[512 + SWITCH :], after.score[SWITCH:])
    assert "distance" in {PARTS[part] for part in got.part[512 + SWITCH :]}


def test_reasons_are_words() -> None:
    """Each series says why it has its detector, in numbers that can be checked."""
    router, batch = fresh(), mixed()
    assert router.choice(0).reason == "every series begins with it"
    router.step(batch.take(slice(0, 520 * 5)))
    zeros = int(np.sum(sparse()[:512] == 0))
    assert router.choice(0).reason == "0 % of 512 samples are zero: judged by its values"
    assert router.choice(1).detector == "default"
    assert router.choice(1).reason.startswith(f"{100 * zeros / 512:.0f} % of 512 samples are zero")
    assert router.choice(1).reason.endswith("; ewma takes over in 248 samples")
    assert router.choice(3).reason == "100 % of 512 samples are zero, too few others to judge events by: judged by its values"
    router.step(batch.take(slice(520 * 5, None)))
    assert ["default", "ewma", "ewma", "default", "ewma"] == [router.choice(s).detector for s in range(5)]
    zeros = int(np.sum(sparse()[768:1536] == 0))
    assert router.choice(1).reason == f"{100 * zeros / 768:.0f} % of 768 samples are zero: judged by its events"


def test_a_series_comes_back_when_it_is_no_longer_sparse() -> None:
    """Dense values bring the default detector back, after a look and its learning."""
    values = np.concatenate([sparse(800), dense(4000)])
    router = fresh(slots=1)
    router.step(stream(values))
    assert router.choice(0).detector == "default"
    assert "are zero: judged by its values" in router.choice(0).reason


def test_fractions_are_no_counts() -> None:
    """Mostly zero, but the rest are fractions: the default detector stays, and says why."""
    router = fresh(slots=1)
    router.step(stream(sparse() * 1.5 + 0.25 * (sparse() > 0)))
    assert "default" == router.choice(0).detector
    assert "but the others are no small counts" in router.choice(0).reason


PLACED = Placement((Placing.of("little", 'cpu{tier="dev"}', detector="lean"), Placing.of("flat", "up", detector="ewma")))
KEYS = ['cpu{tier="dev"}', 'cpu{tier="prod"}', "up", 'cpu{tier="dev",x="1"}', "zero"]


def test_the_configuration_decides_first() -> None:
    """A series that a table names keeps its detector whatever its samples are; each is judged as by that detector alone."""
    router, batch = fresh(PLACED, keys=KEYS), mixed()
    got = router.step(batch)
    assert ["lean", "ewma", "ewma", "lean", "ewma"] == [router.choice(s).detector for s in range(5)]
    assert "[series.little] of the configuration says so" == router.choice(0).reason
    lean = make_judge("lean")
    lean.grow(1)
    np.testing.assert_array_equal(got.score[0::5], lean.step(stream(dense())).score)


def test_keys_may_come_after_growing() -> None:
    """A series whose key is not known yet gets its detector with its first sample."""
    late, batch = fresh(PLACED), mixed()
    late.use_keys(KEYS)
    same(late.step(batch), fresh(PLACED, keys=KEYS).step(batch))
    assert "lean" == late.choice(0).detector


def test_a_series_whose_key_never_comes_is_judged_by_default() -> None:
    """Samples do not wait for a key: their series gets what series get that no table names."""
    lost, batch = fresh(PLACED), mixed()
    same(lost.step(batch), fresh().step(batch))
    assert "default" == lost.choice(0).detector


def test_memory_sends_later_series_to_the_lean_detector() -> None:
    """With memory for two full detectors, the third series on are lean, and say why."""
    router = fresh(memory_bytes=2 * FULL_BYTES)
    assert ["default", "default", "lean", "lean", "lean"] == [router.choice(s).detector for s in range(5)]
    assert "[detection] memory_bytes is used up by the series before it" == router.choice(4).reason
    batch = mixed()
    again = fresh(memory_bytes=2 * FULL_BYTES)
    again.load(router.dump())
    same(again.step(batch), router.step(batch))


def test_a_lean_series_does_not_cost_a_full_row() -> None:
    """State is held only for the detector a series has: dumps of lean series are under 1.5 KB each."""
    router = fresh(Placement(default=Place("lean")), slots=100)
    assert sum(rows.nbytes for rows in router.dump().values()) < 100 * 1500
    assert "[detection] of the configuration says so" == router.choice(7).reason


def test_a_changed_configuration_moves_its_series_and_no_others() -> None:
    """After a restart with another table the moved series learns anew; the rest goes on bit for bit."""
    batch, old = mixed(), fresh(keys=KEYS)
    wanted = old.step(batch)
    first = fresh(keys=KEYS)
    first.step(batch.take(slice(0, 4000)))
    moved = fresh(PLACED, keys=KEYS)
    moved.load(first.dump())
    got = moved.step(batch.take(slice(4000, None)))
    assert ["lean", "ewma", "ewma", "lean", "ewma"] == [moved.choice(s).detector for s in range(5)]
    np.testing.assert_array_equal(got.score[4::5], wanted.score[4004::5])
    assert np.isnan(got.score[0])


def test_the_layout_of_a_dump_does_not_depend_on_the_detectors() -> None:
    """Blocks saved under one configuration can be read under another."""

    def layout(router: Router) -> dict[str, tuple[str, tuple[int, ...]]]:
        return {name: (rows.dtype.str, rows.shape[1:]) for name, rows in router.dump(0, 0).items()}

    other = fresh(Placement(default=Place("ewma")))
    assert layout(fresh()) == layout(other)
    other.load(fresh().dump())
    assert ["ewma"] * 5 == [other.choice(s).detector for s in range(5)]


def test_a_detector_whose_rows_changed_is_learned_anew() -> None:
    """Another layout of one detector's state concerns the series that have it, nobody else."""

    class Wider(Ewma):
        def dump(self, start: int = 0, stop: int | None = None) -> dict[str, NDArray[np.generic]]:
            rows = super().dump(start, stop)
            return rows | {"more": np.zeros((rows["state"].shape[0], 3))}

    batch, router = mixed(), fresh()
    router.step(batch)
    newer = Router(intermittent="ewma", make=lambda name: Scorer(Wider(), name=name) if name == "ewma" else make_judge(name))
    newer.load(router.dump())
    assert ["default", "default", "default", "default", "default"] == [newer.choice(s).detector for s in range(5)]
    more = stream(*[dense(200, seed) for seed in range(5)])
    np.testing.assert_array_equal(newer.step(more).score[0::5], router.step(more).score[0::5])


def test_threads_with_series_of_their_own_do_not_disturb_each_other() -> None:
    """Four threads, each with its slots, through changes of detector: as one thread."""
    columns = [sparse(ROWS, seed) if seed % 2 else dense(ROWS, seed) for seed in range(16)]
    batch = stream(*columns)
    wanted = fresh(slots=16).step(batch)
    router = fresh(slots=16)
    out = Scored.blank(len(batch))

    def work(thread: int) -> None:
        for at in range(0, len(batch), 16 * 40):
            rows = np.arange(at, min(at + 16 * 40, len(batch)))
            rows = rows[batch.slot[rows] % 4 == thread]
            scored = router.step(batch.take(rows))
            for name in ("raw", "score", "segment", "expected", "low", "high", "part"):
                getattr(out, name)[rows] = getattr(scored, name)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    same(out, wanted)


def test_freed_rows_are_used_again() -> None:
    """A series that left its detector leaves room for the next one, which starts from nothing."""
    router = fresh(slots=1)
    router.step(stream(sparse()))
    router.grow(2)
    alone = Scorer()
    alone.grow(1)
    values = dense(300)
    got = router.step(Batch.of(np.ones(300, np.int32), START_MS + np.arange(300) * STEP_MS, values))
    same(got, alone.step(stream(values)))
    assert 1 == router._benches[0].used


def test_time_zones_reach_the_detectors() -> None:
    """Two series with the same values, a day's wave in local time, but other zones: their day profiles differ, as if alone."""
    zones = Placement((Placing.of("berlin", "b", time_zone="Europe/Berlin"), Placing.of("lean", "c", detector="lean")))
    router = fresh(zones, keys=["a", "b", "c"], slots=3)
    hours = np.arange(24 * 20)
    values = 10 * np.sin(2 * np.pi * hours / 24) + np.random.default_rng(0).normal(0, 1, len(hours))
    batch = stream(values, values, values)
    got = router.step(batch)
    assert not np.array_equal(got.raw[0::3], got.raw[1::3])
    alone = Scorer()
    alone.grow(1)
    np.testing.assert_array_equal(got.raw[0::3], alone.step(stream(values)).raw)


def test_every_shipped_part_has_a_number() -> None:
    """Parts of all our detectors are in the one list, so that a stored number keeps its word."""
    missing = []
    for name in detector_names():
        try:
            parts = make_detector(name).parts
        except ImportError:
            continue
        missing += [f"{name}: {part}" for part in parts if part not in PARTS]
    assert [] == missing
