"""Every page in every state, as HTML: the sentence, what it is made of, and that nothing a sender names can become markup."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from awry.core.incident import Change
from awry.core.rule import Silence
from tests.pages.fake_app import HOSTILE, MINUTE, NOW, FakeApp, firing, incident

KEYS = ['cpu_utilization{host="db-1"}', 'cpu_utilization{host="db-2"}', 'latency_seconds{service="web"}']
PATHS = [
    "/",
    "/?by=host&hours=6",
    "/incidents",
    "/incidents?state=open",
    "/series",
    "/series?match=cpu",
    "/rules",
    "/search?q=cpu",
    "/login",
]


def busy(**fields: object) -> FakeApp:
    """One open incident on db-1."""
    return FakeApp(KEYS, incidents=(incident(KEYS[0], 0),), active=(firing(0),), **fields)


def title(text: str) -> str:
    """The page's answer."""
    found = re.search(r"<h1[^>]*>(.*?)</h1>", text, re.DOTALL)
    assert found
    return found[1].replace("\u2060", "").replace("<wbr>", "")


def states() -> list[tuple[FakeApp, str, str]]:
    """App, sentence, and something else that must show."""
    silence = Silence(id="s1", selector=KEYS[0], start=NOW - MINUTE, end=NOW + MINUTE, comment="failover")
    gone = incident(KEYS[0], 0, id="i9", end=NOW - 60 * MINUTE, start=NOW - 72 * MINUTE)
    return [
        (FakeApp(), "No samples yet.", "remote_write"),
        (FakeApp(KEYS, state=np.zeros(3, np.uint8)), "Learning your series.", "Arriving now"),
        (FakeApp(KEYS), "All quiet.", "No open incident."),
        (FakeApp(KEYS, resolved=[gone]), "All quiet.", "closed 02:41 after 12\u00a0min"),
        (busy(), "One incident needs someone.", "since 03:12"),
        (busy(silences=(silence,)), "All quiet.", "silenced: failover"),
        (FakeApp(KEYS, store_error="disk full"), "Awry cannot write to its store.", "disk full"),
    ]


@pytest.mark.parametrize("n", range(7))
def test_the_overview_answers_in_one_sentence(n: int) -> None:
    """Empty, first minute, quiet, busy, silenced, and a store that cannot write."""
    app, sentence, shown = states()[n]
    answer = app.client().get("/")
    assert (200, sentence) == (answer.status_code, title(answer.text))
    assert shown in answer.text


@pytest.mark.parametrize("path", PATHS)
def test_every_page_works_in_every_state(path: str) -> None:
    """No template stumbles over something that is missing."""
    for app, _, _ in states():
        assert 200 == app.client().get(path).status_code


@pytest.mark.parametrize("path", ["/", "/series", "/series?match=evil", "/search?q=evil", "/incidents", "/incidents/i1", "/rules"])
def test_hostile_names_stay_text(path: str) -> None:
    """A label value with markup is shown, never run; the same for a key in an address."""
    silence = Silence(id="s1", selector=HOSTILE, start=0, end=NOW + MINUTE, comment="<img src=x onerror=alert(1)>")
    hit = incident(HOSTILE, 0)
    log = [Change(number=1, kind="opened", time=NOW, incident=hit, notify=("<b>hook</b>",))]
    app = FakeApp([HOSTILE, *KEYS], incidents=(hit,), active=(firing(0),), silences=(silence,))
    app.archive.log = log
    text = app.client().get(path).text
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert "<b>hook" not in text
    assert "alert(1)" in text or path == "/rules"


def test_a_hostile_series_has_its_page() -> None:
    """Its key is in the address, the heading, the form, and the data of the chart."""
    client = FakeApp([HOSTILE, *KEYS]).client()
    answer = client.get("/series", params={"key": HOSTILE})
    assert 200 == answer.status_code
    assert "<script>alert" not in answer.text
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', answer.text, re.DOTALL)
    assert found
    assert HOSTILE == json.loads(found[1])["key"]


def test_no_inline_script_or_style_and_a_policy_that_forbids_them() -> None:
    """Everything comes from this host's files; the header says so to the browser."""
    client = busy().client()
    for path in [*PATHS, "/incidents/i1", "/series?key=" + KEYS[0].replace('"', "%22")]:
        answer = client.get(path)
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert [] == [s for s in re.findall(r"<script\b([^>]*)>", answer.text) if "src=" not in s and "application/json" not in s]
        assert [] == re.findall(r"\sstyle=|<style|\son[a-z]+=|javascript:", answer.text)
        assert [] == [u for u in re.findall(r'(?:href|src)="([^"]+)"', answer.text) if not u.startswith(("/", "#"))]


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({}, "cpu_utilization of db-1 is 10, as expected"),
        ({"state": np.zeros(3, np.uint8)}, "cpu_utilization of db-1 is 10; Awry is still learning it"),
        ({"state": np.full(3, 2, np.uint8)}, "cpu_utilization of db-1 sent nothing since 03:40, 1\u00a0min ago"),
        ({"last_value": np.full(3, 15.0)}, "cpu_utilization of db-1 is 15, expected 9–11"),
        ({"last_value": np.full(3, 15.0), "active": (firing(0),)}, "cpu_utilization of db-1 is 15, expected 9–11, since 03:12"),
        ({"active": (firing(0),)}, "cpu_utilization of db-1 is 10, within the expected 9–11 but strange, since 03:12"),
    ],
)
def test_the_series_page_says_what_is_and_what_should_be(columns: dict[str, object], sentence: str) -> None:
    """Watched, learning, silent, outside its band, firing."""
    answer = FakeApp(KEYS, **columns).client().get("/series", params={"key": KEYS[0]})
    assert sentence == title(answer.text)


def test_an_unknown_series_or_incident_is_said_to_be_missing() -> None:
    """404 with what to do."""
    client = FakeApp(KEYS).client()
    for path in ["/series?key=nope", "/incidents/nope"]:
        answer = client.get(path)
        assert 404 == answer.status_code
        assert "<h1" in answer.text


def test_the_incident_page_tells_the_course_of_it() -> None:
    """Opened, who joined, resolved, who was told; newest first."""
    one = incident(KEYS[0], 0)
    two = incident(KEYS[0], 0, series=(*one.series, incident(KEYS[1], 1).series[0]))
    done = incident(KEYS[0], 0, end=NOW, series=two.series)
    app = FakeApp(KEYS, resolved=[done])
    app.archive.log = [
        Change(number=1, kind="opened", time=NOW - 20 * MINUTE, incident=one, notify=("hook",)),
        Change(number=2, kind="updated", time=NOW - 18 * MINUTE, incident=two, silenced="s1"),
        Change(number=3, kind="resolved", time=NOW, incident=done, notify=("hook",)),
    ]
    text = app.client().get("/incidents/i1").text
    steps = re.findall(r'<span class="pt (\w+)"></span><span>(.*?)<small>(.*?)</small>', text)
    assert [
        ("done", "Resolved", "after 29\u00a0min; told hook"),
        ("warn", "cpu_utilization of db-2 joined", "2 series then; held back by the silence s1"),
        ("fire", "Opened", "1 series; told hook"),
    ] == steps


def test_the_silence_form_names_the_incident_as_tightly_as_it_can() -> None:
    """One series: its key. Several of one metric: what they share."""
    text = busy().client().get("/incidents/i1").text
    assert 'value="cpu_utilization{host=&#34;db-1&#34;}"' in text


def test_search_finds_words_and_selectors_a_page_at_a_time() -> None:
    """All words must occur; a selector selects; a wrong one is explained; at most seven in the box."""
    client = FakeApp([f'cpu{{host="web-{i}"}}' for i in range(30)]).client()
    assert 7 == client.get("/search?q=CPU web").text.count('role="option"')
    assert 1 == client.get("/search", params={"q": 'cpu{host="web-3"}'}).text.count('role="option"')
    assert 12 == client.get("/series", params={"match": '{host=~"web-(1|2).*"}', "after": 10}).text.count('class="row-link"')
    assert "No series matches" in client.get("/search?q=zebra").text
    assert "cannot read" in client.get("/search", params={"q": "cpu{host=~"}).text


def test_lists_are_paged() -> None:
    """No page ever lists all series."""
    client = FakeApp([f"s.{i}" for i in range(130)]).client()
    first = client.get("/series?match=s").text
    assert 50 == first.count('class="row-link"')
    assert "match=s&amp;after=50" in first
    assert 30 == client.get("/series?match=s&after=100").text.count('class="row-link"')


def test_static_files_are_kept_for_good_by_their_version() -> None:
    """The address changes with the content; an old address is not cached."""
    client = FakeApp(KEYS).client()
    found = re.search(r'href="(/static/\w+)/tokens.css"', client.get("/").text)
    assert found
    assert "immutable" in client.get(f"{found[1]}/tokens.css").headers["cache-control"]
    assert "no-cache" == client.get("/static/old/tokens.css").headers["cache-control"]
    assert 404 == client.get(f"{found[1]}/../../app.py").status_code


def test_notifiers_that_do_not_answer_are_told_on_the_overview() -> None:
    """Awry reports on itself as plainly as on others."""
    app = FakeApp(KEYS)
    app.dispatcher.status["hook"].last_error = "connection refused"
    app.engine.counters.refuse("json", "future", 38)
    text = app.client().get("/").text
    assert "0 of 1 answer" in text
    assert "hook: connection refused" in text
    assert "38 too far ahead of the clock, most from json" in text
    assert "2 things to look at" in text


def test_the_first_view_is_small() -> None:
    """Under 20 kB compressed with the 16 strangest of many lanes."""
    import gzip

    rng = np.random.default_rng(1)
    keys = [f'requests_total{{host="web-{i}",service="shop"}}' for i in range(2000)]
    app = FakeApp(keys, heat=rng.integers(0, 255, (2000, 144)).astype(np.uint8))
    assert len(gzip.compress(app.client().get("/").content)) < 20_000
