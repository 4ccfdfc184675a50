"""What every database must do behind the doors Store and Archive."""

from __future__ import annotations

from dataclasses import replace
from time import sleep

import numpy as np
import pytest
from sqlalchemy import create_engine

from awry.core.batch import Batch, Scored
from awry.core.errors import InvalidInput, StoreInUse, StoreUnavailable
from awry.core.tick import Block, Sent, Tick
from tests.stores.conftest import Opener
from tests.stores.ticks import ALL, MINUTE, T0, change_of, columns_of, expected_of, incident_of, same, tick_of, work_off

HOUR = 60 * MINUTE


def test_empty(target: str, opened: Opener) -> None:
    """A new store has nothing to recover and nothing to read."""
    store = opened(target)
    found = store.recover()
    assert ([], [], [], 0, {}) == (found.keys, list(found.blocks), list(found.ticks), found.last_seq, dict(found.positions))
    assert 0 == len(store.samples(0, *ALL))
    assert ([], None) == store.incidents()
    assert [] == store.changes()
    assert store.incident("none") is None


def test_committed_is_recovered(target: str, opened: Opener) -> None:
    """Keys, ticks, commands, deletions and positions come back after a restart, bit for bit and in order."""
    ticks = [
        tick_of(1, positions={"a": b"1", "b": b"\x00\xff"}),
        tick_of(2, commands=(b'{"put":1}', b"\xff"), positions={"a": b"2"}),
    ]
    ticks += [Tick(seq=3, time=T0 + 3 * MINUTE, batch=Batch.empty(), scored=Scored.blank(0), deleted=(7,))]
    store = opened(target)
    store.commit(ticks[:2])
    store.commit(ticks[2:])
    store.close()
    found = opened(target).recover()
    assert [f'cpu{{host="web-{s}"}}' for s in range(250)] == found.keys  # slot 7 had one before the ticks to replay
    assert (3, {"a": b"2", "b": b"\x00\xff"}) == (found.last_seq, dict(found.positions))
    again = list(found.ticks)
    assert [(t.seq, t.time, t.commands, t.deleted) for t in ticks] == [(t.seq, t.time, t.commands, t.deleted) for t in again]
    assert [(s, k) for s, k in ticks[0].series if s != 7] == [(s, k) for s, k in again[0].series if k]
    for tick, found_tick in zip(ticks, again, strict=True):
        pairs = zip(columns_of((tick.batch, tick.scored)), columns_of((found_tick.batch, found_tick.scored)), strict=True)
        assert all(x.tobytes() == y.tobytes() for x, y in pairs)


def test_counters_are_recovered(target: str, opened: Opener) -> None:
    """Their kind, what they sent in place of the rate, and a later change of kind come back after a restart."""
    sent = Sent(np.array([1, 4], np.int32), np.array([1e15, np.nan]))
    later = Tick(seq=3, time=T0 + 3 * MINUTE, batch=Batch.empty(), scored=Scored.blank(0), kinds=((0, 1), (4, 0)))
    store = opened(target)
    store.commit([tick_of(1, 6, counters=(1, 4), sent=sent), tick_of(2, 6)])
    assert bytes([0, 1, 0, 0, 1, 0]) == store.recover().kinds
    store.commit([later])
    store.close()
    found = opened(target).recover()
    ticks = list(found.ticks)
    assert bytes([1, 1, 0, 0, 0, 0]) == found.kinds
    assert ticks[0].sent is not None
    assert (sent.rows.tobytes(), sent.value.tobytes()) == (ticks[0].sent.rows.tobytes(), ticks[0].sent.value.tobytes())
    assert [None, None] == [tick.sent for tick in ticks[1:]]


def test_deleted_key_is_gone_when_no_tick_before_is_replayed(target: str, opened: Opener) -> None:
    """Its key is kept with the journal row of the deletion, for replays from before it, and nowhere else."""
    gone = Tick(seq=2, time=T0 + 2 * MINUTE, batch=Batch.empty(), scored=Scored.blank(0), deleted=(1,))
    again = Tick(seq=3, time=T0 + 3 * MINUTE, batch=Batch.empty(), scored=Scored.blank(0), deleted=(1,))
    store = opened(target)
    store.commit([tick_of(1, 3), gone])
    store.commit([again])
    found = []
    for seq in (1, 2, 3):
        store.save([Block("scorer", 0, seq, {})])
        found.append(store.recover().keys[1])
    assert ['cpu{host="web-1"}', "", ""] == found


def test_blocks(target: str, opened: Opener) -> None:
    """The last block of each name and index is kept, of any dtype and size; the journal is replayed from the oldest on."""
    store = opened(target)
    store.commit([tick_of(seq) for seq in range(1, 6)])
    big = np.random.default_rng(1).integers(0, 255, 9 << 20).astype(np.uint8)
    arrays = {"f": np.arange(6, dtype=np.float32).reshape(2, 3), "s": np.zeros((0, 4)), "b": np.array(3, np.int8)}
    store.save([Block("scorer", 0, 2, arrays), Block("scorer", 1, 2, {"x": np.ones(3)}), Block("rules", 0, 3, {})])
    store.save([Block("scorer", 1, 4, {"x": big})])
    store.close()
    found = opened(target).recover()
    blocks = list(found.blocks)
    assert [("rules", 0, 3), ("scorer", 0, 2), ("scorer", 1, 4)] == [(b.name, b.index, b.seq) for b in blocks]
    assert [3, 4, 5] == [tick.seq for tick in found.ticks]
    assert np.array_equal(big, blocks[2].arrays["x"])
    assert {n: (a.dtype, a.shape, a.tobytes()) for n, a in arrays.items()} == {
        n: (a.dtype, a.shape, a.tobytes()) for n, a in blocks[1].arrays.items()
    }


def test_samples_are_the_same_wherever_they_are(target: str, opened: Opener) -> None:
    """A series reads the same from the head, from chunks, from both, and after a restart; ranges are [start, end)."""
    ticks = [tick_of(seq) for seq in range(1, 13)]
    store = opened(target)
    store.commit(ticks[:8])
    assert same(expected_of(ticks[:8], 120), store.samples(120, *ALL))
    assert work_off(store, T0 + 3 * HOUR) > 0
    assert (2000, 10) == (store.stats()["samples"], store.stats()["chunks"])
    store.commit(ticks[8:])
    for place in (store, None):
        if place is None:
            store.close()
            place = opened(target)
        for slot in (0, 99, 100, 249):
            assert same(expected_of(ticks, slot), place.samples(slot, *ALL))
        assert same(expected_of(ticks[3:9], 5), place.samples(5, T0 + 4 * MINUTE + 5, T0 + 10 * MINUTE + 5))
        assert 0 == len(place.samples(250, *ALL)) == len(place.samples(5, 10, 10))
        stats = place.stats()
        assert (3000, T0 + MINUTE, T0 + 12 * MINUTE + 249) == (stats["samples"], stats["oldest"], stats["newest"])
        assert stats["bytes"] > 0


def test_incidents_and_changes(target: str, opened: Opener) -> None:
    """Incidents are updated in place, paged newest first, filtered by state and overlap; changes are kept in order."""
    store = opened(target)
    store.commit([tick_of(1, incidents=tuple(incident_of(n) for n in range(5)), changes=(change_of(1, incident_of(4)),))])
    ended = incident_of(2, end=T0 + 3 * MINUTE)
    store.commit([tick_of(2, incidents=(ended,), changes=(change_of(2, ended), change_of(3, ended)))])
    assert ended == store.incident("inc-002")
    pages, mark = [], ""
    while mark is not None:
        page, mark = store.incidents(limit=2, after=mark)  # type: ignore[assignment]
        pages.append([incident.id for incident in page])
    assert [["inc-004", "inc-003"], ["inc-002", "inc-001"], ["inc-000"]] == pages
    assert [ended] == store.incidents(state="resolved")[0]
    assert 4 == len(store.incidents(state="open")[0])
    overlapping = store.incidents(start=T0 + 3 * MINUTE + 1, end=T0 + 4 * MINUTE)[0]
    assert ["inc-003", "inc-001", "inc-000"] == [incident.id for incident in overlapping]
    assert [change_of(2, ended), change_of(3, ended)] == store.changes(after=1)
    assert [change_of(2, ended)] == store.changes("inc-002", limit=1)
    with pytest.raises(InvalidInput):
        store.incidents(after="nonsense")


def test_delete(target: str, opened: Opener) -> None:
    """A deleted series cannot be read from the moment of the commit; upkeep takes it out of its chunks; its neighbours stay."""
    ticks = [tick_of(seq) for seq in range(1, 9)]
    store = opened(target)
    store.commit(ticks[:4])
    work_off(store, T0 + 3 * HOUR)
    store.commit(ticks[4:])
    gone = Tick(seq=9, time=T0 + 9 * MINUTE, batch=Batch.empty(), scored=Scored.blank(0), deleted=(3, 4))
    store.commit([gone])
    assert [0, 0, 8] == [len(store.samples(slot, *ALL)) for slot in (3, 4, 5)]
    work_off(store, T0 + 6 * HOUR)
    assert 248 * 8 == store.stats()["samples"]
    store.close()
    store = opened(target)
    assert [0, 0, 8] == [len(store.samples(slot, *ALL)) for slot in (3, 4, 5)]
    assert same(expected_of(ticks, 2), store.samples(2, *ALL))
    assert 248 * 8 == store.stats()["samples"]


def test_delete_while_another_is_taken_out(target: str, opened: Opener) -> None:
    """A series deleted when some chunks have been looked at for another one is taken out of those chunks as well."""
    store, first = opened(target), tick_of(1, 10)
    others = first.batch.slot != 3
    store.commit([replace(first, batch=first.batch.take(others), scored=first.scored.take(others))])
    work_off(store, T0 + 3 * HOUR)
    store.commit([tick_of(2, 10)])
    work_off(store, T0 + 6 * HOUR)
    assert (2, 19) == (store.stats()["chunks"], store.stats()["samples"])
    store.commit([Tick(seq=3, time=T0 + 3 * MINUTE, batch=Batch.empty(), scored=Scored.blank(0), deleted=(3,))])
    assert store.upkeep(T0 + 6 * HOUR)
    store.commit([Tick(seq=4, time=T0 + 4 * MINUTE, batch=Batch.empty(), scored=Scored.blank(0), deleted=(4,))])
    work_off(store, T0 + 9 * HOUR)
    assert 8 * 2 == store.stats()["samples"]


def test_journal_is_kept_until_no_one_needs_it(target: str, opened: Opener) -> None:
    """Journal rows go when sealed, older than every block and old enough; the numbering goes on after a restart."""
    store = opened(target, journal_keep_ms=HOUR)
    store.commit([tick_of(seq) for seq in range(1, 7)])
    work_off(store, T0 + 2 * HOUR)
    assert 6 == store.stats()["journal_rows"]
    store.save([Block("scorer", 0, 6, {}), Block("scorer", 1, 4, {})])
    work_off(store, T0 + 30 * MINUTE)
    assert 6 == store.stats()["journal_rows"]
    work_off(store, T0 + 2 * HOUR)
    assert 2 == store.stats()["journal_rows"]
    store.save([Block("scorer", 1, 6, {})])
    work_off(store, T0 + 3 * HOUR)
    assert 0 == store.stats()["journal_rows"]
    store.close()
    assert 6 == opened(target).recover().last_seq


def test_retention_by_age(target: str, opened: Opener) -> None:
    """Chunks, changes and resolved incidents older than the retention go; open incidents and younger samples stay."""
    day = 24 * HOUR
    store = opened(target, retention_ms=day)
    old = incident_of(0, end=T0 + 1)
    store.commit([tick_of(1, incidents=(old, incident_of(1)), changes=(change_of(1, old),))])
    work_off(store, T0 + 2 * HOUR)
    late = T0 + day + 2 * HOUR
    store.commit([Tick(seq=2, time=late, batch=Batch.of([5], [late], [1.0]), scored=Scored.blank(1))])
    work_off(store, late)
    assert 1 == store.stats()["samples"]
    assert ["inc-001"] == [incident.id for incident in store.incidents()[0]]
    assert [] == store.changes()


def test_retention_by_size(target: str, opened: Opener) -> None:
    """The oldest chunks go while the database is too large."""
    store = opened(target, max_bytes=1, journal_keep_ms=0)
    store.commit([tick_of(1)])
    work_off(store, T0 + 2 * HOUR)
    assert (0, 0) == (store.stats()["chunks"], store.stats()["samples"])


def test_a_limit_takes_the_sealed_journal_before_history(target: str, opened: Opener) -> None:
    """What is in chunks as well goes from the journal first, however young; history goes only when that was not enough."""
    if target.startswith(("postgresql", "mysql")):
        pytest.skip("only SQLite's journal counts towards the limit")
    store = opened(target)
    store.commit([tick_of(seq) for seq in range(1, 200)])
    store.save([Block("scorer", 0, 199, {})])
    work_off(store, T0 + 1 * HOUR)
    store.compact(T0 + 1 * HOUR)
    full = store.stats()["bytes"]
    store.close()
    store = opened(target, journal_keep_ms=24 * HOUR, max_bytes=full - 10_000)
    work_off(store, T0 + 6 * HOUR)
    assert 199 * 250 == store.stats()["samples"]


def test_small_chunks_are_merged(target: str, opened: Opener) -> None:
    """Many small chunks of a group become few, by upkeep and by compact, and read the same."""
    ticks = [tick_of(seq, 110) for seq in range(1, 20)]
    store = opened(target, seal_samples=1, seal_rows_each=0)
    for tick in ticks:
        store.commit([tick])
        work_off(store, tick.time)
    assert store.stats()["chunks"] < 5 * 19
    sizes = store.compact(T0 + HOUR)
    assert 5 == store.stats()["chunks"]
    assert sizes["bytes_after"] <= sizes["bytes_before"]
    assert 19 * 110 == store.stats()["samples"]
    assert same(expected_of(ticks, 104), store.samples(104, *ALL))


def test_one_server_only(target: str, opened: Opener) -> None:
    """A second server on one database is refused, and let in after the first has gone; closing twice is fine."""
    store = opened(target)
    with pytest.raises(StoreInUse, match="cannot open"):
        opened(target)
    store.close()
    store.close()
    opened(target)


def test_connection_lost(target: str, opened: Opener) -> None:
    """When the server ends the connection, a commit says StoreUnavailable or succeeds on a new one; a repeated one succeeds."""
    if "://" not in target:
        pytest.skip("a file has no server")
    ticks = [tick_of(seq) for seq in range(1, 4)]
    store = opened(target)
    store.commit(ticks[:1])
    engine = create_engine(target.partition("?")[0])
    with engine.connect() as connection:
        if target.startswith("postgresql"):
            others = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = 1098347129"
            kill = "SELECT pg_terminate_backend({})"
        else:
            others = "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"
            kill = "KILL {}"
        for number in connection.exec_driver_sql(others).scalars().all():
            connection.exec_driver_sql(kill.format(number))
    engine.dispose()
    with pytest.raises(StoreUnavailable, match="cannot write to the database"):
        store.commit(ticks[1:])
    for _ in range(1000):
        try:
            store.commit(ticks[1:])
            break
        except StoreUnavailable:
            sleep(0.02)  # the server has not let go of the lock yet
    assert same(expected_of(ticks, 9), store.samples(9, *ALL))
