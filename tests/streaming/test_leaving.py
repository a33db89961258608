"""A client that leaves while its answer is being made: which servers tell the handler, and which do not."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.servers.catalogue import SERVERS
from tests.streaming.serving import Served, chosen, served

QUICK = ("gunicorn gthread", "gunicorn sync", "uvicorn h11")
TELLS_WHEN_ASKED = {"waitress": "--channel-request-lookahead=1"}
"""waitress looks at a connection while it is served only with this."""
SILENT = {"granian wsgi", "cheroot", "wsgiref", "uWSGI", "gevent.pywsgi", "waitress"}
"""They neither lend their socket nor tell; waitress is asked both ways."""
WAYS = ("def/polling", "async/polling", "async/cancelled")


@pytest.fixture(scope="module", params=[*chosen([server.name for server in SERVERS], QUICK)])
def server(request: pytest.FixtureRequest) -> Iterator[Served]:
    with served(request.param) as found:
        yield found


def must_end(server: Served, way: str, expected: str) -> None:
    mark, size = server.marks.new(), server.process.log_size()
    with server.open(f"/{way}", mark):
        time.sleep(0.3)
    assert server.marks.await_end(mark) == expected
    assert server.trouble_since(size) == []


@pytest.mark.parametrize("way", WAYS)
def test_a_handler_learns_that_its_client_has_left_where_the_server_tells(server: Served, way: str) -> None:
    must_end(server, way, "there" if server.name in SILENT else "gone")


@pytest.mark.parametrize("name", chosen(list(TELLS_WHEN_ASKED), []))
@pytest.mark.parametrize("way", WAYS)
def test_a_server_may_have_to_be_asked_to_tell(name: str, way: str) -> None:
    with served(name, TELLS_WHEN_ASKED[name]) as server:
        must_end(server, way, "gone")
