"""The ledger finds a write that is lost, doubled or not taken back. What it is used for takes minutes: `nox -s processes`."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.processes.ledger import Ledger, rows_of
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
