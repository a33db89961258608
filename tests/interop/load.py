"""Load for mounted guests: many requests with clients that leave early, and large bodies; what a process holds then."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from tests.interop.catalogue import GUESTS, Guest
from tests.interop.journeys import BIG, FORM, HOST, JSON, MULTIPART, multipart
from tests.interop.serving import serve
from tests.servers.holding import trouble_in
from tests.servers.processes import Running
from tests.servers.wire import Connection, Field, NoAnswerError, request_bytes
from tests.streaming.load import KIB_A_MIB, Peak, blocks

BY_NAME = {guest.name: guest for guest in GUESTS}
CLIENTS = 6
OTHERS = 2
STALLED_S = 0.8
WAIT_S = 30.0
GRACE_S = 1.5  # a guest whose client left may go on for so long

# ------------------------------------------------------------------ many requests, of which a tenth is left

Request = tuple[str, str, tuple[Field, ...], bytes]

ASKED: tuple[Request, ...] = (
    ("GET", "/", (), b""),
    ("GET", "/api/items", (), b""),
    ("POST", "/api/items", (JSON,), b'{"price": 12}'),
    ("POST", "/login", (FORM,), b"name=Ada"),
    ("GET", "/report", (), b""),
    ("HEAD", "/report", (), b""),
    ("PUT", "/echo/here?q=1", (("Content-Type", "text/plain"),), b"x" * 5000),
    ("POST", "/upload", (MULTIPART,), multipart(BIG * 4)),  # large enough to be spooled by every framework
)
RARE = 20
"""How many requests there are for one upload."""


@dataclass(frozen=True)
class Holding:
    """What the process that serves holds."""

    pid: int
    threads: int
    tasks: int
    descriptors: int
    spooled: int

    def __str__(self) -> str:
        return f"{self.threads} threads, {self.tasks} tasks, {self.descriptors} descriptors, {self.spooled} spooled"

    def more_than(self, other: Holding) -> Holding:
        """Tell what is more than there was."""
        return Holding(
            0,
            self.threads - other.threads,
            self.tasks - other.tasks,
            self.descriptors - other.descriptors,
            self.spooled - other.spooled,
        )

    @property
    def is_nothing(self) -> bool:
        """Whether there is no more of any kind than the servers' and the frameworks' pools may keep.

        They keep a thread for each client that there was at the same time, and a descriptor or two for a while. What
        each of those had left who left would be a tenth of the requests.
        """
        return self.threads <= CLIENTS and self.tasks <= 0 and self.descriptors <= OTHERS and self.spooled <= 0


def take_census(server: Running) -> Holding:
    return Holding(**json.loads(server.get("/census").body))


class Clients:
    """Some clients that ask a guest side by side, each a share of the requests."""

    def __init__(self, server: Running, guest: Guest) -> None:
        self.server = server
        self.guest = guest
        self.answered = 0
        self.left = 0
        self.wrong: list[str] = []
        self._counting = threading.Lock()

    def run(self, count: int) -> None:
        """Ask so often, and leave early once in ten times. Raises: AssertionError for what was answered wrongly."""
        threads = [
            threading.Thread(target=self._ask_all, args=(count // CLIENTS, number), name=f"client {number}")
            for number in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert self.wrong == [], self.wrong[:5]

    def _ask_all(self, count: int, seed: int) -> None:
        chance = random.Random(seed)
        try:
            with contextlib.closing(KeptConnection(self.server)) as kept:
                for number in range(count):
                    if number % 10 == 9:
                        self._leave(chance)
                    else:
                        self._ask(kept, chance)
        except Exception as exc:  # a thread has nobody else to tell
            self.wrong.append(repr(exc))

    def _ask(self, kept: KeptConnection, chance: random.Random) -> None:
        method, path, fields, body = ASKED[-1] if chance.randrange(RARE) == 0 else chance.choice(ASKED[:-1])
        status = kept.ask(method, self.guest.prefix + path, fields, body)
        with self._counting:
            self.answered += 1
            if status >= 500:
                self.wrong.append(f"{method} {path}: {status}")

    def _leave(self, chance: random.Random) -> None:
        """Leave at one of four moments: at once, in the midst of an upload, and of two kinds of pages."""
        with self.server.connect(WAIT_S) as connection:
            way = chance.randrange(4)
            if way == 0:
                connection.ask("GET", f"{self.guest.prefix}/stream", [("Host", HOST)])
            elif way == 1:
                body = ASKED[-1][3]
                sent = [("Host", HOST), MULTIPART, ("Content-Length", str(len(body)))]
                connection.send(request_bytes("POST", f"{self.guest.prefix}/upload", sent) + body[: len(body) // 2])
            else:
                connection.ask("GET", f"{self.guest.prefix}{'/endless' if way == 2 else '/stream'}", [("Host", HOST)])
                with contextlib.suppress(StopIteration):
                    next(connection.read_body(connection.read_head()))
            if chance.randrange(2):
                connection.leave_rudely()
        with self._counting:
            self.left += 1


class KeptConnection:
    """A connection that is made anew when the server has closed it."""

    def __init__(self, server: Running) -> None:
        self._server = server
        self._connection: Connection | None = None

    def ask(self, method: str, target: str, fields: tuple[Field, ...], body: bytes) -> int:
        for fresh in (False, True):
            if fresh or self._connection is None:
                self.close()
                self._connection = self._server.connect(WAIT_S)
            self._connection.ask(method, target, [("Host", HOST), *fields], body)
            try:
                answer = self._connection.read_answer(method)
            except NoAnswerError:
                if fresh:
                    raise
                continue
            if answer.is_the_last:
                self.close()
            return answer.status
        raise AssertionError("not reached")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.__exit__()
            self._connection = None


def await_as_before(server: Running, before: Holding, within_s: float = 15.0, still_s: float = 2.0) -> Holding:
    """Wait until the process holds no more than before, or for a while nothing changes: servers notice late who left."""
    deadline, since = time.monotonic() + within_s, time.monotonic()
    now = take_census(server)
    while not now.more_than(before).is_nothing and time.monotonic() < min(deadline, since + still_s):
        time.sleep(0.1)
        last, now = now, take_census(server)
        if now != last:
            since = time.monotonic()
    return now


@dataclass(frozen=True)
class LoadSeen:
    """What many requests have left behind."""

    before: Holding
    after: Holding
    answered: int
    left: int
    took_s: float
    trouble: list[str]

    @property
    def left_behind(self) -> Holding:
        return self.after.more_than(self.before)

    def __str__(self) -> str:
        asked = self.answered + self.left
        return f"{asked} requests, {self.left} left early, {self.took_s:.1f} s; {self.before}; then {self.after}"


def load(server_name: str, guest_name: str, count: int) -> LoadSeen:
    """Let clients ask a mounted guest so many requests."""
    guest = BY_NAME[guest_name]
    with serve(server_name, "tests.interop.outer:app", AMBI_GUESTS=guest_name) as server:
        Clients(server, guest).run(min(count, 40 * CLIENTS))  # threads that are kept are made now
        time.sleep(GRACE_S)
        before = take_census(server)
        clients, began = Clients(server, guest), time.monotonic()
        clients.run(count)
        took = time.monotonic() - began
        after = await_as_before(server, before)
        log = (server.folder / "log").read_text(errors="replace")
        trouble = trouble_in(log)
        return LoadSeen(before, after, clients.answered, clients.left, took, trouble)


# ------------------------------------------------------------------ large bodies


@dataclass(frozen=True)
class BodySeen:
    """What one large body has cost: seconds, and the highest memory above what there was."""

    seconds: float
    growth_mib: float

    def __str__(self) -> str:
        return f"{self.growth_mib:.1f} MiB, {self.seconds:.2f} s"


def large_bodies(server_name: str, guest: str, adapter: str, mebibytes: int) -> Iterator[tuple[str, BodySeen | str]]:
    """Send a large body through an adapter, fetch one, and fetch one without reading it; what fails is told in words."""
    with serve(server_name, "tests.interop.large:app", AMBI_GUEST=guest, AMBI_ADAPTER=adapter) as server:
        pid = int(server.get("/guest/pid").body)
        for what, move in (("upload", upload), ("download", download), ("stalled", stall)):
            try:
                download(server, 1)
                upload(server, 1)
                with Peak(pid) as peak:
                    began = time.monotonic()
                    moved = move(server, mebibytes)
                    seconds = time.monotonic() - began
                seen = BodySeen(seconds, peak.growth_kib / KIB_A_MIB) if moved == mebibytes << 20 else f"{moved} bytes"
            except OSError as exc:
                seen = f"nothing within {WAIT_S:.0f} s" if isinstance(exc, TimeoutError) else repr(exc)
            yield what, seen


def upload(server: Running, mebibytes: int) -> int:
    block = b"u" * (1 << 20)
    with contextlib.closing(socket.create_connection(("127.0.0.1", server.port), WAIT_S)) as client:
        sent = [("Content-Length", str(mebibytes << 20)), ("Connection", "close")]
        client.sendall(request_bytes("PUT", "/guest/upload", sent))
        for _ in range(mebibytes):
            client.sendall(block)
        said = b"".join(blocks(client)).partition(b"\r\n\r\n")[2]
        # Where it is framed in chunks, the chunk is the line that is not its length.
        lines = said.split(b"\r\n")
        return int(lines[1] if len(lines) > 1 else lines[0])


def download(server: Running, mebibytes: int) -> int:
    with server.connect(WAIT_S) as connection:
        connection.ask("GET", f"/guest/download/{mebibytes}", [("Connection", "close")])
        return sum(map(len, connection.read_body(connection.read_head())))


def stall(server: Running, mebibytes: int) -> int:
    """Ask for a body and do not read it for a while: what makes it has to wait, too."""
    with server.connect(WAIT_S) as connection:
        connection.ask("GET", f"/guest/download/{mebibytes}", [("Connection", "close")])
        connection.read_head()
        time.sleep(STALLED_S)
    return mebibytes << 20
