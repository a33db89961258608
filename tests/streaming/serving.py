"""The servers of these tests, serving `app.py` beside this file, and the marks that its generators leave."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from tests.servers.catalogue import SERVERS, Server, Start
from tests.servers.holding import trouble_in
from tests.servers.processes import Running, running, why_missing
from tests.servers.wire import Connection

HERE = Path(__file__).parent
COLOURS = ("def", "async")
PATIENCE_S = 5.0  # what takes milliseconds may take longer on a loaded machine, but it must come

BY_NAME = {server.name: server for server in SERVERS}

_numbers = count()


def chosen(names: Sequence[str], quick: Sequence[str]) -> Sequence[str]:
    """Give those of the servers that `AMBI_SERVERS` names, with commas, or `all`; without it the quick ones."""
    wanted = os.environ.get("AMBI_SERVERS", ",".join(quick))
    return names if wanted == "all" else [name for name in names if name in wanted.split(",")]


class Marks:
    """What the generators have left behind, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def new(self) -> str:
        return f"mark-{next(_numbers)}"

    def made(self, name: str) -> int:
        """Tell how many items were made so far."""
        try:
            return int.from_bytes((self.folder / f"{name}.made").read_bytes(), "little")
        except FileNotFoundError:
            return 0

    def end(self, name: str) -> str | None:
        """Tell how it ended; None while its `finally` has not run."""
        try:
            return (self.folder / f"{name}.end").read_text("ascii")
        except FileNotFoundError:
            return None

    def ended_at(self, name: str) -> float:
        """Tell when it ended, in seconds since the epoch."""
        return (self.folder / f"{name}.end").stat().st_mtime

    def await_end(self, name: str, within_s: float = PATIENCE_S) -> str:
        """Wait for the `finally`. Raises: AssertionError when it has not run within so many seconds."""
        deadline = time.monotonic() + within_s
        while (how := self.end(name)) is None:
            if time.monotonic() > deadline:
                raise AssertionError(f"the `finally` has not run in {within_s} s; {self.made(name)} items were made")
            time.sleep(0.01)
        return how

    def await_standstill(self, name: str, still_s: float = 0.3, within_s: float = PATIENCE_S) -> int | None:
        """Wait until nothing more is made; give how many items there are then, None if it never stands still."""
        deadline, since, last = time.monotonic() + within_s, time.monotonic(), self.made(name)
        while time.monotonic() - since < still_s:
            if time.monotonic() > deadline:
                return None
            time.sleep(0.01)
            if (now := self.made(name)) != last or not last:
                last, since = now, time.monotonic()
        return last

    def allow_one_more(self, name: str) -> None:
        with (self.folder / f"{name}.go").open("ab") as go:
            go.write(b".")


class Served:
    """A server of these tests, with the marks of its application."""

    def __init__(self, process: Running, marks: Marks) -> None:
        self.process = process
        self.marks = marks

    @property
    def name(self) -> str:
        return self.process.server.name

    @property
    def is_wsgi(self) -> bool:
        return self.process.server.gateway == "wsgi"

    def open(self, target: str, mark: str, method: str = "GET") -> Connection:
        """Ask on a connection of its own; the answer is the caller's to read."""
        connection = self.process.connect()
        connection.ask(method, f"{target}?mark={mark}")
        return connection

    def trouble_since(self, size: int) -> list[str]:
        """Give the lines of the log that report an error."""
        text = (self.process.folder / "log").read_bytes()[size:].decode(errors="replace")
        return trouble_in(text)


@contextlib.contextmanager
def served(name: str, arguments: str = "", app: str = "app:app", **variables: str) -> Iterator[Served]:
    """Start a server by its name in the catalogue; skip the test where it is not installed.

    Args:
        name: as in the catalogue.
        arguments: that stand after those of its command, and so win.
        app: what it serves, from the folder of this file.
        variables: of its environment.
    """
    plain: Server = BY_NAME[name]
    server = replace(plain, command=plain.command.replace("app:app", f"{arguments} {app}"))
    if why := why_missing(server):
        pytest.skip(f"{name}: {why}")
    path = os.pathsep.join([str(HERE), *filter(None, sys.path)])
    with tempfile.TemporaryDirectory(prefix="ambi-marks-") as folder:
        how = Start(variables={"AMBI_MARKS": folder, "PYTHONPATH": path, **variables})
        with running(server, how, HERE) as process:
            yield Served(process, Marks(Path(folder)))
