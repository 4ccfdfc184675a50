"""Which series are counters, shown and scored as rates, and which are gauges, taken as they are: said once, for every door.

The configuration decides first (`[series.NAME] kind`), then the protocol, where it tells; then a name that ends in `_total`.
"""

from __future__ import annotations

from awry.core.placement import Placement

GAUGE, COUNTER = 0, 1
KINDS = ("gauge", "counter")
"""Words by number, as the configuration writes them and the API says them."""
TOTAL = "_total"
"""The ending of a counter's name that every protocol's users know."""
PROMETHEUS = (TOTAL, "_count", "_sum", "_bucket")
"""The endings of the names of counters in Prometheus' text format: histograms and summaries are sent as several counters."""


def kind_of(key: str, placement: Placement, counter: bool | None = None) -> int:
    """GAUGE or COUNTER for the series of a canonical key.

    counter: the protocol says that it is one, or a gauge; None: it says nothing.
    """
    told = placement.kind_of(key)
    if told:
        return KINDS.index(told)
    if counter is None:
        counter = name_of(key).endswith(TOTAL)
    return COUNTER if counter else GAUGE


def counts(name: str) -> bool:
    """Whether a metric of this name, sent by Prometheus, is a counter."""
    return name.endswith(PROMETHEUS)


def name_of(key: str) -> str:
    """The metric's name: a key without its labels."""
    return key.partition("{")[0]
