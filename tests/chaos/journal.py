"""Feeds a stored journal through a fresh engine and compares: scores and state follow from samples and ticks alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sqlalchemy import create_engine, text

from awry.core.batch import Scored
from awry.core.tick import Tick
from awry.detection.router import Router
from awry.engine.commands import decode_command
from awry.engine.pipeline import TIMERS, Pipeline
from awry.engine.rates import as_sent
from awry.engine.settings import EngineSettings
from awry.stores.pack import unpack_rows, unpack_sent
from awry.stores.sql import open_store
from awry.stores.state import unpack_extra

COLUMNS = ("raw", "score", "segment", "expected", "low", "high", "part")


def stored_ticks(file: Path) -> Iterator[Tick]:
    """Every journal row of a database file, in order: samples, as sent too, scores, commands and the series first seen in it."""
    with create_engine(f"sqlite:///{file}").connect() as connection:
        fresh: dict[int, list[tuple[int, str]]] = {}
        counters: dict[int, list[int]] = {}
        for slot, seq, key, kind in connection.execute(text("SELECT slot, seq, series_key, kind FROM series ORDER BY slot")):
            fresh.setdefault(seq, []).append((slot, key.decode()))
            counters.setdefault(seq, []).extend([slot] * kind)
        rows = connection.execute(text("SELECT seq, tick, extra, data, sent FROM journal ORDER BY seq"))
        for seq, tick, extra, data, sent in rows:
            batch, scored = unpack_rows(data)
            yield Tick(
                seq=seq, time=tick, batch=batch, scored=scored, series=tuple(fresh.get(seq, ())),
                counters=tuple(counters.get(seq, ())), sent=unpack_sent(sent),
                commands=tuple(unpack_extra(extra).get("commands", ())),
            )  # fmt: skip


def different(one: Scored, other: Scored) -> list[str]:
    """Names of the columns that are not equal bit for bit."""
    return [name for name in COLUMNS if getattr(one, name).tobytes() != getattr(other, name).tobytes()]


def replayed(file: Path) -> tuple[Pipeline, int, list[str]]:
    """A fresh engine after every stored tick in order, how many samples it scored, and where its scores differ from the stored.

    It is given what was sent; a kind that changed is known as it was in the end.
    """
    keys: list[str] = []
    kinds = bytearray()
    pipeline = Pipeline(Router(), keys, EngineSettings(shards=1), kinds=kinds)
    samples, differences = 0, []
    for tick in stored_ticks(file):
        kinds += bytes(slot in tick.counters for slot, _ in tick.series)
        keys += [key for _, key in tick.series]
        pipeline.grow(len(keys))
        if tick.commands == (TIMERS,):
            pipeline.timers(tick.time, {"replayed": b""})
            continue
        mine, reason = pipeline.step(tick.time, as_sent(tick.batch, tick.sent), [decode_command(c) for c in tick.commands])
        samples += len(tick.batch)
        if reason.any():
            differences.append(f"tick {tick.seq}: {np.count_nonzero(reason)} stored samples refused")
        elif wrong := different(tick.scored, mine.scored):
            differences.append(f"tick {tick.seq}: {', '.join(wrong)}")
        elif tick.batch.value.tobytes() != mine.batch.value.tobytes():
            differences.append(f"tick {tick.seq}: rates")
        if mine.seq != tick.seq:
            differences.append(f"tick {tick.seq} missing before {mine.seq}")
    return pipeline, samples, differences


def state_differences(data: Path, pipeline: Pipeline) -> list[str]:
    """Where the state that a stopped server left behind differs from a fresh engine's."""
    store = open_store(data)
    try:
        saved = {(block.name, block.index): block.arrays for block in store.recover().blocks}
    finally:
        store.close()
    mine = {(block.name, block.index): block.arrays for block in pipeline.changed_blocks()}
    wrong = [f"block {name}" for name in saved.keys() ^ mine.keys()]
    for name in saved.keys() & mine.keys():
        # The heat map is a picture that moves with the clock, also while nothing comes; it is no detector's state.
        names = {n for n in saved[name].keys() | mine[name].keys() if not n.startswith("heat.")}
        wrong += [f"{name} {n}" for n in sorted(names) if saved[name][n].tobytes() != mine[name][n].tobytes()]
    return wrong
