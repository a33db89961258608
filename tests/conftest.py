"""The fixtures of behaviour tests: one test, every cell.

    cell           a gateway with its event loop, and a colour
    app            an empty application
    client         a client of `app` in the cell, judged by `checkers.py`
    make_client    the same for an application and a server of the test's own

A test that takes `cell` (or `client`) runs with blocking calls on an event loop forbidden. No test may leave anything
behind: see `leaks.py`. Property tests are the same on every run, unless more is asked for: see `profiles.py`.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from typing import Any

import pytest

from ambi import App
from ambi.bridge.stopping import forget_stopping
from ambi.testing import Client
from tests import profiles
from tests.blocking import blocking_calls_forbidden
from tests.cells import CELLS, Cell
from tests.checkers import CheckedASGI, CheckedWSGI
from tests.leaks import nothing_left_behind

MakeClient = Callable[..., Client]

profiles.load()  # before a test is imported: what it says of its examples is said against these


@pytest.fixture(autouse=True)
def no_leaks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fail the test that leaves threads, tasks, descriptors or temporary files behind."""
    tmp_path_factory.getbasetemp()  # where tests have folders of theirs, which stay
    with nothing_left_behind():
        yield


@pytest.fixture(autouse=True)
def no_server_stops() -> None:
    """Forget the server that another test has stopped in this process: that is known for good, and cuts streams."""
    forget_stopping()


@pytest.fixture(scope="session")
def libuv_has_its_pipe() -> None:
    """Make the pipe that libuv makes once for all of a process, for tests of what takes its event loop where it is."""
    if find_spec("uvloop"):
        import uvloop

        uvloop.new_event_loop().close()


@pytest.fixture
def no_blocking() -> Iterator[None]:
    """Raise where code on an event loop makes a call that blocks."""
    with blocking_calls_forbidden():
        yield


@pytest.fixture(params=CELLS, ids=str)
def cell(request: pytest.FixtureRequest, no_leaks: None, no_blocking: None) -> Cell:
    """Give one cell after the other."""
    found: Cell = request.param
    return found


@pytest.fixture
def app() -> App:
    """Give an empty application."""
    return App()


@pytest.fixture
def make_client(cell: Cell) -> Iterator[MakeClient]:
    """Give what makes a client in the cell. Its lifespan runs until the test ends, and then the judges are asked.

    `lifespan=False` is a server that sends no lifespan events; `judged=False` one that breaks the rules itself. A 500 is
    an answer here like any other, unless `raise_server_exceptions=True`.
    """
    with ExitStack() as stack:
        judges: list[CheckedWSGI | CheckedASGI] = []

        def make_client(app: Any, *, lifespan: bool = True, judged: bool = True, **options: Any) -> Client:
            checked = app
            options.setdefault("raise_server_exceptions", False)
            if judged:
                checked = CheckedWSGI(app) if cell.gateway == "wsgi" else CheckedASGI(app, lifespan=lifespan)
                judges.append(checked)
            client = Client(checked, gateway=cell.gateway, backend=cell.backend, **options)
            if lifespan or cell.gateway == "asgi":
                stack.enter_context(client)
            return client

        yield make_client
    assert [rule for judge in judges for rule in judge.violations] == []


@pytest.fixture
def client(app: App, make_client: MakeClient) -> Client:
    """Give a client of `app` in the cell; routes may be added afterwards."""
    return make_client(app)
