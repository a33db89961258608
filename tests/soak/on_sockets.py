"""Requests to one server process over sockets, by several people at once; between them it is asked what it holds."""

import itertools
import json
import random
import select
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ambi.testing.websocket import NONCE
from tests.corpus.cases import HOST, Case, cases_of
from tests.servers.catalogue import Server, Start
from tests.servers.processes import Running, running
from tests.servers.wire import Connection, NoAnswerError, chunked, request_bytes
from tests.soak.app import new_tree
from tests.soak.measuring import SETTINGS, Sample, sample_of
from tests.soak.traffic import HOSTILE_EACH, PLAIN, Exchange, Tally, hostile_cases

ROOT = Path(__file__).parents[2]
APP = "tests.soak.app:app"
SERVERS = {
    "gthread": Server(
        "gunicorn gthread",
        "wsgi",
        f"gunicorn --bind 127.0.0.1:{{port}} --threads 8 --forwarded-allow-ips '' {APP}",
        ("gunicorn",),
    ),
    "uvicorn": Server(
        "uvicorn", "asgi", f"uvicorn --port {{port}} --no-proxy-headers --no-access-log {APP}", ("uvicorn",)
    ),
}
SAMPLES, WARM_UP = 20, 0.6
LEAST_WARM_UP, LEAST_MEASURED = 7_500, 5_000
"""However few requests were asked for."""
PEOPLE = 4
WAIT_S = 20.0
SILENCE_S = 0.05
SETTLED_S = 0.5
CLOSE = ("Connection", "close")


class Crowd:
    """Sends requests to one server, from several threads; `tally` tells what has been sent."""

    def __init__(self, server: Running, seed: int) -> None:
        self.tally = Tally()
        self._server = server
        self._seeds = itertools.count(seed * 1_000_000)
        self._hostile = self._all_hostile(server.server.gateway)
        self._lock = threading.Lock()

    @staticmethod
    def _all_hostile(gateway: str) -> Iterator[Case]:
        raw = itertools.cycle(cases_of("raw"))
        for number, case in enumerate(hostile_cases(gateway), 1):
            yield case
            if number % 5 == 0:
                yield next(raw)

    def send(self, count: int) -> None:
        """Send so many requests."""
        with ThreadPoolExecutor(PEOPLE) as pool:
            for done in [pool.submit(self._send_some, count // PEOPLE) for _ in range(PEOPLE)]:
                done.result()

    def _send_some(self, count: int) -> None:
        with self._lock:
            some = random.Random(next(self._seeds))
        while count > 0:
            is_hostile = some.randrange(HOSTILE_EACH) == 0
            if is_hostile:
                with self._lock:
                    case = next(self._hostile)
                self._send_hostile(case)
                sent = 1
            else:
                sent = some.choice(self._ways)(self, some)
            with self._lock:
                self.tally.sent += sent
                self.tally.hostile += is_hostile
            count -= sent

    # --- people: each gives how many requests it sent ---

    def _ask(self, some: random.Random) -> int:
        exchange = some.choice(PLAIN)
        with self._server.connect(WAIT_S) as connection:
            self._converse(connection, exchange, [CLOSE])
        return 1

    def _ask_twice(self, some: random.Random) -> int:
        """On one connection, where the first answer leaves it open."""
        first, second = some.choice(PLAIN), some.choice(PLAIN)
        with self._server.connect(WAIT_S) as connection:
            if self._converse(connection, first, []):
                return 1
            self._converse(connection, second, [CLOSE])
        return 2

    @staticmethod
    def _converse(connection: Connection, exchange: Exchange, more: list[tuple[str, str]]) -> bool:
        """Send one request and read the answer; whether it is the last one."""
        fields = [*exchange.headers, *more]
        connection.send(request_bytes(exchange.method, exchange.target, fields, exchange.body, host=HOST))
        answer = connection.read_answer(exchange.method)
        assert answer.status == exchange.status, f"{exchange.target}: {answer.status}"
        assert exchange.expected is None or answer.body == exchange.expected, exchange.target
        return answer.is_the_last or answer.ending == "closed"

    def _leave(self, some: random.Random) -> int:
        """Leave before the answer, or in its middle, politely or with a reset."""
        connection = self._server.connect(WAIT_S)
        target = some.choice(("/soak/lines", "/soak/async-lines", "/soak/events", "/file", "/soak/broken"))
        connection.send(request_bytes("GET", target, host=HOST))
        if some.random() < 0.7:
            connection.receive()
        if some.random() < 0.5:
            connection.leave_rudely()
        connection.socket.close()
        return 1

    def _leave_a_body(self, some: random.Random) -> int:
        """Send a part of a body only."""
        target = some.choice(("/soak/stream", "/json", "/form", "/soak/wsgi/a", "/soak/asgi/a"))
        with self._server.connect(WAIT_S) as connection:
            connection.send(request_bytes("POST", target, [("Content-Length", "1000")], b"{", host=HOST))
        return 1

    def _talk(self, some: random.Random) -> int:
        """Send a message through a WebSocket; close it, or just go."""
        fields = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")]
        with self._server.connect(WAIT_S) as connection:
            connection.send(request_bytes("GET", "/soak/ws", [*fields, ("Sec-WebSocket-Key", NONCE)], host=HOST))
            assert connection.read_head().status == 101
            connection.send(b"\x81\x82\0\0\0\0hi")  # RFC 6455 5.2: text, masked with zeros
            while len(connection.arrived) < 4:
                assert connection.receive()
            assert connection.arrived == b"\x81\x02hi"
            if some.random() < 0.5:
                connection.send(b"\x88\x82\0\0\0\0\x03\xe8")
                connection.receive()
        return 1

    _ways: tuple[Callable[["Crowd", random.Random], int], ...] = (
        _ask, _ask, _ask, _ask, _ask, _ask, _ask, _ask, _ask_twice, _ask_twice, _leave, _leave_a_body, _talk,
    )  # fmt: skip

    # --- others ---

    def _send_hostile(self, case: Case) -> None:
        with self._server.connect(WAIT_S) as connection:
            if case.kind == "raw":
                connection.send(case.raw)
                connection.left_over(SILENCE_S)
                return
            connection.send(request_bytes(case.method, case.target, [*case.headers, CLOSE], host=HOST))
            for piece in case.pieces():
                if select.select([connection.socket], [], [], 0)[0]:
                    break  # it is refused already
                connection.send(chunked(piece, end=False) if case.is_chunked else piece)
            if case.is_chunked:
                connection.send(b"0\r\n\r\n")
            if case.request.get("declared_only"):
                return
            try:
                connection.read_answer(case.method)
            except NoAnswerError:
                assert not connection.silent, case.id


def soak_server(name: str, requests: int, seed: int) -> list[Sample]:
    """Send requests to a server in a process of its own; give its samples."""
    tree = new_tree()
    how = Start(
        variables={
            "AMBI_CORPUS_FILES": str(tree),
            "AMBI_SOAK_FILES": str(tree),
            "TMPDIR": str(tree / "spool"),
            **SETTINGS,
        }
    )
    (tree / "spool").mkdir()
    samples: list[Sample] = []
    try:
        with running(SERVERS[name], how, ROOT) as server:
            crowd = Crowd(server, seed)
            each = max(int(requests * (1 - WARM_UP)), LEAST_MEASURED) // (SAMPLES - 1)
            crowd.send(max(int(requests * WARM_UP), LEAST_WARM_UP))
            for _ in range(SAMPLES):
                samples.append(_held(server))
                samples[-1].requests, samples[-1].hostile = crowd.tally.sent, crowd.tally.hostile
                crowd.send(each)
            left = [path.name for path in (tree / "spool").iterdir() if not path.name.startswith("wgunicorn")]
            assert left == [], f"temporary files are left: {left}"
    finally:
        shutil.rmtree(tree, ignore_errors=True)
    return samples


def _held(server: Running) -> Sample:
    """Ask what it holds, when what has been left is gone."""
    time.sleep(SETTLED_S)
    with server.connect(WAIT_S) as connection:
        connection.send(request_bytes("GET", "/soak/held", [CLOSE], host=HOST))
        return sample_of(json.loads(connection.read_answer().body))
