"""The table of raw keys: what is added is found, what is forgotten is not, and neither time nor churn makes it grow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from awry.core import raw_index
from awry.core.hashing import hash_after, hash_bytes, probe_after
from awry.core.raw_index import RawIndex


@pytest.mark.parametrize("at_once", [1 << 16, 0])
def test_it_agrees_with_a_dict_through_additions_and_deletions(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    """Random keys of any length, added, forgotten, added again under other slots, grown at once or by pieces."""
    monkeypatch.setattr(raw_index, "_FEW", 50)
    monkeypatch.setattr(raw_index, "_AT_ONCE", at_once)
    rng = np.random.default_rng(1)
    index, known, slot = RawIndex(16), {}, 0
    keys = [rng.bytes(int(n)) for n in rng.integers(0, 40, 800)]
    for _ in range(40):
        for at in rng.integers(0, len(keys), 60).tolist():
            if keys[at] not in known:
                known[keys[at]] = slot
                index.add(keys[at], slot)
                slot += 1
        assert [known.get(key, -1) for key in keys] == [index.find(key) for key in keys]
        gone = rng.choice(list(known.values()), min(30, len(known)), replace=False)
        index.forget(gone.astype(np.int32))
        known = {key: at for key, at in known.items() if at not in set(gone.tolist())}
        assert [known.get(key, -1) for key in keys] == [index.find(key) for key in keys]


def test_churn_does_not_make_it_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred keys, replaced two hundred times: forgotten ones are left out at times."""
    monkeypatch.setattr(raw_index, "_FEW", 500)
    index = RawIndex(16)
    for turn in range(200):
        for i in range(100):
            index.add(b"%d.%d" % (turn, i), turn * 100 + i)
        assert turn * 100 + 7 == index.find(b"%d.7" % turn)
        index.forget(np.arange(turn * 100, turn * 100 + 100, dtype=np.int32))
        assert -1 == index.find(b"%d.7" % turn)
    assert len(index) <= 700
    assert index.nbytes < 100_000


def test_the_first_slot_of_bytes_stays() -> None:
    """Bytes that are added twice mean what they meant first."""
    index = RawIndex()
    index.add(b"a", 1)
    index.add(b"a", 2)
    assert 1 == index.find(b"a")
    index.arrays  # noqa: B018  # what waits is put into the table
    index.add(b"a", 3)
    index.arrays  # noqa: B018
    assert 1 == index.find(b"a")


def test_keys_forgotten_and_added_again_while_it_grows_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A larger table that holds a part of the entries already learns what becomes of them."""
    monkeypatch.setattr(raw_index, "_AT_ONCE", 0)
    index = RawIndex(256)
    known = {b"key %d" % i: i for i in range(140)}
    for key, slot in known.items():
        index.add(key, slot)
        index.arrays  # noqa: B018  # what waits is put into the table
    assert 0 < index._carried < 256
    again = {b"key %d" % i: 1000 + i for i in range(0, 140, 3)}
    index.forget(np.arange(0, 140, 3, dtype=np.int32))
    for key, slot in again.items():
        index.add(key, slot)
    while index._larger is not None:
        index.add(b"more %d" % len(index), 5000)
        index.arrays  # noqa: B018
    assert {**known, **again} == {key: index.find(key) for key in known}


def test_no_key_waits_for_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a table grows twice, to 260,000 keys, each key copies its share of the places and no more."""
    copied, carry = [], raw_index._carry

    def count(*args: Any) -> None:
        copied.append(args[-1] - args[-2])
        carry(*args)

    index, blob = RawIndex(1 << 17), b"".join(b"%08d" % i for i in range(260_000))
    monkeypatch.setattr(raw_index, "_carry", count)
    for at in range(0, 260_000, 100):
        for slot in range(at, at + 100):
            index.add(blob[8 * slot : 8 * slot + 8], slot)
        index.arrays  # noqa: B018
    assert (1 << 17) + (1 << 18) == sum(copied)
    assert 100 * raw_index._PACE == max(copied)


def test_a_key_in_two_parts_is_the_key_of_both() -> None:
    """Hashed and found where its parts lie, whatever their lengths and what stands around the second."""
    rng = np.random.default_rng(2)
    index, parts = RawIndex(16), [(int(rng.integers(0, 2**63)) * 2 + 1, rng.bytes(n)) for n in (*range(40), 200)]
    for slot, (word, rest) in enumerate(parts):
        index.add(word.to_bytes(8, "little") + rest, slot)
    for slot, (word, rest) in enumerate(parts):
        around, whole = np.frombuffer(b"abc" + rest + b"x", np.uint8), np.frombuffer(word.to_bytes(8, "little") + rest, np.uint8)
        end = 3 + len(rest)
        assert hash_bytes(whole, 0, len(whole)) == hash_after(np.uint64(word), around, 3, end)
        assert slot == probe_after(*index.arrays, np.uint64(word), around, 3, end)
        assert -1 == probe_after(*index.arrays, np.uint64(word ^ 1), around, 3, end)
        assert -1 == probe_after(*index.arrays, np.uint64(word), around, 3, end + 1)


@pytest.mark.parametrize(("word", "rest"), [(7, b"other attributes"), (8, b"some attributes!"), (7, b"some attributes!!")])
def test_a_collision_of_hashes_merges_nothing(word: int, rest: bytes) -> None:
    """An entry with the very hash that is looked for is not taken unless both parts are the same."""
    index = RawIndex(16)
    index.add((7).to_bytes(8, "little") + b"some attributes!", 5)
    _, slots, starts, blob = index.arrays
    data = np.frombuffer(rest, np.uint8)
    forged = np.zeros(16, np.uint64)
    hash_ = hash_after(np.uint64(word), data, 0, len(data))
    forged[:15] = hash_  # every place says that it is there; one is free, so that a search ends
    taken = np.full(16, int(starts[slots == 5][-1]), np.int64)
    assert -1 == probe_after(forged, np.full(16, 5, np.int32), taken, blob, np.uint64(word), data, 0, len(data))
