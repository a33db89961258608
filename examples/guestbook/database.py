"""The database, and the transaction that a request has in it.

What is answered with a success is committed, before the answer is sent. Everything else is rolled back: an exception,
and an answer of 400 and above too, since somebody who is told that it did not work must find nothing changed.
"""

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.schema import CreateTable

from ambi import Middleware, Request
from ambi.core.middleware import Provider

from .models import Model

_KEPT, _UNDONE = "when committed", "when rolled back"


class Transaction(Provider):
    """A layer with a database session, which a handler asks for as `database: Database`.

    It blocks, so it runs where `def` handlers run; around one of those it costs no crossing of its own. The body of a
    request is read before it begins: whoever sends slowly holds neither a connection nor, under ASGI, a thread.
    """

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(self.commit_or_roll_back, blocking=True, body=True)

    def value_of(self, request: Request) -> Session:
        session: Session = request.state.transaction
        return session

    def commit_or_roll_back(self, request: Request) -> Middleware:
        new_session: sessionmaker[Session] = request.state.new_session
        session = request.state.transaction = new_session()
        what_else = _UNDONE
        try:
            response = yield
            if response.status < 400:
                session.commit()
                what_else = _KEPT
        finally:
            session.close()  # what was not committed is rolled back
            for function in session.info.get(what_else, ()):
                function()


transaction = Transaction()
Database = Annotated[Session, transaction]


def when_committed(session: Session, function: Callable[[], object]) -> None:
    """Call a function after the commit: for what cannot be taken back, as deleting a file."""
    session.info.setdefault(_KEPT, []).append(function)


def when_rolled_back(session: Session, function: Callable[[], object]) -> None:
    """Call a function if nothing is committed: to take back what was done outside of the database."""
    session.info.setdefault(_UNDONE, []).append(function)


def open_database(path: Path) -> Engine:
    """Open the database, and make its tables if it has none. A site that grows takes Alembic for that."""
    engine = create_engine(URL.create("sqlite", database=str(path)))
    event.listen(engine, "connect", _prepare)
    with engine.begin() as connection:
        for table in Model.metadata.sorted_tables:  # several workers may do this at once
            connection.execute(CreateTable(table, if_not_exists=True))
    return engine


def _prepare(connection: Any, _: object) -> None:
    """Have SQLite hold references, and let readers go on while somebody writes."""
    connection.execute("PRAGMA foreign_keys = ON")
    with suppress(sqlite3.OperationalError):  # another worker does it just now, which SQLite does not wait for
        connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")  # a power cut may take the last posts, and never the file
