"""Every hostile request, in process, in every cell: one answer, the right one, and nothing left behind.

`AMBI_CORPUS=cases.jsonl pytest tests/corpus` takes the cases from a file. See `ledger.py` for those of other kinds.
"""

import logging
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from ambi.testing import Client
from ambi.testing.messages import Request
from tests.cells import CELLS, Cell
from tests.checkers import CheckedASGI, CheckedWSGI
from tests.corpus.cases import HOST, Answer, Case, cases_of
from tests.corpus.checks import check_always, check_own, comparable
from tests.corpus.fixture_app import make_app, make_tree

# Of event loops it makes no difference which one it is, until somebody brings other cases.
REPLAYED_IN = [cell for cell in CELLS if cell.backend == "asyncio" or "AMBI_CORPUS" in os.environ]
MOST_LINES = 2
"""That a request may write into the log."""


class Records(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


class Replay:
    """The application in one cell, and the judge in front of it."""

    def __init__(self, cell: Cell, folder: Path) -> None:
        app = make_app(folder, cell.handler)
        self.cell = cell
        self.judge: Any = CheckedWSGI(app) if cell.gateway == "wsgi" else CheckedASGI(app)
        self.client = self._client_of(self.judge)
        self.unjudged = self._client_of(app)

    def _client_of(self, app: Any) -> Client:
        gateway, backend = self.cell.gateway, self.cell.backend
        return Client(app, gateway, backend=backend, base_url=f"http://{HOST}", raise_server_exceptions=False)

    def send(self, case: Case) -> Answer:
        """Send a case as it stands: nothing is checked or mended on the way.

        A target that is no path is not judged: wsgiref.validate knows none, though servers pass it on.
        """
        fields = [(name.lower(), value) for name, value in case.headers]
        body = case.pieces() if case.is_chunked else case.body
        client = self.client if case.target.startswith("/") else self.unjudged
        response = client.send(Request(case.method, "http", HOST, case.target, header_lines=fields, body=body))
        return Answer(response.status_code, tuple(response.header_lines), response.content)

    def ask(self, method: str, target: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b"") -> Answer:
        """Send another request."""
        response = self.client.request(method, target, headers=list(headers), content=body or None)
        self.client.cookies.clear()
        return Answer(response.status_code, tuple(response.header_lines), response.content)


@pytest.fixture(scope="module")
def replays(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Replay]]:
    """Give the application in every cell, started."""
    folder = tmp_path_factory.mktemp("corpus")
    make_tree(folder)
    with ExitStack() as stack:
        replays = [Replay(cell, folder) for cell in REPLAYED_IN]
        for replay in replays:
            stack.enter_context(replay.client)
            replay.ask("GET", "/echo")
        yield replays
    assert [rule for replay in replays for rule in replay.judge.violations] == []


@pytest.fixture
def records() -> Iterator[list[logging.LogRecord]]:
    """Give what ambi logs meanwhile."""
    handler, logger = Records(), logging.getLogger("ambi")
    logger.addHandler(handler)
    yield handler.records
    logger.removeHandler(handler)


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the folder in which temporary files are made meanwhile."""
    folder = tmp_path / "spool"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def file_that_nobody_may_read(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse to open a file that has no permissions to root as well, to whom the system would give it."""
    if case.id != "static/unreadable" or os.geteuid() != 0:
        return
    really = os.open

    def open_as_somebody(path: Any, *args: Any, **options: Any) -> int:
        if path == "private.txt":
            raise PermissionError(13, "Permission denied", path)
        return really(path, *args, **options)

    monkeypatch.setattr(os, "open", open_as_somebody)


@pytest.mark.parametrize("case", cases_of("http"), ids=str)
@pytest.mark.filterwarnings("ignore:Unknown REQUEST_METHOD")  # of wsgiref.validate
@pytest.mark.usefixtures("no_leaks", "no_blocking", "file_that_nobody_may_read")
def test_a_hostile_request_is_answered_the_same_in_every_cell(
    case: Case, replays: list[Replay], records: list[logging.LogRecord], spool: Path
) -> None:
    answers: dict[Cell, Answer] = {}
    for replay in replays:
        if replay.cell.gateway not in case.gateways:
            continue
        records.clear()
        answer = answers[replay.cell] = replay.send(case)
        check_always(case, answer)
        check_own(case, answer, replay.ask)
        assert len(records) <= MOST_LINES
        if not case.statuses & {500}:
            assert [record.getMessage() for record in records if record.levelno >= logging.ERROR] == []
        assert replay.ask("GET", "/echo").status == 200, "the next one is served"
        assert replay.judge.violations == []
        assert list(spool.iterdir()) == [], "no temporary file has a name"
    first = comparable(next(iter(answers.values())))
    for cell, answer in answers.items():
        assert comparable(answer) == first, f"another answer in {cell}"
