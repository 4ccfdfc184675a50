"""The table of raw keys: what is added is found, what is forgotten is not, and neither time nor churn makes it grow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from awry.core import raw_index
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
