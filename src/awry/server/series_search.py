"""Finds series by selector among very many keys without parsing most of them; for the API's list and for deletion."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from awry.core.selector import Selector
from awry.core.series_key import format_key


def _any(slot: int) -> bool:
    return True


def find_series(
    keys: Sequence[str], selector: Selector, *, start: int = 0, stop: int, limit: int, accept: Callable[[int], bool] = _any
) -> tuple[list[int], int | None]:
    """Slots in [start, stop) that match and are accepted, in slot order, and where to go on (None: nothing more).

    Any thread may call it while the table grows: it reads `keys` only up to `stop`.
    """
    found: list[int] = []
    needles, name = _needles(selector), _exact_name(selector)
    opening = f"{name}{{" if name else ""
    for slot in range(start, stop):
        key = keys[slot]
        if not key or (name and key != name and not key.startswith(opening)):
            continue
        if any(needle not in key for needle in needles) or not accept(slot) or not selector.matches_key(key):
            continue
        if len(found) == limit:
            return found, slot
        found.append(slot)
    return found, None


def _exact_name(selector: Selector) -> str:
    return next((m.value for m in selector.matchers if m.label == "__name__" and m.op == "=" and m.value), "")


def _needles(selector: Selector) -> list[str]:
    """Texts that every matching key contains: label pairs demanded exactly, as the canonical key writes them."""
    exact = [m for m in selector.matchers if m.op == "=" and m.value and m.label != "__name__"]
    return [format_key("x", {m.label: m.value})[2:-1] for m in exact]
