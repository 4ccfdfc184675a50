"""A dict from series key to slot that is made of many small ones, so that it never takes long to grow; for the series table."""

from __future__ import annotations

_PARTS = 64
"""Python copies a dict at once when it grows: a million keys take 20 to 100 ms, and nothing else runs."""


class SlotByKey:
    """Key -> slot; one thread changes it."""

    def __init__(self) -> None:
        self._parts: list[dict[str, int]] = [{} for _ in range(_PARTS)]
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def find(self, key: str) -> int:
        """Slot of the key, or -1."""
        return self._parts[hash(key) % _PARTS].get(key, -1)

    def put(self, key: str, slot: int) -> None:
        """The key has this slot, whatever it had."""
        part = self._parts[hash(key) % _PARTS]
        before = len(part)
        part[key] = slot
        self._count += len(part) - before

    def remove(self, key: str) -> None:
        """Forget the key, which is there."""
        del self._parts[hash(key) % _PARTS][key]
        self._count -= 1
