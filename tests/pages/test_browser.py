"""The pages in a real Chromium, against a real server: what a person at 3 a.m. does with them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.pages.conftest import KEYS, MINUTE, spike
from tests.server.live import Live

pytestmark = [pytest.mark.browser, pytest.mark.slow]
OpenPage = Callable[..., Page]
SERIES = "/series?key=" + quote(KEYS[1]) + "&range=6h"


def painted(page: Page, selector: str) -> int:
    """How many different colours a canvas shows."""
    script = """(s) => {
      const c = document.querySelector(s), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
      return new Set(new Uint32Array(d.buffer)).size; }"""
    found: int = page.evaluate(script, selector)
    return found


def query(page: Page) -> dict[str, list[str]]:
    """The address' parameters."""
    return parse_qs(urlsplit(page.url).query)


def test_the_incident_page_shows_its_series_in_time(open_page: OpenPage, server: Live) -> None:
    """From the row to the page: chart, strip, timeline; the cursor reads all charts; a table has the same."""
    spike(server)
    page = open_page("/incidents")
    page.locator(".inc").first.click()
    expect(page.locator("h1")).to_contain_text("cpu_utilization of db-1 is")
    expect(page.locator("#timeline")).to_contain_text("Opened")
    expect(page.locator("[data-index='0'] canvas")).to_be_visible()
    expect(page.locator("[data-strip='0']")).to_be_visible()
    expect(page.locator("[data-index='0'] .u-over")).to_be_visible()
    page.locator("#as-table summary").click()
    expect(page.locator("#tab tr").first).to_contain_text("cpu_utilization")
    page.locator("[data-index='0']").focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("[data-now='0']")).to_have_text(re.compile(r"^\d\d:\d\d "))


def test_the_series_page_zooms_pans_and_keeps_it_in_the_address(open_page: OpenPage) -> None:
    """A drag zooms, the arrow buttons pan, Escape goes back; the range is in the address and survives a reload."""
    page = open_page(SERIES)
    over = page.locator("#value-c .u-over")
    expect(page.locator("#alt")).to_contain_text("samples")
    box = over.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 100, steps=5)
    page.mouse.up()
    page.wait_for_url(re.compile("start="))
    start, end = (int(query(page)[name][0]) for name in ("start", "end"))
    assert abs((end - start) / 3_600_000 - 1.2) < 0.2
    page.click("#later")
    expect(page).not_to_have_url(re.compile(f"start={start}"))
    assert int(query(page)["start"][0]) > start
    page.reload()
    expect(page.locator("#whole")).to_be_visible()
    page.keyboard.press("Escape")
    page.wait_for_url(re.compile("range=6h"))
    page.click("#span button[value='24h']")
    page.wait_for_url(re.compile("range=24h"))


def test_the_panel_says_what_the_detector_thought_at_the_cursor(open_page: OpenPage) -> None:
    """By pointer and by arrow keys; the live region says it for those who do not see it."""
    page = open_page(SERIES)
    expect(page.locator("#alt")).to_contain_text("samples")
    expect(page.locator("#pin")).to_have_text("latest sample")
    box = page.locator("#value-c .u-over").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 80)
    expect(page.locator("#pin")).to_have_text("at the cursor")
    middle = page.locator("#when").text_content()
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 80)
    expect(page.locator("#when")).not_to_have_text(middle or "")
    assert re.search(r"within its band|outside its band", page.locator("#sentence").text_content() or "")
    page.mouse.move(5, 5)
    expect(page.locator("#pin")).to_have_text("latest sample")
    page.locator("#value-c").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowLeft")
    expect(page.locator("#pin")).to_have_text("at the cursor")
    expect(page.locator("#say")).to_contain_text("expected")
    page.locator("#as-table summary").click()
    expect(page.locator("#tab tr").nth(100)).to_be_attached()


def test_the_page_says_what_is_strange_in_words(open_page: OpenPage, server: Live) -> None:
    """Under the name, in the list below the chart, at the cursor and in the table: the value, why, the band, how often."""
    spike(server, KEYS[2])
    page = open_page(f"/series?key={quote(KEYS[2])}")
    expect(page.locator("#answer .whyline")).to_contain_text(re.compile("At its strangest since .* it (was|jumped to) 9[5-7]"))
    expect(page.locator("#answer .whyline")).to_contain_text("for this series")
    first = page.locator("#odd button").first
    expect(first).to_contain_text(re.compile(r"9[5-7].*\(expected [\d.]+\u2013[\d.]+\).*(once|all the time)"))
    first.hover()
    expect(page.locator("#pin")).to_have_text("at the cursor")
    expect(page.locator("#sentence")).to_contain_text("(expected ")
    before = page.url
    first.click()
    page.wait_for_url(lambda url: url != before)
    page.locator("#as-table summary").click()
    expect(page.locator("#tab .what").filter(has_text="(expected ").first).to_be_visible()


def test_search_by_keyboard(open_page: OpenPage) -> None:
    """`/` goes to the box, words find, arrows choose, Enter opens, Escape leaves."""
    page = open_page("/")
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("db-3")
    expect(page.locator("#found [role=option]")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator("#found")).to_be_hidden()
    page.keyboard.press("/")
    page.keyboard.type("cpu")
    expect(page.locator("#found [role=option]")).to_have_count(3)
    expect(page.locator("#found .all")).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#hit-1")).to_have_attribute("aria-selected", "true")
    chosen = page.locator("#hit-1").get_attribute("title") or ""
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/series"))
    expect(page.locator(".crumb .whole")).to_have_text(chosen)


def test_keys_go_everywhere(open_page: OpenPage) -> None:
    """`g r`, `g i`, `?`, `p`; the heat map by arrows and Enter."""
    page = open_page("/")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("p")
    expect(page.locator(".live")).to_have_attribute("data-state", "paused")
    page.keyboard.press("p")
    expect(page.locator(".live")).to_have_attribute("data-state", "live")
    page.locator("#map").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#say")).to_contain_text("cpu_utilization")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/series"))
    page.keyboard.press("g")
    page.keyboard.press("r")
    page.wait_for_url(re.compile("/rules"))


def test_the_status_page_goes_on_by_itself(open_page: OpenPage, server: Live) -> None:
    """By `g t`; what is sent while it is open is counted there, and what is refused is said with its reason."""
    page = open_page("/")
    page.keyboard.press("g")
    page.keyboard.press("t")
    page.wait_for_url(re.compile("/status"))
    expect(page.locator("#status")).to_contain_text("graphite_tcp")
    page.evaluate("window.stayed = true")
    server.send([(KEYS[0], 253_402_300_000_000, 1.0)])
    expect(page.locator("#status")).to_contain_text("1 too far ahead of the clock")
    assert page.evaluate("window.stayed")
    page.click(".foot a[href='/status']")
    expect(page.locator("h1")).to_contain_text("Awry")


def test_rows_can_be_grouped_and_the_range_changed(open_page: OpenPage) -> None:
    """By a label's values; kept in the address."""
    page = open_page("/")
    page.select_option("#by", "role")
    expect(page.locator("#names a")).to_have_count(2)
    page.click("#hours button[value='6']")
    page.wait_for_url(re.compile("by=role&hours=6"))
    page.reload()
    expect(page.locator("#names a")).to_have_count(2)


def test_light_and_dark(open_page: OpenPage) -> None:
    """The system's choice first; the button's choice stays over a reload; canvases follow."""
    page = open_page("/", color_scheme="dark")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert "rgb(16, 17, 20)" == dark
    before = page.evaluate("document.getElementById('map').toDataURL()")
    page.click("[data-do=theme]")
    assert "rgb(247, 247, 245)" == page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert before != page.evaluate("document.getElementById('map').toDataURL()")
    page.reload()
    assert "light" == page.evaluate("document.documentElement.dataset.theme")


def test_no_page_scrolls_sideways(open_page: OpenPage, server: Live) -> None:
    """Phone to desk, every page."""
    spike(server)
    page = open_page("/", width=1440, height=844)
    incident = page.locator(".inc").first.get_attribute("href")
    for path in ["/", SERIES, str(incident), "/incidents", "/series", "/rules", "/status", "/login"]:
        page.goto(server.url + path)
        for width in (1440, 1000, 390):
            page.set_viewport_size({"width": width, "height": 844})
            page.wait_for_timeout(100)
            assert (path, width) == (path, page.evaluate("document.documentElement.scrollWidth"))


def test_rules_are_made_tried_changed_and_deleted(open_page: OpenPage, server: Live) -> None:
    """The bill before the button, then the whole life of a rule; a refusal is told in the form."""
    page = open_page("/rules", allow="status of 400")
    page.click("[data-new]")
    page.fill("[name=name]", "tight")
    page.fill("#rule-form [name=selector]", 'cpu_utilization{host="db-1"')
    page.click("#rule-form [type=submit]")
    expect(page.locator("#rule-form .refusal")).to_contain_text("cannot")
    page.fill("#rule-form [name=selector]", KEYS[0])
    expect(page.locator("#bill")).to_contain_text("it would have opened")
    page.select_option("#rule-form [name=kind]", "threshold")
    slider = page.get_by_role("slider", name="Threshold")
    slider.focus()
    page.keyboard.press("Home")
    expect(slider).to_have_attribute("aria-valuetext", re.compile(r"0\.20, 1 in 100; [\d,]+ incidents? in 30 days"))
    expect(page.locator("#bill")).to_contain_text("Opens at1 in 100")
    page.keyboard.press("End")
    expect(page.locator("#bill")).to_contain_text("0 incidents")
    page.click("#rule-form [type=submit]")
    expect(page.locator("#rule-tight")).to_contain_text("1 of 3 series")
    page.locator("#rule-tight button").click()
    page.select_option("#rule-form [name=severity]", "critical")
    page.click("#rule-form [type=submit]")
    expect(page.locator("#rule-tight")).to_contain_text("critical")
    page.locator("#rule-tight button").click()
    page.click("#rule-delete")
    expect(page.locator("#rule-tight")).to_have_count(0)


def test_a_silence_is_set_and_ended(open_page: OpenPage) -> None:
    """From a series' page by `s`; it is listed with its reason, and ends at the press of a button."""
    page = open_page(SERIES)
    page.keyboard.press("s")
    expect(page.locator("#silence-form [name=selector]")).to_have_value(KEYS[1])
    page.select_option("#silence-form [name=duration]", "4h")
    expect(page.locator("#silence-form [type=submit]")).to_have_text("Silence for 4 hours")
    page.fill("#silence-form [name=comment]", "moving house")
    page.click("#silence-form [type=submit]")
    expect(page.locator("#d-silence")).to_be_hidden()
    page.goto(page.url.split("/series")[0] + "/rules")
    expect(page.locator("#silences")).to_contain_text("moving house")
    page.click("[data-end-silence]")
    expect(page.locator("#silences")).to_contain_text("None: everyone is told")


def test_a_stretch_without_samples_says_so(open_page: OpenPage, server: Live) -> None:
    """And leads to where the samples are."""
    page = open_page("/series?key=" + quote(KEYS[2]) + "&start=1700000000000&end=1700003600000")
    expect(page.locator("#over")).to_contain_text("No samples between")
    page.locator("#over button").click()
    expect(page.locator("#over")).to_be_hidden()


def test_a_lost_server_is_told(open_page: OpenPage, server: Live) -> None:
    """The page keeps what it has, says from when it is, and goes on by itself."""
    page = open_page("/incidents", allow="status of 503")
    expect(page.locator(".live")).to_have_attribute("data-state", "live")
    page.route("**/events*", lambda route: route.fulfill(status=503, body="no"))
    page.reload()
    expect(page.locator("#lost")).to_contain_text("stopped hearing from Awry")
    page.unroute("**/events*")
    expect(page.locator("#lost")).to_be_hidden()


def test_the_default_rule_pages_about_an_absurd_value(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Two days of a sine with noise through the API, then a value far off: the default rule opens an incident."""
    key, n = 'queue_depth{host="mq-1"}', 2880
    rng, end = np.random.default_rng(5), time.time_ns() // 1_000_000
    values = np.round(50 + 10 * np.sin(np.arange(n) * 2 * np.pi / 1440) + rng.normal(0, 1, n), 3)
    with Live(tmp_path_factory.mktemp("default")) as live:
        for first in range(0, n, 1000):
            live.send([(key, end - (n - i) * MINUTE, float(values[i])) for i in range(first, min(n, first + 1000))])
        page = browser.new_page()
        page.goto(live.url)
        expect(page.locator("h1")).to_have_text("All quiet.")
        live.send([(key, end, 5000.0)])
        expect(page.locator("h1")).to_have_text("One incident needs someone.")
        expect(page.locator(".inc .title").first).to_contain_text("queue_depth of mq-1 is 5,000")
        page.close()


def test_a_page_waits_for_the_token(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    """With a token configured: the form, a wrong token, the right one, and on to the page that was asked for."""
    from tests.server.live import READ, TOKENS

    with Live(tmp_path_factory.mktemp("guarded"), auth=TOKENS) as guarded:
        context = browser.new_context()
        page = context.new_page()
        page.goto(guarded.url + "/rules")
        expect(page.locator("h1")).to_have_text("This server asks for its token.")
        page.fill("[name=token]", "wrong")
        page.keyboard.press("Enter")
        expect(page.locator("[role=alert]")).to_contain_text("not the token")
        page.fill("[name=token]", READ)
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_contain_text("rule")
        page.goto(guarded.url + "/")
        expect(page.locator("h1")).to_have_text("No samples yet.")
        context.close()


def test_the_series_page_shows_a_forecast_and_can_leave_it_out(open_page: OpenPage) -> None:
    """Beyond the newest sample the panel says what is expected; the button takes the forecast away, and that is remembered."""
    page = open_page(SERIES)
    expect(page.locator("#k-f")).to_be_visible()
    box = page.locator("#value-c .u-over").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.97, box["y"] + 80)
    expect(page.locator("#pin")).to_have_text("forecast")
    expect(page.locator("#val")).to_contain_text("about")
    expect(page.locator("#when")).to_contain_text("after the latest sample")
    page.click("#ahead")
    expect(page.locator("#k-f")).to_be_hidden()
    page.reload()
    expect(page.locator("#ahead")).to_have_attribute("aria-pressed", "false")
    page.click("#ahead")
    expect(page.locator("#k-f")).to_be_visible()
