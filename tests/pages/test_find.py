"""Search: the strangest match first, how many more there are, and past incidents of one series found page by page."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np

from awry.core.incident import Incident
from awry.server.pages.find import find, strangest
from awry.server.pages.series import incidents_of
from awry.server.pages.thresholds import threshold_of
from tests.pages.fake_app import MINUTE, NOW, FakeApp, firing, incident

KEYS = [f'cpu{{host="h{i}",role="{"web" if i % 2 else "db"}"}}' for i in range(40)]


def test_the_strangest_match_comes_first_and_the_rest_is_counted() -> None:
    """By segment, then score, then order of appearance; pages follow on each other."""
    segment, score = np.full(40, 0.05, np.float32), np.full(40, 0.05, np.float32)
    segment[31], segment[7], score[9], segment[3] = 0.9, 0.5, 0.3, np.nan
    app = FakeApp(KEYS, segment=segment, score=score)
    found = find(app.engine.snapshot, app.table, '{role="web"}', 4)
    assert [31, 7, 9, 1] == [KEYS.index(hit.key) for hit in found.hits]
    assert (20, 16) == (found.total, found.more)
    last = find(app.engine.snapshot, app.table, '{role="web"}', 10, 16)
    assert ([35, 37, 39, 3], 0) == ([KEYS.index(hit.key) for hit in last.hits], last.more)


def test_the_box_says_how_many_more_match() -> None:
    """Seven are listed; the rest has a number and a link."""
    client = FakeApp(KEYS).client()
    assert "and 33 more match" in client.get("/search?q=cpu").text
    assert "more match" not in client.get("/search?q=h39").text
    assert "<h1>40 series match</h1>" in client.get("/series?match=cpu").text
    assert "<h1>1 series matches</h1>" in client.get("/series?match=h39").text
    assert "<h1>No series matches</h1>" in client.get("/series?match=nothing").text


def test_the_strangest_of_a_hundred_thousand_are_found() -> None:
    """Of the snapshot's columns, without a look at all keys."""
    keys = [f'm{{i="{i}"}}' for i in range(100_000)]
    segment = np.zeros(100_000, np.float32)
    segment[77_777] = 0.8
    app = FakeApp(keys, segment=segment)
    assert keys[77_777] == find(app.engine.snapshot, app.table, "m", 7).hits[0].key
    assert keys[77_777] == strangest(app.engine.snapshot, app.table, 7).hits[0].key


class Pages:
    """An archive of 1,200 resolved incidents, of which the oldest is of the first series."""

    def __init__(self) -> None:
        old = incident(KEYS[0], 0, id="old", end=NOW - 5000 * MINUTE)
        self.all: list[Incident] = [*(incident(KEYS[1], 1, id=f"i{i}", end=NOW) for i in range(1199)), old]

    def incidents(self, *, state: str, limit: int, after: str = "", **_: Any) -> tuple[list[Incident], str | None]:
        """A page from `after` on."""
        start = int(after or 0)
        more = start + limit < len(self.all)
        return self.all[start : start + limit], str(start + limit) if more else None


def test_past_incidents_beyond_the_newest_page_are_found() -> None:
    """The archive is asked page by page; when all was seen, nothing is said about a limit."""
    app: Any = FakeApp(KEYS)
    app.archive = Pages()
    found, until = asyncio.run(incidents_of(app, KEYS[0]))
    assert (["old"], None) == ([i.id for i in found], until)


def test_what_was_not_looked_through_is_told() -> None:
    """With more incidents than are looked through, the page says back to when it looked."""
    app: Any = FakeApp(KEYS)
    pages = Pages()
    pages.all = pages.all[:1199] * 3
    app.archive = pages
    found, until = asyncio.run(incidents_of(app, KEYS[0]))
    assert ([], NOW - 29 * MINUTE) == (found, until)
    assert "looked back to" in app.client().get("/series", params={"key": KEYS[0]}).text


def test_the_threshold_in_use_is_the_one_that_holds() -> None:
    """While a rule holds a series, the score it opened at; otherwise what the rule asks for now."""
    held: Any = FakeApp(KEYS, active=(firing(0),))
    assert (0.4, "Opened at 1 in 10,000, from the budget (rule default, which holds it now).") == threshold_of(held, 0, KEYS[0])
    threshold, why = threshold_of(held, 1, KEYS[1])
    assert threshold is not None
    assert why.endswith("(rule default).")
    none: Any = FakeApp(KEYS, rules=())
    assert (None, "No rule selects this series.") == threshold_of(none, 0, KEYS[0])
    once: Any = FakeApp(KEYS, interval_ms=np.full(40, np.nan, np.float32))
    assert "Rule default opens by how often the series samples, which is not known yet." == threshold_of(once, 0, KEYS[0])[1]
