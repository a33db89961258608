"""A list of things to do, for pages of any site: the Todo-Backend API (https://todobackend.com), with typed handlers.

    pip install 'ambi[typed]'
    gunicorn examples.todo_backend:app
    uvicorn examples.todo_backend:app

The list is in a file that is gone when the server stops. One that stays, and that several workers share:

    TODO_DATABASE=todos.db gunicorn --workers 2 --threads 8 examples.todo_backend:app
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

try:
    from ambi import App, HTTPError, Request, Router
except ModuleNotFoundError as missing:
    raise SystemExit(f"{missing}. In a clone, `pip install -e .` comes first.") from None
try:
    from msgspec import UNSET, Meta, Struct, UnsetType, structs
except ModuleNotFoundError as missing:
    raise SystemExit(f"{missing}. `pip install 'ambi[typed]'` comes first.") from None

from ambi.features.typed import Provide, Status

Title = Annotated[str, Meta(min_length=1, max_length=500)]
Number = Annotated[int, Meta(ge=-(2**53) + 1, le=2**53 - 1)]  # what a number in a browser can hold


class Draft(Struct):
    """What is sent to make one."""

    title: Title
    order: Number | None = None
    completed: bool = False


class Change(Struct):
    """What is sent to change one; what is left out stays."""

    title: Title | UnsetType = UNSET
    order: Number | UnsetType | None = UNSET
    completed: bool | UnsetType = UNSET


class Todo(Struct):
    """What is answered."""

    id: int
    title: str
    order: int | None
    completed: bool
    url: str


def database() -> Iterator[Path]:
    """Make the database of the process: one file, in a folder that is removed at shutdown unless it was chosen."""
    with TemporaryDirectory() as folder:
        path = Path(os.environ.get("TODO_DATABASE", f"{folder}/todos.db"))
        with closing(sqlite3.connect(path)) as connection:
            with suppress(sqlite3.OperationalError):  # another worker does it just now
                connection.execute("PRAGMA journal_mode = WAL")  # who reads does not wait for who writes
            connection.execute(TABLE)
        yield path


def transaction(path: Annotated[Path, Provide(database, scope="app")]) -> Iterator[sqlite3.Connection]:
    """Give a request a connection of its own; what it did is undone if it failed."""
    with closing(sqlite3.connect(path, timeout=10)) as connection, connection:
        connection.row_factory = sqlite3.Row
        yield connection


app = App()
app.cors(["*"])
app.provide(sqlite3.Connection, transaction)

todos = Router(prefix="/todos", name="todos")


@todos.get("")
def index(request: Request, db: sqlite3.Connection) -> list[Todo]:
    """List all of them, in the order that they were given."""
    return [told(request, row) for row in db.execute('SELECT * FROM todos ORDER BY "order" IS NULL, "order", id')]


@todos.post("")
def add(request: Request, draft: Draft, db: sqlite3.Connection) -> Annotated[Todo, Status(201)]:
    """Add one."""
    row = db.execute(
        'INSERT INTO todos (title, "order", completed) VALUES (?, ?, ?) RETURNING *',
        (draft.title, draft.order, draft.completed),
    ).fetchone()
    return told(request, row)


@todos.delete("")
def clear(db: sqlite3.Connection) -> None:
    """Remove all of them."""
    db.execute("DELETE FROM todos")


@todos.get("/{id}", name="one")
def one(request: Request, id: Number, db: sqlite3.Connection) -> Todo:
    """Show one."""
    return told(request, db.execute("SELECT * FROM todos WHERE id = ?", (id,)).fetchone())


@todos.patch("/{id}")
def change(request: Request, id: Number, change: Change, db: sqlite3.Connection) -> Todo:
    """Change what was sent of one."""
    sent = {name: value for name, value in structs.asdict(change).items() if value is not UNSET}
    nothing = {"title": None, "order": None, "completed": None, "has_order": "order" in sent}
    return told(request, db.execute(CHANGE, {**nothing, **sent, "id": id}).fetchone())


@todos.delete("/{id}")
def remove(id: Number, db: sqlite3.Connection) -> None:
    """Remove one; one that is not there is gone already."""
    db.execute("DELETE FROM todos WHERE id = ?", (id,))


def told(request: Request, row: sqlite3.Row | None) -> Todo:
    """Make the answer of a row."""
    if row is None:
        raise HTTPError(404, "There is no such thing to do.")
    url = request.url_for("todos.one", id=row["id"], absolute=True)
    return Todo(row["id"], row["title"], row["order"], bool(row["completed"]), url)


TABLE = """
CREATE TABLE IF NOT EXISTS todos (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    title TEXT NOT NULL,
    "order" INTEGER,
    completed INTEGER NOT NULL
)
"""

CHANGE = """
UPDATE todos SET
    title = coalesce(:title, title),
    "order" = iif(:has_order, :order, "order"),
    completed = coalesce(:completed, completed)
WHERE id = :id
RETURNING *
"""

app.include(todos)
