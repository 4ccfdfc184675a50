"""The state of parked series in a store, and the slots of deleted ones that others may have."""

from __future__ import annotations

import errno
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import update

from awry.core.batch import Batch, Scored
from awry.core.errors import StoreUnavailable
from awry.core.tick import Block, Tick
from awry.stores.schema import parked
from tests.stores.conftest import Opener
from tests.stores.test_faults import Trap
from tests.stores.ticks import ALL, MINUTE, T0, scored_of, tick_of, work_off

HOUR = 60 * MINUTE


def quiet(seq: int, **more: object) -> Tick:
    """A tick without samples."""
    return Tick(seq=seq, time=T0 + seq * MINUTE, batch=Batch.empty(), scored=Scored.blank(0), **more)  # type: ignore[arg-type]


def test_parked_state_comes_back(target: str, opened: Opener) -> None:
    """The state parked last before a tick is found, also after the series was back; a replay is told who went and who came."""
    big = np.random.default_rng(1).integers(0, 255, 100_000).astype(np.uint8).tobytes()
    store = opened(target)
    store.commit([tick_of(1, 6), quiet(2, parked=((0, b"one"), (4, big))), quiet(3, parked=((5, b"five"),))])
    assert {0: b"one", 4: big, 5: b"five"} == store.parked([0, 1, 4, 5], 4)
    assert {} == store.parked([5], 3)
    store.commit([replace(tick_of(4, 6), back=(0, 4)), quiet(5, parked=((0, b"two"),)), quiet(6, deleted=(5,))])
    store.close()
    store = opened(target)
    assert {0: b"one", 4: big} == store.parked([0, 4], 4)
    assert {0: b"two", 4: big, 5: b"five"} == store.parked([0, 4, 5], 7)
    told = [(t.seq, [slot for slot, _ in t.parked], t.back, t.deleted) for t in store.recover().ticks]
    assert [
        (1, [], (), ()),
        (2, [0, 4], (), ()),
        (3, [5], (), ()),
        (4, [], (0, 4), ()),
        (5, [0], (), ()),
        (6, [], (), (5,)),
    ] == told


def test_parked_state_goes_when_no_replay_asks_for_it(target: str, opened: Opener) -> None:
    """Rows of series that were back, or deleted, before every checkpoint block are deleted by upkeep; what is parked stays."""
    store = opened(target)
    store.commit([tick_of(1, 6), quiet(2, parked=((0, b"a"), (1, b"b"), (2, b"c"))), replace(tick_of(3, 1), back=(0,))])
    store.commit([quiet(4, deleted=(1,))])
    left = []
    for hour, seq in enumerate((2, 3, 4), 3):
        store.save([Block("series", 0, seq, {})])
        work_off(store, T0 + hour * HOUR)
        left.append(sorted(store.parked([0, 1, 2], 9)))
    assert [[0, 1, 2], [1, 2], [2]] == left


@pytest.mark.parametrize("point", ["commit.before", "commit.after"])
def test_a_repeated_commit_parks_once(target: str, opened: Opener, point: str) -> None:
    """After an error in the commit of a parking tick it is committed again, and stands there once."""
    store = opened(target, fault=Trap(point, OSError(errno.ENOSPC, "No space left on device"), visit=2))
    store.commit([tick_of(1, 6)])
    ticks = [quiet(2, parked=((3, b"x"),)), replace(tick_of(3, 6), back=(3,)), quiet(4, parked=((3, b"y"),))]
    with pytest.raises(StoreUnavailable):
        store.commit(ticks)
    store.commit(ticks)
    assert ({3: b"x"}, {3: b"y"}) == (store.parked([3], 4), store.parked([3], 5))


def test_a_damaged_row_is_one_series(target: str, opened: Opener) -> None:
    """State that cannot be unpacked is left out; that of others is found."""
    store = opened(target)
    store.commit([tick_of(1, 6), quiet(2, parked=((0, b"a"), (1, b"b")))])
    with store._database.write("damage a row") as connection:
        connection.execute(update(parked).where(parked.c.slot == 0).values(data=b"nonsense"))
    assert {1: b"b"} == store.parked([0, 1], 3)


def reborn(seq: int, slot: int, key: str) -> Tick:
    """The first tick of another series in this slot."""
    return Tick(
        seq=seq, time=T0 + seq * MINUTE, batch=Batch.of([slot], [T0 + seq * MINUTE], [7.0]), scored=scored_of(1, seq),
        series=((slot, key),),
    )  # fmt: skip


def test_slots_of_deleted_series_are_reused(target: str, opened: Opener) -> None:
    """A slot is free when its samples are out of the chunks and no replay meets the deletion; then it is another series' alone."""
    store = opened(target, journal_keep_ms=10 * HOUR)
    store.commit([tick_of(seq, 6) for seq in range(1, 5)])
    work_off(store, T0 + 3 * HOUR)
    store.commit([tick_of(5, 6), quiet(6, deleted=(2, 3))])
    store.save([Block("series", 0, 5, {})])
    work_off(store, T0 + 6 * HOUR)
    assert () == store.reusable()
    store.save([Block("series", 0, 6, {})])
    work_off(store, T0 + 7 * HOUR)
    assert (2, 3) == store.reusable()
    assert () == store.reusable()
    store.commit([reborn(7, 2, "new")])
    assert (6, [7.0]) == (store._state.slots, store.samples(2, *ALL).value.tolist())
    work_off(store, T0 + 10 * HOUR)
    store.close()
    store = opened(target)
    assert ([7.0], []) == (store.samples(2, *ALL).value.tolist(), store.samples(3, *ALL).value.tolist())
    found = store.recover()
    assert [f'cpu{{host="web-{s}"}}' if s not in (2, 3) else {2: "new", 3: ""}[s] for s in range(6)] == found.keys
    assert [(7, ((2, "new"),))] == [(tick.seq, tick.series) for tick in found.ticks]


def test_free_slots_are_found_again_after_a_restart(target: str, opened: Opener) -> None:
    """At once, unless a replay still meets the deletion."""
    store = opened(target)
    store.commit([tick_of(1, 6), quiet(2, deleted=(2,)), tick_of(3, 2), quiet(4, deleted=(5,)), tick_of(5, 2)])
    store.save([Block("series", 0, 2, {})])
    work_off(store, T0 + 6 * HOUR)
    store.close()
    store = opened(target)
    assert (2,) == store.reusable()
    store.save([Block("series", 0, 5, {})])
    work_off(store, T0 + 8 * HOUR)
    assert (5,) == store.reusable()


def test_a_reused_slot_can_be_deleted_again(target: str, opened: Opener) -> None:
    """The second deletion is as the first: nothing to read, and free again later."""
    store = opened(target)
    store.commit([tick_of(1, 3), quiet(2, deleted=(1,))])
    store.save([Block("series", 0, 2, {})])
    work_off(store, T0 + 3 * HOUR)
    assert (1,) == store.reusable()
    store.commit([reborn(3, 1, "new"), quiet(4, deleted=(1,))])
    assert 0 == len(store.samples(1, *ALL))
    assert "new" == store.recover().keys[1]
    store.save([Block("series", 0, 4, {})])
    work_off(store, T0 + 6 * HOUR)
    assert ("", (1,)) == (store.recover().keys[1], store.reusable())
