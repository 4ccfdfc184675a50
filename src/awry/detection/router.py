"""Gives each series the detector it needs, and says why: by the configuration, by memory, or by what its samples show.

A Judge, like Scorer: the engine drives it, and it drives one Scorer per detector in use. A series begins with the default detector.
When it has 512 samples, and each time they doubled, it is looked at: one that is mostly zero with a few small counts is handed to
`counts`, and back when that ends. The new detector first learns SWITCH samples beside the old one, which goes on speaking: a change
of detectors makes no noise. All of it follows from the series' own samples and place, so a replay decides the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Arrays, Batch, Scored, Slots
from awry.core.growth import grown
from awry.core.placement import AUTO, Place, Placement
from awry.core.protocols import Judge
from awry.core.series_key import without_label
from awry.detection.bench import Bench, Gate
from awry.detection.calendar import calendar_of
from awry.detection.catalogue import make_judge
from awry.detection.choice import BY_DEFAULT, BY_MEMORY, FOUND, PARKED, TOLD, YOUNG, Choice, reason_in_words
from awry.detection.columns import (
    BENCH,
    COLUMNS,
    DUE,
    NEXT,
    NEXT_ROW,
    ODD,
    ROW,
    SAVED,
    SEEN,
    SINCE,
    WHY,
    WHY_ODD,
    WHY_OF,
    WHY_ZEROS,
    ZEROS,
)
from awry.detection.evidence import NEVER, Evidence, next_look, observe
from awry.detection.parked import dump_columns, from_blobs, sections, to_blobs
from awry.detection.parts import PARTS

SWITCH = 256
"""Samples that a new detector learns before it speaks."""
FULL_BYTES = 6500
"""Memory of a series with the default detector, everything counted; what `memory_bytes` is divided by."""
LEAN = "lean"


class Router:
    """The Judge of many detectors. The same thread rules as a Scorer.

    memory_bytes: when above 0, series beyond those that fit in it with the default detector get the lean one. intermittent: the
    detector of series that are mostly zero; "" leaves every series where it is. make: a fresh judge by the name of its detector.
    """

    def __init__(
        self, placement: Placement | None = None, *, memory_bytes: int = 0, intermittent: str = "counts",
        make: Callable[[str], Judge] = make_judge,
    ) -> None:  # fmt: skip
        self.parts: tuple[str, ...] = PARTS
        self._placement = placement or Placement()
        self._full = memory_bytes // FULL_BYTES if memory_bytes else NEVER
        self._intermittent, self._make = intermittent, make
        self._calendar = calendar_of(self._placement)
        self._benches: list[Bench] = []
        self._gate = Gate()
        self._at = np.zeros((COLUMNS, 0), np.int32)
        self._slots = 0
        self._keys: Sequence[str] | None = None
        self._plain = True
        """Every series has the first bench's row of its own number, and nothing else is going on."""
        self._groups: dict[tuple[str, str], int] = {}
        """Number of each group of siblings, by their label and their key without it; only for detectors that compare them."""
        self._lane = np.full(0, -1, np.int32)
        self._waiting = False
        """Some series have no place yet, for their keys were not known."""
        self._learning = 0
        places = {self._placement.default.detector, *(t.detector for t in self._placement.tables if t.detector)}
        first = self._placement.default.detector
        self._main = "default" if first == AUTO else first
        for name in (self._main, *sorted(places - {AUTO, self._main})):
            self._bench(name)

    def use_keys(self, keys: Sequence[str]) -> None:
        """Look keys up here from now on: canonical key by slot."""
        self._keys = keys

    def grow(self, slots: int) -> None:
        """Have state for at least this many slots; no other call runs meanwhile."""
        before = self._slots
        self._widen(slots)
        if slots > before:
            self._place(range(before, slots))

    def step(self, batch: Batch) -> Scored:
        """For each row in order: score it with what was known, then learn it. NaN and warm-up give NaN."""
        if self._waiting:
            with self._gate.alone():
                self._place(np.unique(batch.slot[self._at[BENCH][batch.slot] == 0]).tolist(), at_last=True)
        later = np.empty(len(batch), np.bool_)
        at = self._at
        reached, postponed = observe(at[SEEN], at[DUE], at[ZEROS], at[ODD], batch.slot, batch.value, later)
        if not reached and not postponed:
            return self._judge(batch)
        out, rows = Scored.blank(len(batch)), np.arange(len(batch))
        while True:
            now = rows[~later]
            out.put(now, self._judge(batch.take(now)))
            with self._gate.alone():
                self._look(np.unique(batch.slot[now]))
            rows = rows[later]
            if not rows.size:
                return out
            rest, later = batch.take(rows), np.empty(rows.size, np.bool_)
            observe(at[SEEN], at[DUE], at[ZEROS], at[ODD], rest.slot, rest.value, later)

    def lanes(self, slot: Slots) -> Slots:
        """A number for each of these series: those of one number must be stepped in order by one thread."""
        if not self._groups:
            return slot
        lane: Slots = np.where(slot < self._lane.shape[0], self._lane[np.minimum(slot, self._lane.shape[0] - 1)], -1)
        return np.where(lane >= 0, lane, slot)

    def choice(self, slot: int) -> Choice:
        """Which detector a series has, and why; any thread may ask."""
        if slot >= self._slots or not self._at[BENCH][slot]:
            return Choice(self._main, "not seen yet")
        at = self._at[:, slot].tolist()
        name, evidence = self._benches[abs(at[BENCH]) - 1].name, Evidence(at[WHY_OF], at[WHY_ZEROS], at[WHY_ODD])
        if at[BENCH] < 0:
            return Choice(name, PARKED)
        place = self._place_of(slot)
        by_events = name == self._intermittent
        found = ""
        if at[WHY] == FOUND:
            found = f"{evidence.words}: judged by its events" if by_events else f"{evidence.against}: judged by its values"
        told_by = (place.told_by, place.siblings_by)
        reason = reason_in_words(at[WHY], told_by=told_by, found=found, full=slot >= self._full and not by_events)
        if at[NEXT]:
            left = at[DUE] - at[SEEN]
            reason += f"; {self._benches[at[NEXT] - 1].name} takes over in {left:,} samples"
        return Choice(name, reason)

    def seat(self, slot: int) -> tuple[Judge, int] | None:
        """The judge that speaks for a series, and its row there; None before its first sample. For readers; any thread may ask."""
        bench, row = self._at[[BENCH, ROW], slot].tolist() if slot < self._slots else (0, 0)
        return (self._benches[bench - 1].judge, row) if bench > 0 else None

    def dump(self, start: int = 0, stop: int | None = None) -> Arrays:
        """Copies of the state of slots [start, stop): `slots` by slot; `rows`, the rows of all benches as bytes.

        The layout does not depend on the detectors: a series whose detector is gone or has changed is learned anew, alone.
        """
        return dump_columns(self._at[:, start : self._slots if stop is None else min(stop, self._slots)], self._benches)

    def load(self, state: Arrays, start: int = 0) -> None:
        """Take over dumped state from slot `start` on, growing as needed."""
        slots, data = np.asarray(state["slots"], np.int64), np.asarray(state["rows"], np.uint8)
        mine = np.arange(start, start + slots.shape[0])
        plain = self._plain and start <= self._slots
        self._widen(start + slots.shape[0])
        self._load(mine, slots, data)
        at = self._at[:, mine]
        self._plain = plain and not self._learning and bool((at[BENCH] == 1).all() and (at[ROW] == mine).all())

    def park(self, slots: Sequence[int]) -> list[bytes]:
        """Give the state of these series away, one self-describing blob each; their rows are free for others."""
        with self._gate.alone():
            which = np.array(slots, np.intp)
            blobs = to_blobs(dump_columns(self._at[:, which], self._benches), {bench.id: bench for bench in self._benches})
            self._release(which)
        return blobs

    def unpark(self, slots: Sequence[int], blobs: Sequence[bytes]) -> int:
        """Take back the state of parked series; tells of how many. One that was forgotten, or cannot be read, begins anew."""
        with self._gate.alone():
            saved, data = from_blobs(blobs, 4 + len(SAVED), {bench.id: bench for bench in self._known()})
            self._plain = False
            return self._load(np.array(slots, np.intp), saved, data)

    def forget(self, slots: Sequence[int]) -> None:
        """Let go of the state of these series."""
        with self._gate.alone():
            self._release(np.array(slots, np.intp))

    def _load(self, mine: NDArray[np.intp], slots: NDArray[np.int64], data: NDArray[np.uint8]) -> int:
        """Give the slots `mine`, in rising order, what was dumped; tells how many go on from it."""
        at = self._at
        kept = self._kept(mine, slots[:, 0])
        before = at[:, mine]
        learning = np.count_nonzero(before[NEXT])
        at[:, mine] = 0
        at[np.array(SAVED)[:, None], mine] = slots[:, 4:].T
        known = {bench.id: bench for bench in self._known()}
        for id_, role, where, span in sections(slots):
            wanted = np.flatnonzero(kept[where])
            if id_ in known and wanted.size:
                rows = self._seats(known[id_], mine[where[wanted]], None if role else before[:, where[wanted]])
                known[id_].unpack(rows, data[span], wanted, where.size)
                at[NEXT if role else BENCH, mine[where[wanted]]] = self._benches.index(known[id_]) + 1
                at[NEXT_ROW if role else ROW, mine[where[wanted]]] = rows
        self._leave(before, at[:, mine])
        self._place(mine[~kept].tolist())
        lost = mine[kept & (slots[:, 1] != 0) & (at[NEXT, mine] == 0)]
        at[DUE, lost] = at[SEEN, lost] + 1
        self._learning += int(np.count_nonzero(at[NEXT, mine])) - int(learning)
        return int(np.count_nonzero(kept))

    def _release(self, mine: NDArray[np.intp]) -> None:
        """Free the rows of these series. Nobody steps meanwhile."""
        before = self._at[:, mine]
        self._learning -= int(np.count_nonzero(before[NEXT]))
        self._at[:, mine] = 0
        self._at[BENCH, mine] = -np.maximum(np.abs(before[BENCH]), 1)
        self._leave(before, self._at[:, mine])
        self._plain = False

    def _judge(self, batch: Batch) -> Scored:
        with self._gate:
            if self._plain:
                return self._benches[0].step(batch.slot, batch)
            at, slot = self._at, batch.slot
            if self._learning:
                learns = at[NEXT][slot]
                for number in np.unique(learns[learns > 0]).tolist():
                    rows = np.flatnonzero(learns == number)
                    self._benches[number - 1].step(at[NEXT_ROW][slot[rows]], batch.take(rows))
            which = at[BENCH][slot]
            numbers = np.unique(which).tolist()
            if len(numbers) == 1:
                only: Scored = self._benches[numbers[0] - 1].step(at[ROW][slot], batch)
                return only
            out = Scored.blank(len(batch))
            for number in numbers:
                rows = np.flatnonzero(which == number)
                out.put(rows, self._benches[number - 1].step(at[ROW][slot[rows]], batch.take(rows)))
            return out

    def _look(self, slots: NDArray[np.int32]) -> None:
        """Decide for the series among `slots` that have come to their look. Nobody steps meanwhile."""
        at = self._at
        for s in slots[at[SEEN][slots] >= at[DUE][slots]].tolist():
            found = Evidence(int(at[SEEN, s] - at[SINCE, s]), int(at[ZEROS, s]), int(at[ODD, s]))
            if at[NEXT, s]:
                self._benches[at[BENCH, s] - 1].free(at[ROW, [s]])
                at[BENCH, s], at[ROW, s], at[NEXT, s], at[NEXT_ROW, s] = at[NEXT, s], at[NEXT_ROW, s], 0, 0
                self._learning -= 1
                at[DUE, s] = next_look(int(at[SEEN, s]))
            else:
                already = self._benches[at[BENCH, s] - 1].name == self._intermittent
                wanted = found.intermittent(already)
                # The reason last: `choice` may read meanwhile, and FOUND speaks of shares of WHY_OF samples.
                at[WHY_OF, s], at[WHY_ZEROS, s], at[WHY_ODD, s], at[WHY, s] = found.samples, found.zeros, found.odd, FOUND
                if wanted == already:
                    at[DUE, s] = next_look(int(at[SEEN, s]))
                else:
                    place = self._place_of(s)
                    number = self._bench(self._intermittent if wanted else self._named(place, s)[0])
                    at[NEXT, s], at[NEXT_ROW, s] = (
                        number,
                        self._benches[number - 1].take(1, self._zone(place), self._group(place, s))[0],
                    )
                    at[DUE, s] = min(int(at[SEEN, s]) + SWITCH, NEVER - 2)
                    self._learning += 1
                    self._plain = False
            at[SINCE, s], at[ZEROS, s], at[ODD, s] = at[SEEN, s], 0, 0

    def _place(self, slots: Sequence[int] | range, *, at_last: bool = False) -> None:
        """Give slots without a bench one, as far as their keys are known; at_last: the default, where they still are not.

        Nobody steps meanwhile.
        """
        at = self._at
        groups: dict[tuple[str, int, int, int], list[int] | range] = {}
        if isinstance(slots, range) and not self._placement.tables and slots.stop <= self._full:
            default = self._placement.default
            groups[self._main, self._zone(default), YOUNG if default.detector == AUTO else BY_DEFAULT, -1] = slots
        else:
            for s in slots:
                if not at_last and self._placement.tables and (self._keys is None or s >= len(self._keys)):
                    self._waiting = True
                    continue
                place = self._place_of(s)
                name, why = self._named(place, s)
                of = groups.setdefault((name, self._zone(place), why, self._group(place, s)), [])
                assert isinstance(of, list)
                of.append(s)
        for (name, zone, why, group), of_group in groups.items():
            number = self._bench(name)
            given = np.arange(of_group.start, of_group.stop) if isinstance(of_group, range) else np.array(of_group, np.intp)
            rows = self._benches[number - 1].take(len(given), zone, group)
            at[:, given] = 0
            at[BENCH, given], at[ROW, given], at[WHY, given] = number, rows, why
            watched = why in (YOUNG, BY_MEMORY) and self._intermittent
            at[DUE, given] = next_look(0) if watched else NEVER
            self._plain = self._plain and number == 1 and bool((rows == given).all())
        if self._waiting and not isinstance(slots, range):
            self._waiting = bool((at[BENCH, : self._slots] == 0).any())

    def _named(self, place: Place, slot: int) -> tuple[str, int]:
        """The detector a series begins with, and why."""
        if place.detector != AUTO:
            return place.detector, TOLD if place.told_by else BY_DEFAULT
        if slot >= self._full:
            return LEAN, BY_MEMORY
        return ("default" if place.told_by else self._main), YOUNG

    def _kept(self, slots: NDArray[np.intp], ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of these series go on with what was saved: the bench is there, and the configuration agrees."""
        names = {bench.id: bench.name for bench in self._known()}

        def keeps(slot: int, id_: int) -> bool:
            if id_ not in names or (self._placement.tables and (self._keys is None or slot >= len(self._keys))):
                return False
            name, why = self._named(self._place_of(slot), slot)
            return names[id_] == name or (why in (YOUNG, BY_MEMORY) and names[id_] == self._intermittent)

        if self._placement.tables or (slots.size and slots[-1] >= self._full):
            return np.array([keeps(slot, id_) for slot, id_ in zip(slots.tolist(), ids.tolist(), strict=True)], np.bool_)
        return np.isin(ids, [id_ for id_ in names if keeps(int(slots[0]), id_)] if slots.size else [])

    def _seats(self, bench: Bench, slots: NDArray[np.intp], before: NDArray[np.int32] | None) -> NDArray[np.int32]:
        """A row of the bench for each of these series: the one it has, else another; before: their columns till now."""
        rows = np.full(len(slots), -1, np.int32)
        if before is not None:
            has = before[BENCH] == self._benches.index(bench) + 1
            rows[has] = before[ROW, has]
        need = np.flatnonzero(rows < 0)
        homes: dict[tuple[int, int], list[int]] = {}
        if not self._placement.tables and need.size:
            homes[self._zone(self._placement.default), -1] = need.tolist()
        else:
            for at, s in zip(need.tolist(), slots[need].tolist(), strict=True):
                place = self._place_of(s)
                homes.setdefault((self._zone(place), self._group(place, s)), []).append(at)
        for (zone, group), of_home in homes.items():
            rows[of_home] = np.sort(bench.take(len(of_home), zone, group))
        return rows

    def _leave(self, before: NDArray[np.int32], now: NDArray[np.int32]) -> None:
        """Free the rows that these series had and have no more; columns of the same series."""
        for which, row in ((BENCH, ROW), (NEXT, NEXT_ROW)):
            left = (before[which] > 0) & ((before[which] != now[which]) | (before[row] != now[row]))
            for number in np.unique(before[which, left]).tolist():
                self._benches[number - 1].free(before[row, left & (before[which] == number)])

    def _known(self) -> Iterable[Bench]:
        """The benches there are, and those that evidence or memory may ask for."""
        for name in dict.fromkeys((*(b.name for b in self._benches), self._intermittent, LEAN)):
            if name:
                yield self._benches[self._bench(name) - 1]

    def _bench(self, name: str) -> int:
        """Number, from 1, of the bench of a detector, made when it is not there."""
        for number, bench in enumerate(self._benches, 1):
            if bench.name == name:
                return number
        self._benches.append(Bench(name, self._make(name), self._calendar))
        return len(self._benches)

    def _place_of(self, slot: int) -> Place:
        known = self._keys is not None and slot < len(self._keys)
        return self._placement.of(self._keys[slot]) if known and self._keys is not None else self._placement.default

    def _group(self, place: Place, slot: int) -> int:
        """Number of the group of siblings that a series belongs to; -1 for none."""
        if not place.siblings_by or self._keys is None or not self._keys[slot]:
            return -1
        rest = without_label(self._keys[slot], place.siblings_by)
        if rest is None:
            return -1
        group = self._groups.setdefault((place.siblings_by, rest), len(self._groups))
        if slot >= self._lane.shape[0]:
            self._lane = np.concatenate([self._lane, np.full(slot + slot // 2 + 1 - self._lane.shape[0], -1, np.int32)])
        self._lane[slot] = group
        return group

    def _zone(self, place: Place) -> int:
        return 0 if self._calendar is None else self._calendar.index(place.time_zone, place.holidays)

    def _widen(self, slots: int) -> None:
        if slots > self._at.shape[1]:
            self._at = grown(self._at, slots, axis=-1)
        self._slots = max(self._slots, slots)


def choice_of(judge: Judge | None, slot: int) -> Choice | None:
    """Which detector a series has and why; None when the judge has but one."""
    return judge.choice(slot) if isinstance(judge, Router) else None
