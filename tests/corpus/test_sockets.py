"""Every hostile request over a socket, to gunicorn, uvicorn and the development server, each started once.

Where the application was asked on several of them, they have to say the same. What a server refuses by itself is its
own affair: then the application was not asked, and it is still there.
"""

import os
import re
import select
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.corpus.cases import HOST, Answer, Case, cases_of
from tests.corpus.checks import check_always, check_own, comparable
from tests.corpus.fixture_app import make_tree
from tests.servers.catalogue import Server, Start
from tests.servers.holding import LEVEL, await_nothing, more_than, trouble_in
from tests.servers.processes import Running, await_start, end, start, why_missing
from tests.servers.wire import chunked, request_bytes

ROOT = Path(__file__).parents[2]
APP = "tests.corpus.fixture_app:app"
GUNICORN = f"gunicorn --bind 127.0.0.1:{{port}} --forwarded-allow-ips '' {{arguments}} {APP}"
UVICORN = f"uvicorn --port {{port}} --no-proxy-headers --no-access-log --http {{arguments}} {APP}"
SERVERS = (
    Server("gunicorn sync", "wsgi", GUNICORN.replace("{arguments}", ""), ("gunicorn",)),
    Server("gunicorn gthread", "wsgi", GUNICORN.replace("{arguments}", "--threads 4"), ("gunicorn",)),
    Server("uvicorn h11", "asgi", UVICORN.replace("{arguments}", "h11"), ("uvicorn",)),
    Server("uvicorn httptools", "asgi", UVICORN.replace("{arguments}", "httptools"), ("uvicorn", "httptools")),
    Server("ambi run", "wsgi", f"python -m ambi run --gateway wsgi --no-reload --no-debug --port {{port}} {APP}"),
)
WAIT_S = 10.0
PATIENCE_S = 5.0
"""So long a server may take to see that a client has gone: those that poll look each second."""
MOST_LINES = 2
"""That a request may write into the log."""
ACCESS_LINE = re.compile(r"\d\d:\d\d:\d\d \d{3} ")
SILENCE_S = 0.3
"""After that long without a byte a server has said all that it will say to raw bytes."""

HANDSHAKE = [
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
]

NOT_HERE = {"static/unreadable": "the tests run as root, who may read every file; in process that is played"}
"""Cases that cannot be told over a socket here, with the reason."""
SEVERAL_REQUESTS = frozenset(("framing/pipeline-flood",))
"""Raw cases that are more than one request, and may be answered as such."""


class Replay:
    """The application on one server."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.level: dict[str, int] = {}

    @property
    def server(self) -> Server:
        return self.running.server

    def send(self, case: Case) -> Answer:
        """Send a case as it stands; what was refused is not sent to its end."""
        fields = case.headers
        if not any(name.lower() == "connection" for name, _ in fields):
            fields = [*fields, ("Connection", "close")]
        pieces: Iterable[bytes] = () if case.request.get("declared_only") else case.pieces()
        if case.is_chunked:
            pieces = (*(chunked(piece, end=False) for piece in pieces), b"0\r\n\r\n")
        with self.running.connect(WAIT_S) as connection:
            connection.send(request_bytes(case.method, case.target, fields, host=HOST))
            for piece in pieces:
                if select.select([connection.socket], [], [], 0)[0]:
                    break
                connection.send(piece)
            answer = connection.read_answer(case.method)
            assert answer.ending in ("complete", "closed")
            assert not case.request.get("declared_only") or answer.is_the_last
        return Answer(answer.status, answer.head.fields, answer.body)

    def ask(self, method: str, target: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b"") -> Answer:
        """Send another request."""
        with self.running.connect(WAIT_S) as connection:
            fields = [*headers, ("Connection", "close")]
            connection.send(request_bytes(method, target, fields, body, host=HOST))
            answer = connection.read_answer(method)
        return Answer(answer.status, answer.head.fields, answer.body)

    def send_raw(self, data: bytes) -> bytes:
        """Send bytes, and read until the server closes or is silent."""
        with self.running.connect(WAIT_S) as connection:
            connection.send(data)
            connection.wait_at_most(WAIT_S if len(data) > 100_000 else 2)
            if connection.receive():
                connection.left_over(SILENCE_S)
            return connection.arrived

    def held(self) -> dict[str, int]:
        """Tell what the process holds."""
        found: dict[str, int] = self.ask("GET", "/held").json()
        return found

    def calls(self) -> int:
        """Tell how often the application was called."""
        return self.held()["calls"]

    def settle(self) -> None:
        """Let it start all that stays, and note what it holds then: the least, as a closed connection may be among it."""
        for method, target in (("GET", "/static/a.txt"), ("GET", "/public/a.txt"), ("POST", "/ignore-body")):
            assert self.ask(method, target).status == 200
        with self.running.connect(WAIT_S) as connection:
            connection.send(request_bytes("GET", "/ws", HANDSHAKE, host=HOST))
            assert connection.read_head().status == 101
        several = [self.held() for _ in range(5)]
        self.level = {key: min(each[key] for each in several) for key in LEVEL}

    def lines(self, log_size: int) -> list[str]:
        """Give what was logged since then; the development server tells of every request besides, in a line."""
        log = (self.running.folder / "log").read_bytes()[log_size:].decode(errors="replace")
        return [line for line in log.splitlines() if not ACCESS_LINE.match(line)]

    def check_alive(self, log_size: int | None) -> None:
        """Hold what follows every case: the next one is served, nothing is left, and the log tells of no error."""
        assert self.running.process.poll() is None
        assert self.ask("GET", "/echo").status == 200, "the next one is served"
        await_nothing(lambda: more_than(self.level, self.held(), LEVEL), PATIENCE_S)
        assert log_size is None or trouble_in("\n".join(self.lines(log_size))) == []


class Outcome(NamedTuple):
    """What became of a case on one server."""

    server: Server
    answer: Answer
    calls: int


@pytest.fixture(scope="module")
def replays(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Replay]]:
    """Give the application on every server, all started at the same time."""
    for server in SERVERS:
        if reason := why_missing(server):
            pytest.skip(reason)
    folder = tmp_path_factory.mktemp("corpus")
    make_tree(folder)
    with ExitStack() as stack:
        started = []
        for server in SERVERS:
            spool = tmp_path_factory.mktemp("spool")
            how = Start(variables={"AMBI_CORPUS_FILES": str(folder), "TMPDIR": str(spool)})
            running = start(server, how, tmp_path_factory.mktemp("server"), ROOT)
            stack.callback(end, running)
            started.append(running)
        for running in started:
            await_start(running)
        replays = [Replay(running) for running in started]
        for replay in replays:
            replay.settle()
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
        assert calls <= 1 or case.id in SEVERAL_REQUESTS
        assert len(replay.lines(log_size)) <= MOST_LINES
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

MASK = b"\0\0\0\0"
FRAMES = {
    "websocket/bad-utf8": (b"\x81\x82" + MASK + b"\xff\xfe", {1007}),
    "websocket/rsv": (b"\xc1\x81" + MASK + b"x", {1002}),
    "websocket/fragment-flood": (b"\x01\x81" + MASK + b"x" + (b"\x00\x81" + MASK + b"x") * 99_999, {1009}),
}


def close_code(data: bytes) -> int | None:
    """Give the code of a close frame that begins here, None where there is none."""
    return struct.unpack("!H", data[2:4])[0] if len(data) >= 4 and data[0] == 0x88 else None


@pytest.mark.parametrize(("data", "codes"), FRAMES.values(), ids=FRAMES)
def test_frames_that_may_not_be_close_the_connection(data: bytes, codes: set[int], replays: list[Replay]) -> None:
    def send(replay: Replay) -> Outcome:
        log_size = replay.running.log_size()
        with replay.running.connect(WAIT_S) as connection:
            connection.send(request_bytes("GET", "/ws", HANDSHAKE, host=HOST))
            head = connection.read_head()
            assert head.status == 101
            started = time.monotonic()
            connection.send(data)
            if codes == {1009}:  # or as a message, if it is no larger than may be
                connection.send(b"\x80\x80" + MASK)
            connection.receive()
            assert time.monotonic() - started < WAIT_S
            is_ours = replay.server.gateway == "wsgi"
            is_whole = connection.arrived[:2] == b"\x81\x7f"
            # ASGI servers read frames themselves. uvicorn may close without a word, by what reads them for it.
            is_closed = not (is_ours or connection.silent or connection.arrived)
            assert is_whole or is_closed or close_code(connection.arrived) in codes, replay.server.name
        replay.check_alive(log_size if is_ours else None)  # and its log may have a traceback of its own
        return Outcome(replay.server, Answer(101, (), connection.arrived), 1)

    on_all(replays, send)
