"""A transaction that is cancelled between its statements, or while it is committed: all of it is kept, or nothing."""

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import anyio
import anyio.to_thread
import pytest

from ambi import App, Request
from ambi.features.typed import Provide
from tests.cells import CELLS, Cell
from tests.conftest import MakeClient
from tests.faults import name_of, places
from tests.faults.app import Kind
from tests.faults.asgi_server import Server, cancelled_by_scope, cancelled_natively, cancelled_twice

ASGI = [cell for cell in CELLS if cell.gateway == "asgi" and cell.is_async]
WAYS = [
    *((cell, cancelled_natively) for cell in ASGI if cell.backend == "asyncio"),
    *((cell, cancelled_twice) for cell in ASGI if cell.backend == "asyncio"),
    *((cell, cancelled_by_scope) for cell in ASGI),
]
TRANSFER = Kind("/transfer", b"now")


class Bank:
    """Two accounts, in a file."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "bank.db"
        self.connections = 0
        with contextlib.closing(self._connect()) as connection:
            connection.execute("CREATE TABLE account (name TEXT PRIMARY KEY, amount INTEGER)")
            connection.execute("INSERT INTO account VALUES ('a', 0), ('b', 0)")
            connection.execute("CREATE TABLE entry (amount INTEGER)")

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=1)

    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Be the provider of a transaction that blocks."""
        with contextlib.closing(self._connect()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            self.connections += 1
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                self.connections -= 1

    async def transaction_async(self) -> AsyncIterator[sqlite3.Connection]:
        """Be the provider of one that awaits each of its steps, as the libraries for asyncio do."""
        connection = self._connect()
        self.connections += 1
        try:
            await anyio.to_thread.run_sync(connection.execute, "BEGIN IMMEDIATE")
            yield connection
            await anyio.to_thread.run_sync(connection.execute, "COMMIT")
        finally:
            self.connections -= 1
            connection.close()

    def state(self) -> tuple[int, int, int]:
        """Give both amounts, and how many transfers there were."""
        with contextlib.closing(self._connect()) as connection:
            amounts = dict(connection.execute("SELECT name, amount FROM account"))
            [[entries]] = connection.execute("SELECT count(*) FROM entry")
        return amounts["a"], amounts["b"], entries

    def check(self) -> int:
        """Hold that every transfer is whole, and nothing locked; give how many there are."""
        a, b, entries = self.state()
        assert (a, b) == (-entries, entries)
        assert self.connections == 0
        with contextlib.closing(self._connect()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        return entries


def app_of(bank: Bank, provider: Callable[..., Any], **options: Any) -> App:
    app = App(csrf=False)

    @app.post("/transfer", **options)
    async def transfer(request: Request, connection: Annotated[sqlite3.Connection, Provide(provider)]) -> str:
        for statement in (
            "UPDATE account SET amount = amount - 1 WHERE name = 'a'",
            "INSERT INTO entry VALUES (1)",
            "UPDATE account SET amount = amount + 1 WHERE name = 'b'",
        ):
            await anyio.to_thread.run_sync(connection.execute, statement)
            await anyio.sleep(float(request.body == b"for long"))
        return "ok"

    return app


@pytest.fixture(params=["transaction", "transaction_async"])
def provided(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Bank, Callable[..., Any]]:
    """Give a bank, and its transaction in each form."""
    bank = Bank(tmp_path)
    return bank, getattr(bank, request.param)


@pytest.mark.parametrize(("cell", "way"), WAYS, ids=name_of)
def test_a_transaction_that_is_cancelled_at_any_await_is_whole_or_nothing(
    cell: Cell, way: Callable[..., Any], provided: tuple[Bank, Any], no_leaks: None
) -> None:
    bank, provider = provided
    app = app_of(bank, provider)

    async def main() -> tuple[int, int]:
        count = await way(Server(app, TRANSFER, "whole").run(), -9)
        for turn in places(count, seed=len(way.__name__)):
            before = bank.check()
            server = Server(app, TRANSFER, str(turn))
            await way(server.run(), turn)
            with anyio.fail_after(5):
                while bank.connections:  # a thread that a library has left alone while it commits
                    await anyio.sleep(0.001)
            kept = bank.check() - before
            assert kept in (0, 1)
            assert kept or not server.answer, "what was told to be kept is kept"
        return count, bank.check()

    count, kept = anyio.run(main, backend=cell.backend)
    assert count > 3
    assert kept >= 1


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.is_async], indirect=True, ids=str)
def test_a_transaction_whose_time_is_up_is_nothing(
    make_client: MakeClient, cell: Cell, provided: tuple[Bank, Any]
) -> None:
    """On either gateway: a `def` cannot be cancelled, an `async def` can."""
    bank, provider = provided
    client = make_client(app_of(bank, provider, timeout_s=0.8))
    assert client.post("/transfer", content="now").text == "ok"
    assert bank.check() == 1
    assert client.post("/transfer", content="for long").status_code in (503, 504)
    assert bank.check() == 1
    assert client.post("/transfer", content="now").text == "ok"
    assert bank.check() == 2
