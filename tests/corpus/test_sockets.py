"""Every hostile request over a socket, to gunicorn, uvicorn and the development server, each started once.

Where the application was asked on several of them, they have to say the same. What a server refuses by itself is its
own affair: then the application was not asked, and it is still there.
"""

import os
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest

from tests.corpus.cases import HOST, Answer, Case, cases_of
from tests.corpus.checks import check_always, check_own, comparable
from tests.corpus.serving import APP, MOST_LINES, SERVERS, WAIT_S, Replay, replaying
from tests.corpus.sessions import OPCODES, NotUnderstoodError, hold, open_websocket, sessions_of
from tests.servers.catalogue import Server
from tests.servers.processes import why_missing
from tests.servers.wire import request_bytes

NOT_HERE = {
    "static/unreadable": "the tests run as root, who may read every file; in process that is played",
    "websocket/upgrade-under-wsgi": "every server here lends its socket: in process one lends none",
    "websocket/idle": "below, by a server that does not wait long for an answer to its pings",
    "websocket/slow-reader": "below, by a server that does not wait long for an answer to its pings",
}
"""Cases that cannot be told over a socket here, with the reason."""
SEVERAL_REQUESTS = frozenset(("framing/pipeline-flood",))
"""Raw cases that are more than one request, and may be answered as such."""


class Outcome(NamedTuple):
    """What became of a case on one server."""

    server: Server
    answer: Answer
    calls: int


@pytest.fixture(scope="module")
def replays(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Replay]]:
    """Give the application on every server."""
    for server in SERVERS:
        if reason := why_missing(server):
            pytest.skip(reason)
    with replaying(SERVERS, tmp_path_factory.mktemp("corpus")) as replays:
        yield replays


def on_all(replays: list[Replay], act: Callable[[Replay], Outcome]) -> list[Outcome]:
    """Do something on all servers at once."""
    with ThreadPoolExecutor(len(replays)) as pool:
        return list(pool.map(act, replays))


@pytest.mark.parametrize("case", cases_of("http"), ids=str)
def test_a_hostile_request_is_answered_the_same_by_every_server(case: Case, replays: list[Replay]) -> None:
    if case.id in NOT_HERE and os.geteuid() == 0:
        pytest.skip(NOT_HERE[case.id])

    def replay_case(replay: Replay) -> Outcome:
        log_size, before = replay.running.log_size(), replay.calls()
        answer = replay.send(case)
        calls = replay.calls() - before
        assert calls <= 1
        assert len(replay.lines(log_size)) <= MOST_LINES
        if calls:
            check_always(case, answer)
            check_own(case, answer, replay.ask)
        else:
            assert 400 <= answer.status < 500, "refused by the server itself"
        replay.check_alive(log_size)
        return Outcome(replay.server, answer, calls)

    asked = [replay for replay in replays if replay.server.gateway in case.gateways]
    by_ambi = [outcome for outcome in on_all(asked, replay_case) if outcome.calls]
    for outcome in by_ambi[1:]:
        assert comparable(outcome.answer) == comparable(by_ambi[0].answer), outcome.server.name


@pytest.mark.parametrize("case", cases_of("raw"), ids=str)
def test_hostile_bytes_are_one_request_at_most(case: Case, replays: list[Replay]) -> None:
    def replay_case(replay: Replay) -> Outcome:
        log_size, before = replay.running.log_size(), replay.calls()
        arrived = replay.send_raw(case.raw)
        calls = replay.calls() - before
        is_one = case.id not in SEVERAL_REQUESTS
        assert calls <= 1 or not is_one
        assert not is_one or len(replay.lines(log_size)) <= MOST_LINES
        status = int(arrived[9:12]) if arrived.startswith(b"HTTP/1.") else 0
        answer = Answer(status, (), arrived)
        if calls and status:
            check_always(case, answer)  # "server" as its layer says only who should have answered
        else:
            assert status < 500 or status == 501, "501: a transfer coding that the server does not know"
        replay.check_alive(log_size)
        return Outcome(replay.server, answer, calls)

    on_all(replays, replay_case)


# --- what a connection may do ---


def test_a_client_that_has_sent_all_still_gets_its_answer(replays: list[Replay]) -> None:
    """disconnect/half-close: it closes its own side alone. A server may take that for a client that has left."""

    def ask(replay: Replay) -> Outcome:
        log_size = replay.running.log_size()
        with replay.running.connect(WAIT_S) as connection:
            connection.send(request_bytes("GET", "/echo", [("Connection", "close")], host=HOST))
            connection.socket.shutdown(socket.SHUT_WR)
            while connection.receive():
                pass
            assert not connection.silent
            assert connection.arrived == b"" or connection.arrived.startswith(b"HTTP/1.1 200 ")
        replay.check_alive(log_size)
        return Outcome(replay.server, Answer(200, (), connection.arrived), 1)

    told = {outcome.server.name: bool(outcome.answer.body) for outcome in on_all(replays, ask)}
    assert told["gunicorn sync"]
    assert told["gunicorn gthread"]


def test_nothing_of_one_user_is_seen_by_the_next_on_a_connection(replays: list[Replay]) -> None:
    """isolation/keepalive-users: as behind a proxy."""

    def ask(replay: Replay) -> Outcome:
        with replay.running.connect(WAIT_S) as connection:
            for n in range(20):
                connection.send(request_bytes("GET", "/echo", [("Cookie", f"user={n}"), (f"X-Of-{n}", "v")], host=HOST))
                answer = connection.read_answer()
                told = Answer(answer.status, (), answer.body).json()
                assert told["cookies"] == {"user": str(n)}
                assert [name for name, _ in told["headers"] if name.startswith("x-of-")] == [f"x-of-{n}"]
                if answer.is_the_last:
                    break
        return Outcome(replay.server, Answer(answer.status, (), b""), n)

    assert {outcome.server.name for outcome in on_all(replays, ask) if outcome.calls == 19} >= {
        "gunicorn gthread", "uvicorn h11", "uvicorn httptools",
    }  # fmt: skip


def test_a_fast_answer_waits_for_the_slow_one_before_it(replays: list[Replay]) -> None:
    """concurrency/pipelined-order: two requests in one write."""

    def ask(replay: Replay) -> Outcome:
        with replay.running.connect(WAIT_S) as connection:
            both = [request_bytes("GET", "/slow?s=1", host=HOST), request_bytes("GET", "/items/2", host=HOST)]
            connection.send(b"".join(both))
            first = connection.read_answer()
            bodies = [first.body] if first.is_the_last else [first.body, connection.read_answer().body]
        assert bodies in ([b"done"], [b"done", b'{"id":2}'])
        return Outcome(replay.server, Answer(200, (), b""), len(bodies))

    assert sum(outcome.calls for outcome in on_all(replays, ask)) >= 7, "but for gunicorn sync, which closes"


# --- WebSockets ---


@pytest.mark.parametrize("case", cases_of("ws"), ids=str)
def test_a_hostile_websocket_gets_what_it_may_and_leaves_nothing(case: Case, replays: list[Replay]) -> None:
    if case.id in NOT_HERE:
        pytest.skip(NOT_HERE[case.id])
    try:
        sessions = sessions_of(case)
    except NotUnderstoodError as exc:
        pytest.skip(str(exc))

    def replay_case(replay: Replay) -> Outcome:
        log_size = replay.running.log_size()
        for session in sessions:
            hold(session, replay)
        # ASGI servers read frames themselves, and may write a traceback of their own when they are wrong.
        is_theirs = replay.server.gateway == "asgi" and any(session.has_frames for session in sessions)
        replay.check_alive(None if is_theirs else log_size)
        return Outcome(replay.server, Answer(0, (), b""), 1)

    on_all(replays, replay_case)


PING_S = 0.5
PINGING = Server(
    "uvicorn", "asgi",
    f"uvicorn --port {{port}} --no-access-log --ws-ping-interval {PING_S} --ws-ping-timeout {PING_S} {APP}", ("uvicorn",),
)  # fmt: skip
GROWS_BYTES = 8 << 20
"""By how much a server may grow for a client that takes nothing, where a gibibyte is to be sent to it."""


@pytest.fixture(scope="module")
def pinging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replay]:
    """Give a server of ASGI that soon misses the answers to its pings. Those of WSGI are ours: `tests/gateways`."""
    if reason := why_missing(PINGING):
        pytest.skip(reason)
    with replaying([PINGING], tmp_path_factory.mktemp("pinging")) as replays:
        yield replays[0]


def test_a_client_that_answers_no_ping_is_closed_by_the_server(pinging: Replay) -> None:
    """websocket/idle."""
    log_size = pinging.running.log_size()
    with open_websocket(pinging, "/ws") as frames:
        assert (came := frames.next()) is not None
        assert came[0] == OPCODES["ping"]
        assert (came := frames.next()) is not None
        assert (came[0], int.from_bytes(came[1][:2])) == (OPCODES["close"], 1011)
        assert frames.is_over()
        pinging.check_alive(log_size)


def test_a_client_that_takes_nothing_makes_the_handler_wait(pinging: Replay) -> None:
    """websocket/slow-reader. Until it leaves: uvicorn ends a connection when all that it has written was taken."""
    log_size, before = pinging.running.log_size(), pinging.held()
    with open_websocket(pinging, "/ws-flood"):
        time.sleep(4 * PING_S)
        assert pinging.held()["resident"] - before["resident"] < GROWS_BYTES
        assert pinging.ask("GET", "/ws-told").json() == [], "it is still at it"
    pinging.check_alive(log_size)
    [sent] = pinging.ask("GET", "/ws-told").json()
    assert sent < GROWS_BYTES
