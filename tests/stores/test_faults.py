"""Crashes and errors at every point leave each sample once, and a store that goes on."""

from __future__ import annotations

import errno
import sqlite3
import threading
from pathlib import Path

import pytest

from awry.core.errors import StoreUnavailable
from awry.core.tick import Block
from awry.stores import SqlStore, StoreOptions
from tests.stores.conftest import Opener
from tests.stores.ticks import ALL, MINUTE, T0, expected_of, same, tick_of, work_off

HOUR = 60 * MINUTE
COMMIT = ["commit.begin", "commit.before", "commit.after"]
UPKEEP = [
    "seal.insert",
    "seal.before",
    "seal.after",
    "trim.before",
    "unpark.before",
    "expire.before",
    "merge.before",
    "purge.before",
]


class CrashError(BaseException):
    """The process ends here."""


class Trap:
    """Raises an error at the n-th visit of a point."""

    def __init__(self, point: str, error: BaseException, visit: int = 1) -> None:
        self.point, self.error, self.left, self.sprung = point, error, visit, False

    def __call__(self, point: str) -> None:
        if point == self.point and not self.sprung:
            self.left -= 1
            if self.left == 0:
                self.sprung = True
                raise self.error


@pytest.mark.parametrize("point", COMMIT)
@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), sqlite3.OperationalError("database or disk is full")]
)
def test_commit_can_be_repeated(target: str, opened: Opener, point: str, error: Exception) -> None:
    """After an error anywhere in a commit the same ticks are committed again, and are there once."""
    ticks = [tick_of(seq) for seq in range(1, 5)]
    store = opened(target, fault=Trap(point, error, visit=2))
    store.commit(ticks[:1])
    with pytest.raises(StoreUnavailable) as caught:
        store.commit(ticks[1:3])
    assert "free some disk space" in caught.value.hint
    assert 250 == store.stats()["samples"]
    store.commit(ticks[1:3])
    store.commit(ticks[3:])
    assert same(expected_of(ticks, 9), store.samples(9, *ALL))
    store.close()
    found = opened(target).recover()
    assert [1, 2, 3, 4] == [tick.seq for tick in found.ticks]


@pytest.mark.parametrize("visit", [1, 2])
@pytest.mark.parametrize("point", UPKEEP)
@pytest.mark.parametrize("crash", [True, False], ids=["crash", "error"])
@pytest.mark.slow
def test_upkeep_leaves_each_sample_once(tmp_path: Path, point: str, visit: int, crash: bool) -> None:
    """A crash, or an error, in the midst of upkeep loses and doubles nothing; the next upkeep finishes the work."""
    options = StoreOptions(seal_samples=1, seal_rows_each=0, slice_ms=0, journal_keep_ms=0, merge_rows=1000, retention_ms=24 * HOUR)
    ticks = [tick_of(seq) for seq in range(1, 25)]
    trap = Trap(point, CrashError() if crash else OSError(errno.EIO, "Input/output error"), visit)
    store, done = SqlStore(tmp_path, options, fault=trap), 0
    later = T0 + 25 * HOUR
    while done < len(ticks):
        store.commit(ticks[done : done + 1])
        done += 1
        store.save([Block("all", 0, done, {})])
        store = _survive(store, tmp_path, options, trap, ticks[done - 1].time)
    assert all(same(expected_of(ticks, slot), store.samples(slot, *ALL)) for slot in (0, 99, 100, 249))
    assert 24 * 250 == store.stats()["samples"]
    gone = tick_of(25, 1, first=1, deleted=(249,))
    store.commit([gone])
    store = _survive(store, tmp_path, options, trap, gone.time)
    assert 24 * 249 + 1 == store.stats()["samples"]
    store = _survive(store, tmp_path, options, trap, later + HOUR)
    assert 0 == store.stats()["samples"]
    assert trap.sprung
    store.close()


def _survive(store: SqlStore, path: Path, options: StoreOptions, trap: Trap, now: int) -> SqlStore:
    while True:
        try:
            work_off(store, now)
            return store
        except StoreUnavailable:
            continue
        except CrashError:
            store.close()  # gives the lock back as the end of a process would; nothing is written
            store = SqlStore(path, options, fault=trap)


def test_crash_before_commit_leaves_nothing(tmp_path: Path, opened: Opener) -> None:
    """A crash inside the transaction leaves the store as it was."""
    store = opened(tmp_path, fault=Trap("commit.before", CrashError(), visit=2))
    store.commit([tick_of(1)])
    with pytest.raises(CrashError):
        store.commit([tick_of(2)])
    store.close()
    assert [1] == [tick.seq for tick in opened(tmp_path).recover().ticks]


def test_save_is_all_or_nothing(tmp_path: Path, opened: Opener) -> None:
    """An error while blocks are saved leaves the former ones."""
    store = opened(tmp_path, fault=Trap("save.before", OSError(errno.EIO, "Input/output error"), visit=2))
    store.save([Block("a", 0, 1, {}), Block("b", 0, 1, {})])
    with pytest.raises(StoreUnavailable):
        store.save([Block("a", 0, 2, {})])
    store.close()
    assert [1, 1] == [block.seq for block in opened(tmp_path).recover().blocks]


def test_of_two_blocks_alike_the_later_is_kept(target: str, opened: Opener) -> None:
    """A writer that a slow disk held up saves two checkpoints of one block at once."""
    store = opened(target)
    store.save([Block("a", 0, 1, {}), Block("b", 0, 1, {}), Block("a", 0, 2, {})])
    store.close()
    assert [("a", 2), ("b", 1)] == [(block.name, block.seq) for block in opened(target).recover().blocks]


def test_readers_see_every_committed_sample(tmp_path: Path, opened: Opener) -> None:
    """While the writer commits, seals and merges, a reader in another thread never misses or repeats a committed sample."""
    store = opened(tmp_path, seal_samples=500, seal_rows_each=0, slice_ms=0)
    ticks = [tick_of(seq, 120) for seq in range(1, 61)]
    committed, wrong, over = [0], [], threading.Event()

    def read() -> None:
        while not over.is_set():
            least = committed[0]
            found = store.samples(101, *ALL)
            if not same(expected_of(ticks[: len(found)], 101), found) or len(found) < least:
                wrong.append((least, len(found)))

    reader = threading.Thread(target=read)
    store.commit(ticks[:1])
    reader.start()
    for at in range(1, len(ticks)):
        store.commit(ticks[at : at + 1])
        committed[0] = at + 1
        store.upkeep(ticks[at].time)
    over.set()
    reader.join()
    assert [] == wrong
