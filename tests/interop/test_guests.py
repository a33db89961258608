"""Real applications of other frameworks answer mounted as they answer alone: status, header fields, body, WebSocket.

Each guest is asked alone, by the server that people use for it, and then within our `app` on other servers, with the
same requests (`journeys.py`). `AMBI_SERVERS=all` takes every server.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from tests.interop.catalogue import GUESTS, Guest
from tests.interop.journeys import Seen, differences, visit
from tests.interop.serving import serve, serve_alone
from tests.servers.processes import Running
from tests.streaming.serving import chosen

pytest.importorskip("websockets", reason="websockets, the client, is not installed")

SERVERS = [
    "gunicorn gthread",
    "gunicorn sync",
    "gunicorn gevent",
    "gunicorn asgi",
    "uvicorn h11",
    "uvicorn httptools",
    "hypercorn asyncio",
]
QUICK = ["gunicorn gthread", "uvicorn h11"]

KNOWN: dict[str, dict[str, str]] = {
    "gunicorn gevent": {
        "django-wsgi: waiting: ": "asgiref, by which Django runs async views under WSGI, refuses a thread with a running"
        " loop; under gevent all greenlets share one, that of the loop thread included",
    },
    "gunicorn asgi": {
        "starlette: socket, explained: ": "gunicorn has no WebSocket denial responses: each refusal is a 403",
    },
}
"""What a server does otherwise, whatever is mounted: server -> the beginning of the difference -> the reason."""


class Journeys:
    """What was seen of each guest alone; a guest is asked when it is first wanted."""

    def __init__(self) -> None:
        self._seen: dict[str, Mapping[str, Seen]] = {}

    def of(self, guest: Guest) -> Mapping[str, Seen]:
        if guest.name not in self._seen:
            with serve_alone(guest) as server:
                self._seen[guest.name], _ = visit(guest, server, guest.prefix_alone)
        return self._seen[guest.name]


@pytest.fixture(scope="module")
def alone() -> Journeys:
    return Journeys()


@pytest.fixture(scope="module", params=chosen(SERVERS, QUICK))
def outer(request: pytest.FixtureRequest) -> Iterator[Running]:
    with serve(request.param, "tests.interop.outer:app") as server:
        yield server


@pytest.mark.parametrize("guest", GUESTS, ids=lambda guest: guest.name)
def test_a_guest_answers_mounted_as_it_does_alone(outer: Running, alone: Journeys, guest: Guest) -> None:
    expected = alone.of(guest)
    seen, visitor = visit(guest, outer, guest.prefix)
    known = KNOWN.get(outer.server.name, {})
    found = differences(expected, seen)
    unknown = [line for line in found if not f"{guest.name}: {line}".startswith(tuple(known))]
    assert unknown == [], "\n".join(unknown)
    assert visitor.marked == {True}, "the outer middleware has not seen every response"
