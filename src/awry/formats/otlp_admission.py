"""Gives the points of a request whose series are not known their slots, or says why they are refused; for `otlp`.

The slow path, in Python: a name and labels are made of a raw key once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from awry.core.errors import InvalidSelector, Overloaded
from awry.core.series_key import format_key, parse_key
from awry.core.series_table import SeriesTable
from awry.core.tick import REASONS
from awry.formats import otlp_walk as wire
from awry.formats.otlp_distributions import DELTAS
from awry.formats.otlp_expand import SUM
from awry.formats.otlp_keys import Refusal, identify, shared_labels
from awry.formats.otlp_lookup import Keep, shared_key
from awry.formats.otlp_series import OtlpSeries
from awry.formats.protobuf import fields, message

COUNT_SUFFIX = "_count"
"""What the name of the series that counts has more than its distribution's."""
REFUSED = -100
"""Instead of a slot: this less the place of a reason in `reasons`."""


@dataclass(slots=True)
class _Head:
    """What points share: raw parts of their keys, labels (or why there are none), their stem once it was asked for; answers."""

    kind: int
    shared: bytes
    name: bytes
    labels: dict[str, str] | str
    stem: int = -1
    seen: dict[bytes, int] = field(default_factory=dict)


class Admission:
    """Of one request. answers: (points,), slots and numbers of distributions by row, or REFUSED; UNKNOWN where nobody asked."""

    def __init__(
        self, walked: wire.Walked, keep: Keep, known: OtlpSeries, table: SeriesTable, wanted: tuple[float, ...]
    ) -> None:  # fmt: skip
        self._walked, self._keep, self._known, self._table, self._wanted = walked, keep, known, table, wanted
        self.answers = np.full(walked.points, wire.UNKNOWN, np.int32)
        self.reasons: list[str] = []
        self._heads: dict[tuple[int, bytes, bytes], _Head] = {}
        self._head, self._met = _Head(0, b"", b"", {}), -1
        self._labels: dict[bytes, dict[str, str] | str] = {}
        self._refused: set[tuple[int, float]] = set()
        self._key = np.empty(wire.MAX_RAW_BYTES, np.uint8)

    def admit(self, rows: NDArray[np.int64]) -> None:
        """Answer these rows."""
        points = self._walked.rows
        codes = self._table.inadmissible(points.time_ns[rows] // 1_000_000, points.value[rows])
        for row, code in zip(rows.tolist(), codes.tolist(), strict=True):
            self.answers[row] = self._refusal(REASONS[code]) if code else self._answer(row)

    def forget_slots(self) -> None:
        """Series were deleted: ask again whatever was answered with a slot."""
        self.answers[self.answers >= 0] = wire.UNKNOWN
        for head in self._heads.values():
            head.seen = {raw: answer for raw, answer in head.seen.items() if answer < 0}
        self._refused.clear()

    def complete(self, numbers: NDArray[np.int32], levels: NDArray[np.float64]) -> None:
        """Give the distributions `numbers` their series for these quantiles, or SUM; those that are refused stay without."""
        distributions = self._known.distributions
        asked: dict[int, set[float]] = {}
        for number, level in zip(numbers.tolist(), levels.tolist(), strict=True):
            if (number, level) not in self._refused:
                asked.setdefault(number, set()).add(level)
        for number, missing in asked.items():
            name, labels = parse_key(self._table.keys[distributions.count_slot(number)])
            found = {}
            for level in sorted(missing):
                try:
                    if level == SUM:
                        key, counter = format_key(name[: -len(COUNT_SUFFIX)] + "_sum", labels), distributions.cumulative(number)
                    else:
                        own = dict(labels) | {"quantile": f"{level:g}"}
                        key, counter = format_key(name[: -len(COUNT_SUFFIX)], own), False
                    found[level] = self._table.intern(key, counter)
                except (Overloaded, InvalidSelector):  # too many series, or the label makes too long a key: count and sum are kept
                    self._refused.add((number, level))
            distributions.put(number, found)

    def _answer(self, row: int) -> int:
        """Slot of a series seen for the first time, or number of a distribution, or why it is refused."""
        data, points = self._walked.data, self._walked.rows
        met = int(points.metric[row])
        if met != self._met:
            self._met, self._head = met, self._head_of(met, int(points.kind[row]))
        head, own = self._head, int(points.own[row])
        if own >= 0:
            raw = data[own : points.own_stop[row]].tobytes()
        else:  # not in one piece
            tag = int(wire.attributes_tag(head.kind))
            whole = data[points.begin[row] : points.stop[row]].tobytes()
            raw = b"".join(message(tag >> 3, content) for found, _, content in fields(whole) if found == tag)
        answer = head.seen.get(raw)
        if answer is None:
            answer = head.seen[raw] = self._admit(head, raw)
        return answer

    def _admit(self, head: _Head, raw: bytes) -> int:
        known = self._known
        try:
            if isinstance(head.labels, str):
                raise Refusal(head.labels)
            name, labels = identify(head.name, head.labels, (content for _, _, content in fields(raw)))
            if head.kind <= wire.DELTA:
                number = self._table.intern(format_key(name, labels), head.kind == wire.COUNTER)
            else:
                slot = self._table.intern(format_key(name + COUNT_SUFFIX, labels), head.kind not in DELTAS)
                number = known.distributions.add(slot, head.kind, () if head.kind == wire.SUMMARY else self._wanted)
        except Refusal as refusal:
            return self._refusal(str(refusal))
        except InvalidSelector:
            return self._refusal("bad_key")
        except Overloaded:
            return self._refusal("series_limit")
        if not known.full:
            if head.stem < 0:
                head.stem = known.stem(head.shared, head.kind, head.name)
            known.add(head.stem, head.kind, raw, number)
        return number

    def _head_of(self, met: int, kind: int) -> _Head:
        data, metrics = self._walked.data, self._walked.metrics
        size = shared_key(data, met, metrics, self._keep, self._key)
        shared, name = self._key[:size].tobytes(), data[metrics.name[met, 0] : metrics.name[met, 1]].tobytes()
        head = self._heads.get((kind, shared, name))
        if head is None:
            if shared not in self._labels:
                try:
                    self._labels[shared] = shared_labels(shared)
                except Refusal as refusal:
                    self._labels[shared] = str(refusal)
            head = self._heads[kind, shared, name] = _Head(kind, shared, name, self._labels[shared])
        return head

    def _refusal(self, reason: str) -> int:
        if reason not in self.reasons:
            self.reasons.append(reason)
        return REFUSED - self.reasons.index(reason)
