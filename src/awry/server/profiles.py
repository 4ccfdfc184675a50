"""How well the detector knows the day and the week of a series, from its live state; for the series page."""

from __future__ import annotations

from awry.core.protocols import Judge
from awry.detection.default import DefaultDetector
from awry.detection.profile import profile_confidence, profile_words
from awry.detection.router import Router


def profile_line(judge: Judge | None, slot: int) -> str:
    """ "day profile: sure (21 days), week profile: unsure (3 weeks)"; "" when the series' detector keeps no such profiles.

    Any thread may ask: a number read while a sample is being learned is at worst a sample old.
    """
    if isinstance(judge, Router):
        seat = judge.seat(slot)
        if seat is None:
            return ""
        judge, slot = seat
    detector = getattr(judge, "detector", None)
    if not isinstance(detector, DefaultDetector):
        return ""
    state = detector.dump(slot, slot + 1)
    return profile_words(profile_confidence(state)) if state["c"].shape[0] else ""
