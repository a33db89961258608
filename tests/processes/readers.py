"""wrk asks for a page over eight connections meanwhile, where it is installed; what it says in the end is read."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field

WRK = shutil.which("wrk")
SUMMARY_S = 5.0
"""For wrk to end, once it is told to: it looks ten times a second."""


@dataclass
class Readers:
    """What became of what wrk asked for.

    Attributes:
        answered: whole answers, whatever they say.
        refused: those of them with a status of 400 or above; each should be a 200.
        broken: what it calls socket errors: kind -> how many. Whoever stops a server makes some.
    """

    answered: int = 0
    refused: int = 0
    broken: dict[str, int] = field(default_factory=dict)

    def read(self, summary: str) -> None:
        """Take what wrk prints. Raises: ValueError where that is no summary."""
        if (found := re.search(r"(\d+) requests in ", summary)) is None:
            raise ValueError(f"wrk gave no summary: {summary!r}")
        self.answered = int(found[1])
        if found := re.search(r"Non-2xx or 3xx responses: (\d+)", summary):
            self.refused = int(found[1])
        if found := re.search(r"Socket errors: (.+)", summary):
            self.broken = {kind: int(count) for kind, count in map(str.split, found[1].split(", ")) if count != "0"}

    def faults(self, server_may_refuse: bool) -> list[str]:
        """Tell what should not be; a server may refuse by itself where the documentation says so."""
        found = []
        if not self.answered:
            found.append("wrk got no answer at all")
        if self.refused and not server_may_refuse:
            found.append(f"wrk got {self.refused} answers of 400 or above")
        return found

    def __str__(self) -> str:
        counted = [f"{self.answered}", f"{self.refused} refused"]
        return ", ".join([*counted, *(f"{count} {kind}" for kind, count in self.broken.items())])


@contextlib.contextmanager
def crowd_of_readers(port: int, seconds: int) -> Iterator[Readers | None]:
    """Have wrk ask meanwhile; what it gives is filled in at the end, and None where nobody asks."""
    if WRK is None or not seconds:
        yield None
        return
    readers = Readers()
    process = subprocess.Popen(
        [WRK, "-t1", "-c8", f"-d{seconds}s", f"http://127.0.0.1:{port}/"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        yield readers
        process.send_signal(signal.SIGINT)  # the only signal of which it ends with a summary
        readers.read(process.communicate(timeout=SUMMARY_S)[0])
    finally:
        process.kill()
        process.communicate()
