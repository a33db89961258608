"""A program that believes it talks to somebody: its terminal is held by a test."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import pytest

from tests.children import environment

TAKE = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
"""Makes the terminal that of the session, so that Ctrl-C is an interrupt; a fork here would be one with threads."""
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|[\x01\x02\x08]")


class Terminal:
    """A terminal and the program in it.

    Args:
        command: the program, by its path, and its arguments.
        folder: its current directory.
    """

    def __init__(self, command: list[str], folder: Path) -> None:
        pty = pytest.importorskip("pty", reason="there are no pseudo-terminals here")
        self._fd, inner = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-c", TAKE, *command],
            stdin=inner, stdout=inner, stderr=inner, cwd=folder, start_new_session=True,
            env={**environment(), "TERM": "dumb", "PS1": "ready> ", "HOME": str(folder.parent)},
        )  # fmt: skip
        os.close(inner)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.kill()
        self._process.wait(10)
        os.close(self._fd)

    def read_until(self, text: str, timeout_s: float = 20) -> str:
        """Give what is shown, up to a text."""
        seen, stop = "", time.monotonic() + timeout_s
        while text not in seen:
            assert time.monotonic() < stop, seen
            if select.select([self._fd], [], [], 0.2)[0]:
                seen += ESCAPES.sub("", os.read(self._fd, 65536).decode(errors="replace"))
        return seen

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def wait(self) -> int:
        """Wait for its end, and give its exit status."""
        return self._process.wait(20)
