"""The application of the corpus on servers, and what has to hold there after every case."""

import re
import select
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.corpus.cases import HOST, Answer, Case
from tests.corpus.fixture_app import make_tree
from tests.servers.catalogue import Server, Start
from tests.servers.holding import LEVEL, await_nothing, more_than, trouble_in
from tests.servers.processes import Running, await_start, end, start
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

    def check_level(self) -> None:
        """Hold that nothing is left. What is left all the same is told of once: the next case did not leave it."""
        now = self.level

        def left() -> dict[str, object]:
            nonlocal now
            now = self.held()
            return more_than(self.level, now, LEVEL)

        try:
            await_nothing(left, PATIENCE_S)
        except AssertionError:
            self.level = {key: max(self.level[key], now[key]) for key in LEVEL}
            raise

    def check_alive(self, log_size: int | None) -> None:
        """Hold what follows every case: the next one is served, nothing is left, and the log tells of no error."""
        assert self.running.process.poll() is None
        assert self.ask("GET", "/echo").status == 200, "the next one is served"
        self.check_level()
        assert log_size is None or trouble_in("\n".join(self.lines(log_size))) == []


@contextmanager
def replaying(servers: Iterable[Server], folder: Path) -> Iterator[list[Replay]]:
    """Start the application on servers, all at the same time; what they need and write is in a folder."""
    tree = folder / "tree"
    tree.mkdir()
    make_tree(tree)
    with ExitStack() as stack:
        started = []
        for number, server in enumerate(servers):
            home, spool = folder / f"server-{number}", folder / f"spool-{number}"
            home.mkdir()
            spool.mkdir()
            how = Start(variables={"AMBI_CORPUS_FILES": str(tree), "TMPDIR": str(spool)})
            running = start(server, how, home, ROOT)
            stack.callback(end, running)
            started.append(running)
        for running in started:
            await_start(running)
        replays = [Replay(running) for running in started]
        for replay in replays:
            replay.settle()
        yield replays
