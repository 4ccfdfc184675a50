"""Live updates: each part is sent when it changes and only then; the stream ends with its reader or the server."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from awry.server.pages import events, overview
from tests.pages.fake_app import NOW, FakeApp, incident, snapshot

KEYS = ['cpu{host="a"}', 'cpu{host="b"}']


class Reader:
    """A request whose reader is there until it is told to go."""

    def __init__(self, **query: str) -> None:
        self.query_params = query
        self.gone = False

    async def is_disconnected(self) -> bool:
        """Whether it left."""
        return self.gone


def heard(text: str) -> dict[str, Any]:
    """Events by name."""
    found = {}
    for block in text.strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in lines:
            found[lines["event"]] = json.loads(lines["data"])
    return found


async def test_a_reader_hears_everything_once_and_then_only_changes(monkeypatch: Any) -> None:
    """First all parts, later the sentence, rows and cells of a new incident, and nothing that stayed the same."""
    monkeypatch.setattr(events, "PERIOD_SECONDS", 0.01)
    app: Any = FakeApp(KEYS)
    reader: Any = Reader(page="overview")
    stream = events.stream(app, reader, events.view_of(app, reader, overview.Lanes(app)))
    assert "retry" in await anext(stream)
    first = heard(await anext(stream))
    assert {"status", "state", "heat", "parts"} == set(first)
    assert {"answer", "incidents", "health"} == set(first["parts"])
    app.engine.snapshot = snapshot(KEYS, seq=8, time=NOW + 1000, incidents=(incident(KEYS[0], 0),))
    second = heard(await anext(stream))
    assert "busy" == second["state"]
    assert "One incident needs someone." in second["parts"]["answer"]
    assert {"i1"} == set(second["status"]["open"])
    assert "health" not in second["parts"]
    reader.gone = True
    assert [] == [text async for text in stream]


async def test_the_stream_ends_when_the_server_stops(monkeypatch: Any) -> None:
    """A server that stops does not wait for open pages."""
    app: Any = FakeApp(KEYS)
    reader: Any = Reader(page="rules")
    stream = events.stream(app, reader, events.view_of(app, reader, overview.Lanes(app)))
    await anext(stream)
    await anext(stream)
    app.stopping.set()
    assert [] == [text async for text in stream]


async def test_every_page_has_its_view() -> None:
    """Series, incident, list and rules send what their pages swap; numbers that are missing do not break JSON."""
    nan = np.full(2, np.nan, np.float32)
    app: Any = FakeApp(KEYS, incidents=(incident(KEYS[0], 0),), interval_ms=nan, low=nan, high=nan, expected=nan, segment=nan)
    for query, parts in [
        ({"page": "series", "key": KEYS[0]}, {"answer", "opened", "past"}),
        ({"page": "incident", "id": "i1"}, {"answer", "rank", "timeline"}),
        ({"page": "incidents", "state": "open"}, {"answer", "list"}),
        ({"page": "rules"}, {"answer", "rules", "silences"}),
        ({"page": "overview", "by": "host", "hours": "6"}, {"answer", "incidents", "health"}),
        ({"page": "series", "key": "unknown"}, set()),
        ({}, set()),
    ]:
        reader: Any = Reader(**query)
        stream = events.stream(app, reader, events.view_of(app, reader, overview.Lanes(app)))
        await anext(stream)
        assert parts == set(heard(await anext(stream)).get("parts", {}))
        await stream.aclose()
