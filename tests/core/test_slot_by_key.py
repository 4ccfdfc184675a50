"""Slots by key: the same as one dict."""

from __future__ import annotations

import numpy as np

from awry.core.slot_by_key import SlotByKey


def test_it_agrees_with_a_dict() -> None:
    """Random keys put, put again under another slot and removed."""
    rng, slots, known = np.random.default_rng(3), SlotByKey(), {}
    keys = [f'metric{n}{{host="{n % 7}"}}' for n in range(500)]
    for slot, at in enumerate(rng.integers(0, len(keys), 3000).tolist()):
        if slot % 3 == 2 and keys[at] in known:
            slots.remove(keys[at])
            del known[keys[at]]
        else:
            slots.put(keys[at], slot)
            known[keys[at]] = slot
    assert (len(known), [known.get(key, -1) for key in keys]) == (len(slots), [slots.find(key) for key in keys])
