"""Send it all, and exit with 1 when something is wrong."""

import asyncio
import gc
import io
import logging
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ambi import App, ConfigurationError, Request, Response
from ambi.testing import Client
from tests.cells import GATEWAYS, WAYS_IN, Cell
from tests.corpus.cases import HOST, Answer, cases_of
from tests.corpus.checks import comparable
from tests.corpus.fixture_app import make_app as make_corpus_app
from tests.corpus.fixture_app import make_tree
from tests.soak.app import make_app as make_soak_app
from tests.soak.traffic import PLAIN, sent_by

NOT_HERE = frozenset(("static/unreadable",))
"""Asks for a user who is not root."""


class Findings:
    """What is wrong."""

    def __init__(self) -> None:
        self.checked = 0
        self.found: list[str] = []

    def hold(self, is_right: bool, what: str) -> None:
        """Note what is not as it should be."""
        self.checked += 1
        if not is_right:
            self.found.append(what)
            print(f"wrong: {what}", flush=True)


class Complaints(logging.Handler):
    """Keeps what asyncio says in its debug mode of coroutines, tasks and threads; not of what takes long."""

    def __init__(self, findings: Findings) -> None:
        super().__init__(logging.WARNING)
        self._findings = findings

    def emit(self, record: logging.LogRecord) -> None:
        said = record.getMessage()
        self._findings.hold(said.startswith("Executing "), f"asyncio says: {said:.300}")


@contextmanager
def listening(findings: Findings) -> Iterator[None]:
    """Note what is raised where nobody takes it, and what asyncio says."""

    def hook(unraisable: Any) -> None:
        findings.hold(False, f"raised where nobody takes it: {unraisable.exc_value!r} in {unraisable.object!r:.200}")

    complaints, logger, before = Complaints(findings), logging.getLogger("asyncio"), sys.unraisablehook
    logger.addHandler(complaints)
    sys.unraisablehook = hook
    try:
        yield
        gc.collect()
    finally:
        sys.unraisablehook = before
        logger.removeHandler(complaints)


def client_of(app: Any, cell: Cell) -> Client:
    """Give a client of an application."""
    return Client(app, cell.gateway, backend=cell.backend, base_url=f"http://{HOST}", raise_server_exceptions=False)


def replay_corpus(folder: Path, findings: Findings) -> None:
    """Send each hostile request to each cell."""
    cells = [Cell(gateway, backend, colour) for gateway, backend in WAYS_IN for colour in ("def", "async")]
    with ExitStack() as stack:
        clients = [stack.enter_context(client_of(make_corpus_app(folder, cell.handler), cell)) for cell in cells]
        for case in cases_of("http"):
            answers: dict[Cell, Answer] = {}
            for cell, client in zip(cells, clients, strict=True):
                if cell.gateway not in case.gateways or case.id in NOT_HERE:
                    continue
                sent = client.send(sent_by(case))
                client.cookies.clear()
                answers[cell] = answer = Answer(sent.status_code, tuple(sent.header_lines), sent.content)
                right = answer.status in case.statuses if case.statuses else answer.status < 500
                findings.hold(right, f"{case.id} in {cell}: {answer.status}")
                findings.hold(b"Traceback" not in answer.body, f"{case.id} in {cell} tells too much")
            for cell, answer in answers.items():
                same = comparable(answer) == comparable(next(iter(answers.values())))
                findings.hold(same, f"{case.id} has another answer in {cell}")


def send_what_people_send(folder: Path, findings: Findings) -> None:
    """Send each request of people to each gateway."""
    for cell in GATEWAYS:
        with client_of(make_soak_app(folder), cell) as client:
            for exchange in PLAIN:
                answer = client.request(
                    exchange.method, exchange.target, headers=list(exchange.headers), content=exchange.body or None
                )
                client.cookies.clear()
                right = answer.status_code == exchange.status and exchange.expected in (None, answer.content)
                findings.hold(right, f"{exchange.method} {exchange.target} in {cell}: {answer.status_code}")
            with client.websocket("/soak/ws") as ws:
                ws.send("hello")
                findings.hold(ws.receive() == "hello", f"a WebSocket in {cell}")


def refuse_what_is_wrong(findings: Findings) -> None:
    """Use the framework wrongly: it says so in its own words, not by an assert."""

    def handler(request: Request) -> str:
        return ""

    def twice(app: App) -> None:
        app.get("/a")(handler)
        app.get("/a")(handler)

    wrong: tuple[tuple[type[Exception], Callable[[App], Any]], ...] = (
        (ConfigurationError, twice),
        (ConfigurationError, lambda app: app.get("no-slash")(handler)),
        (ConfigurationError, lambda app: app.get("/{a}/{a}")(handler)),
        (ConfigurationError, lambda app: app.sessions("short")),
        (ConfigurationError, lambda app: app.mount("/a/", handler)),
        (ValueError, lambda app: Response(b"", headers={"a": "b\r\nc: d"})),
    )
    for error, use in wrong:
        try:
            use(App())
        except error:
            findings.hold(True, "")
        except Exception as exc:
            findings.hold(False, f"{error.__name__} was expected, not {exc!r}")
        else:
            findings.hold(False, f"{error.__name__} was expected of {use}")


def main() -> int:
    print(
        f"Python {sys.version.split()[0]}, asserts {'on' if __debug__ else 'off'}, docstrings"
        f" {'on' if main.__doc__ or App.__doc__ else 'off'}, warnings {sys.warnoptions}, dev mode {sys.flags.dev_mode},"
        f" asyncio debug {asyncio.coroutines._is_debug_mode()}"  # type: ignore[attr-defined]
    )
    findings, log = Findings(), logging.StreamHandler(io.StringIO())
    logging.getLogger("ambi").addHandler(log)
    logging.getLogger("ambi").propagate = False
    folder = Path(tempfile.mkdtemp(prefix="ambi-interpreters-"))
    make_tree(folder)
    try:
        with warnings.catch_warnings(), listening(findings):
            replay_corpus(folder, findings)
            send_what_people_send(folder, findings)
            refuse_what_is_wrong(findings)
    finally:
        shutil.rmtree(folder)
    print(f"{findings.checked} checks, {len(findings.found)} of them failed")
    return 1 if findings.found or not findings.checked else 0


if __name__ == "__main__":
    sys.exit(main())
