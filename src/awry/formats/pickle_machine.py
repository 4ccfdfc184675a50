"""A machine for the few pickle opcodes that numbers, texts, tuples and lists need; for senders that the kernel does not know.

Nothing is ever called, imported or built but those four: every other opcode, and a pickle beyond a limit, is refused. So no
pickle can do more than waste a bounded amount of memory and time.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from awry.core.errors import InvalidInput

MAX_DEPTH = 8
"""Tuples and lists within each other; a datapoint needs three."""
MAX_MEMO = 262_144
MAX_STACK = 262_144
_DIGITS = 64
"""Longest number written in digits."""
_ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|[0-7]{1,3}|[abfnrtv'\"\\])")
_PLAIN = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_NONE = object()
_MARK = object()


@dataclass(slots=True)
class _Sequence:
    items: list[Any]
    depth: int = 1


@dataclass(slots=True)
class _Machine:
    data: bytes
    at: int = 0
    stack: list[Any] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)

    def take(self, size: int) -> bytes:
        if size < 0 or self.at + size > len(self.data):
            raise InvalidInput(f"cannot read the pickle: it ends within what begins at byte {self.at}")
        self.at += size
        return self.data[self.at - size : self.at]

    def line(self) -> bytes:
        end = self.data.find(b"\n", self.at)
        return self.take(end - self.at + 1)[:-1]

    def little(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def push(self, item: Any) -> None:
        if len(self.stack) >= MAX_STACK:
            raise InvalidInput(f"cannot read the pickle: over {MAX_STACK} things wait")
        self.stack.append(item)

    def pop(self) -> Any:
        if not self.stack or self.stack[-1] is _MARK:
            raise InvalidInput(f"cannot read the pickle: nothing is there to take at byte {self.at}")
        return self.stack.pop()

    def popped(self) -> list[Any]:
        """What stands above the last mark, which goes too."""
        for place in range(len(self.stack) - 1, -1, -1):
            if self.stack[place] is _MARK:
                items = self.stack[place + 1 :]
                del self.stack[place:]
                return items
        raise InvalidInput(f"cannot read the pickle: there is no mark at byte {self.at}")

    def make(self, items: list[Any]) -> None:
        self.push(_Sequence([], 1))
        self.extend(items)

    def extend(self, items: list[Any]) -> None:
        """Put items into the sequence on top of the stack."""
        into = self.stack[-1] if self.stack else None
        if not isinstance(into, _Sequence):
            raise InvalidInput(f"cannot read the pickle: no list is there to put something in at byte {self.at}")
        for item in items:
            if isinstance(item, _Sequence):
                into.depth = max(into.depth, item.depth + 1)
        if into.depth > MAX_DEPTH or any(item is into for item in items):
            raise InvalidInput(f"cannot read the pickle: over {MAX_DEPTH} tuples or lists within each other")
        into.items.extend(items)

    def put(self, index: int) -> None:
        if not self.stack or self.stack[-1] is _MARK or not 0 <= index < 1 << 32:
            raise InvalidInput(f"cannot read the pickle: nothing is there to remember at byte {self.at}")
        if len(self.memo) >= MAX_MEMO and index not in self.memo:
            raise InvalidInput(f"cannot read the pickle: it remembers over {MAX_MEMO} things")
        self.memo[index] = self.stack[-1]

    def get(self, index: int) -> None:
        if index not in self.memo:
            raise InvalidInput(f"cannot read the pickle: nothing is remembered as {index}")
        self.push(self.memo[index])

    def digits(self, ending: bytes = b"") -> int:
        return int(_short(self.line()).removesuffix(ending))

    def protocol(self) -> None:
        if self.little(1) > 5:
            raise InvalidInput("cannot read the pickle: protocol over 5", hint="send protocol 2")


def _short(text: bytes) -> bytes:
    if len(text) > _DIGITS:
        raise InvalidInput(f"cannot read the pickle: a number of {len(text)} characters")
    return text


def _integer(text: bytes) -> Any:
    """Opcode I also writes truth values, in its own way."""
    return {b"00": False, b"01": True}.get(text) if text in (b"00", b"01") else int(_short(text))


def _quoted(text: bytes) -> bytes:
    if len(text) < 2 or text[:1] != text[-1:] or text[:1] not in (b"'", b'"'):
        raise InvalidInput("cannot read the pickle: a text without quotes")
    return _ESCAPE.sub(_unescaped, text[1:-1])


def _unescaped(found: re.Match[bytes]) -> bytes:
    """Of a byte that Python 2 wrote with a backslash; other backslashes stay as they stand, as Python reads them."""
    one: bytes = found[1]
    if one[:1] == b"x":
        return bytes.fromhex(one[1:].decode())
    return bytes([int(one, 8) & 255]) if one.isdigit() else _PLAIN.get(one, one)


def _long(m: _Machine, size: int) -> int:
    if size > _DIGITS:
        raise InvalidInput(f"cannot read the pickle: a number of {size} bytes")
    return int.from_bytes(m.take(size), "little", signed=True)


_OPCODES: dict[int, Callable[[_Machine], object]] = {
    ord("("): lambda m: m.push(_MARK),
    ord("0"): lambda m: m.pop(),
    ord("1"): lambda m: m.popped(),
    ord("N"): lambda m: m.push(_NONE),
    ord("F"): lambda m: m.push(float(_short(m.line()))),
    ord("I"): lambda m: m.push(_integer(m.line())),
    ord("J"): lambda m: m.push(int.from_bytes(m.take(4), "little", signed=True)),
    ord("K"): lambda m: m.push(m.little(1)),
    ord("L"): lambda m: m.push(m.digits(b"L")),
    ord("M"): lambda m: m.push(m.little(2)),
    ord("G"): lambda m: m.push(struct.unpack(">d", m.take(8))[0]),
    ord("S"): lambda m: m.push(_quoted(m.line())),
    ord("T"): lambda m: m.push(m.take(m.little(4))),
    ord("U"): lambda m: m.push(m.take(m.little(1))),
    ord("B"): lambda m: m.push(m.take(m.little(4))),
    ord("C"): lambda m: m.push(m.take(m.little(1))),
    ord("V"): lambda m: m.push(m.line().decode("raw-unicode-escape").encode()),
    ord("X"): lambda m: m.push(m.take(m.little(4))),
    ord("]"): lambda m: m.push(_Sequence([])),
    ord(")"): lambda m: m.push(_Sequence([])),
    ord("l"): lambda m: m.make(m.popped()),
    ord("t"): lambda m: m.make(m.popped()),
    ord("a"): lambda m: m.extend([m.pop()]),
    ord("e"): lambda m: m.extend(m.popped()),
    ord("p"): lambda m: m.put(m.digits()),
    ord("q"): lambda m: m.put(m.little(1)),
    ord("r"): lambda m: m.put(m.little(4)),
    ord("g"): lambda m: m.get(m.digits()),
    ord("h"): lambda m: m.get(m.little(1)),
    ord("j"): lambda m: m.get(m.little(4)),
    0x80: lambda m: m.protocol(),
    0x85: lambda m: m.make([m.pop()]),
    0x86: lambda m: m.make([m.pop(), m.pop()][::-1]),
    0x87: lambda m: m.make([m.pop(), m.pop(), m.pop()][::-1]),
    0x88: lambda m: m.push(True),
    0x89: lambda m: m.push(False),
    0x8A: lambda m: m.push(_long(m, m.little(1))),
    0x8B: lambda m: m.push(_long(m, m.little(4))),
    0x8C: lambda m: m.push(m.take(m.little(1))),
    0x8D: lambda m: m.push(m.take(m.little(8))),
    0x94: lambda m: m.put(len(m.memo)),
    0x95: lambda m: m.take(8),
}
"""Every opcode that is known. A frame of protocol 4 is only a hint for reading ahead, so its length is passed over."""


def read_points(data: bytes) -> list[tuple[bytes, float, float] | None]:
    """(path, time in seconds, value) of each datapoint; None for one that has no such form. Raises InvalidInput for no pickle."""
    machine = _Machine(data)
    while machine.at < len(data):
        op = data[machine.at]
        machine.at += 1
        if op == 46:  # STOP
            top = machine.pop()
            if machine.at != len(data) or not isinstance(top, _Sequence):
                break
            return [_point(item) for item in top.items]
        known = _OPCODES.get(op)
        if known is None:
            raise InvalidInput(f"cannot read the pickle: opcode {op:#04x} at byte {machine.at - 1} is not one of plain data")
        try:
            known(machine)
        except (ValueError, OverflowError) as error:
            raise InvalidInput(f"cannot read the pickle: {error}") from error
    raise InvalidInput("cannot read the pickle: it is no list, or does not end where the frame ends")


def _point(item: Any) -> tuple[bytes, float, float] | None:
    match item:
        case _Sequence(items=[bytes() as path, _Sequence(items=[time, value])]):
            try:
                return path, _float(time), _float(value)
            except (TypeError, ValueError, OverflowError):
                return None
    return None


def _float(item: Any) -> float:
    """As carbon reads numbers: `float()`, of texts too."""
    if isinstance(item, bytes):
        item = _short_text(item)
    return float(item)


def _short_text(item: bytes) -> str:
    if len(item) > _DIGITS:
        raise ValueError("too long")
    return item.decode()
