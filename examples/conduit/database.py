"""The database: two engines for the process, and for each request one transaction of the handler's colour.

A handler that asks for a `Session` or an `AsyncSession` is in a transaction. It is committed when the handler has
returned, and before the answer is sent; whatever is raised rolls it back, the refusal of a request too.

A transaction of SQLite that reads first and writes later fails if another one has written in between. So one that may
write takes the lock at its first statement, and waits for it; those of GET never do.
"""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

from sqlalchemy import URL, Connection, Engine, Insert, create_engine, event, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from ambi import Request

from .models import Model
from .settings import Settings

BUSY_TIMEOUT_MS = 10_000
ASYNC_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg"}
DRIVERS = {"sqlite": "sqlite+pysqlite", "postgresql": "postgresql+psycopg"}
MAKING_TABLES = 721_043_598
"""The number of PostgreSQL's lock for that; it has no meaning but to be nobody else's."""


def open_engine(settings: Settings) -> Iterator[Engine]:
    """Open the database for `def` handlers, and make its tables if it has none. A site that grows takes Alembic."""
    engine = create_engine(with_driver(settings.database, DRIVERS))
    prepare(engine)
    with engine.execution_options(writes=True).begin() as connection:
        if connection.dialect.name == "postgresql":  # as SQLite does by itself: one worker after the other
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": MAKING_TABLES})
        Model.metadata.create_all(connection)
    yield engine
    engine.dispose()


async def open_async_engine(settings: Settings, made: Engine) -> AsyncIterator[AsyncEngine]:
    """Open it for `async def` handlers, behind the other one, which has made the tables."""
    engine = create_async_engine(with_driver(settings.database, ASYNC_DRIVERS))
    prepare(engine.sync_engine)
    yield engine
    await engine.dispose()


def begin(engine: Engine, request: Request) -> Iterator[Session]:
    """Give the transaction of a request."""
    with Session(engine.execution_options(writes=may_write(request)), expire_on_commit=False) as session:
        yield session
        session.commit()


async def begin_async(engine: AsyncEngine, request: Request) -> AsyncIterator[AsyncSession]:
    """Give the same to an `async def`."""
    engine = engine.execution_options(writes=may_write(request))
    async with AsyncSession(engine, expire_on_commit=False) as session:
        yield session
        await session.commit()


def add_once(session: Session, statement: Insert) -> None:
    """Insert a row that may be there already. Asking beforehand would leave a moment for somebody else."""
    try:
        with session.begin_nested():
            session.execute(statement)
    except IntegrityError:
        return


def may_write(request: Request) -> bool:
    return request.method not in ("GET", "HEAD")


def with_driver(url: URL, drivers: dict[str, str]) -> URL:
    """Give the URL with the driver that is used here."""
    backend = url.get_backend_name()
    if backend not in drivers:
        raise SystemExit(f"CONDUIT_DATABASE is a {backend}; it can be {' or '.join(drivers)}")
    return url.set(drivername=drivers[backend])


def prepare(engine: Engine) -> None:
    """Have SQLite hold references, let readers go on while somebody writes, and begin as is said above."""
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", on_connect)
        event.listen(engine, "begin", on_begin)


def on_connect(connection: Any, _: object) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout = {BUSY_TIMEOUT_MS}",
        "foreign_keys = ON",
        "synchronous = NORMAL",  # a power cut may take the last transactions, and never the file
    ):
        cursor.execute(f"PRAGMA {pragma}")
    with suppress(sqlite3.OperationalError):  # another process does it just now, which SQLite does not wait for
        cursor.execute("PRAGMA journal_mode = WAL")
    cursor.close()


def on_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
