"""Cuts a stream of bytes into whole lines with bounded memory; for bodies that never end."""

from __future__ import annotations


class LineSplitter:
    """Lines without their line feeds, blank ones left out; None stands for one of over `line_bytes`, whose bytes are forgotten."""

    def __init__(self, line_bytes: int) -> None:
        self.lines: list[bytes | None] = []
        """Whole lines not taken yet."""
        self.size = 0
        """Their bytes."""
        self.lost = 0
        """Bytes forgotten so far of a line that is too long and has not ended."""
        self._line_bytes = line_bytes
        self._tail = b""
        self._skipping = False

    def feed(self, data: bytes) -> None:
        """Add bytes; `lines` grows by those that end within them."""
        *whole, tail = data.split(b"\n")
        if whole:
            self._end(self._tail + whole[0])
            for line in whole[1:]:
                self._end(line)
            self._tail = tail
        else:
            self._tail += tail
        if len(self._tail) > self._line_bytes:
            self.lost += len(self._tail)
            self._tail, self._skipping = b"", True

    def finish(self) -> None:
        """The last line may lack its line feed."""
        self._end(self._tail)
        self._tail = b""

    def take(self) -> list[bytes | None]:
        """All whole lines, which are forgotten here."""
        lines, self.lines, self.size = self.lines, [], 0
        return lines

    def _end(self, line: bytes) -> None:
        if self._skipping or len(line) > self._line_bytes:
            self.lines.append(None)
            self._skipping, self.lost = False, 0
        elif line and not line.isspace():
            self.lines.append(line)
            self.size += len(line)
