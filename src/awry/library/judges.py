"""Scoring of whole tables on all cores; for the library and the benches."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from threading import Lock

import numpy as np

from awry.core.batch import Batch, Scored
from awry.core.errors import InvalidInput
from awry.core.placement import AUTO, Place, Placement
from awry.core.protocols import Judge
from awry.detection import catalogue
from awry.detection.calendar import Calendar, give_calendar
from awry.detection.catalogue import make_detector
from awry.detection.parts import PARTS
from awry.detection.peers import siblings
from awry.detection.router import Router

CHUNK_ROWS = 100_000
"""Rows scored in one call: small enough for progress and memory, large enough for speed."""
GROUP_SERIES = 2048
"""Series whose states live at once in one thread; the rest wait, so that a million series need no gigabytes."""

__all__ = ["Progress", "local_judge", "make_judge", "parts", "score_siblings", "score_table"]

Progress = Callable[[int, int], None]
"""Told (rows done, rows in all) now and then, from any thread, one at a time."""


def parts(detector: str = "default") -> tuple[str, ...]:
    """Names of the components that `Scored.part` points into."""
    return PARTS if detector == AUTO else make_detector(detector).parts


def make_judge(name: str = "default") -> Judge:
    """A fresh judge: a detector with its calibration, or for "auto" all of them, each series with the one that it needs.

    Raises InvalidInput for an unknown name.
    """
    return Router() if name == AUTO else catalogue.make_judge(name)


def local_judge(make: Callable[[], Judge], time_zone: str = "UTC", holidays: str = "") -> Callable[[], Judge]:
    """The same maker, of judges that read hours and weekdays in a time zone (IANA) with the holidays of a country ("DE", "DE-BY").

    Raises InvalidInput for names nobody knows; the maker, when its detector has no use for them.
    """
    if (time_zone, holidays) == ("UTC", ""):
        return make
    calendar = Calendar.of([(time_zone, holidays)])

    def local() -> Judge:
        judge = make()
        if isinstance(judge, Router):
            return Router(Placement(default=Place(time_zone=time_zone, holidays=holidays)))
        if not give_calendar(getattr(judge, "detector", judge), calendar):
            raise InvalidInput(
                "cannot use a time zone or holidays here: the detector knows no hours and no weekdays",
                hint='leave them out, or use the detector "default"',
            )
        return judge

    return local


def score_table(
    batch: Batch, series: int, make: Callable[[], Judge], *, progress: Progress | None = None, threads: int | None = None
) -> Scored:
    """Scores of rows that are ordered by slot and rise in time within one; slots number 0 to series - 1.

    Series do not influence each other, so they are scored in groups, each with states of its own, on `threads` threads
    (default: the machine's cores); the outcome is the same for any number.
    """
    n = len(batch)
    if n == 0:
        return Scored.blank(0)
    threads = threads or os.cpu_count() or 1
    size = max(1, min(GROUP_SERIES, -(-series // threads)))
    starts = np.searchsorted(batch.slot, np.arange(0, series + size, size))
    out, lock, done = Scored.blank(n), Lock(), 0

    def run(group: int) -> None:
        nonlocal done
        judge = make()
        judge.grow(min(size, series - group * size))
        for start in range(starts[group], starts[group + 1], CHUNK_ROWS):
            stop = min(start + CHUNK_ROWS, int(starts[group + 1]))
            rows = slice(start, stop)
            part = Batch(batch.slot[rows] - np.int32(group * size), batch.time[rows], batch.value[rows])
            out.put(rows, judge.step(part))
            with lock:
                done += stop - start
                if progress is not None:
                    progress(done, n)

    groups = range(len(starts) - 1)
    if threads == 1 or len(groups) == 1:
        for group in groups:
            run(group)
        return out
    with ThreadPoolExecutor(threads, thread_name_prefix="awry-score") as pool:
        futures = [pool.submit(run, group) for group in groups]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            pool.shutdown(cancel_futures=True)
        for future in futures:
            if not future.cancelled():
                future.result()
    return out


def score_siblings(batch: Batch, keys: Sequence[str], siblings_by: str = "", *, progress: Progress | None = None) -> Scored:
    """Scores of the detector `peers`: rows as for `score_table`, each series against its siblings at the same times.

    siblings_by: the label in which alone siblings differ; "": all series are siblings. Raises InvalidInput when none has it.
    """
    groups = siblings(keys, siblings_by) if siblings_by else np.zeros(len(keys), np.int64)
    if siblings_by and len(keys) and (groups < 0).all():
        raise InvalidInput(
            f"cannot compare siblings: no series has the label {siblings_by!r}",
            hint="without it, all series of the table are siblings; a label is a text column of the long form",
        )
    judge = catalogue.make_judge("peers", group_of=lambda slot: int(groups[slot]))
    judge.grow(len(keys))
    n = len(batch)
    out, order = Scored.blank(n), np.argsort(batch.time, kind="stable")
    for start in range(0, n, CHUNK_ROWS):
        rows = order[start : start + CHUNK_ROWS]
        out.put(rows, judge.step(batch.take(rows)))
        if progress is not None:
            progress(min(start + CHUNK_ROWS, n), n)
    return out
