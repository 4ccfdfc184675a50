"""What Awry says about itself at the foot of the overview: ingest rate, delay, warm-up, refusals, telling people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from awry.server.api.status import states
from awry.server.pages import words
from awry.server.pages.render import rate_now
from awry.server.pages.spark import COLUMNS, bars

if TYPE_CHECKING:
    from awry.server.app import App

DELAY_PROMISE_MS = 1000
QUARTER_MS = 15_000
_REASONS = {
    "duplicate": "sent before",
    "late": "older than a stored one",
    "future": "too far ahead of the clock",
    "infinite": "infinite",
    "out_of_range": "outside the years 1970–2200",
    "malformed": "not readable",
    "series_limit": "over the limit of series",
    "bad_key": "with a bad series key",
    "too_long": "too long",
    "not_utf8": "not UTF-8",
    "duplicate_label": "with a label twice",
}


def reason(name: str) -> str:
    """Why a sample was refused, as a sentence about it says."""
    return _REASONS.get(name, name.replace("_", " "))


@dataclass(frozen=True, slots=True)
class Box:
    """One statement: `ok` None means there is nothing to judge."""

    title: str
    ok: bool | None
    value: str
    text: str
    share: int | None = None
    chart: str = ""


def boxes(app: App) -> list[Box]:
    """The five statements, in order."""
    return [_ingest(app), _delay(app), _warming(app), _refused(app), _telling(app)]


def trouble(found: list[Box]) -> str:
    """ "one thing to look at", or ""."""
    bad = sum(box.ok is False for box in found)
    return "" if not bad else "one thing to look at" if bad == 1 else f"{bad} things to look at"


def _ingest(app: App) -> Box:
    rate = app.engine.snapshot.rate
    sources = app.engine.counters.sources
    broken = [(name, c.error) for name, c in sources.items() if c.error]
    text = words.plural(len(sources), "source") if sources else "no source has sent yet"
    if broken:
        text = f"{broken[0][0]}: {broken[0][1]}"
    return Box(
        "Ingest",
        not broken,
        f"{words.num(rate_now(rate, app.clock.now_ms()))} samples/s",
        text,
        chart=bars(_per_quarter_minute(rate, app.clock.now_ms())),
    )


def _per_quarter_minute(rate: tuple[tuple[int, int], ...], now: int) -> list[int]:
    """Samples of each whole 15 s of the last 15 minutes, the newest last; none where nothing came, [] where nothing came at all."""
    end, counts = now // QUARTER_MS, [0] * COLUMNS
    for at, n in rate:
        place = at // QUARTER_MS - end + COLUMNS
        if 0 <= place < COLUMNS:
            counts[place] += n
    return counts if any(counts) else []


def _delay(app: App) -> Box:
    snapshot = app.engine.snapshot
    if snapshot.store_error:
        return Box("Delay", False, "not storing", snapshot.store_error)
    delay = snapshot.delay_ms
    if not words.known(delay) or delay <= 0:
        return Box("Delay", None, "no sample yet", "from receiving a sample to its stored score")
    text = "received to scored and stored, 99 in 100; promised 1 s"
    return Box("Delay", delay <= DELAY_PROMISE_MS, _short(delay), text)


def _short(ms: float) -> str:
    return f"{words.num(round(ms))}\u00a0ms" if ms < 1000 else f"{words.num(ms / 1000)}\u00a0s"


def _warming(app: App) -> Box:
    snapshot = app.engine.snapshot
    counts = states(app)
    warming, silent = counts["warming"], counts["silent"]
    tail = f"{words.plural(silent, 'series', 'series')} stopped sending" if silent else "none stopped sending"
    known = max(1, sum(counts.values()))
    if not snapshot.series:
        return Box("Warming up", None, "no series", "a series appears with its first sample")
    value = words.plural(warming, "series", "series") if warming else f"{counts['watching']:,} watched"
    return Box(
        "Warming up" if warming else "Series", True, value, tail, share=round(100 * (1 - warming / known)) if warming else None
    )


def _refused(app: App) -> Box:
    total: dict[str, int] = {}
    most = ("", 0)
    for name, counter in app.engine.counters.sources.items():
        for name_of_reason, n in counter.refused.items():
            total[name_of_reason] = total.get(name_of_reason, 0) + n
        count = sum(counter.refused.values())
        most = max(most, (name, count), key=lambda pair: pair[1])
    if not total:
        return Box("Refused", True, "none", "every sample since the start was taken")
    main, n = max(total.items(), key=lambda pair: pair[1])
    text = f"{n:,} {reason(main)}, most from {most[0]}"
    return Box("Refused", set(total) <= {"duplicate"}, f"{sum(total.values()):,} since the start", text)


def _telling(app: App) -> Box:
    told = notifier_errors(app)
    if not told:
        return Box("Telling people", None, "nobody yet", "incidents show here only; add a [notifier.NAME] to the config file")
    bad = [(name, error) for name, error in told.items() if error]
    text = f"{bad[0][0]}: {bad[0][1]}" if bad else ", ".join(list(told)[:4])
    return Box("Telling people", not bad, f"{len(told) - len(bad)} of {len(told)} answer", text)


def notifier_errors(app: App) -> dict[str, str]:
    """Notifier name -> why it does not answer now, or ""."""
    return {name: status.last_error for name, status in app.dispatcher.status.items()}
