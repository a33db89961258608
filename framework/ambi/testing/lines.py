"""Cutting text that comes in pieces into lines, ended by LF, CRLF or CR."""

from __future__ import annotations


class LineCutter:
    """Gives each line as soon as it has ended: a CR at the end of a piece ends one, and an LF behind it none."""

    __slots__ = ("_after_cr", "rest")

    def __init__(self) -> None:
        self.rest = ""
        self._after_cr = False

    def feed(self, text: str) -> list[str]:
        """Take the next piece; give the lines that have ended."""
        if not text:
            return []
        if self._after_cr and text[0] == "\n":
            text = text[1:]
        self._after_cr = text[-1:] == "\r"
        *lines, self.rest = (self.rest + text.replace("\r\n", "\n").replace("\r", "\n")).split("\n")
        return lines
