"""A real server with learnt series and a real Chromium, shared by the browser tests; what a page may not do is checked for each."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from tests.server.live import Live

CHROMIUM = Path("/usr/bin/chromium")
ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run", "--disable-sync"]
MINUTE = 60_000
expect.set_options(timeout=20_000)
KEYS = tuple(f'cpu_utilization{{host="db-{i}",role="{"main" if i == 1 else "copy"}"}}' for i in (1, 2, 3))
LEARNT = 1400
"""Samples each series has before a test: a day of minutes."""


def wave(seed: int) -> list[float]:
    """A day's load with noise."""
    rng = np.random.default_rng(seed)
    at = np.arange(LEARNT)
    return [float(v) for v in np.round(30 + 8 * np.sin(at / 220) + rng.normal(0, 1, LEARNT), 3)]


def spike(server: Live, key: str = KEYS[0]) -> None:
    """Three minutes of something that never was, up to now."""
    now = time.time_ns() // 1_000_000
    server.send([(key, now - (2 - i) * 20_000, 95.0 + i) for i in range(3)])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server that has learnt three series over a day."""
    with Live(tmp_path_factory.mktemp("pages")) as live:
        # only the rule below opens incidents, so that a test knows what is open
        answer = live.client.put("/api/v1/rules/default", json={"enabled": False})
        assert 200 == answer.status_code, answer.text
        end = time.time_ns() // 1_000_000 - 2 * MINUTE
        for i, key in enumerate(KEYS):
            values = wave(i)
            live.send([(key, end - (LEARNT - 1 - n) * MINUTE, value) for n, value in enumerate(values)])
        answer = live.client.put("/api/v1/rules/spikes", json={"threshold": 0.3, "clear": 0.05, "severity": "critical"})
        assert 201 == answer.status_code, answer.text
        yield live


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; without it the test is skipped, but never in CI. Gone with the module: it keeps an event loop running."""
    if not CHROMIUM.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"cannot find {CHROMIUM}: CI must run the browser tests")
        pytest.skip(f"no Chromium at {CHROMIUM}")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGS)
        yield running
        running.close()


@pytest.fixture
def open_page(browser: Browser, server: Live) -> Iterator[Callable[..., Page]]:
    """Opens pages of the server; afterwards: no error on the console (but `allow`), no request to another host."""
    trouble: list[str] = []
    allowed: list[str] = []
    contexts = []

    def watch(page: Page) -> None:
        page.on("console", lambda m: trouble.append(f"console: {m.text}") if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: trouble.append(f"error: {e}"))

        def asked(request: Request) -> None:
            if not request.url.startswith((server.url, "data:")):
                trouble.append(f"request to {request.url}")

        page.on("request", asked)

    def make(path: str = "/", *, width: int = 1440, height: int = 1000, allow: str = "", **options: object) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce", **options)  # type: ignore[arg-type]
        context.set_default_timeout(20_000)
        contexts.append(context)
        allowed.extend([allow] if allow else [])
        page = context.new_page()
        watch(page)
        page.goto(server.url + path)
        return page

    yield make
    for context in contexts:
        context.close()
    assert [] == [text for text in trouble if not any(part in text for part in allowed)]
