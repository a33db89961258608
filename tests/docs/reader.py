"""A reader of the tutorial, who does what its pages say, twice: once under gunicorn and once under uvicorn.

Either has a folder of its own, with a database of its own. The files are written as the pages say, and the commands are
typed: those that start a server start it when the next request is made, on a port of its own; `curl` asks both. What
only sets up the reader's machine is not done.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import mkdtemp

import ambi
from tests.docs.walkthrough import Command, WrongPage, is_seen, steps
from tests.servers.catalogue import Gateway, Server, Start
from tests.servers.processes import Running, await_start, end, environment, start

SET_UP = ("python -m venv ", ". .venv/bin/activate", "python -m pip install ", "mkdir ", "cd ")
"""What a reader types who has nothing yet; the tests have it all."""
GATEWAYS: Mapping[str, Gateway] = {"gunicorn": "wsgi", "uvicorn": "asgi"}
PORTS = {"gunicorn": "--bind 127.0.0.1:{port}", "uvicorn": "--port {port}", "ambi": "--port {port}"}
RUN = "ambi run"
ADDRESS = "127.0.0.1:8000"
"""Where the pages say that a server listens."""
WAIT_S = 15.0
ERRORS = ("Traceback", "ERROR", "CRITICAL")
VARIABLES = {
    "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
    "PYTHONPATH": str(Path(ambi.__file__).parents[1]),
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONWARNINGS": "error",
    "NO_COLOR": "1",
    "COLUMNS": "100",
}


class Folder:
    """The reader's project, as one of the servers sees it."""

    def __init__(self, server: str, root: Path) -> None:
        self.server = server
        self.path = root / server / "polls"
        self.path.mkdir(parents=True)
        self.root = root
        self.started: Running | None = None
        self._command = Command(0, "", ())
        self._streaming: subprocess.Popen[bytes] | None = None
        self._streamed = b""

    def begin(self, command: Command) -> None:
        """Start the server, without waiting for it."""
        self._command = command
        typed = f"{command.text} {PORTS[command.program]}"
        server = Server(self.server, GATEWAYS.get(self.server, "asgi"), typed)
        log = Path(mkdtemp(prefix=f"{self.server}-", dir=self.root))
        self.started = start(server, Start(variables=VARIABLES), log, self.path)

    def stop(self) -> None:
        """Stop what runs here.

        Raises:
            WrongPage: the server had something to complain about.
        """
        self.leave_stream()
        if self.started is not None:
            end(self.started)
            log = (self.started.folder / "log").read_bytes()
            seen, self.started = self._lines(log), None
            if any(word in line for word in ERRORS for line in seen):
                raise WrongPage(f"{self.server} complained:\n{log.decode()}")
            if self._command.output:
                compare(self._command, self.server, seen)

    def run(self, command: str) -> list[str]:
        """Type a command and wait for its end; give the lines that a terminal shows."""
        done = subprocess.run(
            ["bash", "-c", self._addressed(command)], cwd=self.path, env=self._environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._stderr(command), timeout=WAIT_S, check=False,
        )  # fmt: skip
        return self._lines(done.stdout)

    def begin_stream(self, command: str) -> None:
        """Type a command that goes on until it is interrupted."""
        self.leave_stream()
        self._streamed = b""
        self._streaming = subprocess.Popen(
            ["bash", "-c", f"exec {self._addressed(command)}"], cwd=self.path, env=self._environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._stderr(command),
        )  # fmt: skip
        assert self._streaming.stdout is not None
        os.set_blocking(self._streaming.stdout.fileno(), False)

    def stream(self, expected: tuple[str, ...]) -> list[str]:
        """Give what the stream has put out since the last call, as soon as it is what was expected."""
        if self._streaming is None or self._streaming.stdout is None:
            raise WrongPage("output without a command before it")
        deadline = time.monotonic() + WAIT_S
        while not is_seen(expected, self._lines(self._streamed)) and time.monotonic() < deadline:
            with contextlib.suppress(BlockingIOError):
                self._streamed += os.read(self._streaming.stdout.fileno(), 65536)
            time.sleep(0.02)
        seen, self._streamed = self._lines(self._streamed), b""
        return seen

    def leave_stream(self) -> None:
        """Press Ctrl-C, if there is a stream."""
        if self._streaming is not None and self._streaming.stdout is not None:
            self._streaming.terminate()
            self._streaming.wait(WAIT_S)
            self._streaming.stdout.close()
        self._streaming = None

    def _addressed(self, command: str) -> str:
        return command if self.started is None else command.replace(ADDRESS, f"127.0.0.1:{self.started.port}")

    def _lines(self, output: bytes) -> list[str]:
        text = output.decode()
        if self.started is not None:
            text = text.replace(f"127.0.0.1:{self.started.port}", ADDRESS)
        return [line.rstrip() for line in text.splitlines()]

    def _environment(self) -> dict[str, str]:
        return environment(self.root / "events", VARIABLES)

    @staticmethod
    def _stderr(command: str) -> int:
        # curl draws how far it is where its output is no terminal.
        return subprocess.DEVNULL if command.startswith("curl ") else subprocess.STDOUT


class Reader:
    """Goes through the pages in order.

    Args:
        pages: the text of each.
        root: an empty folder.
    """

    def __init__(self, pages: list[str], root: Path) -> None:
        self.folders = [Folder(server, root) for server in GATEWAYS]
        self._pages = pages
        self._root = root
        self._commands: dict[str, Command] = {}
        self._read = 0

    def read_to(self, number: int) -> None:
        """Do what the pages say, to the end of one; those that were read before are not read again.

        Raises:
            WrongPage: something cannot be done, or is not so.
        """
        while self._read < number:
            self._read += 1
            try:
                self._follow(self._pages[self._read - 1])
            finally:
                for folder in self.folders:
                    folder.stop()

    @contextlib.contextmanager
    def serving(self, server: str) -> Iterator[Running]:
        """Serve what there is by now by the command that the pages say."""
        folder = next(folder for folder in self.folders if folder.server == server)
        folder.begin(self._commands[server])
        try:
            assert folder.started is not None
            await_start(folder.started)
            yield folder.started
        finally:
            folder.stop()

    def _follow(self, page: str) -> None:
        done = list(steps(page))
        typed = [step for step in done if isinstance(step, Command)]
        # A page that shows one server after the other has both asked the same.
        self._commands |= {command.program: command for command in typed if command.program in GATEWAYS}
        for step in done:
            if isinstance(step, Command):
                self._type(step)
            else:
                for folder in self.folders:
                    folder.stop()  # it has what stood there
                    step.apply(folder.path)
        for command in typed:
            if command.text.startswith(RUN):
                self._ask_again(command, [each for each in typed if each.program == "curl" and each.under != "servers"])

    def _ask_again(self, run: Command, asked: list[Command]) -> None:
        """Serve the same by the development server, and have it asked what the page asks."""
        folder = Folder(f"{run.text.replace(' ', '-')}", self._root)
        shutil.copytree(self.folders[0].path, folder.path, dirs_exist_ok=True)
        folder.begin(run)
        try:
            assert folder.started is not None
            await_start(folder.started)
            for command in asked:
                compare(command, run.text, folder.run(command.text))
        finally:
            folder.stop()

    def _type(self, command: Command) -> None:
        if command.text.startswith(SET_UP):
            if command.output:
                raise WrongPage(f"line {command.line}: nobody checks this output")
        elif command.program in ("curl", "") and command.under != "run":
            self._ask(command)
        elif command.program not in (*GATEWAYS, "curl", "") and not command.text.startswith(RUN):
            # The tests ask both gateways by themselves.
            for folder in self.folders[:1] if "pytest" in command.text else self.folders:
                compare(command, folder.server, folder.run(command.text))

    def _ask(self, command: Command) -> None:
        if any(folder.started is None for folder in self.folders):
            for folder in self.folders:
                folder.stop()
                folder.begin(self._commands[folder.server])
        for folder in self.folders:
            assert folder.started is not None
            await_start(folder.started)
            if command.text and not command.text.startswith("curl -N "):
                compare(command, folder.server, folder.run(command.text))
                continue
            if command.text:
                folder.begin_stream(command.text)
            compare(command, folder.server, folder.stream(command.output))


def compare(command: Command, server: str, seen: list[str]) -> None:
    """Hold what a command has put out against what the page shows.

    Raises:
        WrongPage: it is something else.
    """
    if not is_seen(command.output, seen):
        shown, found = ("\n".join(f"    {line}" for line in lines) for lines in (command.output, seen))
        raise WrongPage(
            f"line {command.line}: $ {command.text}\n  the page shows\n{shown}\n  but with {server} it is\n{found}"
        )
