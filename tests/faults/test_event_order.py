"""Several requests at once on one loop: hypothesis orders what comes, what pauses, who leaves and what is cancelled.

Every schedule ends: with nothing left, no rule of the protocol broken, no line in the log, and the next request served.
Under ASGI alone, where a server has this order in its hand. With `AMBI_FAULTS=all` it tries a hundred times as many.
"""

import asyncio
import logging
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import anyio
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ambi.bridge.workers import give_back
from tests.cells import CELLS, Cell
from tests.faults import ALL
from tests.faults.app import KINDS, Book, make_app
from tests.faults.asgi_server import Server, cancelled_by_scope, cancelled_natively
from tests.faults.leftovers import Leftovers
from tests.leaks import nothing_left_behind

ASGI = [cell for cell in CELLS if cell.gateway == "asgi"]


class Visit(NamedTuple):
    """One request of a schedule, in turns of the loop.

    Attributes:
        comes: when it begins.
        pauses: how long each event that is received or sent takes.
        leaves: when its client leaves; None: it stays.
        cancelled: at which awaits its task is cancelled.
        natively: as asyncio does, where there is asyncio.
    """

    kind: str
    comes: int
    pauses: tuple[int, ...]
    leaves: int | None
    cancelled: tuple[int, ...]
    natively: bool


VISITS = st.builds(
    Visit,
    kind=st.sampled_from(sorted(KINDS)),
    comes=st.integers(0, 8),
    pauses=st.lists(st.integers(0, 5), min_size=1, max_size=4).map(tuple),
    leaves=st.none() | st.integers(0, 40),
    cancelled=st.just(()) | st.lists(st.integers(0, 30), min_size=1, max_size=3, unique=True).map(tuple),
    natively=st.booleans(),
)
SCHEDULES = st.lists(VISITS, min_size=1, max_size=5)


class Records(logging.Handler):
    """What is logged, from warnings on."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        self.records.append(record)

    clear = logging.Handler.flush


async def visit_once(server: Server, visit: Visit) -> None:
    for _ in range(visit.comes):
        await checkpoint()
    way = cancelled_natively if visit.natively and "asyncio" in type(_loop()).__module__ else cancelled_by_scope
    async with anyio.create_task_group() as group:

        async def leave() -> None:
            for _ in range(visit.leaves or 0):
                await checkpoint()
            server.leave()

        if visit.leaves is not None:
            group.start_soon(leave)
        with anyio.fail_after(10):
            await way(server.run(), *visit.cancelled)
        group.cancel_scope.cancel()


def _loop() -> object:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


async def play(cell: Cell, schedule: list[Visit], folder: Path, records: Records) -> None:
    book = Book()
    app = make_app(cell, book, folder)
    leftovers = Leftovers(app, book, records)
    first = Server(app, KINDS["plain"], "first")
    await first.run()
    leftovers.begin()
    servers = [Server(app, KINDS[visit.kind], str(n), pauses=visit.pauses) for n, visit in enumerate(schedule)]
    async with anyio.create_task_group() as group:
        for server, visit in zip(servers, schedule, strict=True):
            group.start_soon(visit_once, server, visit)
    for number, server in enumerate(servers):
        await leftovers.check_on_loop(str(number))
        assert server.broken == []
        if schedule[number].leaves is None and not schedule[number].cancelled:
            assert KINDS[schedule[number].kind].answers in server.answer, (server.sent, leftovers.errors())
    assert leftovers.errors() == []
    following = Server(app, KINDS["crossing"], "last")
    await following.run()
    assert following.answer == b"ok"


@pytest.mark.parametrize("cell", ASGI, ids=str)
def test_any_order_of_events_comes_to_a_good_end(cell: Cell) -> None:
    records = Records()
    folder = Path(tempfile.mkdtemp())
    examples = 1000 if ALL else 8

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), derandomize=not ALL)
    @given(SCHEDULES)
    def hold(schedule: list[Visit]) -> None:
        records.records.clear()
        with nothing_left_behind():
            anyio.run(play, cell, schedule, folder, records, backend=cell.backend)

    logging.getLogger().addHandler(records)
    try:
        hold()
    finally:
        logging.getLogger().removeHandler(records)
        (folder / "page.txt").unlink(missing_ok=True)
        folder.rmdir()


def test_the_judge_of_schedules_sees_what_is_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A test of the test: an edge that forgets to give back its place among the threads is found at once."""
    from ambi.bridge import to_thread

    def forget(side: to_thread.SyncSide) -> None:
        if side._worker is not None:
            give_back(side._worker)
            side._worker = None

    monkeypatch.setattr(to_thread.SyncSide, "rest", forget)
    monkeypatch.setattr(to_thread.SyncSide, "step_out", lambda side: None)
    monkeypatch.setattr(sys.modules["tests.faults.leftovers"], "PATIENCE_S", 0.05)
    [cell, *_] = [cell for cell in ASGI if not cell.is_async] or ASGI
    visit = Visit("crossing", 0, (1,), None, (), natively=False)
    with pytest.raises(AssertionError, match="slots of threads"):
        anyio.run(play, cell, [visit], tmp_path, Records(), backend=cell.backend)
