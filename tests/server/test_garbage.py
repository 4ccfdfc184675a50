"""Garbage of a server's process: what is there when it is ready is never searched again, what comes later is."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from awry.server import garbage


class Node:
    """Something that refers to itself: only a search frees it."""

    def __init__(self) -> None:
        self.own = self


@pytest.fixture
def collector() -> Iterator[None]:
    """Leaves the settings of this process as they were."""
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.mark.usefixtures("collector")
def test_what_is_there_when_the_server_is_ready_is_left_alone_and_later_garbage_is_not() -> None:
    """Of two unreachable cycles, that from before stays for good, that from after is freed."""
    garbage.hold()
    node = Node()
    early = weakref.ref(node)
    garbage.settle()
    del node
    late = weakref.ref(Node())
    gc.collect()
    assert (True, False) == (early() is not None, late() is not None)


@pytest.mark.usefixtures("collector")
def test_more_may_come_to_stay_later() -> None:
    """A second call takes in what came since the first, and searches go on by themselves."""
    garbage.settle()
    before, kept = gc.get_freeze_count(), [[] for _ in range(1000)]
    garbage.settle()
    assert (True, True, garbage.SERVING) == (gc.isenabled(), gc.get_freeze_count() - before >= len(kept), gc.get_threshold())
