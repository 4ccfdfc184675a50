"""Runs a page of the docs as a reader would, block by block; for the test of a tutorial and to write its outputs anew.

A page's fenced blocks are, in order: `console`, whose lines with "$ " are run by a shell and whose other lines are what
is shown; `python`, run in one session; `text` after it, what the session printed; a block with `title="FILE"` is written
to that file. A comment `<!-- by eye -->` before a block of output: figures in it move with the detector, so that a test
looks only for what the page says of them. Any other comment of small letters before a block: `Session.instead` says what is
done instead of running it.
"""

from __future__ import annotations

import contextlib
import io
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_FENCE = re.compile(
    r"^(?:<!-- (?P<mark>[a-z ]+) -->\n\n?)?"
    r'```(?P<kind>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<body>.*?)^```$',
    re.MULTILINE | re.DOTALL,
)
_ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
"""Colours and the like."""
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block; `start` and `stop` are the place of its body in the page."""

    kind: str
    title: str
    mark: str
    body: str
    start: int
    stop: int


@dataclass(slots=True)
class Output:
    """What was shown and what came, of one command or one text block."""

    command: str
    shown: str
    got: str
    loose: bool
    start: int = 0
    stop: int = 0


def blocks(page: str) -> Iterator[Block]:
    """The fenced blocks of a page's text."""
    for found in _FENCE.finditer(page):
        mark, kind, title, body = (found[name] or "" for name in ("mark", "kind", "title", "body"))
        yield Block(kind, title, mark, body, found.start("body"), found.end("body"))


def commands(block: Block) -> Iterator[tuple[str, str, int, int]]:
    """(command, what is shown below it, where that begins and ends in the page) of a console block."""
    place, command, since = block.start, "", block.start
    for line in block.body.splitlines(keepends=True):
        if line.startswith("$ ") or command.endswith("\\\n"):
            if command and not command.endswith("\\\n"):
                yield command, block.body[since - block.start : place - block.start], since, place
                command = ""
            command += line.removeprefix("$ ")
            since = place + len(line)
        place += len(line)
    if command:
        yield command, block.body[since - block.start :], since, block.stop


@dataclass(slots=True)
class Session:
    """Runs blocks in `folder`, which must be the current one; `change` is applied to every command and program first."""

    folder: Path
    change: Callable[[str], str] = str
    instead: Mapping[str, Callable[[], None]] = field(default_factory=dict)
    names: dict[str, object] = field(default_factory=lambda: {"__name__": "__main__"})

    def run(self, page: str) -> Iterator[Output]:
        """Every output of the page's text, as it comes. Raises what a program raises, and CalledProcessError."""
        printed = ""
        for block in blocks(page):
            if block.mark in self.instead:
                self.instead[block.mark]()
            elif block.title:
                (self.folder / block.title).write_text(block.body, encoding="utf-8")
            elif block.kind == "console":
                for command, shown, start, stop in commands(block):
                    yield Output(command, shown, self.shell(command), block.mark == "by eye", start, stop)
            elif block.kind == "python":
                printed = self.python(block.body)
            elif block.kind == "text":
                yield Output("print", block.body, printed, block.mark == "by eye", block.start, block.stop)

    def python(self, program: str) -> str:
        """What the program prints."""
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(self.change(program), "<page>", "exec"), self.names)
        return out.getvalue()

    def shell(self, command: str) -> str:
        """What the command says on stderr, then what it prints to a terminal of 132 columns."""
        leader, terminal = pty.openpty()
        environment = os.environ | {"COLUMNS": "132", "TERM": "xterm"}
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"
        with subprocess.Popen(
            ["bash", "-ec", self.change(command)], cwd=self.folder, env=environment, stdout=terminal, stderr=subprocess.PIPE
        ) as process:
            os.close(terminal)
            out = b""
            with contextlib.suppress(OSError):  # a terminal whose program has ended
                while chunk := os.read(leader, 65_536):
                    out += chunk
            os.close(leader)
            said = process.stderr.read() if process.stderr else b""
        text = _ESCAPE.sub("", (said + out).decode().replace("\r\n", "\n"))
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command, text)
        return "\n".join(line.rstrip() for line in text.splitlines() if line.strip()) + "\n" * bool(text)


def rewritten(page: str, outputs: Iterable[Output]) -> str:
    """The page with what came in place of what was shown; an output with a line "..." stays as it is."""
    for output in sorted(outputs, key=lambda output: -output.start):
        if "\n...\n" not in f"\n{output.shown}" and output.shown:
            page = page[: output.start] + output.got + page[output.stop :]
    return page


def alike(shown: str, got: str) -> bool:
    """The same words in the same order, numbers within a quarter or 0.1 of each other; a line "..." stands for any lines."""
    head, *rest = (_tokens(part) for part in shown.split("\n...\n"))
    words = _tokens(got)
    if not rest:
        return _same(head, words)
    last = rest[-1]
    return _same(head, words[: len(head)]) and _same(last, words[len(words) - len(last) :])


def _tokens(text: str) -> list[str]:
    return re.findall(r"-?\d[\d,]*(?:\.\d+)?|[^\W\d_]+", text)


def _same(shown: list[str], got: list[str]) -> bool:
    return len(shown) == len(got) and all(a == b or _near(a, b) for a, b in zip(shown, got, strict=True))


def _near(shown: str, got: str) -> bool:
    if not (_NUMBER.fullmatch(shown) and _NUMBER.fullmatch(got)):
        return False
    a, b = (float(text.replace(",", "")) for text in (shown, got))
    return abs(a - b) <= max(0.1, abs(a) / 4)
