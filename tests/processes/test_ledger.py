"""The ledger finds a write that is lost, doubled or not taken back. What it is used for takes minutes: `nox -s processes`."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.processes.ledger import Ledger, Writers, rows_of
from tests.processes.live import awaited, processes_of

LEDGER = Ledger(acknowledged={"0-0", "0-1"}, taken_back={"0-2": 409, "0-3": 500}, unanswered={"0-4": "TimeoutError"})


@pytest.mark.parametrize("rows", [["0-0", "0-1"], ["0-0", "0-1", "0-4"]])
def test_what_was_not_answered_may_be_there_or_not(rows: list[str]) -> None:
    assert LEDGER.faults(Counter(rows)) == []


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        (["0-0"], "0-1 was acknowledged and is lost"),
        (["0-0", "0-1", "0-1"], "0-1 is there 2 times"),
        (["0-0", "0-1", "0-4", "0-4"], "0-4 is there 2 times"),
        (["0-0", "0-1", "0-2"], "0-2 was answered with 409 and is there"),
        (["0-0", "0-1", "0-3"], "0-3 was answered with 500 and is there"),
        (["0-0", "0-1", "9-9"], "9-9 was never sent"),
    ],
)
def test_what_is_wrong_is_found(rows: list[str], fault: str) -> None:
    assert LEDGER.faults(Counter(rows)) == [fault]


@pytest.mark.parametrize("server_may_refuse", [False, True])
def test_a_status_that_nobody_asked_for_is_told_with_its_reason(server_may_refuse: bool) -> None:
    ledger = replace(LEDGER, taken_back={"0-2": 409, "0-3": 503}, reasons={"0-3": "busy"})
    assert ledger.refusals(server_may_refuse) == ["0-3 was answered with 503: 'busy'"]


def test_a_page_of_the_server_is_a_fault_where_it_is_not_documented() -> None:
    ledger = Ledger(unanswered={"0-4": "TimeoutError", "0-5": "ServerPageError"})
    assert ledger.refusals(server_may_refuse=True) == []
    assert ledger.refusals(server_may_refuse=False) == ["0-5 was answered by the server itself"]


@pytest.mark.parametrize(("fields", "refused"), [({}, True), ({"X-Content-Type-Options": "nosniff"}, False)])
def test_a_server_that_fails_is_told_from_an_application_that_does(fields: dict[str, str], refused: bool) -> None:
    with failing_server(fields) as port:
        writers = Writers(port, size=2)
        writers.start()
        assert awaited(lambda: all(len(each.unanswered) + len(each.taken_back) > 2 for each in writers.ledgers))
        ledger = writers.stop()
    assert bool(ledger.unanswered) is refused
    assert bool(ledger.taken_back) is not refused
    assert set(ledger.reasons.values()) <= {"no"}
    first, *_, last = ledger.refusals(server_may_refuse=False)
    assert first.endswith(" was answered by the server itself" if refused else " was answered with 500: 'no'")
    assert last == f"and {len(ledger.unanswered) + len(ledger.taken_back) - 3} more"


@contextlib.contextmanager
def failing_server(fields: dict[str, str]) -> Iterator[int]:
    """Answer each write with 500, and these fields; gives the port."""

    class Failing(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(500)
            for name, value in {**fields, "content-length": "2"}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"no")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Failing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def test_failures_are_those_that_were_not_asked_for() -> None:
    assert LEDGER.failures() == {"500": 1, "TimeoutError": 1}


def test_rows_are_counted(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "db") as connection:
        connection.execute("CREATE TABLE entry (number)")
        connection.executemany("INSERT INTO entry VALUES (?)", [("a",), ("b",), ("b",)])
    connection.close()
    assert rows_of(tmp_path / "db") == {"a": 1, "b": 2}


def test_zombies_and_processes_are_seen() -> None:
    ends = [sys.executable, "-c", "input()"]
    with subprocess.Popen(ends, stdin=subprocess.PIPE, start_new_session=True) as child:
        assert [each.pid for each in processes_of(child.pid)] == [child.pid]
        assert child.stdin is not None
        child.stdin.write(b"\n")
        child.stdin.close()
        assert awaited(lambda: [each.state for each in processes_of(child.pid)] == ["Z"])
        child.wait(5)
        assert processes_of(child.pid) == []
    assert os.getpid() not in [each.pid for each in processes_of(child.pid)]
