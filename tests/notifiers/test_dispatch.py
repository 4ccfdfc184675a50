"""The dispatcher: order, retries, silences, restarts, and that a dead notifier holds up nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

import pytest

from awry.core.clock import ManualClock
from awry.core.errors import InvalidInput, Retry
from awry.core.incident import Change
from awry.core.protocols import Notifier
from awry.server.dispatch import Dispatcher, backoff
from tests.notifiers.receiver import START, change


class Stream:
    """Stands for engine and archive: changes are committed, positions are kept."""

    def __init__(self, *committed: Change) -> None:
        self.committed = list(committed)
        self.positions: dict[str, bytes] = {}
        self.queues: list[asyncio.Queue[Change]] = []

    def commit(self, *changes: Change) -> None:
        for one in changes:
            self.committed.append(one)
            for queue in self.queues:
                queue.put_nowait(one)

    def mark(self, name: str, position: bytes) -> None:
        self.positions[name] = position

    def subscribe(self) -> asyncio.Queue[Change]:
        self.queues.append(asyncio.Queue())
        return self.queues[-1]

    def unsubscribe(self, queue: asyncio.Queue[Change]) -> None:
        self.queues.remove(queue)

    async def read(self, after: int, limit: int) -> list[Change]:
        return [c for c in self.committed if c.number > after][:limit]


@dataclass
class Recorder:
    """A notifier that remembers, and raises what it is told to first."""

    errors: list[Exception] = field(default_factory=list)
    got: list[int] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Nothing to close."""

    async def notify(self, change: Change) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.got.append(change.number)


class Waits:
    """A sleep that takes no time and remembers what was asked; `hold` makes it wait for ever instead."""

    def __init__(self, hold: bool = False) -> None:
        self.asked: list[float] = []
        self.hold = hold

    async def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)
        await (asyncio.Event().wait() if self.hold else asyncio.sleep(0))


async def until(what: Callable[[], bool]) -> None:
    """Let tasks run until it is so."""
    async with asyncio.timeout(60):
        while not what():
            await asyncio.sleep(0)


def dispatcher(stream: Stream, waits: Waits | None = None, **notifiers: Notifier) -> Dispatcher:
    return Dispatcher(stream=stream, read=stream.read, notifiers=notifiers, clock=ManualClock(START + 1000), sleep=waits or Waits())


async def test_delivers_in_order_and_marks() -> None:
    """Every change reaches every notifier once, in order, and each has its own mark."""
    stream, a, b = Stream(), Recorder(), Recorder()
    async with dispatcher(stream, a=a, b=b) as running:
        stream.commit(*(change(n) for n in (1, 2, 3)))
        await until(lambda: running.status["a"].delivered == running.status["b"].delivered == 3)
        assert 0 == running.status["a"].waiting
    assert [1, 2, 3] == a.got == b.got
    assert {"notifier:a": b"3", "notifier:b": b"3"} == stream.positions


async def test_routing() -> None:
    """A change that names notifiers goes to those; the others pass it by."""
    stream, a, b = Stream(), Recorder(), Recorder()
    async with dispatcher(stream, a=a, b=b) as running:
        stream.commit(change(1, notify=("b",)), change(2))
        await until(lambda: running.status["a"].position == running.status["b"].position == 2)
    assert [2] == a.got
    assert [1, 2] == b.got


async def test_silenced_changes_are_counted_not_delivered() -> None:
    """What a silence held back is not delivered later."""
    stream, a = Stream(), Recorder()
    async with dispatcher(stream, a=a) as running:
        stream.commit(change(1, silenced="s1"), change(2))
        await until(lambda: running.status["a"].delivered == 1)
        assert 1 == running.status["a"].silenced
    assert [2] == a.got


async def test_retry_schedule_is_deterministic() -> None:
    """Waits double from one second, unless the receiver asks for longer; then the change is delivered, once."""
    stream, waits = Stream(), Waits()
    a = Recorder(errors=[Retry("cannot now"), Retry("cannot now"), Retry("cannot now", after_seconds=60)])
    async with dispatcher(stream, waits, a=a) as running:
        stream.commit(change(1))
        await until(lambda: running.status["a"].delivered == 1)
        assert (3, "") == (running.status["a"].retries, running.status["a"].last_error)
    assert [1.0, 2.0, 60.0] == waits.asked
    assert [1] == a.got


def test_backoff_is_bounded() -> None:
    """1, 2, 4… and never more than five minutes."""
    assert [1.0, 2.0, 4.0, 8.0] == [backoff(n) for n in (1, 2, 3, 4)]
    assert 300.0 == backoff(1000)


async def test_final_failures_are_counted_and_passed() -> None:
    """A refused change is not tried again and does not hold up the next; a foreign error tells its kind only."""
    stream = Stream()
    a = Recorder(errors=[InvalidInput("cannot deliver: it answered 404"), ValueError("password=1234")])
    async with dispatcher(stream, a=a) as running:
        stream.commit(change(1))
        await until(lambda: running.status["a"].failed == 1)
        assert "cannot deliver: it answered 404" == running.status["a"].last_error
        stream.commit(change(2))
        await until(lambda: running.status["a"].failed == 2)
        assert "ValueError" == running.status["a"].last_error
        stream.commit(change(3))
        await until(lambda: running.status["a"].delivered == 1)
    assert [3] == a.got


async def test_gives_up_after_a_day() -> None:
    """A change older than a day is dropped at its next failure, so that a receiver back from the dead is not flooded."""
    stream, a = Stream(), Recorder(errors=[Retry("cannot now")])
    clock = ManualClock(START + 86_400_000 + 10)
    async with Dispatcher(stream=stream, read=stream.read, notifiers={"a": a}, clock=clock, sleep=Waits()) as running:
        stream.commit(change(1))
        await until(lambda: running.status["a"].failed == 1)
        stream.commit(change(2))
        await until(lambda: running.status["a"].delivered == 1)


async def test_a_dead_notifier_holds_up_nobody() -> None:
    """While one waits for its retry, the other goes on; what waits is told."""
    stream, dead, alive = Stream(), Recorder(errors=[Retry("cannot connect")]), Recorder()
    async with dispatcher(stream, Waits(hold=True), dead=dead, alive=alive) as running:
        stream.commit(*(change(n) for n in range(1, 301)))
        await until(lambda: running.status["alive"].delivered == 300)
        await until(lambda: running.status["dead"].waiting == 300)
        assert "cannot connect" == running.status["dead"].last_error
    assert list(range(1, 301)) == alive.got


async def test_goes_on_after_a_restart() -> None:
    """What was committed while the receiver was away, or while the server was down, is delivered after the restart."""
    stream, a = Stream(), Recorder(errors=[Retry("cannot now")])
    async with dispatcher(stream, Waits(hold=True), a=a) as running:
        stream.commit(change(1))
        await until(lambda: running.status["a"].retries == 1)
    stream.commit(change(2))
    async with dispatcher(stream, a=a) as running:
        await until(lambda: running.status["a"].delivered == 2)
    assert [1, 2] == a.got


async def test_a_new_notifier_is_spared_the_past() -> None:
    """A notifier the store has no mark of starts with the next change, and that start is marked at once."""
    stream, a = Stream(change(1), change(2)), Recorder()
    async with dispatcher(stream, a=a) as running:
        assert b"2" == stream.positions["notifier:a"]
        stream.commit(change(3))
        await until(lambda: running.status["a"].delivered == 1)
    assert [3] == a.got


async def test_a_notifier_that_cannot_start_is_tried_again() -> None:
    """Entering is retried; the changes wait meanwhile."""

    class Late(Recorder):
        async def __aenter__(self) -> Self:
            if self.errors:
                raise self.errors.pop(0)
            return self

    stream, waits = Stream(), Waits()
    late = Late(errors=[OSError("no route"), Retry("cannot log in")])
    async with dispatcher(stream, waits, late=late) as running:
        stream.commit(change(1))
        await until(lambda: running.status["late"].delivered == 1)
    assert [1.0, 2.0] == waits.asked


async def test_leaving_is_prompt() -> None:
    """Leaving cancels waits, lets go of the subscription, and may be done twice."""
    stream = Stream()
    running = dispatcher(stream, Waits(hold=True), a=Recorder(errors=[Retry("cannot now")]))
    async with running:
        stream.commit(change(1))
        await until(lambda: running.status["a"].retries == 1)
    await running.__aexit__(None, None, None)
    assert [] == stream.queues


@pytest.mark.parametrize("names", [(), ("a",)])
async def test_without_changes_nothing_happens(names: tuple[str, ...]) -> None:
    """No notifier, or no change: entering and leaving works."""
    stream, recorders = Stream(), {name: Recorder() for name in names}
    async with dispatcher(stream, **recorders):
        await asyncio.sleep(0)
    assert all(not recorder.got for recorder in recorders.values())
