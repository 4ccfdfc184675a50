"""The table of raw keys: what is added is found, what is forgotten is not, and neither time nor churn makes it grow."""

from __future__ import annotations

import numpy as np
import pytest

from awry.core import hashing
from awry.core.hashing import RawIndex


def test_it_agrees_with_a_dict_through_additions_and_deletions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random keys of any length, added, forgotten, added again under other slots."""
    monkeypatch.setattr(hashing, "_FEW", 50)
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
    monkeypatch.setattr(hashing, "_FEW", 500)
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
