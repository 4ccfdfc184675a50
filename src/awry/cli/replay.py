"""`awry replay`: recorded series through the whole engine as if live, at any speed; prints the incidents they would have made."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from awry.cli.client import Client, add_token_argument, read_token
from awry.core.batch import Batch
from awry.core.clock import SystemClock
from awry.core.errors import AwryError, InvalidInput, Overloaded, StoreUnavailable
from awry.core.incident import Change
from awry.core.kind import kind_of
from awry.core.placement import Placement

if TYPE_CHECKING:
    from awry.engine.pipeline import Pipeline

STEP_MS = 60_000
"""The engine gets the samples in slices of one minute of their own time, which is also when its timers look."""
QUIET_MS = 86_400_000 + 2 * STEP_MS
LONGEST_BODY = 5_000
"""Samples a request."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """Samples of all files in order of time; slots number `keys`."""

    keys: list[str]
    batch: Batch

    def slices(self, step_ms: int) -> Iterator[tuple[int, Batch]]:
        """(end of the slice, its samples): every slice that has samples, in order."""
        ends = self.batch.time // step_ms
        cuts = np.flatnonzero(np.diff(ends)) + 1
        for start, stop in zip([0, *cuts.tolist()], [*cuts.tolist(), len(self.batch)], strict=True):
            yield (int(ends[start]) + 1) * step_ms, self.batch.take(slice(start, stop))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `awry replay`."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="CSV, Parquet or JSON lines")
    parser.add_argument("--speed", default="max", metavar="N", help="times as fast as life (1 is live), or max (default)")
    parser.add_argument("--to", metavar="URL", help="send to a running server instead of an engine in this process")
    add_token_argument(parser)
    parser.add_argument("--config", type=Path, metavar="FILE", help="judge by the rules of this config file (not with --to)")
    parser.add_argument(
        "--detector", metavar="NAME", help="detector of every series that the config file has no table for (default: auto)"
    )
    parser.add_argument(
        "--now", action="store_true", help="move the time stamps so that the last sample is taken when it is sent (with --to)"
    )
    parser.add_argument("--interval", metavar="DURATION", help="time between rows of files without a time column, such as 60s")
    parser.epilog = (
        "examples:\n  awry replay cpu.csv\n  awry replay cpu.csv disk.parquet --speed 600\n"
        "  awry replay cpu.csv --to http://127.0.0.1:7979 --now"
    )


def run(args: argparse.Namespace) -> int:
    """Replay, and print what came of it."""
    speed = _speed(args.speed)
    recorded = read(args.files, args.interval)
    if args.to:
        return _send(recorded, args, speed)
    return _engine(recorded, args.config, args.detector, speed)


def read(paths: list[Path], interval: str | None = None) -> Recorded:
    """The samples of all files; a series in two files is one series."""
    from awry.formats.files import read_file
    from awry.server.durations import parse_duration

    step = parse_duration(interval) if interval else None
    keys: dict[str, int] = {}
    batches = []
    for path in paths:
        table = read_file(path, interval_ms=step)
        slots = np.array([keys.setdefault(key, len(keys)) for key in table.keys], np.int32)
        batches.append(Batch.of(slots[table.batch.slot], table.batch.time, table.batch.value))
    batch = Batch.concat(batches)
    if not len(batch):
        raise InvalidInput("cannot replay: the files hold no samples")
    return Recorded(list(keys), batch.take(np.argsort(batch.time, kind="stable")))


class Pacer:
    """Waits so that recorded time passes `speed` times as fast as the clock; infinity never waits."""

    def __init__(self, speed: float, first_ms: int) -> None:
        self._speed, self._first = speed, first_ms
        self._began = time.monotonic()

    def wait(self, until_ms: int) -> None:
        """Return when the recorded moment `until_ms` has come."""
        left = (until_ms - self._first) / 1000.0 / self._speed - (time.monotonic() - self._began)
        if left > 0:
            time.sleep(left)


def _engine(recorded: Recorded, config: Path | None, detector: str | None, speed: float) -> int:
    from awry.detection.router import Router
    from awry.engine.commands import PutRule
    from awry.engine.pipeline import Pipeline
    from awry.engine.settings import DEFAULT_RULE, EngineSettings

    rules, placement, memory = [DEFAULT_RULE], Placement(), 0
    if config is not None:
        import os

        from awry.server.config import load_config

        settings = load_config(config, env=os.environ)
        rules += settings.rules
        placement, memory = settings.placement, settings.detection.memory_bytes
    if detector is not None:
        from awry.server.placing_shape import placing_problems

        for _, problem in placing_problems({"detector": detector}):
            raise problem
        placement = replace(placement, default=replace(placement.default, detector=detector))
    kinds = bytes(kind_of(key, placement) for key in recorded.keys)
    pipeline = Pipeline(Router(placement, memory_bytes=memory), recorded.keys, EngineSettings(shards=1), kinds=kinds)
    first = int(recorded.batch.time[0])
    pipeline.step(first, Batch.empty(), [PutRule(rule) for rule in rules])
    pacer, opened, began, last = Pacer(speed, first), 0, time.monotonic(), first
    for end, batch in recorded.slices(STEP_MS):
        for moment in _quiet(last, end):
            pacer.wait(moment)
            opened += _timers(pipeline, moment)
        pacer.wait(end)
        tick, _ = pipeline.step(end, batch)
        opened += _say(tick.changes) + _timers(pipeline, end)
        last = end
    seconds = time.monotonic() - began
    print(
        f"{opened} incident{'' if opened == 1 else 's'} in {_span(last - first)}: {len(recorded.batch):,} samples of "
        f"{len(recorded.keys):,} series, replayed in {seconds:.1f} s",
        file=sys.stderr,
    )
    return 0


def _quiet(last: int, end: int) -> range:
    """The minutes between two slices, at which only timers look; after a day without any sample nothing more happens."""
    return range(last + STEP_MS, min(end, last + QUIET_MS), STEP_MS)


def _timers(pipeline: Pipeline, now: int) -> int:
    tick = pipeline.timers(now)
    return _say(tick.changes) if tick else 0


def _say(changes: Sequence[Change]) -> int:
    """Print openings and ends; tell how many opened."""
    for change in changes:
        incident, ended = change.incident, ""
        if change.kind == "updated":
            continue
        if incident.end is not None:
            ended = f" ({_span(incident.end - incident.start)})"
        print(f"{_time(change.time)}  {change.kind:8}  {incident.score:.2f}  {incident.title}{ended}", flush=True)
    return sum(change.kind == "opened" for change in changes)


def _send(recorded: Recorded, args: argparse.Namespace, speed: float) -> int:
    """Post to a server, in order, each sample once it was committed; a full or restarting server is waited for."""
    accepted, refused = 0, 0
    first, last = int(recorded.batch.time[0]), int(recorded.batch.time[-1])
    span = 0 if speed == float("inf") else round((last - first) / speed)
    shift = SystemClock().now_ms() + span - last if args.now else 0
    pacer = Pacer(speed, first)
    with Client(args.to, read_token(args), timeout_seconds=60.0) as client:
        for body in _bodies(recorded, speed):
            pacer.wait(int(body.time[-1]))
            answer = _post(client, _columns(recorded.keys, body, shift))
            accepted += int(answer["accepted"])
            refused += len(answer["refused"])
        print(f"{accepted:,} samples accepted, {refused:,} refused by {client.url}", file=sys.stderr)
        incidents = client.call("GET", "/api/v1/incidents", params={"state": "all", "start": first + shift, "limit": 100})
    for incident in reversed(incidents["incidents"]):
        print(f"{_time(incident['start'])}  {incident['state']:8}  {incident['score']:.2f}  {incident['title']}")
    return 0


def _bodies(recorded: Recorded, speed: float) -> Iterator[Batch]:
    """Slices as large as a request may be; when there is a pace to keep, of at most a second of it."""
    step = 1 << 62 if speed == float("inf") else max(1, round(1000 * speed))
    for _, batch in recorded.slices(step):
        for start in range(0, len(batch), LONGEST_BODY):
            yield batch.take(slice(start, start + LONGEST_BODY))


def _columns(keys: list[str], batch: Batch, shift: int) -> dict[str, Any]:
    values = [None if value != value else value for value in batch.value.tolist()]
    return {"series": [keys[slot] for slot in batch.slot.tolist()], "time": (batch.time + shift).tolist(), "value": values}


def _post(client: Client, body: dict[str, Any]) -> Any:
    for _ in range(120):
        try:
            return client.call("POST", "/api/v1/samples", json=body)
        except Overloaded as error:
            time.sleep(min(10.0, error.after_seconds))
        except StoreUnavailable:
            time.sleep(1.0)
    raise AwryError(f"cannot send to {client.url}: it has been busy for too long", hint="look at its status page")


def _speed(text: str) -> float:
    if text == "max":
        return float("inf")
    try:
        speed = float(text.removesuffix("x"))
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise InvalidInput(f"cannot use the speed {text!r}", hint="give a number above 0 (1 is live), or max")
    return speed


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def _span(ms: int) -> str:
    seconds = ms / 1000
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
