"""ASGI servers that raise, stop delivering, stall or cancel: at every operation and every await of every kind of request.

Under ASGI alone; `test_wsgi.py` is its pair.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.cells import CELLS, Cell
from tests.faults import name_of, places, shared
from tests.faults.app import KINDS, Book, Kind, make_app
from tests.faults.asgi_server import FAULTS, Server, cancelled_by_scope, cancelled_natively, cancelled_twice
from tests.faults.leftovers import Leftovers, no_collector

ASGI = [cell for cell in CELLS if cell.gateway == "asgi"]
WAYS: list[tuple[Cell, Callable[..., Any]]] = [
    *((cell, cancelled_natively) for cell in ASGI if cell.backend == "asyncio"),  # trio cancels by scopes alone
    *((cell, cancelled_twice) for cell in ASGI if cell.backend == "asyncio"),
    *((cell, cancelled_by_scope) for cell in ASGI),
]


class Scene:
    """An application on a loop, which is asked for one kind again and again."""

    def __init__(self, cell: Cell, kind: Kind, folder: Path, caplog: Any) -> None:
        self.book = Book()
        self.kind = kind
        self.app = make_app(cell, self.book, folder)
        self.leftovers = Leftovers(self.app, self.book, caplog)
        self._caplog = caplog
        self._visits = 0
        self.headers: list[tuple[bytes, bytes]] = []

    async def warm_up(self) -> Server:
        """Serve what is to be disturbed undisturbed: it starts what stays, and counts the places of faults."""
        first = self.server()
        await first.run()
        await self.leftovers.check_on_loop(self.visit)
        cookies = [value for name, value in _fields(first.sent) if name == b"set-cookie"]
        self.headers = [(b"cookie", cookie.partition(b";")[0]) for cookie in cookies]
        counted = self.server()
        self.leftovers.begin()
        await counted.run()
        await self.check_good(counted)
        return counted

    @property
    def visit(self) -> str:
        """Who the client of the last request was."""
        return str(self._visits)

    def server(self, fault: str = "", at: int = 0, kind: Kind | None = None) -> Server:
        """Make the server of one more request."""
        self._visits += 1
        return Server(self.app, kind or self.kind, self.visit, fault, at, headers=self.headers)

    async def check_good(self, server: Server) -> None:
        """Hold that a request was answered as ever."""
        await self.leftovers.check_on_loop(self.visit)
        assert self.kind.answers in server.answer
        assert self.leftovers.errors() == []
        assert server.broken == []

    async def check_next(self) -> None:
        """Hold that the next request is served."""
        following = self.server(kind=KINDS["plain"])
        await following.run()
        assert following.answer == b"ok"


def _fields(messages: list[Any]) -> list[tuple[bytes, bytes]]:
    return [pair for message in messages for pair in message.get("headers", ())]


async def cancel_everywhere(scene: Scene, way: Callable[..., Any], seed: int) -> int:
    """Cancel a request at its awaits, one after the other; give how often it was."""
    await scene.warm_up()
    count = await way(scene.server().run(), -9)
    cancelled = 0
    for turn in places(count, seed=seed):
        scene.leftovers.begin()
        server = scene.server()
        suspensions = await way(server.run(), turn)
        where = f"at {turn} of {count} awaits"
        try:
            await scene.leftovers.check_on_loop(scene.visit)
            if suspensions > turn:
                cancelled += 1
            else:  # it waited less often than when that was counted, as a thread of it was quicker
                assert scene.kind.answers in server.answer
            assert scene.leftovers.errors() == []
            assert server.broken == []
            await scene.check_next()
        except AssertionError as exc:
            exc.add_note(where)
            raise
    return cancelled


@pytest.mark.parametrize(
    ("kind", "way", "cell"), [(kind, *pair[::-1]) for kind, pair in shared(KINDS, WAYS, one_of=4)], ids=name_of
)
def test_a_request_that_is_cancelled_at_any_await_leaves_nothing(
    cell: Cell, way: Callable[..., Any], kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    no_leaks: None,
) -> None:  # fmt: skip
    scene = Scene(cell, KINDS[kind], tmp_path, caplog)
    seed = WAYS.index((cell, way)) + list(KINDS).index(kind)
    with no_collector():
        assert anyio.run(cancel_everywhere, scene, way, seed, backend=cell.backend) > 1
    assert scene.book.pools["made"] == scene.book.pools["ended"]


async def fail_everywhere(scene: Scene, fault: str, seed: int) -> None:
    counted = await scene.warm_up()
    for at in places(counted.counts[FAULTS[fault]], seed=seed):
        scene.leftovers.begin()
        server = scene.server(fault, at)
        raised: list[Exception] = []
        try:
            with anyio.fail_after(5):
                await server.run()
        except Exception as exc:
            raised.append(exc)
        try:
            await scene.leftovers.check_on_loop(scene.visit)
            _check_told(scene, server, fault, raised)
            await scene.check_next()
        except AssertionError as exc:
            exc.add_note(f"{fault}, at {at} of {counted.counts[FAULTS[fault]]}")
            raise


def _check_told(scene: Scene, server: Server, fault: str, raised: list[Exception]) -> None:
    """Hold what the server is told, and the log: a bug of the server once, a client that left never."""
    assert server.broken == []
    if fault != "send fails":
        assert raised == []
        assert scene.leftovers.errors() == []
        return
    wanted = [] if scene.kind.is_websocket else [LookupError]  # its handler gets what its sending raises
    assert [type(exc) for exc in raised] == wanted
    assert len(scene.leftovers.errors()) == 1


@pytest.mark.parametrize(
    ("fault", "kind", "cell"),
    [(fault, *pair) for fault in FAULTS for pair in shared(KINDS, ASGI, one_of=len(ASGI), seed=len(fault))],
    ids=name_of,
)
def test_a_server_that_fails_at_any_operation_finds_nothing_left(
    cell: Cell, fault: str, kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    no_leaks: None,
) -> None:  # fmt: skip
    scene = Scene(cell, KINDS[kind], tmp_path, caplog)
    seed = list(FAULTS).index(fault) + list(KINDS).index(kind)
    with no_collector():
        anyio.run(fail_everywhere, scene, fault, seed, backend=cell.backend)
    assert scene.book.pools["made"] == scene.book.pools["ended"]
