"""Sessions in an SQLite file: for any number of processes of one machine.

Facts
- A connection is used by one thread at a time, and by none of a forked child: that leaves its parent's alone, unclosed.
- The two files beside it have its permissions.
- In WAL mode readers do not wait for the writer; with synchronous=NORMAL a commit does not wait for the disk: a power
  cut may lose the last changes, never the file. See: sqlite.org/wal.html, sqlite.org/howtocorrupt.html 2.6.
"""

from __future__ import annotations

import json
import os
import threading
import time
import weakref
from contextlib import contextmanager, suppress
from pathlib import Path

from ...core.errors import ConfigurationError, Unavailable
from .stores import LONGEST_LEASE_S, merge

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping

    from ...core.session import Change

_BUSY_S = 10
_TABLES = """
CREATE TABLE IF NOT EXISTS session (name TEXT PRIMARY KEY, texts TEXT NOT NULL, until REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS session_until ON session (until);
CREATE TABLE IF NOT EXISTS session_lock (name TEXT PRIMARY KEY, token TEXT NOT NULL, until REAL NOT NULL) WITHOUT ROWID;
"""


class SQLiteStore:
    """Keep sessions in a file of their own, which is made for this user alone if it is not there.

    Args:
        path: of the file; its folder must exist. Beside it SQLite keeps two more. Not on a network drive.

    Raises:
        ConfigurationError: the folder does not exist.
        Unavailable: while a request is served: the file is locked by somebody else for 10 s or cannot be opened (503),
            or the disk is full (507).

    Example:
        app.sessions(secret=SECRET, store=SQLiteStore("/var/lib/shop/sessions.db"))
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path).absolute()
        if not self._path.parent.is_dir():
            raise ConfigurationError(f"SQLiteStore({str(path)!r}): there is no folder {str(self._path.parent)!r}")
        with suppress(FileExistsError):  # before there is a connection: to close the file would drop its locks
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        self._idle = _Idle()
        weakref.finalize(self, self._idle.close)  # at exit, too

    def close(self) -> None:
        """Close the connections; the next use opens new ones."""
        self._idle.close()

    @contextmanager
    def _connected(self, *, writes: bool = False) -> Iterator[sqlite3.Connection]:
        """Give a connection; what is written with it is committed at the end, or nothing of it."""
        import sqlite3

        connection = self._idle.take()
        try:
            connection = connection or self._connect()
            if writes:
                connection.execute("BEGIN IMMEDIATE")
            yield connection
            if writes:
                connection.execute("COMMIT")
        except BaseException as exc:
            if connection is not None:
                connection.close()  # which rolls back
            if isinstance(exc, sqlite3.Error) and (status := _status_of(exc)):
                raise Unavailable(f"the sessions in {str(self._path)!r}: {exc}", status) from exc
            raise
        self._idle.give_back(connection)

    def _connect(self) -> sqlite3.Connection:
        import sqlite3

        connection = sqlite3.connect(self._path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            with suppress(sqlite3.OperationalError):  # another process does it just now, which SQLite does not wait for
                connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.executescript(_TABLES)
        except BaseException:
            connection.close()
            raise
        return connection

    def load(self, name: str) -> dict[str, str] | None:
        """Give the texts of a session; see `SessionStore`."""
        with self._connected() as connection:
            return _load(connection, name)

    def save(self, name: str, changes: Mapping[str, Change], *, ttl_s: float | None, new: bool) -> list[str] | None:
        """Merge changes into a session; see `SessionStore`."""
        with self._connected(writes=True) as connection:
            now = time.time()
            if new:
                connection.execute("DELETE FROM session WHERE until <= ?", (now,))
            texts = {} if new else _load(connection, name)
            if texts is None:
                return None
            conflicts = merge(texts, changes)
            if new:
                connection.execute("INSERT OR REPLACE INTO session VALUES (?, ?, ?)", (name, "{}", now))
            until = None if ttl_s is None else now + ttl_s
            connection.execute(
                "UPDATE session SET texts = ?, until = coalesce(?, until) WHERE name = ?",
                (json.dumps(texts), until, name),
            )
            return conflicts

    def delete(self, name: str) -> bool:
        """Delete a session; see `SessionStore`."""
        with self._connected(writes=True) as connection:
            return connection.execute("DELETE FROM session WHERE name = ?", (name,)).rowcount > 0

    def lock(self, name: str, token: str, lease_s: float) -> bool:
        """Take the lock of a session; see `SessionStore`."""
        with self._connected(writes=True) as connection:
            now = time.time()
            connection.execute(
                "DELETE FROM session_lock WHERE until <= ? OR until > ?", (now, now + max(lease_s, LONGEST_LEASE_S))
            )
            taken = connection.execute(
                "INSERT OR IGNORE INTO session_lock VALUES (?, ?, ?)", (name, token, now + lease_s)
            )
            return taken.rowcount > 0

    def unlock(self, name: str, token: str) -> None:
        """Give the lock back; see `SessionStore`."""
        with self._connected(writes=True) as connection:
            connection.execute("DELETE FROM session_lock WHERE name = ? AND token = ?", (name, token))


def _load(connection: sqlite3.Connection, name: str) -> dict[str, str] | None:
    row = connection.execute("SELECT texts FROM session WHERE name = ? AND until > ?", (name, time.time())).fetchone()
    if row is None:
        return None
    texts: dict[str, str] = json.loads(row[0])
    return texts


def _status_of(error: sqlite3.Error) -> int | None:
    """Give the status that an error of SQLite is answered with, if it is one that may be over later."""
    import sqlite3

    away = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_CANTOPEN)
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest of it is details
    return 507 if code == sqlite3.SQLITE_FULL else 503 if code in away else None


class _Idle:
    """The connections of this process that nobody uses."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._pid = 0
        self._connections: list[sqlite3.Connection] = []

    def take(self) -> sqlite3.Connection | None:
        with self._guard:
            self._look_at_pid()
            return self._connections.pop() if self._connections else None

    def give_back(self, connection: sqlite3.Connection) -> None:
        with self._guard:
            self._look_at_pid()
            self._connections.append(connection)

    def close(self) -> None:
        with self._guard:
            self._look_at_pid()
            connections, self._connections = self._connections, []
        for connection in connections:
            connection.close()

    def _look_at_pid(self) -> None:
        if self._pid != os.getpid():
            _of_parents.extend(self._connections)
            self._connections = []
            self._pid = os.getpid()


_of_parents: list[sqlite3.Connection] = []
