"""A server with its processes, and what must be gone when it has ended."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from tests.processes.ledger import Writers
from tests.servers.catalogue import SERVERS, Start
from tests.servers.processes import Running, await_start, end, start

ROOT = Path(__file__).parents[2]
PATIENCE_S = 5.0

CHOICES = {
    "gthread": ("gunicorn gthread", "-c python:ambi.gunicorn --workers 2 --graceful-timeout 4"),
    "sync": ("gunicorn sync", "-c python:ambi.gunicorn --workers 2 --graceful-timeout 4"),
    "uvicorn": (
        "uvicorn httptools",
        "--workers 2 --timeout-graceful-shutdown 4 --timeout-worker-healthcheck 20 --no-access-log",
    ),
}
"""Name here -> name in the catalogue, and options."""


class Process(NamedTuple):
    """One process as /proc shows it."""

    pid: int
    state: str


def processes_of(session: int) -> list[Process]:
    """Find all processes of a session: all that a server has started, whoever is their parent by now."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        with contextlib.suppress(OSError):  # it has ended meanwhile
            # The name stands in brackets and may hold anything: proc(5).
            state, _, _, its_session, *_ = Path(f"/proc/{entry}/stat").read_text("ascii").rpartition(") ")[2].split()
            if int(its_session) == session:
                found.append(Process(int(entry), state))
    return found


def awaited(condition: Callable[[], object], within_s: float = PATIENCE_S) -> bool:
    """Wait until a condition holds; False when it did not in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@dataclass
class Live:
    """A server under load."""

    running: Running
    writers: Writers

    @property
    def master(self) -> int:
        return self.running.process.pid

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.master, number)

    def started(self) -> list[int]:
        """Give the processes in which the application started, in order."""
        return [pid for event, pid in self.running.events() if event == "start"]

    def workers(self) -> list[int]:
        """Give those of them that are there and no zombies."""
        there = {each.pid for each in processes_of(self.master) if each.state != "Z"}
        return [pid for pid in self.started() if pid in there]

    def unstopped(self) -> list[int]:
        """Give those in which the application started and never stopped."""
        stopped = {pid for event, pid in self.running.events() if event == "stop"}
        return [pid for pid in self.started() if pid not in stopped]

    def zombies(self) -> list[int]:
        return [each.pid for each in processes_of(self.master) if each.state == "Z"]


def begin(choice: str, options: str, folder: Path, port: int | None = None) -> Running:
    """Start a server with the application of this suite, and wait until both workers are there."""
    name, usual = CHOICES[choice]
    plain = next(server for server in SERVERS if server.name == name)
    command = plain.command.replace("app:app", f"{usual} {options} tests.processes.app:app")
    (folder / "tmp").mkdir(exist_ok=True)
    variables = {
        "AMBI_DATABASE": str(folder / "entries.db"),
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)]),
        "TMPDIR": str(folder / "tmp"),
    }
    before = (folder / "events").read_text("ascii").count("start") if (folder / "events").exists() else 0
    running = start(replace(plain, command=command), Start(variables=variables), folder, ROOT, port=port)
    try:
        await_start(running)
        if not awaited(lambda: [event for event, _ in running.events()].count("start") >= before + 2, 20):
            raise RuntimeError(f"two workers did not start: {running.events()}; its log ends:\n{running.log()}")
    except BaseException:
        end(running)
        raise
    return running


def left_behind(running: Running) -> list[str]:
    """Tell what a server that has ended left: processes, its port, files."""
    faults = []
    if not awaited(lambda: not processes_of(running.process.pid)):
        faults.append(f"processes are left: {processes_of(running.process.pid)}")
    if running.accepts():
        faults.append(f"port {running.port} still accepts")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that have ended may linger
        try:
            probe.bind(("127.0.0.1", running.port))
        except OSError as failure:
            faults.append(f"port {running.port} is not free: {failure}")
    if files := sorted(path.name for path in (running.folder / "tmp").rglob("*")):
        faults.append(f"files are left: {files}")
    return faults
