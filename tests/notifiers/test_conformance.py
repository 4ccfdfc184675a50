"""What every notifier must do; a new one adds a row to NOTIFIERS."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest

from awry.core.errors import Retry
from awry.core.protocols import Notifier
from awry.notifiers.apprise import Apprise
from awry.notifiers.webhook import Webhook
from tests.notifiers.receiver import Receiver, change

SECRET = "t0p-s3cret"
NOTIFIERS: dict[str, Callable[[str], Notifier]] = {
    "webhook": lambda address: Webhook(url=f"http://{address}/{SECRET}", secret=SECRET, timeout_seconds=30),
    "apprise": lambda address: Apprise(urls=(f"json://user:{SECRET}@{address}/hook",), timeout_seconds=30),
}
make_each = pytest.mark.parametrize("make", NOTIFIERS.values(), ids=NOTIFIERS.keys())


async def _notify(notifier: Notifier, *numbers: int) -> None:
    async with notifier:
        for number in numbers:
            await notifier.notify(change(number))


@make_each
def test_one_request_per_change(make: Callable[[str], Notifier]) -> None:
    """Each change makes one request that carries the incident's words."""
    with Receiver() as receiver:
        asyncio.run(_notify(make(receiver.address), 1, 2))
        assert 2 == len(receiver.requests)
        assert all(b"expected 2.1" in request.body for request in receiver.requests)


@make_each
def test_leaves_twice(make: Callable[[str], Notifier]) -> None:
    """Leaving twice is fine, and entering again works."""

    async def run(notifier: Notifier) -> None:
        await _notify(notifier, 1)
        await notifier.__aexit__(None, None, None)
        await _notify(notifier, 2)

    with Receiver() as receiver:
        asyncio.run(run(make(receiver.address)))
        assert 2 == len(receiver.requests)


@make_each
def test_asks_to_retry_a_busy_receiver(make: Callable[[str], Notifier]) -> None:
    """503 raises Retry; the next attempt delivers."""
    with Receiver(503) as receiver:
        notifier = make(receiver.address)
        with pytest.raises(Retry):
            asyncio.run(_notify(notifier, 1))
        asyncio.run(_notify(notifier, 1))
        assert 2 == len(receiver.requests)


@make_each
def test_asks_to_retry_a_dead_receiver_and_keeps_the_secret(
    make: Callable[[str], Notifier], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """A refused connection raises Retry; the secret is not in the error, the log, the output or the repr."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        notifier = make(f"127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(Retry) as found:
            asyncio.run(_notify(notifier, 1))
    told = "".join([str(found.value), found.value.hint, caplog.text, *capfd.readouterr(), repr(notifier)])
    assert SECRET not in told
