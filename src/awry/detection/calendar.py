"""Local time and holidays as flat arrays for kernels, so that a profile knows the hour and the kind of day where a series lives.

Zones come from the time zone database (`zoneinfo`), holidays from the package `holidays`, which is loaded only when one is named.
Both are compiled once, for the years FIRST_YEAR to LAST_YEAR: before them the first year's offset holds and after them the last
one's, without holidays. A profile reads *profile time*: Unix ms moved to local time, and on a holiday moved further, by whole
days, to the rest day of its week (the last day of the country's weekend: Sunday in most). So a profile of the day sees the local
hour, a profile of the week sees a Sunday, and neither needs to know more.
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise, product
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Batch, Times
from awry.core.errors import InvalidInput
from awry.core.kernel import allocating, kernel
from awry.core.placement import Placement

FIRST_YEAR, LAST_YEAR = 1970, 2099
DAY_MS = 86_400_000
DAYS = (date(LAST_YEAR, 12, 31) - date(1970, 1, 1)).days + 1
MOST = 65_535
"""Entries of one calendar: their index plus one fits two bytes."""
_PROBE = timedelta(days=6)
"""No zone has changed its offset twice within less since 1970 (six days and 23 hours was the least, in Brazil in October 2000)."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@kernel
def offset_row(begins: NDArray[np.int64], low: int, high: int, time: int) -> int:
    """Last row in [low, high) whose begin (UTC ms) is not after time; the first row's begin counts as the beginning of time."""
    while high - low > 1:
        middle = (low + high) // 2
        if begins[middle] <= time:
            low = middle
        else:
            high = middle
    return low


@allocating
def profile_rows(
    begins: NDArray[np.int64], offsets: NDArray[np.int64], first: NDArray[np.int64], free: NDArray[np.uint8],
    rest: NDArray[np.int64], zone_row: NDArray[np.int64], free_row: NDArray[np.int64], entry: NDArray[np.uint16],
    slot: NDArray[np.int32], time: NDArray[np.int64], out: NDArray[np.int64],
) -> None:  # fmt: skip
    """Profile time (ms) of each row's time (UTC ms) into out (n,).

    entry: per slot, one more than its entry's index e. Zone z = zone_row[e] owns begins and offsets [first[z], first[z + 1]).
    Holidays are free[free_row[e]] by days since 1970, and count as the weekday rest[free_row[e]] (0: Sunday).
    """
    last = np.full(first.shape[0] - 1, -1, np.int64)
    for i in range(slot.shape[0]):
        e = np.int64(entry[slot[i]]) - 1
        z, holidays = zone_row[e], free_row[e]
        t = time[i]
        row, end = last[z], first[z + 1]
        if row < 0 or (t < begins[row] and row > first[z]) or (row + 1 < end and t >= begins[row + 1]):
            row = last[z] = offset_row(begins, first[z], end, t)
        local = t + offsets[row]
        day = local // DAY_MS
        if holidays > 0 and 0 <= day < free.shape[1] and free[holidays, day]:
            local -= (day + 4 - rest[holidays]) % 7 * DAY_MS
        out[i] = local


@dataclass(frozen=True, eq=False)
class Calendar:
    """Time zone and holidays of up to 65,535 kinds of series (*entries*), compiled; immutable, shared by threads.

    begins, offsets: int64 (transitions,), ms. first: int64 (zones + 1,). free: uint8 (sets, DAYS), the first set empty.
    rest: int64 (sets,). zone_row, free_row: int64 (entries,).
    """

    entries: tuple[tuple[str, str], ...]
    """(time zone, holidays) in the order given."""
    begins: NDArray[np.int64]
    offsets: NDArray[np.int64]
    first: NDArray[np.int64]
    free: NDArray[np.uint8]
    rest: NDArray[np.int64]
    zone_row: NDArray[np.int64]
    free_row: NDArray[np.int64]
    _index: dict[tuple[str, str], int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", {pair: k for k, pair in enumerate(self.entries)})

    @staticmethod
    def of(entries: Sequence[tuple[str, str]]) -> Calendar:
        """Compile pairs of IANA time zone and holidays ("" for none, "DE", "DE-BY"); equal pairs share an entry.

        Raises InvalidInput for names nobody knows.
        """
        unique = tuple(dict.fromkeys(entries)) or (("UTC", ""),)
        if len(unique) > MOST:
            raise InvalidInput(f"cannot keep {len(unique)} pairs of time zone and holidays: the most is {MOST}")
        zones, sets = list(dict.fromkeys(z for z, _ in unique)), list(dict.fromkeys(["", *(name for _, name in unique)]))
        tables, days = [zone_table(zone) for zone in zones], [holiday_table(name) for name in sets]
        return Calendar(
            unique,
            np.array([begin for table in tables for begin, _ in table], np.int64),
            np.array([offset for table in tables for _, offset in table], np.int64),
            np.cumsum([0, *map(len, tables)], dtype=np.int64),
            np.stack([table for table, _ in days]),
            np.array([weekday for _, weekday in days], np.int64),
            np.array([zones.index(zone) for zone, _ in unique], np.int64),
            np.array([sets.index(name) for _, name in unique], np.int64),
        )

    def index(self, time_zone: str, holidays: str = "") -> int:
        """Which entry a pair has. Raises InvalidInput for one that was not compiled."""
        try:
            return self._index[time_zone, holidays]
        except KeyError:
            raise InvalidInput(f"cannot find {time_zone!r} with holidays {holidays!r} in this calendar") from None

    def times(self, entry: NDArray[np.uint16], batch: Batch, zone_of: Callable[[int], int] | None = None) -> Times:
        """Profile time of each row.

        entry: uint16 (slots,), per slot its entry's index plus one, 0 until `zone_of` (None: entry 0 for all) was asked, which
        happens at the slot's first sample. Threads may call at once with batches of disjoint slots.
        """
        if not entry[batch.slot].all():
            for s in np.unique(batch.slot[entry[batch.slot] == 0]).tolist():
                entry[s] = 1 + (zone_of(s) if zone_of is not None else 0)
        out = np.empty(len(batch), np.int64)
        profile_rows(
            self.begins, self.offsets, self.first, self.free, self.rest, self.zone_row, self.free_row, entry,
            batch.slot, batch.time, out,
        )  # fmt: skip
        return out


@cache
def zone_table(name: str) -> tuple[tuple[int, int], ...]:
    """(UTC ms from which, offset in ms) of a zone, oldest first, FIRST_YEAR to LAST_YEAR. Raises InvalidInput for unknown names."""
    if name == "UTC":
        return ((_ms(_EPOCH), 0),)
    known = available_timezones()
    if name not in known:
        names = {zone.lower().rpartition("/")[2]: zone for zone in sorted(known)} | {zone.lower(): zone for zone in known}
        near = difflib.get_close_matches(name.lower(), names, 1, 0.7)
        hint = f"did you mean {names[near[0]]!r}?" if near else 'names are those of IANA, such as "Europe/Berlin"'
        raise InvalidInput(f"cannot find the time zone {name!r}", hint=hint)
    zone = ZoneInfo(name)

    def offset(moment: datetime) -> timedelta:
        return moment.astimezone(zone).utcoffset() or timedelta()

    found = [(_ms(_EPOCH), offset(_EPOCH) // timedelta(milliseconds=1))]
    probes = [_EPOCH + i * _PROBE for i in range(DAYS // _PROBE.days + 1)]
    known_offsets = [offset(p) for p in probes]
    for (low, high), (before, after) in zip(pairwise(probes), pairwise(known_offsets), strict=True):
        if before == after:
            continue
        while high - low > timedelta(seconds=1):
            middle = low + timedelta(seconds=(high - low).total_seconds() // 2)
            low, high = (middle, high) if offset(middle) == before else (low, middle)
        found.append((_ms(high), after // timedelta(milliseconds=1)))
    return tuple(found)


def _ms(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


@cache
def holiday_table(name: str) -> tuple[NDArray[np.uint8], int]:
    """Whether each day since 1970-01-01 is a holiday (DAYS,), and the weekday (0: Sunday) that its holidays count as.

    name: a country or a part of one as the package `holidays` names them, such as "DE" or "DE-BY". Raises InvalidInput.
    """
    table = np.zeros(DAYS, np.uint8)
    if not name:
        return table, 0
    try:
        import holidays
    except ImportError as error:
        raise InvalidInput(
            f"cannot know the holidays of {name!r}: the package holidays is not installed", hint="pip install 'awry[holidays]'"
        ) from error
    country, _, part = name.partition("-")
    known = holidays.list_supported_countries()
    if country not in known:
        raise InvalidInput(f"cannot find the holidays of {name!r}: no such country", hint=_country_hint(country, known))
    if part and part not in known[country]:
        raise InvalidInput(
            f"cannot find the holidays of {name!r}: {country} has no part {part!r}",
            hint=f"there are: {', '.join(known[country])}" if known[country] else f"write {country!r}",
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some countries' calendars are known for fewer years
        days = holidays.country_holidays(country, subdiv=part or None, years=range(FIRST_YEAR, LAST_YEAR + 1))
    start = date(1970, 1, 1)
    rows = [(day - start).days for day in days]
    table[[row for row in rows if 0 <= row < DAYS]] = 1
    weekend = sorted((day + 1) % 7 for day in days.weekend)  # from Monday is 0 to Sunday is 0
    return table, 0 if not weekend or 0 in weekend else weekend[-1]


def _country_hint(country: str, known: dict[str, list[str]]) -> str:
    if country.upper() in known:
        return f"did you mean {country.upper()!r}?"
    return 'countries have two letters (ISO 3166), their parts follow a dash: "DE", "DE-BY", "US-CA"'


def calendar_of(placement: Placement) -> Calendar | None:
    """Every pair of zone and holidays that the configuration can lead to; None when all are UTC without holidays.

    Raises InvalidInput for names nobody knows, and for too many pairs.
    """
    default = placement.default
    zones = dict.fromkeys([default.time_zone, *(t.time_zone for t in placement.tables if t.time_zone is not None)])
    days = dict.fromkeys([default.holidays, *(t.holidays for t in placement.tables if t.holidays is not None)])
    pairs = list(product(zones, days))
    return None if pairs == [("UTC", "")] else Calendar.of(pairs)


def give_calendar(detector: object, calendar: Calendar, zone_of: Callable[[int], int] | None = None) -> bool:
    """Let a detector read hours and weekdays by this calendar, before its first sample; whether it can (has the two fields)."""
    if not (hasattr(detector, "calendar") and hasattr(detector, "zone_of")):
        return False
    detector.calendar, detector.zone_of = calendar, zone_of
    return True
