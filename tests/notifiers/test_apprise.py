"""Apprise: several URLs, of which one may fail."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest

from awry.core.errors import InvalidConfig, Retry
from awry.notifiers.apprise import Apprise
from tests.notifiers.receiver import Receiver, change


def test_a_retry_spares_those_that_have_it() -> None:
    """When the second URL fails, the retry goes to it alone; the next change goes to both again."""

    async def run(notifier: Apprise) -> None:
        async with notifier:
            with pytest.raises(Retry, match="URL 2 of 2"):
                await notifier.notify(change(1))
            await notifier.notify(change(1))
            await notifier.notify(change(2))

    with Receiver() as good, Receiver(500) as shaky:
        asyncio.run(run(Apprise(urls=(f"json://{good.address}/a", f"json://{shaky.address}/b"))))
        assert 2 == len(good.requests)
        assert 3 == len(shaky.requests)


def test_a_service_that_never_answers_holds_up_nobody() -> None:
    """It is given up after the timeout, gets no second message meanwhile, and the process can end."""
    release, calls = threading.Event(), []

    class Dead:
        def notify(self, **message: str) -> bool:
            calls.append(message)
            return release.wait()

    async def run() -> None:
        notifier = Apprise(urls=("json://nobody",), timeout_seconds=0.05)
        notifier._services = [Dead()]
        for cause in ("no answer within", "still busy"):
            with pytest.raises(Retry, match=cause):
                await notifier.notify(change(1))

    guard = threading.Timer(20, release.set)
    guard.start()
    asyncio.run(run())
    held_up = release.is_set()
    guard.cancel()
    release.set()
    assert (1, False) == (len(calls), held_up)


@pytest.mark.parametrize(("kind", "expected"), [("opened", "warning"), ("resolved", "success")])
def test_kind_of_message(kind: str, expected: str) -> None:
    """Services that colour messages get the severity, and success for a resolved incident."""

    async def run(notifier: Apprise) -> None:
        async with notifier:
            await notifier.notify(change(1, kind))  # type: ignore[arg-type]

    with Receiver() as receiver:
        asyncio.run(run(Apprise(urls=(f"json://{receiver.address}/",))))
        assert expected == json.loads(receiver.requests[0].body)["type"]


def test_one_text_may_hold_several_urls() -> None:
    """A secret is one text: its URLs stand apart by white space."""
    assert ("json://a", "json://b") == Apprise(urls="json://a\n json://b\n").urls  # type: ignore[arg-type]


def test_refuses_what_apprise_does_not_understand() -> None:
    """A URL of no known service is a mistake of the configuration, told without the URL."""

    async def run() -> None:
        async with Apprise(urls=("nosuch://token@host",)):
            pass

    with pytest.raises(InvalidConfig, match="URL 1 of 1") as found:
        asyncio.run(run())
    assert "token" not in found.value.message
