"""Clients that write, and note what they were told: it is compared with what is in the database in the end."""

from __future__ import annotations

import contextlib
import http.client
import sqlite3
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

ANSWER_S = 6.0
PAUSE_S = 0.02
SPOOLED = 80 * 1024
"""Bytes of a file that is spooled to disk: `Limits.spool_bytes` are 64 KiB."""
SHOWN = 3
BOUNDARY = "a-boundary-of-the-ledger"


@dataclass
class Ledger:
    """What became of each write, by its number.

    Attributes:
        acknowledged: answered with 201: there once.
        taken_back: answered with 400 or above: not there.
        reasons: what was said, where that was no 409, which a write asks for.
        unanswered: the connection broke or stayed silent: there once or not at all.
    """

    acknowledged: set[str] = field(default_factory=set)
    taken_back: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    unanswered: dict[str, str] = field(default_factory=dict)

    def faults(self, found: Counter[str]) -> list[str]:
        """Compare with the rows of the database: number -> how often it is there."""
        attempted = self.acknowledged | self.taken_back.keys() | self.unanswered.keys()
        return [
            *(f"{number} was acknowledged and is lost" for number in sorted(self.acknowledged - found.keys())),
            *(f"{number} is there {times} times" for number, times in found.items() if times > 1),
            *(
                f"{number} was answered with {status} and is there"
                for number, status in self.taken_back.items()
                if number in found
            ),
            *(f"{number} was never sent" for number in sorted(found.keys() - attempted)),
        ]

    def refusals(self, server_may_refuse: bool) -> list[str]:
        """Tell what was refused though nothing is wrong with it, the first few of it.

        Whatever is done to the server, the application has no reason for that: who waits for a thread or for the
        database gives up before it does.

        Args:
            server_may_refuse: by a page of its own, see `ServerPageError`.
        """
        found = [
            f"{number} was answered with {status}: {self.reasons.get(number, '')!r}"
            for number, status in self.taken_back.items()
            if status != 409
        ]
        if not server_may_refuse:
            pages = sorted(number for number, what in self.unanswered.items() if what == ServerPageError.__name__)
            found += [f"{number} was answered by the server itself" for number in pages]
        more = len(found) - SHOWN
        return found if more <= 0 else [*found[:SHOWN], f"and {more} more"]

    def failures(self) -> Counter[str]:
        """Count what was neither acknowledged nor meant to be refused, by what was seen."""
        statuses = Counter(f"{status}" for status in self.taken_back.values() if status != 409)
        return statuses + Counter(self.unanswered.values())


class ServerPageError(http.client.HTTPException):
    """The server has answered, and not the application.

    gunicorn's sync worker raises SystemExit wherever its thread stands when it is told to stop quickly, or has taken too
    long: after the commit too. It answers what escapes with a page of its own.
    """


def rows_of(database: Path) -> Counter[str]:
    """Read what is in the database, when nobody writes any more."""
    with contextlib.closing(sqlite3.connect(database, timeout=5)) as connection:
        return Counter(number for (number,) in connection.execute("SELECT number FROM entry"))


class Writers:
    """Threads that write until they are told to stop; each has its own connections, and its own part of the ledger.

    Half of them keep their connection for the next request. No write is ever repeated.
    """

    def __init__(self, port: int, size: int = 6) -> None:
        self.port = port
        self._enough = threading.Event()
        self.ledgers = [Ledger() for _ in range(size)]
        self._threads = [
            threading.Thread(target=self._write_on, args=(number, ledger), name=f"writer-{number}", daemon=True)
            for number, ledger in enumerate(self.ledgers)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def acknowledged(self) -> int:
        return sum(len(ledger.acknowledged) for ledger in self.ledgers)

    def await_more(self, wanted: int, within_s: float) -> bool:
        """Wait until so many more writes are acknowledged; False when they were not in time."""
        target, deadline = self.acknowledged() + wanted, time.monotonic() + within_s
        while self.acknowledged() < target:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def stop(self) -> Ledger:
        """Let them end, and give what all of them noted. Raises: RuntimeError when one does not end."""
        self._enough.set()
        whole = Ledger()
        for thread, ledger in zip(self._threads, self.ledgers, strict=True):
            thread.join(ANSWER_S * 2)
            if thread.is_alive():
                raise RuntimeError(f"{thread.name} does not end")
            whole.acknowledged |= ledger.acknowledged
            whole.taken_back |= ledger.taken_back
            whole.reasons |= ledger.reasons
            whole.unanswered |= ledger.unanswered
        return whole

    def _write_on(self, writer: int, ledger: Ledger) -> None:
        keeps = writer % 2 == 0
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_S)
        for each in count():
            if self._enough.is_set():
                break
            number = f"{writer}-{each}"
            try:
                status, said = self._write(connection, number, each, keeps)
            except (OSError, http.client.HTTPException) as failure:
                ledger.unanswered[number] = type(failure).__name__
                connection.close()
                time.sleep(PAUSE_S)
                continue
            if status == 201:
                ledger.acknowledged.add(number)
            else:
                ledger.taken_back[number] = status
                if status != 409:
                    ledger.reasons[number] = said
            if not keeps:
                connection.close()
        connection.close()

    def _write(self, connection: http.client.HTTPConnection, number: str, each: int, keeps: bool) -> tuple[int, str]:
        """Send one write; give the answer. Raises: OSError or HTTPException where no whole answer came."""
        fields = {"number": number, "size": str(SPOOLED)}
        if each % 5 == 4:
            fields["undo"] = "yes"
        headers = {
            "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
            "Connection": "keep-alive" if keeps else "close",
        }
        target = "/def/write" if each % 3 else "/async/write"
        connection.request("POST", target, form_of(fields, SPOOLED if each % 4 == 0 else 0), headers)
        answer = connection.getresponse()
        said = answer.read().decode()
        if answer.getheader("X-Content-Type-Options") is None:
            raise ServerPageError(f"the server itself answered with {answer.status}")  # ours always have it
        if answer.status == 201 and said != number:
            raise http.client.HTTPException(f"{number} was answered with {said!r}")
        return answer.status, said


def form_of(fields: dict[str, str], file_bytes: int) -> bytes:
    """Write a form as RFC 7578 says, with a file of so many bytes, or none."""
    parts = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}' for name, value in fields.items()]
    if file_bytes:
        parts.append('Content-Disposition: form-data; name="file"; filename="f"\r\n\r\n' + "f" * file_bytes)
    text = "".join(f"--{BOUNDARY}\r\n{part}\r\n" for part in parts)
    return f"{text}--{BOUNDARY}--\r\n".encode("ascii")
