"""Tells people through Apprise: mail, Slack, Telegram, PagerDuty and a hundred other services, one URL each."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

from awry.core.errors import InvalidConfig, Retry
from awry.core.incident import Change
from awry.notifiers.message import body, title

_KIND = {"info": "info", "warning": "warning", "critical": "failure"}


@dataclass(slots=True)
class Apprise:
    """Each change goes to every URL; one that failed is tried again, those that took it are not bothered twice."""

    urls: tuple[str, ...] = field(repr=False)
    """Apprise URLs, such as "mailto://user:password@example.com"; secrets, never logged.
    One text may hold several, apart by white space."""
    timeout_seconds: float = 30.0
    """A delivery that takes longer has failed and is tried again."""
    link: str = ""
    """Address of this server as people reach it; messages then link to the incident's page."""
    _services: list[Any] = field(default_factory=list, init=False, repr=False)
    _sent: dict[int, threading.Event] = field(default_factory=dict, init=False, repr=False)
    _done: tuple[int, set[int]] = field(default=(0, set()), init=False, repr=False)

    def __post_init__(self) -> None:
        self.urls = tuple(self.urls.split() if isinstance(self.urls, str) else self.urls)
        if not self.urls:
            raise InvalidConfig("cannot use the Apprise notifier: it has no urls", hint='give urls = ["mailto://…"]')

    async def __aenter__(self) -> Self:
        if not self._services:
            self._services = await asyncio.to_thread(_services, self.urls)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._services = []

    async def notify(self, change: Change) -> None:
        """Deliver one change to all URLs, or raise Retry and remember which have it already."""
        if not self._services:
            await self.__aenter__()
        number, done = self._done
        if number != change.number:
            done = set()
            self._done = (change.number, done)
        words, heading = body(change, self.link), title(change)
        kind = "success" if change.kind == "resolved" else _KIND[change.incident.severity]
        for index, service in enumerate(self._services):
            if index in done:
                continue
            if index in self._sent and not self._sent[index].is_set():
                raise Retry(f"cannot deliver to Apprise URL {index + 1}: it is still busy with the last message")
            answer, self._sent[index] = _in_thread(partial(service.notify, body=words, title=heading, notify_type=kind))
            try:
                delivered = await asyncio.wait_for(answer, self.timeout_seconds)
            except TimeoutError as error:
                raise Retry(f"cannot deliver to Apprise URL {index + 1}: no answer within {self.timeout_seconds:g} s") from error
            if not delivered:
                raise Retry(f"cannot deliver to Apprise URL {index + 1} of {len(self.urls)}: the service did not take it")
            done.add(index)


def _in_thread(send: Callable[[], Any]) -> tuple[asyncio.Future[bool], threading.Event]:
    """Send in a thread of its own, which dies with the process; the event says that the service has answered.

    In the threads that all share, services that never answer would leave none for reading this machine, and the end of the
    process would wait for them.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[bool] = loop.create_future()
    answered = threading.Event()

    def settle(delivered: bool, error: Exception | None) -> None:
        if answer.done():
            return  # nobody waits any more
        if error is None:
            answer.set_result(delivered)
        else:
            answer.set_exception(error)

    def run() -> None:
        delivered, failed = False, None
        try:
            delivered = bool(send())
        except Exception as error:
            failed = error  # raised where it is waited for
        answered.set()
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(settle, delivered, failed)

    threading.Thread(target=run, name="awry-apprise", daemon=True).start()
    return answer, answered


def _services(urls: tuple[str, ...]) -> list[Any]:
    """One Apprise object per URL, so that each can be tried again by itself."""
    import apprise  # takes most of a second, and only those who use it should pay

    # Apprise writes URLs, hence passwords, into its log messages
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    services = []
    for index, url in enumerate(urls):
        service = apprise.Apprise()
        if not service.add(url):
            raise InvalidConfig(
                f"cannot use Apprise URL {index + 1} of {len(urls)}: Apprise does not understand it",
                hint="see https://github.com/caronc/apprise/wiki for the form of each service's URL",
            )
        services.append(service)
    return services
