"""Peers behind the router: groups by a label, the same however the stream is cut, saved or spread over threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from awry.core.batch import Batch, Scored
from awry.core.placement import Placement, Placing
from awry.core.protocols import Laned
from awry.detection.catalogue import make_judge
from awry.detection.peers import siblings
from awry.detection.router import Router
from awry.engine.pipeline import PARALLEL_ROWS, Pipeline
from awry.engine.settings import EngineSettings

START_MS, STEP_MS, ROWS = 1_700_006_400_000, 60_000, 700
KEYS = [f'{metric}{{host="h{i}"}}' for i in range(6) for metric in ("cpu", "other", "mem")] + ["cpu"]
PLACEMENT = Placement((Placing.of("web", '{__name__=~"cpu|mem"}', "peers", siblings_by="host"), Placing.of("rest", "", "ewma")))
PEERS = np.array([key.startswith(("cpu", "mem")) for key in KEYS])


def stream(seed: int = 1) -> Batch:
    """A sample of every series each minute: a shared wave, and one host's cpu leaves at row 600."""
    rng = np.random.default_rng(seed)
    values = 50 + 10 * np.sin(np.arange(ROWS) / 100)[:, None] + rng.normal(0, 1, (ROWS, len(KEYS)))
    values[600:, KEYS.index('cpu{host="h2"}')] += 12
    times = np.repeat(START_MS + np.arange(ROWS, dtype=np.int64) * STEP_MS, len(KEYS))
    return Batch.of(np.tile(np.arange(len(KEYS)), ROWS), times, values.ravel())


def fresh() -> Router:
    """A router that knows all keys and has every series."""
    router = Router(PLACEMENT)
    router.use_keys(KEYS)
    router.grow(len(KEYS))
    return router


def same(one: Scored, other: Scored) -> None:
    """Equal bit for bit."""
    for name in ("raw", "score", "segment", "expected", "low", "high", "part"):
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes(), name


def test_the_router_groups_by_the_label() -> None:
    """The scores are those of a peers judge that was told the groups; a series without the label has no siblings."""
    batch, router = stream(), fresh()
    got = router.step(batch)
    groups = siblings(KEYS, "host")
    judge = make_judge("peers", group_of=lambda slot: int(groups[slot]))
    judge.grow(len(KEYS))
    rows = PEERS[batch.slot]
    wanted = judge.step(batch.take(rows))
    for name in ("raw", "score", "expected"):
        assert getattr(got, name)[rows].tobytes() == getattr(wanted, name).tobytes(), name
    assert "[series.web] of the configuration says so, beside its siblings of other host" == router.choice(0).reason
    assert (router.parts.index("alone") == got.part[batch.slot == len(KEYS) - 1]).all()


@pytest.mark.parametrize("size", [1, 19, 1000])
def test_any_cut_gives_the_same(size: int) -> None:
    """Series met one by one or all at once."""
    batch = stream().take(slice(0, 4000))
    router = Router(PLACEMENT)
    router.use_keys(KEYS)
    parts = []
    for at in range(0, len(batch), size):
        piece = batch.take(slice(at, at + size))
        router.grow(int(batch.slot[: at + size].max()) + 1)
        parts.append(router.step(piece))
    same(fresh().step(batch), Scored.concat(parts))


def test_resuming_equals_never_stopping() -> None:
    """Dumped in blocks of slots, loaded in blocks into a new router: the groups are there again."""
    batch, router, again = stream(), fresh(), Router(PLACEMENT)
    half = len(batch) // 2
    router.step(batch.take(slice(0, half)))
    again.use_keys(KEYS)
    for start in range(0, len(KEYS), 7):
        again.load(router.dump(start, start + 7), start)
    rest = batch.take(slice(half, None))
    same(router.step(rest), again.step(rest))


def test_siblings_share_a_lane_and_threads_change_nothing() -> None:
    """With four shards every group is in one thread, and the outcome is that of one."""
    router = fresh()
    assert isinstance(router, Laned)
    lanes = router.lanes(np.arange(len(KEYS), dtype=np.int32))
    assert 1 == len(set(lanes[[k.startswith("cpu{") for k in KEYS]].tolist()))
    batch = stream()
    assert len(batch) >= PARALLEL_ROWS
    scored = []
    for shards in (1, 4):
        with ThreadPoolExecutor(shards) as pool:
            pipeline = Pipeline(Router(PLACEMENT), list(KEYS), EngineSettings(shards=shards, future_ms=1 << 60), pool)
            tick, _ = pipeline.step(START_MS + ROWS * STEP_MS, batch)
            scored.append(tick.scored)
    same(scored[0], scored[1])
