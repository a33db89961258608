"""A mounted guest starts with its server and stops with it, after the work that it has accepted."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.interop.serving import serve
from tests.streaming.serving import chosen

SERVERS = ["gunicorn gthread", "gunicorn sync", "gunicorn asgi", "uvicorn h11", "hypercorn asyncio"]
QUICK = ["gunicorn gthread", "uvicorn h11"]


@pytest.mark.parametrize("server_name", chosen(SERVERS, QUICK))
def test_what_a_guest_has_accepted_is_done_before_it_is_stopped(server_name: str) -> None:
    with serve(server_name, "tests.interop.stopping:app") as server:
        answer = server.ask("POST", "/guest/")
        assert (answer.status, answer.body) == (202, b"accepted")
        assert "job" not in dict(server.events())  # the answer has not waited for it
        server.terminate()
        assert server.ended_within(10)
        assert [event for event, _ in server.events()] == ["startup", "job", "shutdown"]


def test_each_worker_that_was_forked_has_a_guest_of_its_own() -> None:
    """Under `--preload` the application is made in the process that forks, and must have started nothing there."""
    with serve("gunicorn gthread", "tests.interop.stopping:app", "--preload --workers 2") as server:
        for _ in range(500):  # the system chooses which worker takes a connection
            assert server.ask("POST", "/guest/").status == 202
            if len({pid for event, pid in server.events() if event == "startup"}) == 2:
                break
        server.terminate()
        assert server.ended_within(10)
        events = server.events()
    assert server.process.pid not in {pid for _, pid in events}
    assert Counter(event for event, _ in events if event != "job") == {"startup": 2, "shutdown": 2}
    last = {pid: event for event, pid in events}
    assert set(last.values()) == {"shutdown"}
