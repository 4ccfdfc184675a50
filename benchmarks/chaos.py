"""Rounds of deaths, full disks, torn logs, dropped connections and repeats, each compared with a run that nothing interrupted.

`python -m benchmarks.chaos --rounds 10000 --json` writes results/chaos.json; `--seed N` repeats one round and names what differs. A
round is decided by its seed: the stream (series that come, stop and are deleted, counters, NaN, late, double and impossible rows, a
clock that jumps, rules and silences) and what befalls the server. Afterwards samples, scores, incidents, changes and the engine's
state are to be equal, bit for bit. Sends go on as a client's would: what was not acknowledged comes again, and some of what was.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import accumulate
from multiprocessing import get_context
from pathlib import Path

from benchmarks.chaos_life import (
    CalmStore,
    Death,
    Life,
    MortalClock,
    Outcome,
    Trouble,
    calm_outcome,
    keep_files,
    kill_self,
    opened,
    small,
    stored_outcome,
)  # fmt: skip
from benchmarks.chaos_stream import Step, World
from benchmarks.chaos_wal import tear
from benchmarks.machine import machine

REPOSITORY = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results" / "chaos.json"
TRIED = ("src/awry/core", "src/awry/detection", "src/awry/engine", "src/awry/stores", "benchmarks")
STEPS = 30
MOST_DEATHS = 12
POINTS = 200
"""So many statements, commits and readings of the clock a process lives on average."""
TOLD_EVERY = 20
"""Rounds between two lines of progress."""
ROUNDS_A_STREAM = 4
"""So many rounds meet the same stream with other troubles."""


def scratch() -> str | None:
    """Where files live in memory, if anywhere: a death of the process does not need a disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def stream(seed: int) -> list[Step]:
    """The stream of a round."""
    return list(World(seed // ROUNDS_A_STREAM).steps(STEPS))


def calm(steps: Sequence[Step]) -> Outcome:
    """What an uninterrupted run comes to."""
    store = CalmStore()
    life = Life(store)
    for number, step in enumerate(steps):
        life.decide(number, step)
        life.timers(step)
        life.write()
    return calm_outcome(life, store)


@dataclass
class Rough:
    """One interrupted run, from life to life."""

    seed: int
    steps: Sequence[Step]
    folder: Path
    counts: Counter[str] = field(default_factory=Counter)
    told: frozenset[int] = frozenset()
    """Ticks, Unix ms, at which the run that nothing interrupted told people something."""
    problems: list[str] = field(default_factory=list)
    acknowledged: int = -1
    """The last step of which the client was told that it is stored."""
    reached: int = -1
    """The same, and never back: how far the world has come."""
    lives: int = 0

    @property
    def reuse(self) -> bool:
        """Whether slots are reused: in the last round of each stream, which is compared by key."""
        return self.seed % ROUNDS_A_STREAM == ROUNDS_A_STREAM - 1

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self._until = list(accumulate((step.clock + 1 for step in self.steps), max))

    def run(self) -> Outcome:
        """Live and die until the stream is through; what is left then."""
        while True:
            self.lives += 1
            mortal = self.lives <= MOST_DEATHS
            if mortal and self.rng.random() < 0.1:
                self._killed_child()
            elif self._live(mortal=mortal):
                break
        store = opened(self.folder / f"life{self.lives + 1}")
        life = Life(store, self._clock(), reuse=self.reuse)
        found = stored_outcome(life, store)
        store.compact(self.steps[-1].clock)
        if stored_outcome(life, store, found.state) != found:
            self.problems.append("compacting changed something")
        if (stored := store.stats()["samples"]) != found.rows:
            self.problems.append(f"{stored} samples are stored, {found.rows} of them of a series that is there")
        store.close()
        return found

    @property
    def _data(self) -> Path:
        return self.folder / f"life{self.lives}"

    def _clock(self, trouble: Trouble | None = None) -> MortalClock:
        """The machine's clock when a life begins: at the step that comes next, as far as one knows."""
        return MortalClock(self.steps[min(self.reached + 1, len(self.steps) - 1)].clock, trouble)

    def _live(self, *, mortal: bool) -> bool:
        """From opening the store to a death, a stop (both False) or the end of the stream."""
        data, after = self._data, self.folder / f"life{self.lives + 1}"
        full = self.rng.choice((0.0, 0.0, 0.03)) if mortal else 0.0
        left = int(self.rng.expovariate(1 / POINTS)) + 1 if mortal else 1 << 60
        trouble = Trouble(self.rng, self.counts, left, full, lambda: keep_files(data, after))
        store = opened(data, trouble)
        try:
            return self._send(Life(store, self._clock(trouble), reuse=self.reuse))
        except Death:
            if self.rng.random() < 0.3 and tear(after / "awry.db-wal", self.rng):
                self.counts["torn log"] += 1
                self.acknowledged = -1  # the disk broke its word; the source goes by the position it finds
            return False
        finally:
            store.close()
            if after.exists():
                shutil.rmtree(data)
            else:
                data.rename(after)

    def _send(self, life: Life) -> bool:
        rng, at = self.rng, life.reached
        if at < self.acknowledged:
            self.problems.append(f"life {self.lives} begins after step {at}, but {self.acknowledged} was acknowledged")
        if self.acknowledged < at and self.lives > 1:
            self.counts["answer lost"] += 1
        if at >= 0:
            self._repeat(life, at)
            self._timers(life, at)
            life.write()
        while at + 1 < len(self.steps):
            for _ in range(rng.choice((1, 1, 1, 2, 3, 5))):
                if at + 1 == len(self.steps) or life.waiting > 10:
                    break
                at += 1
                if len(self.steps[at].rows) > 1 and rng.random() < 0.1 and self._tick(at) not in self.told:
                    self._break_off(life, at)
                life.decide(at, self.steps[at])
                life.timers(self.steps[at])
                if rng.random() < 0.3:
                    life.checkpoint()
            life.write()
            self.acknowledged = at
            self.reached = max(self.reached, at)
            if rng.random() < 0.1:
                self._repeat(life, at)
            if rng.random() < 0.02:
                self.counts["stopped"] += 1
                life.checkpoint(whole=True)
                life.write()
                return False
        return True

    def _tick(self, at: int) -> int:
        """When a step is decided if nothing interrupts: by its clock, but never before what was decided last."""
        return max(self.steps[at].clock, self._until[at - 1] if at else 0)

    def _break_off(self, life: Life, at: int) -> None:
        """A connection drops within a step: what came of it is taken in, perhaps stored, and the client sends the whole again.

        Not where incidents change: what two ticks tell people is not what one would have told them at once.
        """
        self.counts["connection dropped"] += 1
        life.decide(at, self.steps[at], cut=self.rng.randrange(1, len(self.steps[at].rows)))
        if self.rng.random() < 0.5:
            life.write()

    def _timers(self, life: Life, at: int) -> None:
        """What time did after a step, once more; unless rows of the next step are stored already, which were decided later."""
        if life.now <= self._until[at]:
            life.timers(self.steps[at])

    def _repeat(self, life: Life, at: int) -> None:
        """A client that is not sure sends its last rows again; not across a deletion, after which they would be new."""
        first = at
        while first > 0 and at - first < 3 and self.steps[first].command is None and self.rng.random() < 0.6:
            first -= 1
        for number in range(first, at + 1):
            if self.steps[number].command is None and self.steps[number].rows:
                self.counts["repeated"] += 1
                life.decide(number, self.steps[number], again=True)
                life.write()

    def _killed_child(self) -> None:
        """A life in a process of its own that ends by SIGKILL; it tells through a pipe what was acknowledged."""
        reader, writer = os.pipe()
        seed, left = self.rng.randrange(1 << 30), int(self.rng.expovariate(1 / POINTS)) + 1
        child = os.fork()
        if child == 0:
            os.close(reader)
            self._child(writer, seed, left)
        os.close(writer)
        with os.fdopen(reader) as told:
            lines = told.read().split()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        self.counts["SIGKILL" if status == -9 else "stopped"] += 1
        if status not in (-9, 0):
            self.problems.append(f"life {self.lives} ended with status {status}")
        self.acknowledged = max([self.acknowledged, *map(int, lines)])
        self.reached = max(self.reached, self.acknowledged)
        self._data.rename(self.folder / f"life{self.lives + 1}")

    def _child(self, writer: int, seed: int, left: int) -> None:
        try:
            self.rng = random.Random(seed)
            trouble = Trouble(self.rng, Counter(), left, 0.0, kill_self)
            life = Life(opened(self._data, trouble), self._clock(trouble), reuse=self.reuse)
            if life.reached < self.acknowledged:
                os._exit(3)
            for number in range(life.reached + 1, len(self.steps)):
                if number > 0:
                    self._timers(life, number - 1)
                life.decide(number, self.steps[number])
                life.checkpoint()
                life.write()
                os.write(writer, b"%d\n" % number)
            os._exit(0)
        except BaseException:
            os._exit(4)


@dataclass
class Report:
    """What many rounds came to."""

    rounds: int = 0
    deaths: int = 0
    samples: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    failures: dict[int, list[str]] = field(default_factory=dict)
    processor_seconds: float = 0.0

    def add(self, other: Report) -> None:
        """Count another's rounds too."""
        self.rounds += other.rounds
        self.deaths += other.deaths
        self.samples += other.samples
        self.counts.update(other.counts)
        self.failures |= other.failures
        self.processor_seconds += other.processor_seconds


def one_round(seed: int, expected: Outcome, steps: Sequence[Step], report: Report) -> list[str]:
    """Run one seed against what should come of it; what differs."""
    with tempfile.TemporaryDirectory(prefix="awry-chaos-", dir=scratch()) as folder:
        rough = Rough(seed, steps, Path(folder), report.counts, told=frozenset(change.time for change in expected.changes))
        (Path(folder) / "life1").mkdir()
        try:
            actual = rough.run()
            if rough.reuse:
                actual, expected = actual.by_key(), expected.by_key()
            wrong = rough.problems + actual.differences(expected)
            report.samples += actual.rows
        except Exception as error:
            wrong = [*rough.problems, f"life {rough.lives}: {error!r}"]
    report.rounds += 1
    report.deaths += rough.lives - 1
    if wrong:
        report.failures[seed] = wrong[:8]
    return wrong


def run(seeds: Sequence[int], report: Report) -> Report:
    """Rounds of these seeds, one after the other."""
    known = -1
    with small():
        for seed in seeds:
            if known != seed // ROUNDS_A_STREAM:
                known, steps = seed // ROUNDS_A_STREAM, stream(seed)
                expected = calm(steps)
            one_round(seed, expected, steps, report)
    return report


def piece(seeds: Sequence[int]) -> Report:
    """Rounds of these seeds, in whatever process, with the time that they took it and its children."""
    gc.disable()  # it would look through everything that numba and SQLAlchemy have loaded, many times a round
    gc.collect()
    logging.disable(logging.WARNING)
    began = os.times()
    report, ended = run(seeds, Report()), os.times()
    report.processor_seconds = sum(ended[:4]) - sum(began[:4])
    return report


def commit() -> str:
    """Which commit is tried, with a "+" where what a round runs differs from it; "" outside a repository."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", "-uno", "--", *TRIED) else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def written(report: Report, named: dict[str, object], seeds: Sequence[int], seconds: float) -> None:
    """Keep the results so far."""
    found = {
        "machine": named,
        "seeds": [seeds[0], seeds[0] + report.rounds - 1],
        "rounds": report.rounds,
        "seconds": round(seconds, 1),
        "processor_seconds": round(report.processor_seconds, 1),
        "restarts": report.deaths,
        "samples": report.samples,
        "events": dict(sorted(report.counts.items())),
        "failures": {str(seed): wrong for seed, wrong in report.failures.items()},
    }
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Run, print, and write the results when asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="repeat one round and name what differs")
    parser.add_argument("--processes", type=int, default=1, help="so many at once")
    parser.add_argument("--json", action="store_true", help=f"write {RESULTS.name}, every few rounds")
    arguments = parser.parse_args()
    named, report, began = machine() | {"commit": commit()}, Report(), time.monotonic()
    seeds = range(arguments.first, arguments.first + arguments.rounds) if arguments.seed is None else [arguments.seed]
    pieces = [seeds[at : at + TOLD_EVERY] for at in range(0, len(seeds), TOLD_EVERY)]
    with ProcessPoolExecutor(arguments.processes, get_context("spawn")) as pool:
        for found in pool.map(piece, pieces):
            report.add(found)
            took = time.monotonic() - began
            done = f"{report.rounds} rounds, {report.deaths} restarts, {len(report.failures)} failures"
            print(f"{took:6.0f} s  {done}", file=sys.stderr, flush=True)
            for seed, wrong in found.failures.items():
                print(f"seed {seed}: {'; '.join(wrong)}", flush=True)
            if arguments.json:
                written(report, named, seeds, took)
    print(f"{report.processor_seconds / max(1, report.rounds):.3f} s of processor time a round")
    for name, count in sorted(report.counts.items()):
        print(f"  {count:7,} {name}")
    raise SystemExit(bool(report.failures))


if __name__ == "__main__":
    main()
