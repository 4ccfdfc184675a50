"""A page that is open while nothing is wrong yet; alone with its server, since every other browser test opens incidents."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.pages.conftest import KEYS, spike
from tests.pages.test_browser import OpenPage, painted
from tests.server.live import Live

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_spike_becomes_an_incident_on_an_open_page(open_page: OpenPage, server: Live) -> None:
    """Quiet, then three samples are posted, and the sentence, the row and the lane change without a reload."""
    page = open_page("/")
    expect(page.locator("h1")).to_have_text("All quiet.")
    page.evaluate("window.stayed = true")
    spike(server)
    expect(page.locator("h1")).to_have_text("One incident needs someone.")
    expect(page.locator(".inc .title").first).to_contain_text("cpu_utilization of db-1 is")
    expect(page.locator("#names a").first).to_have_attribute("title", KEYS[0])
    assert page.evaluate("window.stayed")
    assert painted(page, "#map") > 6
