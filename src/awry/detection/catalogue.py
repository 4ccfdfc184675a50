"""Detectors by the names that users write: ours and those of installed packages, all found as entry points `awry.detectors`."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from awry.core.errors import InvalidInput
from awry.core.protocols import Detector
from awry.detection.scorer import Scorer

GROUP = "awry.detectors"


@cache
def _found() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def detector_names() -> tuple[str, ...]:
    """Every name that `make_detector` knows, "default" first."""
    return tuple(sorted(_found(), key=lambda name: (name != "default", name)))


def make_detector(name: str = "default", **options: Any) -> Detector:
    """A fresh detector; `options` are its fields. Raises InvalidInput for an unknown name or option."""
    entry = _found().get(name)
    if entry is None:
        hint = f"there are: {', '.join(detector_names())}"
        if name == "auto":
            raise InvalidInput("cannot use 'auto' here, which chooses among detectors: name one of them", hint=hint)
        raise InvalidInput(f"cannot find the detector {name!r}", hint=hint)
    try:
        detector: Detector = entry.load()(**options)
    except TypeError as error:
        raise InvalidInput(f"cannot make the detector {name!r}: {error}", hint="see its page for the options it has") from error
    return detector


def make_judge(name: str = "default", **options: Any) -> Scorer:
    """A fresh detector with its calibration. Raises InvalidInput for an unknown name or option."""
    detector = make_detector(name, **options)
    return Scorer(detector, name=getattr(detector, "prior", name))
