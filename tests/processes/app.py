"""What the suite of processes writes to: one table, through the transaction of the guestbook.

`/def/write` and `/async/write` take a form with `number`, `undo` and perhaps a file, which is large enough to be spooled
to disk. What is answered with 201 is committed; with `undo` the row is written, and then taken back by a 409.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from anyio import to_thread
from sqlalchemy import event, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column, sessionmaker

from ambi import App, Form, HTTPError, Request, Router
from examples.guestbook.database import Database, open_database, transaction
from examples.guestbook.models import Model

DATABASE, EVENTS = Path(os.environ["AMBI_DATABASE"]), Path(os.environ["AMBI_EVENTS"])


class Entry(Model):
    """A write. That a number is there once is for the ledger to find, so nothing here refuses a second."""

    __tablename__ = "entry"

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str]


def note(what: str) -> None:
    with EVENTS.open("a") as events:
        events.write(f"{what} {os.getpid()}\n")


def be_patient(connection: Any, _: object) -> None:
    """Wait longer for the lock than a worker is stopped for that may have it: to give up would be a 500 of ours."""
    connection.execute("PRAGMA busy_timeout = 20000")


def lifespan() -> Iterator[Mapping[str, Any]]:
    engine = open_database(DATABASE)
    event.listen(engine, "connect", be_patient)
    engine.dispose()  # the connection that made the tables is not
    note("start")
    yield {"engine": engine, "new_session": sessionmaker(engine)}
    engine.dispose()
    note("stop")


app = App(lifespan=lifespan, allowed_hosts=["127.0.0.1"])
writing = Router(middleware=[transaction])


def write(form: Form, database: Session) -> tuple[str, int]:
    number = form.field("number")
    database.add(Entry(number=number))
    database.flush()
    if "file" in form and len(form.file("file").read()) != int(form.field("size")):
        raise HTTPError(422, f"the file of {number} has another size")
    if "undo" in form:
        raise HTTPError(409, number)
    return number, 201


@writing.post("/def/write")
def write_in_a_thread(request: Request, database: Database) -> tuple[str, int]:
    return write(request.form, database)


@writing.post("/async/write")
async def write_on_the_loop(request: Request, database: Database) -> tuple[str, int]:
    # SQLite waits for a lock by sleeping: on the loop, that of a request that waits for the loop.
    return await to_thread.run_sync(write, request.form, database)


@writing.get("/count")
def count(database: Database) -> str:
    return str(database.scalar(select(func.count()).select_from(Entry)))


app.include(writing)


@app.get("/")
async def index(request: Request) -> str:
    return "here"
