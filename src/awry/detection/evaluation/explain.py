"""Which parts of a detector are right to name a kind of injected fault, and why; for `awry bench inject`."""

from __future__ import annotations

RIGHT: dict[str, tuple[str, ...]] = {
    "spike": ("level", "jump", "beyond", "day", "week"),
    "dip": ("level", "jump", "beyond", "day", "week"),
    "level": ("level", "sustained", "jump", "beyond", "day", "week"),
    "drift": ("trend", "sustained", "level", "beyond", "day", "week"),
    "variance": ("variability", "jump", "shape", "pca"),
    "wave": ("variability", "jump", "shape", "pca", "trend"),
    "speed": ("shape", "pca", "trend", "variability", "day", "week"),
    "missing peak": ("day", "week", "heartbeat"),
    "missing activity": ("heartbeat", "variability"),
    "flat line": ("flat", "variability"),
}
"""Why each:

- spike, dip: the value is where values are not (level, beyond), came there at once (jump), or is far from what this time of day or
  of the week has. An odd `shape` is no answer: a person asks "what about it?", and the answer is the one value.
- level: as a spike while it is young, `sustained` once it has stayed.
- drift: a `trend`, then a mean that left its range (`sustained`, `level`, `beyond`) or its time of day. No `jump`: there was none.
- variance: `variability`; larger steps than ever (`jump`); windows unlike any (`shape`) or off the usual pattern (`pca`).
- wave: the same; over a few rows one flank of it is a `trend`.
- speed: the values are known, their order is not: `shape`, `pca`, a steeper `trend`, other `variability`, or the wrong time of
  `day` or `week` for them.
- missing peak: what is wrong is that it is this time of `day` or `week`, or that the next one is overdue (`heartbeat`).
- missing activity: `heartbeat`; and a series without its bursts varies less.
- flat line: `flat`; a spread of nothing is `variability`.
"""
EARLY = ("level", "jump", "beyond")
"""Right within the first EARLY_ROWS rows of variance, wave and speed: till then a fault is no more than an odd value."""
EARLY_ROWS = 3


def right_parts(kind: str, row: int) -> tuple[str, ...]:
    """The parts that are right to name a fault of this kind, `row` rows after its first."""
    early = EARLY if row < EARLY_ROWS and kind in ("variance", "wave", "speed") else ()
    return RIGHT[kind] + early
