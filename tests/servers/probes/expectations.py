"""What several probes ask for, and how they ask."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from contextlib import ExitStack

from tests.servers.probing import Differs, must_equal
from tests.servers.processes import Running
from tests.servers.wire import Answer, Connection, Field, NoAnswerError

COLOURS = ("def", "async")
PIECE = b"0123456789abcdef" * 4096
TEXT = ("content-type", "text/plain; charset=utf-8")
LAYER = ("x-layer", "app")
NOSNIFF = ("x-content-type-options", "nosniff")


def must_answer(answer: Answer, status: int, body: bytes | None = None) -> None:
    must_equal("the status", answer.status, status)
    if body is not None:
        must_equal("the body", answer.body[:200], body[:200])
        must_equal("the size of the body", len(answer.body), len(body))
    if answer.ending not in {"complete", "closed"}:
        raise Differs(f"the answer's body ends {answer.ending}")


def must_answer_json(answer: Answer, wanted: object) -> None:
    must_answer(answer, 200)
    must_equal("the JSON", json.loads(answer.body), wanted)


def must_say(answer: Answer, *fields: Field) -> None:
    must_equal("the list of fields", answer.fields_of_ambi, sorted(fields))


def must_not_tell(answer: Answer) -> None:
    for secret in (b"secret", b"Traceback", b"app.py"):
        if secret in answer.body:
            raise Differs(f"the answer shows {secret.decode()!r} to the client")


def soon(done: Callable[[], bool], within_s: float) -> bool:
    """Ask again and again until it is done or the time is over."""
    deadline = time.monotonic() + within_s
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def measured(data: bytes) -> dict[str, object]:
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def answers_at_once(server: Running, target: str, number: int) -> list[Answer]:
    """Put the same request on several connections before the first answer is read."""
    with ExitStack() as stack:
        connections = []
        for _ in range(number):
            # Asked before the next one connects: a server with one thread and a short backlog would accept no other.
            connection = stack.enter_context(server.connect())
            connection.ask("GET", target, [("Connection", "close")])
            connections.append(connection)
        return [answer_and_close(connection) for connection in connections]


def answer_and_close(connection: Connection) -> Answer:
    with connection:  # at once: a server with one thread may wait for the client to close
        return connection.read_answer()


def must_answer_next_or_be_closed(connection: Connection, first: Answer) -> None:
    """Ask a further request on a connection; a server may have closed it, but must not be silent or out of step."""
    if not first.is_the_last:
        connection.ask("GET", "/def/hello")
        must_have_next_or_be_closed(connection)


def must_have_next_or_be_closed(connection: Connection) -> None:
    try:
        answer = connection.read_answer()
    except NoAnswerError:
        if connection.silent:
            raise Differs("the next request on the connection is never answered") from None
        return
    must_answer(answer, 200, b"hello")
