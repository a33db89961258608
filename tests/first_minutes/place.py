"""A place where nothing is: an empty home, an environment with the wheel alone, and what runs commands there."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STOP_S = 40
"""How long a server may take to stop. A signal that meets gunicorn's gthread worker while it hands a request to its threads
lets it wait for a lock that it holds itself; it is killed after `graceful_timeout`, 30 s."""
OWN = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "COLUMNS", "NOX_CURRENT_SESSION", "PYTEST_ADDOPTS")


class Failed(Exception):
    """A command did not do what was printed of it."""


class Place:
    """Folder, home and variables.

    Args:
        folder: is empty.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir()
        self.started = time.monotonic()

    def variables(self, environment: Path | None, **more: str) -> dict[str, str]:
        """Give the variables of a command, with the programs of an environment in front."""
        found = {name: value for name, value in os.environ.items() if name not in OWN}
        # The packages come from where this user has them from, and are not fetched twice.
        settings, cache = Path.home() / ".config/pip/pip.conf", Path.home() / ".cache/pip"
        if settings.is_file():
            found.setdefault("PIP_CONFIG_FILE", str(settings))
        found |= {"HOME": str(self.home), "PIP_CACHE_DIR": os.environ.get("PIP_CACHE_DIR", str(cache))}
        found |= {"XDG_CONFIG_HOME": str(self.home), "XDG_DATA_HOME": str(self.home), **more}
        if environment is not None:
            found["PATH"] = f"{environment / 'bin'}{os.pathsep}{found['PATH']}"
        return found

    def run(self, command: str, folder: Path, environment: Path | None, timeout_s: float = 300) -> str:
        """Run a command as a shell does, and give its output. Raises: Failed."""
        begun = time.monotonic()
        finished = subprocess.run(
            ["sh", "-ec", command], cwd=folder, env=self.variables(environment), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout_s, check=False,
        )  # fmt: skip
        self.say(command, time.monotonic() - begun)
        if finished.returncode != 0:
            raise Failed(f"{command}: status {finished.returncode}\n{finished.stdout[-6000:]}")
        return finished.stdout

    @contextmanager
    def serving(self, command: str, folder: Path, environment: Path, **more: str) -> Iterator[Path]:
        """Run a server until the block is left; give the file with what it writes. Raises: Failed."""
        begun, log = time.monotonic(), self.folder / f"{re.sub(r'[^a-z]+', '-', command)[:40]}.log"
        with log.open("wb") as out:
            server = subprocess.Popen(
                ["sh", "-c", f"exec {command}"], cwd=folder, env=self.variables(environment, **more),
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        try:
            yield log
            server.send_signal(signal.SIGINT)
            status = server.wait(STOP_S)
            if status not in (0, -signal.SIGINT, 130):
                raise Failed(f"{command}: status {status}\n{log.read_text(errors='replace')[-6000:]}")
        except subprocess.TimeoutExpired:
            raise Failed(f"{command} does not stop") from None
        finally:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait(10)
            self.say(command, time.monotonic() - begun)

    def say(self, what: str, seconds: float | None = None) -> None:
        """Write a line, with how long something took, or what time it is since the beginning."""
        took = f"{time.monotonic() - self.started:6.1f} s" if seconds is None else f"{seconds:6.1f} s"
        sys.stdout.write(f"  {took}  {what}\n")
        sys.stdout.flush()
