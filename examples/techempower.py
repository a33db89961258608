"""The test types of the TechEmpower Framework Benchmarks, with SQLite and a template of Jinja2.

    pip install 'ambi[typed,templates]'
    gunicorn -k gthread --threads 8 examples.techempower:app
    uvicorn examples.techempower:app

The database is in a file that is gone when the server stops. One that stays, and that several workers share:

    WORLD_DATABASE=world.db gunicorn --workers 2 --threads 8 examples.techempower:app

See: https://github.com/TechEmpower/FrameworkBenchmarks/wiki/Project-Information-Framework-Tests-Overview
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from random import randint, sample
from tempfile import TemporaryDirectory
from typing import Annotated

try:
    from ambi import App, Request, Response
except ModuleNotFoundError as missing:
    raise SystemExit(f"{missing}. In a clone, `pip install -e .` comes first.") from None
try:
    from jinja2 import DictLoader
    from msgspec import Struct
except ModuleNotFoundError as missing:
    raise SystemExit(f"{missing}. `pip install 'ambi[typed,templates]'` comes first.") from None

from ambi.features.typed import Provide, Query

WORLDS = 10_000


class Message(Struct):
    message: str


class World(Struct, rename="camel"):
    id: int
    random_number: int


class Fortune(Struct):
    id: int
    message: str


class Pool(SimpleQueue[sqlite3.Connection]):
    """Connections that no request has at the moment: as many as there were requests at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def take(self) -> sqlite3.Connection:
        try:
            return self.get_nowait()
        except Empty:  # autocommit, and not of one thread: a request after another has it
            return sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)


def pool() -> Iterator[Pool]:
    """Make the database of the process, unless another process did, and its connections."""
    with TemporaryDirectory() as folder:
        connections = Pool(Path(os.environ.get("WORLD_DATABASE", f"{folder}/world.db")))
        with closing(connections.take()) as db:
            fill(db)
        yield connections
        while not connections.empty():
            connections.get().close()


def connection(pool: Annotated[Pool, Provide(pool, scope="app")]) -> Iterator[sqlite3.Connection]:
    """Lend a request a connection."""
    db = pool.take()
    try:
        yield db
    finally:
        pool.put(db)


def worlds(pool: Annotated[Pool, Provide(pool, scope="app")]) -> dict[int, World]:
    """Read all worlds, which /cached-worlds has of them; they are no newer than the process."""
    with closing(pool.take()) as db:
        return {key: World(key, number) for key, number in db.execute("SELECT id, randomnumber FROM world")}


Database = Annotated[sqlite3.Connection, Provide(connection)]
Cache = Annotated[dict[int, World], Provide(worlds, scope="app")]

app = App()


def by_chance() -> int:
    return randint(1, WORLDS)  # noqa: S311  # nothing is kept secret by it


def some_keys(how_many: str) -> list[int]:
    """Choose some worlds. The rules: what is no number counts as 1, and what is too many as 500."""
    is_number = how_many.isdecimal() and len(how_many) < 10
    return sample(range(1, WORLDS + 1), min(max(int(how_many), 1), 500) if is_number else 1)


@app.get("/json", blocking=False)
def json() -> Message:
    return Message("Hello, World!")


@app.get("/plaintext", blocking=False)
def plaintext() -> str:
    return "Hello, World!"


@app.get("/db")
def one(db: Database) -> World:
    return find(db, by_chance())


@app.get("/queries")
def several(db: Database, queries: str = "") -> list[World]:
    return [find(db, key) for key in some_keys(queries)]


@app.get("/cached-worlds", blocking=False)
def cached(cache: Cache, count: Annotated[str, Query()] = "") -> list[World]:
    return [cache[key] for key in some_keys(count)]


@app.get("/fortunes")
def fortunes(request: Request, db: Database) -> Response:
    found = [Fortune(*row) for row in db.execute("SELECT id, message FROM fortune")]
    found.append(Fortune(0, "Additional fortune added at request time."))
    found.sort(key=lambda fortune: fortune.message)
    return templates.render("fortunes.html", request, fortunes=found)


@app.get("/updates")
def updates(db: Database, queries: str = "") -> list[World]:
    """Give some worlds other numbers. They change together, so that no two requests wait for each other's."""
    db.execute("BEGIN IMMEDIATE")
    with db:
        found = [find(db, key) for key in some_keys(queries)]
        for world in found:
            world.random_number = by_chance()
        db.executemany(
            "UPDATE world SET randomnumber = ? WHERE id = ?", [(world.random_number, world.id) for world in found]
        )
    return found


def find(db: sqlite3.Connection, key: int) -> World:
    return World(*db.execute("SELECT id, randomnumber FROM world WHERE id = ?", (key,)).fetchone())


def fill(db: sqlite3.Connection) -> None:
    """Make the tables, once: a second process waits here, and then finds them."""
    with suppress(sqlite3.OperationalError):  # another process does it just now
        db.execute("PRAGMA journal_mode = WAL")  # who reads does not wait for who writes
    db.execute("BEGIN IMMEDIATE")
    with db:
        if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'world'").fetchone():
            return
        db.execute("CREATE TABLE world (id INTEGER PRIMARY KEY, randomnumber INTEGER NOT NULL)")
        db.execute("CREATE TABLE fortune (id INTEGER PRIMARY KEY, message TEXT NOT NULL)")
        db.executemany("INSERT INTO world VALUES (?, ?)", [(key + 1, by_chance()) for key in range(WORLDS)])
        db.executemany("INSERT INTO fortune (message) VALUES (?)", [(message,) for message in FORTUNES])


PAGE = """<!doctype html>
<html>
<head><title>Fortunes</title></head>
<body>
<table>
<tr><th>id</th><th>message</th></tr>
{%- for fortune in fortunes %}
<tr><td>{{ fortune.id }}</td><td>{{ fortune.message }}</td></tr>
{%- endfor %}
</table>
</body>
</html>
"""
templates = app.templates(DictLoader({"fortunes.html": PAGE}))

FORTUNES = [
    "fortune: No such file or directory",
    "A computer scientist is someone who fixes things that aren't broken.",
    "After enough decimal places, nobody gives a damn.",
    "A bad random number generator: 1, 1, 1, 1, 1, 4.33e+67, 1, 1, 1",
    "A computer program does what you tell it to do, not what you want it to do.",
    "Emacs is a nice operating system, but I prefer UNIX. — Tom Christaensen",
    "Any program that runs right is obsolete.",
    "A list is only as strong as its weakest link. — Donald Knuth",
    "Feature: A bug with seniority.",
    "Computers make very fast, very accurate mistakes.",
    '<script>alert("This should not be displayed in a browser alert box.");</script>',
    "フレームワークのベンチマーク",
]
