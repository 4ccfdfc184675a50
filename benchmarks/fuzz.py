"""Feeds changed and broken bytes to the decoders of every door and says where one fails: `python -m benchmarks.fuzz DOOR`.

A finding is any exception but AwryError, an answer that does not add up, differs from one time to the next or takes too long or
too much memory, and a good body that is not read after a bad one. Kernels run compiled; or compiled with every index checked;
or as plain Python, where reading past the slack behind a buffer is noticed too and atheris, if it is installed, sees branches.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import resource
import sys
import tempfile
import time
import traceback
import tracemalloc
import warnings
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.fuzz_doors import Answer, Door

RESULTS = Path(__file__).parent / "results" / "fuzz.json"
SECONDS_PER_INPUT = 1.0
"""Longest time of one input of at most 64 KiB, in processor time."""
MEMORY = 64 * 1024 * 1024
MEMORY_PER_BYTE = 600
GROWTH_KIB = 512 * 1024
_TABLE_INPUTS = 300
_POOL = 2_000


class Fuzzer:
    """Runs inputs against one door and keeps what it finds."""

    def __init__(self, door: Door, out: Path, timed: bool, seed: int) -> None:
        self.door, self._out, self._timed = door, out, False  # kernels compile while the seeds run
        self.rng = random.Random(seed)
        self.pool = [*door.seeds, door.valid]
        self.executions = self.accepted = 0
        self.findings: dict[str, Path] = {}
        self.slowest = 0.0
        self._known: set[object] = set()
        self._rss = 0
        self._fresh()
        for body in self.pool * 4:
            self.feed(body)
        self._timed = timed

    def step(self) -> None:
        """One input of our own making."""
        from benchmarks.fuzz_mutations import mutate

        body = mutate(self.rng, self.rng.choice(self.pool), self.rng.choice(self.pool), self.door.shape, self.door.words)
        mark = self.feed(body)
        if mark not in self._known and len(self._known) < _POOL:  # it was answered in a way not seen before
            self._known.add(mark)
            self.pool.append(body)

    def feed(self, body: bytes) -> object:
        """Run an input; a finding is written to a file. Tells in which way it was answered."""
        self.executions += 1
        try:
            return self._check(body)
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            name = f"{type(error).__name__} {Path(place.filename).name}:{place.lineno} {str(error)[:100]}"
            if name not in self.findings:
                file = self._out / f"{self.door.name}-{hashlib.sha256(body).hexdigest()[:12]}.bin"
                file.write_bytes(body)
                file.with_suffix(".txt").write_text(name + "\n" + traceback.format_exc())
                self.findings[name] = file
                print(f"{self.door.name}: {name}: {len(body)} bytes in {file}", flush=True)
            self._fresh()
            return name

    def _fresh(self) -> None:
        from benchmarks.fuzz_doors import table_of

        self._tables = [table_of(kind) for kind in range(3)]
        self._decoders = [self.door.open(table) for table in self._tables]

    def _check(self, body: bytes) -> object:
        which = self.executions % 3
        if self.executions % _TABLE_INPUTS == 0:
            self._fresh()
            self._measure()
        table, decode = self._tables[which], self._decoders[which]
        traced = self.executions % 251 == 0
        if traced:
            tracemalloc.start()
        began = time.process_time()
        try:
            answer = self._answer(decode, body)
        finally:
            seconds = time.process_time() - began
            if traced:
                peak = tracemalloc.get_traced_memory()[1]
                tracemalloc.stop()
                assert peak <= MEMORY + MEMORY_PER_BYTE * len(body), f"memory is bounded: {peak >> 20} MiB"
        if self._timed and not traced:
            self.slowest = max(self.slowest, seconds)
            assert seconds <= SECONDS_PER_INPUT, f"time is bounded: {seconds:.0f} s"
        self._adds_up(answer, len(table))
        if self.executions % 4 == 0:
            self._repeats(which, body)
        if self.executions % 32 == 0:
            self._still_reads()
        if isinstance(answer, str):
            return answer
        self.accepted += len(answer[0]) > 0
        return frozenset(answer[2]), min(len(answer[0]), 4), len(body).bit_length() // 3

    def _repeats(self, which: int, body: bytes) -> None:
        """Two that have seen nothing yet answer the same; and one, asked again, does so if no answer changes what it remembers."""
        from benchmarks.fuzz_doors import table_of

        decode, other = (self.door.open(table_of(which)) for _ in range(2))
        first = self._answer(decode, body)
        assert _bits(first) == _bits(self._answer(other, body)), "the same bytes are answered the same"
        if not self.door.gathers:
            again = self._answer(decode, body)
            assert _bits(again) == _bits(self._answer(decode, body)), "the same bytes are answered the same twice"
            assert which or self.door.name.startswith("otlp") or _bits(first) == _bits(again), "known series are read as new ones"

    def _answer(self, decode: Any, body: bytes) -> Answer | str:
        from awry.core.errors import AwryError

        try:
            answer: Answer = decode(body)
        except AwryError as error:
            return f"{type(error).__name__} {str(error)[:40]}"
        return answer

    def _adds_up(self, answer: Answer | str, series: int) -> None:
        from awry.formats.numbers import MAX_TIME_MS, MIN_TIME_MS

        if isinstance(answer, str):
            return
        batch, received, refused = answer
        assert len(batch.slot) == len(batch.time) == len(batch.value), "columns are of one length"
        assert len(batch) + sum(refused.values()) == received, "accepted and refused are all that was received"
        assert all(n > 0 for n in refused.values()), "a reason that is told was given"
        if len(batch):
            assert 0 <= batch.slot.min() <= batch.slot.max() < series, "slots are of series that exist"
            assert MIN_TIME_MS <= batch.time.min() <= batch.time.max() <= MAX_TIME_MS, "times are in range"

    def _still_reads(self) -> None:
        """A good body is read as if nothing had come before."""
        from benchmarks.fuzz_doors import table_of

        table = table_of(0)
        expected, found = self.door.open(table)(self.door.valid)[0], self._decoders[0](self.door.valid)[0]
        wanted = {table.keys[s]: v for s, v in zip(expected.slot.tolist(), expected.value.tolist(), strict=True)}
        got = {self._tables[0].keys[s]: v for s, v in zip(found.slot.tolist(), found.value.tolist(), strict=True)}
        assert wanted
        assert all(got.get(key) == value for key, value in wanted.items() if value == value), "good bodies are read"

    def _measure(self) -> None:
        kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if self.executions >= 10 * _TABLE_INPUTS and not self._rss:
            self._rss = kib
        assert not self._rss or kib <= self._rss + GROWTH_KIB, f"memory does not grow: {kib >> 10} MiB"


def _bits(answer: Answer | str) -> object:
    if isinstance(answer, str):
        return answer
    batch, received, refused = answer
    return batch.slot.tobytes(), batch.time.tobytes(), batch.value.tobytes(), received, dict(refused)


def plain_kernels() -> None:
    """Stand in for the intrinsics, with bounds checked; before anything but `core.hashing` is imported."""
    import numpy as np

    from awry.core import hashing

    def load8(data: Any, at: int) -> Any:
        if not 0 <= at <= len(data) - 8:
            raise IndexError(f"eight bytes at {at} of {len(data)}")
        return np.uint64(int.from_bytes(data[int(at) : int(at) + 8].tobytes(), "little"))

    def fold(a: Any, b: Any) -> Any:
        product = int(a) * int(b)
        return np.uint64((product ^ (product >> 64)) & (2**64 - 1))

    hashing.load8, hashing._fold = load8, fold
    from awry.formats import otlp_buckets

    otlp_buckets.from_bits = lambda word: np.uint64(word).view(np.float64)
    np.seterr(all="ignore")


def run_atheris(fuzzer: Fuzzer, seconds: float, report: Any) -> None:
    """Let atheris choose the inputs, by the branches that they reach; never comes back."""
    import atheris

    from benchmarks.fuzz_mutations import mutate

    began = time.process_time()

    def one(data: bytes) -> None:
        fuzzer.feed(data)
        if time.process_time() - began >= seconds:
            report(fuzzer, time.process_time() - began)
            sys.stdout.flush()
            os._exit(bool(fuzzer.findings))

    def change(data: bytes, most: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if rng.random() < 0.5:
            return bytes(atheris.Mutate(data, most))
        return mutate(rng, data, rng.choice(fuzzer.pool), fuzzer.door.shape, fuzzer.door.words)[:most]

    corpus = Path(tempfile.mkdtemp(prefix="awry-fuzz-"))
    for i, body in enumerate(fuzzer.pool):
        (corpus / str(i)).write_bytes(body)
    atheris.Setup([sys.argv[0], str(corpus), "-max_len=4096", "-timeout=3600", "-rss_limit_mb=4096", "-verbosity=0"], one,
                  custom_mutator=change)  # fmt: skip
    atheris.Fuzz()


def report(fuzzer: Fuzzer, seconds: float, how: str, write: bool) -> None:
    """Say what was done, and add it to the results."""
    row = {
        "seconds": round(seconds, 1),
        "executions": fuzzer.executions,
        "accepted": fuzzer.accepted,
        "findings": len(fuzzer.findings),
    }
    print(f"{fuzzer.door.name} ({how}): {row}, slowest {fuzzer.slowest:.3f} s", flush=True)
    if not write:
        return
    from benchmarks.machine import machine

    told = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"doors": {}}
    told["machine"] = machine()
    counted = Counter(told["doors"].setdefault(fuzzer.door.name, {}).get(how, {}))
    counted.update(row)
    told["doors"][fuzzer.door.name][how] = {name: round(value, 1) for name, value in counted.items()}
    RESULTS.write_text(json.dumps(told, indent=1) + "\n")


def main() -> int:
    """The command line; 1 when something was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("door", help="a name of fuzz_doors.DOORS, or all")
    parser.add_argument("--seconds", type=float, default=60.0, help="processor time for each door")
    parser.add_argument("--kernels", choices=("compiled", "checked", "python"), default="checked")
    parser.add_argument("--atheris", action="store_true", help="atheris chooses the inputs; with --kernels python, one door")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "awry-fuzz", help="where findings are put")
    parser.add_argument("--json", action="store_true", help=f"add to {RESULTS.name}")
    told = parser.parse_args()
    told.out.mkdir(parents=True, exist_ok=True)
    if told.kernels == "checked":
        os.environ["NUMBA_BOUNDSCHECK"] = "1"
        os.environ["NUMBA_CACHE_DIR"] = str(told.out / "numba")
    if told.kernels == "python":
        os.environ["NUMBA_DISABLE_JIT"] = "1"
        if told.atheris:
            import atheris

            with atheris.instrument_imports(include=["awry.formats", "awry.core"]):
                plain_kernels()
                from benchmarks import fuzz_doors  # noqa: F401 (imported here to be instrumented)
        else:
            plain_kernels()
    else:
        warnings.simplefilter("error")
    from benchmarks.fuzz_doors import DOORS

    how = ("atheris, " if told.atheris else "") + told.kernels
    found = 0
    for name in DOORS if told.door == "all" else [told.door]:
        fuzzer = Fuzzer(DOORS[name], told.out, told.kernels != "python", told.seed)
        if told.atheris:
            run_atheris(fuzzer, told.seconds, lambda f, seconds: report(f, seconds, how, told.json))
        began = time.process_time()
        while time.process_time() - began < told.seconds:
            fuzzer.step()
        report(fuzzer, time.process_time() - began, how, told.json)
        found += len(fuzzer.findings)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
