"""Compile every kernel into its cache with tiny inputs; for `make install` and the first run, which show its progress."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from awry.core.batch import Batch
from awry.detection.absent import absent, learn_gap
from awry.detection.catalogue import make_detector
from awry.detection.router import Router
from awry.detection.scorer import Scorer

PACKAGE = Path(__file__).parents[1]
_KERNEL = re.compile(r"\bnjit\(|^@(?:kernel|allocating|intrinsic)\b", re.MULTILINE)


def drop_stale(package: Path = PACKAGE) -> int:
    """Delete cached kernels older than the newest source that has kernels, in the whole package; how many.

    Numba renews a cached kernel when its own file changes, not when a kernel that it calls from another file does.
    """
    cached = {index: index.stat().st_mtime for index in package.rglob("__pycache__/*.nbi")}
    oldest = min(cached.values(), default=0.0)
    # Every start does this: only what has changed since is read.
    changed = {source: at for source in package.rglob("*.py") if (at := source.stat().st_mtime) > oldest}
    newest = max((at for source, at in changed.items() if _KERNEL.search(source.read_text(encoding="utf-8"))), default=0.0)
    stale = [index for index, at in cached.items() if at < newest]
    try:
        for index in stale:
            index.unlink(missing_ok=True)
    except OSError:  # a package that another user installed and compiled: its kernels belong together
        return 0
    return len(stale)


def compile_kernels(progress: Callable[[str], None] = lambda _: None) -> None:
    """Run each kernel once, telling `progress` what is being compiled; fast when the cache is warm."""
    drop_stale()
    progress("default detector")
    scorer = Scorer()
    scorer.grow(1)
    batch = Batch.of([0], [0], [1.0])
    scorer.detector.step(batch)
    progress("calibration")
    scorer.step(batch)
    for name in ("lean", "counts"):
        progress(f"{name} detector")
        other = make_detector(name)
        other.grow(1)
        other.step(batch)
    progress("choice of detectors")
    router = Router()
    router.grow(1)
    router.step(batch)
    progress("absent series")
    last, gap, count = np.zeros(1, np.int64), np.zeros(1, np.float32), np.zeros(1, np.uint32)
    learn_gap(1.0, 0, gap.copy(), gap, count)
    absent(0, last, gap, gap, count)
