"""Which detector, time zone, holidays and kind a series gets: an ordered list of selectors, asked once when a series is first seen.

The configuration writes it as tables `[series.NAME]` over the defaults of `[detection]`; the first table that matches a series
and states something decides that. Pure: a key in, a Place out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from awry.core.selector import Selector, parse_selector

AUTO = "auto"
"""The detector that is no detector: each series gets the one that its samples ask for."""


@dataclass(frozen=True, slots=True)
class Place:
    """What one series gets. detector: a name of the catalogue, or "auto". time_zone: IANA, such as "Europe/Berlin".

    holidays: a country or its part as the package `holidays` names it, such as "DE" or "DE-BY"; "" for none.
    """

    detector: str = AUTO
    time_zone: str = "UTC"
    holidays: str = ""
    told_by: str = ""
    """Name of the table `[series.NAME]` that chose the detector; "" when it was the default."""
    siblings_by: str = ""
    """Label in whose value alone a series and its siblings differ, for a detector that compares them."""


@dataclass(frozen=True, slots=True)
class Placing:
    """One table `[series.NAME]`: what the series of a selector get; None leaves it to the tables below and the defaults."""

    name: str
    selector: Selector
    detector: str | None = None
    time_zone: str | None = None
    holidays: str | None = None
    siblings_by: str = ""
    """Goes with the detector of this table."""
    kind: str | None = None

    @staticmethod
    def of(
        name: str, selector: str, detector: str | None = None, time_zone: str | None = None, holidays: str | None = None,
        siblings_by: str = "", kind: str | None = None,
    ) -> Placing:  # fmt: skip
        """The same from the selector's text. Raises InvalidSelector."""
        return Placing(name, parse_selector(selector), detector, time_zone, holidays, siblings_by, kind)


@dataclass(frozen=True, slots=True)
class Placement:
    """The whole list, in the order of the configuration, and the defaults."""

    tables: Sequence[Placing] = ()
    default: Place = field(default_factory=Place)

    def of(self, key: str) -> Place:
        """What the series of this canonical key gets: for each thing, the first table that matches and states it decides."""
        if not self.tables:
            return self.default
        detector = zone = days = None
        told_by, siblings_by = self.default.told_by, self.default.siblings_by
        for table in self.tables:
            if table.selector.matches_key(key):
                if detector is None and table.detector is not None:
                    detector, told_by, siblings_by = table.detector, table.name, table.siblings_by
                zone = table.time_zone if zone is None else zone
                days = table.holidays if days is None else days
        return Place(
            self.default.detector if detector is None else detector,
            self.default.time_zone if zone is None else zone,
            self.default.holidays if days is None else days,
            told_by,
            siblings_by,
        )

    def kind_of(self, key: str) -> str:
        """What the first table that matches and states a kind says, "counter" or "gauge"; "" when none does (see `core.kind`)."""
        for table in self.tables:
            if table.kind is not None and table.selector.matches_key(key):
                return table.kind
        return ""
