"""What wrk says is read, and a refusal among it is a fault."""

from __future__ import annotations

import pytest

from tests.processes.readers import Readers

GOOD = """\
Running 30s test @ http://127.0.0.1:46591/
  1 threads and 8 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     5.24ms    7.13ms  50.75ms   88.80%
    Req/Sec     1.31k   323.59     1.74k    70.00%
  1317 requests in 1.53s, 146.48KB read
Requests/sec:    861.94
Transfer/sec:     95.87KB
"""
BROKEN = "  Socket errors: connect 0, read 5, write 3340, timeout 0\n"
REFUSED = "  Non-2xx or 3xx responses: 131\n"


def read(summary: str) -> Readers:
    readers = Readers()
    readers.read(summary)
    return readers


def test_broken_connections_are_told_and_are_no_fault() -> None:
    readers = read(GOOD + BROKEN)
    assert str(readers) == "1317, 0 refused, 5 read, 3340 write"
    assert readers.faults(server_may_refuse=False) == []


def test_refused_requests_are_a_fault_where_the_server_may_not_refuse() -> None:
    readers = read(GOOD + BROKEN + REFUSED)
    assert str(readers) == "1317, 131 refused, 5 read, 3340 write"
    assert readers.faults(server_may_refuse=True) == []
    assert readers.faults(server_may_refuse=False) == ["wrk got 131 answers of 400 or above"]


def test_no_answer_at_all_is_a_fault() -> None:
    assert read("  0 requests in 1.00s, 0.00B read\n").faults(server_may_refuse=True) == ["wrk got no answer at all"]


def test_what_is_no_summary_is_said() -> None:
    with pytest.raises(ValueError, match="wrk gave no summary: 'unable to connect"):
        read("unable to connect to 127.0.0.1:1 Connection refused\n")
