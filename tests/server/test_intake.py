"""Telling a repeated send from a late sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from awry.core.batch import Batch, Scored
from awry.core.tick import Tick
from awry.server.intake import stored_already
from awry.stores.sql import SqlStore, open_store

HOUR = 3_600_000


def commit(store: SqlStore, seq: int, batch: Batch, now: int) -> None:
    series = tuple((s, f"s{s}") for s in range(3)) if seq == 1 else ()
    store.commit([Tick(seq=seq, time=now, batch=batch, scored=Scored.blank(len(batch)), series=series)])


def test_equal_samples_are_found_in_the_journal_and_in_chunks(tmp_path: Path) -> None:
    """Slot, time and value must all be equal, NaN being equal to NaN; repeated questions get the same answer."""
    store = open_store(tmp_path)
    try:
        commit(store, 1, Batch.of([0, 1, 2], [HOUR, HOUR, HOUR], [1.0, float("nan"), 3.0]), HOUR)
        asked = Batch.of([2, 0, 0, 1, 2, 0], [HOUR, HOUR, HOUR + 1, HOUR, HOUR, HOUR], [3.0, 1.0, 1.0, float("nan"), 4.0, 1.0])
        expected = [True, True, False, True, False, True]
        gauges = np.zeros(len(asked), np.bool_)
        assert expected == store.recent(asked, gauges).tolist()
        assert expected == stored_already(store, asked, gauges).tolist()
        commit(store, 2, Batch.of([0], [30 * HOUR], [5.0]), 30 * HOUR)
        while store.upkeep(30 * HOUR):
            pass
        assert not store.recent(asked, gauges).any()
        assert expected == stored_already(store, asked, gauges).tolist()
    finally:
        store.close()


def test_of_a_counter_the_time_alone_tells(tmp_path: Path) -> None:
    """Its rate is stored, what was sent is not; in the journal and in chunks."""
    store = open_store(tmp_path)
    try:
        commit(store, 1, Batch.of([0, 1, 2], [HOUR, HOUR, HOUR], [0.5, 0.5, 3.0]), HOUR)
        asked = Batch.of([0, 1, 0, 2], [HOUR, HOUR, HOUR - 1, HOUR], [700.0, 700.0, 700.0, 700.0])
        counter = np.array([True, False, True, True])
        expected = [True, False, False, True]
        assert expected == store.recent(asked, counter).tolist()
        assert expected == stored_already(store, asked, counter).tolist()
        commit(store, 2, Batch.of([0], [30 * HOUR], [5.0]), 30 * HOUR)
        while store.upkeep(30 * HOUR):
            pass
        assert expected == stored_already(store, asked, counter).tolist()
    finally:
        store.close()


def test_nothing_stored_nothing_found(tmp_path: Path) -> None:
    """An empty store and an empty question."""
    store = open_store(tmp_path)
    try:
        assert [False] == store.recent(Batch.of([0], [1], [1.0]), np.ones(1, np.bool_)).tolist()
        none = np.zeros(0, np.bool_)
        assert 0 == len(stored_already(store, Batch.empty(), none))
        assert np.bool_ == store.recent(Batch.empty(), none).dtype
    finally:
        store.close()
