"""The webhook: what it sends, how it signs, and which answers it tries again."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from contextlib import suppress
from typing import Any

import pytest

from awry.core.errors import InvalidConfig, InvalidInput, Retry
from awry.notifiers.webhook import Webhook
from tests.notifiers.receiver import START, Receiver, change


def deliver(receiver: Receiver, **options: Any) -> None:
    """One change through a webhook with these options."""

    async def run() -> None:
        async with Webhook(url=f"http://{receiver.address}/hook", **options) as webhook:
            await webhook.notify(change(7))

    asyncio.run(run())


def test_body_holds_the_change() -> None:
    """The JSON has kind, number, words, link and the incident in the API's shape."""
    with Receiver() as receiver:
        deliver(receiver, link="http://awry.example/")
        body = json.loads(receiver.requests[0].body)
    assert ("opened", 7, START + 7) == (body["kind"], body["number"], body["time"])
    assert "http://awry.example/incidents/i1" == body["link"]
    assert {"id": "i1", "state": "open", "start": START, "end": None, "score": 0.62} == {
        name: body["incident"][name] for name in ("id", "state", "start", "end", "score")
    }
    assert 'cpu{host="web-0"}' == body["incident"]["series"][0]["key"]


def test_signature() -> None:
    """With a secret, X-Awry-Signature is the HMAC-SHA256 of exactly the body; without, it is not there."""
    with Receiver() as receiver:
        deliver(receiver, secret="key")
        deliver(receiver)
        signed, plain = receiver.requests
    assert "sha256=" + hmac.new(b"key", signed.body, hashlib.sha256).hexdigest() == signed.headers["x-awry-signature"]
    assert "x-awry-signature" not in plain.headers
    assert "7" == plain.headers["x-awry-change"]


def test_own_headers() -> None:
    """Headers of the configuration are sent."""
    with Receiver() as receiver:
        deliver(receiver, headers={"Authorization": "Bearer abc"})
        assert "Bearer abc" == receiver.requests[0].headers["authorization"]


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408])
def test_tries_again(status: int) -> None:
    """These answers mean later."""
    with Receiver(status) as receiver, pytest.raises(Retry, match=str(status)):
        deliver(receiver)


@pytest.mark.parametrize("status", [301, 400, 401, 404, 410])
def test_gives_up(status: int) -> None:
    """These answers will not change: the failure is final."""
    with Receiver(status) as receiver, pytest.raises(InvalidInput, match=str(status)):
        deliver(receiver)


def test_honours_retry_after() -> None:
    """A receiver that says when to come back is heard, within reason."""
    with Receiver(429, headers={"Retry-After": "17"}) as receiver, pytest.raises(Retry) as found:
        deliver(receiver)
    assert 17.0 == found.value.after_seconds


def test_gives_a_slow_receiver_up() -> None:
    """No answer within timeout_seconds is a failure to be tried again."""
    with Receiver(delay_seconds=0.5) as receiver, pytest.raises(Retry, match="no answer within"):
        deliver(receiver, timeout_seconds=0.1)


async def test_an_endless_answer_is_an_answer() -> None:
    """The status counts; a body that never ends is not read, neither into memory nor for ever."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
        with suppress(ConnectionError):
            while not writer.is_closing():
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.01)

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    async with server, Webhook(url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/") as webhook:
        assert await asyncio.wait_for(webhook.notify(change(7)), 30) is None


@pytest.mark.parametrize("url", ["", "ftp://host/x", "http://", "example.com/hook"])
def test_refuses_other_addresses(url: str) -> None:
    """Only http and https addresses can be posted to; the message does not repeat the address."""
    with pytest.raises(InvalidConfig) as found:
        Webhook(url=url)
    assert not url or url not in found.value.message
