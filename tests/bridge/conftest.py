"""What the tests of the bridge share: cells by gateway, and counting."""

from collections.abc import Iterator
from typing import Any

import pytest

from ambi.bridge.to_loop import LoopSide
from ambi.bridge.to_thread import SyncSide
from tests.cells import CELLS, GATEWAYS, Cell


class Hops:
    """How often requests went to the side that is not their server's, since the last `take`."""

    def __init__(self) -> None:
        self.count = 0

    def take(self) -> int:
        """Give the count and begin anew."""
        count, self.count = self.count, 0
        return count


@pytest.fixture
def hops(monkeypatch: pytest.MonkeyPatch) -> Hops:
    """Count the ways there and back between a server's side and the other one.

    WSGI: a visit of the loop thread, and a piece that is sent back from there to the server's thread. ASGI: a stay in
    the worker thread, however many pieces it runs.
    """
    hops = Hops()

    def counted(method: Any) -> Any:
        def count(self: Any, *args: Any, **kwargs: Any) -> Any:
            hops.count += 1
            return method(self, *args, **kwargs)

        return count

    for owner, name in ((SyncSide, "resume"), (LoopSide, "visit"), (LoopSide, "call")):
        monkeypatch.setattr(owner, name, counted(getattr(owner, name)))
    return hops


@pytest.fixture(params=[cell for cell in CELLS if cell.gateway == "asgi"], ids=str)
def asgi_cell(request: pytest.FixtureRequest, no_leaks: None, no_blocking: None) -> Cell:
    """Give the cells of ASGI, for what a WSGI server does not do: cancel, and share one loop between requests."""
    found: Cell = request.param
    return found


@pytest.fixture(params=[cell for cell in GATEWAYS if cell.gateway == "asgi"], ids=lambda cell: cell.backend)
def loop_cell(request: pytest.FixtureRequest, no_leaks: None, no_blocking: None) -> Cell:
    """Give one cell for each loop: which colour a handler has, the test says."""
    found: Cell = request.param
    return found


@pytest.fixture(params=[cell for cell in CELLS if cell.gateway == "wsgi"], ids=str)
def wsgi_cell(request: pytest.FixtureRequest, no_leaks: None, no_blocking: None) -> Cell:
    """Give the cells of WSGI, for what an ASGI server does not do: call from many threads, and fork."""
    found: Cell = request.param
    return found


@pytest.fixture(autouse=True)
def quiet(no_leaks: None) -> Iterator[None]:
    """Hold every test of the bridge to leaving nothing behind."""
    yield
