"""The status page: sources, series, store and notifiers in words; what is wrong is said first."""

from __future__ import annotations

from types import SimpleNamespace

from awry.server.pages.status import short
from tests.pages.fake_app import MINUTE, NOW, FakeApp, incident

KEYS = [f'cpu{{host="h{i}"}}' for i in range(3)]


def test_a_well_server_says_so_with_its_version() -> None:
    """The sentence, the version, the size of the store and its oldest sample."""
    text = FakeApp(KEYS).client().get("/status").text
    assert "<h1>Awry is well.</h1>" in text
    assert "Version 1.2.3" in text
    assert "4.2\u00a0MB" in text.replace("4.20", "4.2")
    assert "Sun 03:41" in text
    assert "nothing, " not in text


def test_a_source_is_told_with_its_refusals_lag_and_error() -> None:
    """Received, accepted, every reason in words, when it was last seen, and why it does not work."""
    app = FakeApp(KEYS)
    app.engine.counters.receive("hook", 120)
    app.engine.counters.refuse("hook", "series_limit", 7)
    app.engine.counters.refuse("hook", "late", 3)
    app.engine.counters.fail("hook", "connection refused")
    counter = app.engine.counters.sources["hook"]
    counter.accepted, counter.last_seen, counter.lag_ms = 110, NOW - MINUTE, 2500
    text = app.client().get("/status").text
    for said in (
        "7 over the limit of series<br>3 older than a stored one",
        "03:40, 1\u00a0min ago",
        "2.5\u00a0s",
        "connection refused",
    ):
        assert said in text
    assert "<h1>1 thing to look at in Awry itself.</h1>" in text


def test_series_refused_by_the_limit_are_told_plainly() -> None:
    """A note at the top, and the number beside the limit."""
    app = FakeApp(KEYS)
    app.table.refused_limit = 12
    text = app.client().get("/status").text
    assert "New series were refused 12 times: the limit is 1,000,000 series in all" in text
    assert "Refused beyond a limit" in text


def test_a_notifier_that_does_not_answer_and_a_stuck_store_are_told() -> None:
    """Delivered, failed, waiting and the last error; the store's reason in its place."""
    app = FakeApp(KEYS, store_error="disk full")
    hook = app.dispatcher.status["hook"]
    hook.delivered, hook.failed, hook.waiting, hook.last_error = 41, 2, 5, "answered 502"
    text = app.client().get("/status").text
    for said in ("does not answer", "answered 502", "disk full", "2 things to look at"):
        assert said in text


def test_an_answer_of_nobody_is_told_too() -> None:
    """No source, no notifier: the page says what to do."""
    app = FakeApp()
    app.dispatcher.status = {}
    text = app.client().get("/status").text
    assert "No source runs" in text
    assert "Nobody yet" in text


def test_a_pump_that_waits_to_be_tried_again_asks_for_a_look() -> None:
    """Its state in words, with how often it was started anew."""
    app = FakeApp(KEYS)
    source = SimpleNamespace(name="kafka", address=("127.0.0.1", 9092))
    app.pumps = [SimpleNamespace(source=source, state="waiting", restarts=3)]
    text = app.client().get("/status").text
    assert "stopped, trying again, restarted 3 times" in text
    assert "127.0.0.1:9092" in text
    assert "1 thing to look at" in text


def test_delays_are_short() -> None:
    """Milliseconds below a second; ahead of the clock is told as such."""
    assert "74\u00a0ms" == short(74)
    assert "1.2\u00a0s" == short(1200)
    assert "5\u00a0min" == short(5 * MINUTE)
    assert "30\u00a0ms ahead of the clock" == short(-30)


def test_an_incident_tells_how_many_series_it_holds_now() -> None:
    """Though no change was stored since it grew: in the line under the sentence, and on top of the timeline."""
    from awry.core.incident import Change

    now = incident(KEYS[0], 0, total=40)
    app = FakeApp(KEYS, incidents=(now,))
    app.archive.log = [Change(number=1, kind="opened", time=NOW - 29 * MINUTE, incident=incident(KEYS[0], 0, total=2))]
    text = app.client().get("/incidents/i1").text
    assert "<b>40 series</b>" in text
    assert "38 more than at the last change" in text
