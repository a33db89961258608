"""What is done to a server under load, and what it must do then.

Each has a bound on every step; on an idle machine one takes three to eight seconds, two starts among them.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.processes.ledger import Ledger, Writers, rows_of
from tests.processes.live import PATIENCE_S, Live, awaited, begin, left_behind
from tests.processes.readers import Readers, crowd_of_readers
from tests.servers.processes import end

STOP_S = 8.0
"""For a server to end: longer than its own time for what is still open."""
REPLACE_S = 30.0
"""For workers to be replaced: an import of everything, on a machine that is busy."""
SOON = "--timeout-worker-healthcheck 3"
"""A supervisor of uvicorn that asks a worker which is just ending waits for as long as that."""
BEFORE, AFTER = 30, 30
"""Writes acknowledged before a scenario acts, and after it, where the server goes on."""
RECYCLED = 80
"""Requests that a worker answers before it makes way for the next; only the writers ask then, or it lived for no time."""

BOTH_GUNICORNS = ("gthread", "sync")
ALL = (*BOTH_GUNICORNS, "uvicorn")
Act = Callable[[Live], list[str]]


@dataclass(frozen=True)
class Scenario:
    """One thing that is done to a server.

    Args:
        name: in the table.
        act: does it; gives what was wrong.
        servers: to which of them.
        options: for their command lines: of gunicorn, of uvicorn.
        ends: the server ends by it; otherwise it must go on, and is told to end with TERM afterwards.
        abandons: a worker is killed in it, so that the application stops in one process less than it started in.
        readers: wrk asks meanwhile, too.
        quick: what is in flight may be answered by gunicorn's sync worker itself (docs/parity.md).
    """

    name: str
    act: Act
    servers: tuple[str, ...] = ALL
    options: tuple[str, str] = ("", "")
    ends: bool = False
    abandons: bool = False
    readers: bool = True
    quick: bool = False


@dataclass
class Row:
    """What was seen of a scenario with one server: a line of the table."""

    scenario: str
    server: str
    ledger: Ledger = field(default_factory=Ledger)
    readers: Readers | None = None
    status: int | None = None
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)
    log: str = ""

    def cells(self) -> list[str]:
        failures = ", ".join(f"{times} {what}" for what, times in sorted(self.ledger.failures().items()))
        refused = sum(status == 409 for status in self.ledger.taken_back.values())
        return [
            self.server, self.scenario, str(len(self.ledger.acknowledged)), str(refused), failures or "-",
            str(self.readers or "-"), str(self.status), f"{self.seconds:.1f}", "; ".join(self.faults) or "ok",
        ]  # fmt: skip


HEADINGS = ["server", "what", "acknowledged", "taken back", "unanswered", "wrk", "exit", "s", "found"]


# ------------------------------------------------------------------ what is done


def send(number: signal.Signals) -> Act:
    """Send a signal to the process that the user started."""

    def act(live: Live) -> list[str]:
        live.signal(number)
        return []

    return act


def hang_up(live: Live) -> list[str]:
    """Have all workers replaced, and wait until they are."""
    before = set(live.workers())
    live.signal(signal.SIGHUP)
    if not awaited(lambda: len(live.workers()) == 2 and not before & set(live.workers()), REPLACE_S):
        return [f"after HUP the workers are {live.workers()}, before it they were {sorted(before)}"]
    return []


def signal_a_worker(number: signal.Signals) -> Act:
    """Have one worker die; another must take its place."""

    def act(live: Live) -> list[str]:
        victim = live.workers()[0]
        os.kill(victim, number)
        return _replaced(live, victim)

    return act


def pause(live: Live) -> list[str]:
    """Stop a worker for half a second, and let it go on: nothing may come of it."""
    before = live.workers()
    os.kill(before[0], signal.SIGSTOP)
    time.sleep(0.5)
    os.kill(before[0], signal.SIGCONT)
    return [] if live.workers() == before else [f"the workers were {before} and are {live.workers()}"]


def pause_past_time_out(live: Live) -> list[str]:
    """Stop a worker for good: the server must find that out, kill it, and start another."""
    victim = live.workers()[0]
    os.kill(victim, signal.SIGSTOP)
    return _replaced(live, victim)


def recycle(live: Live) -> list[str]:
    """Wait until both first workers have made way."""
    first = set(live.started()[:2])
    if not awaited(lambda: not first & set(live.workers()), REPLACE_S):
        return [f"of the first workers {sorted(first & set(live.workers()))} are there yet"]
    return []


def _replaced(live: Live, victim: int) -> list[str]:
    if not awaited(lambda: victim not in live.workers() and len(live.workers()) == 2, REPLACE_S):
        return [f"{victim} was not replaced: the workers are {live.workers()}"]
    return []


SCENARIOS = (
    Scenario("TERM", send(signal.SIGTERM), ends=True),
    Scenario("INT", send(signal.SIGINT), ends=True, quick=True),
    Scenario("QUIT", send(signal.SIGQUIT), BOTH_GUNICORNS, ends=True, quick=True),
    # uvicorn lets it be: its supervisor takes the signal and does nothing, and a worker dies of it.
    Scenario("QUIT to a worker", signal_a_worker(signal.SIGQUIT), ("uvicorn",), abandons=True),
    Scenario("HUP", hang_up),
    Scenario("KILL a worker", signal_a_worker(signal.SIGKILL), abandons=True),
    Scenario("STOP, CONT", pause),
    Scenario(
        "STOP past time-out", pause_past_time_out, options=("--timeout 2", "--timeout-worker-healthcheck 2"),
        abandons=True, quick=True,  # the other one takes too long as well, where that one has the lock of the database
    ),
    Scenario(
        "max requests", recycle, readers=False,
        options=(
            f"--max-requests {RECYCLED} --max-requests-jitter {RECYCLED // 2}",
            f"--limit-max-requests {RECYCLED} --limit-max-requests-jitter {RECYCLED // 2} {SOON}",
        ),
    ),
    Scenario("preload, TERM", send(signal.SIGTERM), BOTH_GUNICORNS, ("--preload", ""), ends=True),
    Scenario("preload, HUP", hang_up, BOTH_GUNICORNS, ("--preload", "")),
    Scenario("preload, KILL", signal_a_worker(signal.SIGKILL), BOTH_GUNICORNS, ("--preload", ""), abandons=True),
)  # fmt: skip


# ------------------------------------------------------------------ from start to end


def play(scenario: Scenario, choice: str) -> Row:
    """Start a server, put load on it, do what the scenario says, and look at what is left."""
    row = Row(scenario.name, choice)
    options = scenario.options[choice == "uvicorn"]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ambi-processes-") as name:
        folder = Path(name)
        try:
            port = _under_load(scenario, choice, options, folder, row)
            row.faults += _next_start(choice, options, folder, port)
        except Exception as failure:
            row.faults.append(f"{type(failure).__name__}: {failure}")
    row.seconds = time.monotonic() - began
    return row


def _under_load(scenario: Scenario, choice: str, options: str, folder: Path, row: Row) -> int:
    running = begin(choice, options, folder)
    writers = Writers(running.port)
    live = Live(running, writers)
    try:
        with crowd_of_readers(running.port, seconds=30 if scenario.readers else 0) as row.readers:
            writers.start()
            if not writers.await_more(BEFORE, PATIENCE_S):
                row.faults.append(f"only {writers.acknowledged()} writes were acknowledged in {PATIENCE_S} s")
            row.faults += scenario.act(live)
            if not scenario.ends:
                row.faults += _goes_on(live)
                live.signal(signal.SIGTERM)
            if not running.ended_within(STOP_S):
                row.faults.append(f"it has not ended within {STOP_S} s")
        row.status = running.process.poll()
        row.ledger = writers.stop()
    finally:
        if running.process.poll() is None:
            end(running)
    both_may_die = scenario.quick and choice == "sync"
    row.faults += row.ledger.refusals(both_may_die)
    row.faults += row.readers.faults(both_may_die) if row.readers else []
    if row.status != 0:
        row.faults.append(f"it exited with {row.status}")
    if len(live.unstopped()) > scenario.abandons + both_may_die:
        row.faults.append(f"the application was not stopped in {live.unstopped()}")
    row.faults += left_behind(running)
    end(running)  # what was left, after it was reported
    row.faults += row.ledger.faults(rows_of(folder / "entries.db"))
    if row.faults:
        row.log = "\n".join(running.log().splitlines()[-12:])
    return running.port


def _goes_on(live: Live) -> list[str]:
    """See that it answers, and that no process that has ended waits for its parent."""
    faults = []
    if not live.writers.await_more(AFTER, REPLACE_S):
        faults.append(f"no {AFTER} writes were acknowledged in {REPLACE_S} s afterwards")
    if not awaited(lambda: not live.zombies(), STOP_S):
        faults.append(f"zombies are left: {live.zombies()}")
    if not awaited(lambda: len(live.workers()) >= 2, REPLACE_S):
        faults.append(f"the workers are {live.workers()}")
    return faults


def _next_start(choice: str, options: str, folder: Path, port: int) -> list[str]:
    """Start the same once more, on the same port and database; it must know all that was written."""
    expected = sum(rows_of(folder / "entries.db").values())
    running = begin(choice, options, folder, port)
    try:
        told = running.get("/count")
        faults = [] if told.body == b"%d" % expected else [f"the next start counts {told.body!r}, not {expected}"]
        running.terminate()
        if not running.ended_within(STOP_S):
            faults.append(f"the next start has not ended within {STOP_S} s")
    finally:
        end(running)
    if running.process.returncode != 0:
        faults.append(f"the next start exited with {running.process.returncode}")
    return faults + left_behind(running)
