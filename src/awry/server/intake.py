"""Takes decoded samples of a request into the engine and waits for their commit; for both doors on HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Batch
from awry.core.errors import AwryError
from awry.core.kind import COUNTER
from awry.core.protocols import Archive
from awry.core.tick import REASONS, Receipt

if TYPE_CHECKING:
    from awry.server.app import App

LATE = REASONS.index("late")
DUPLICATE = REASONS.index("duplicate")
LOOKUP_SECONDS = 2.0
"""Time spent at most on telling duplicates from late samples; the rest stay "late"."""


async def take(
    app: App, source: str, batch: Batch, received: int, refused: Mapping[str, int], *, wait: bool = False,
    queued: Callable[[], None] = lambda: None,
) -> Receipt:  # fmt: skip
    """Commit the samples; of those refused as late, the ones that are stored already become duplicates.

    Raises Overloaded when the queue is full (unless told to wait for room) and StoreUnavailable when the store cannot write:
    nothing is acknowledged then. `queued` is called at once when the samples are in the engine's queue.
    """
    if wait:
        answer = await app.engine.put(batch, source=source, received=received, refused=refused)
    else:
        answer = app.engine.put_nowait(batch, source=source, received=received, refused=refused)
    queued()
    # Shielded: a client that goes away must not cancel what the engine is about to answer.
    receipt = await asyncio.shield(answer)
    late = np.flatnonzero(receipt.reasons == LATE)
    if not late.size:
        return receipt
    behind = batch.take(receipt.rows[late])
    kinds = np.frombuffer(bytes(app.table.kinds), np.uint8)
    # Not in the pool of readers, which queries may keep busy for long.
    equal = await asyncio.to_thread(stored_already, app.archive, behind, kinds[behind.slot] == COUNTER)
    reasons = receipt.reasons.copy()
    reasons[late[equal]] = DUPLICATE
    refusals, moved = app.engine.counters.of(source).refused, int(equal.sum())
    if moved:
        refusals["late"] -= moved
        refusals["duplicate"] = refusals.get("duplicate", 0) + moved
        if not refusals["late"]:
            del refusals["late"]
    return Receipt(receipt.accepted, receipt.rows, reasons)


def stored_already(archive: Archive, batch: Batch, counter: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which rows equal a stored sample, NaN being equal to NaN; blocking. Of a counter its rate is stored: the time alone tells."""
    found = archive.recent(batch, counter)
    until = time.monotonic() + LOOKUP_SECONDS
    older = np.flatnonzero(~found)
    older = older[np.argsort(batch.slot[older], kind="stable")]
    for rows in np.split(older, np.flatnonzero(np.diff(batch.slot[older])) + 1):
        if not rows.size or time.monotonic() > until:
            break
        times, values = batch.time[rows], batch.value[rows]
        stored = archive.samples(int(batch.slot[rows[0]]), int(times.min()), int(times.max()) + 1)
        if not len(stored):
            continue
        at = np.minimum(np.searchsorted(stored.time, times), len(stored) - 1)
        same = (stored.value[at] == values) | (np.isnan(stored.value[at]) & np.isnan(values))
        found[rows] = (stored.time[at] == times) & (same | counter[rows])
    return found


@contextmanager
def counted(app: App, source: str) -> Iterator[None]:
    """A body that is refused whole counts as one refusal of its source, under the code of the error."""
    try:
        yield
    except AwryError as error:
        app.engine.counters.refuse(source, error.code)
        raise


def count_reasons(refused: Sequence[tuple[int, str]]) -> dict[str, int]:
    """Reason -> how many."""
    counts: dict[str, int] = {}
    for _, reason in refused:
        counts[reason] = counts.get(reason, 0) + 1
    return counts
