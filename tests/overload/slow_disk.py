"""`awry` with a disk as slow as a file says, read at each commit: `python -m tests.overload.slow_disk FILE serve …`.

The file holds bytes a second that the disk takes, as samples are counted here (25 bytes each); "stop" blocks it; empty is no limit.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import awry.cli.main
from awry.core.tick import Tick
from awry.stores.sql import SqlStore

SAMPLE_BYTES = 25


def slowed(pace: Path) -> None:
    """From now on every commit takes as long as the pace says."""
    whole = SqlStore.commit

    def commit(store: SqlStore, ticks: Sequence[Tick]) -> None:
        while (word := pace.read_text(encoding="utf-8").strip()) == "stop":
            time.sleep(0.01)
        if word:
            time.sleep(SAMPLE_BYTES * sum(len(tick.batch) for tick in ticks) / float(word))
        whole(store, ticks)

    setattr(SqlStore, "commit", commit)  # noqa: B010  # that is the test


if __name__ == "__main__":
    slowed(Path(sys.argv.pop(1)))
    sys.exit(awry.cli.main.main())
