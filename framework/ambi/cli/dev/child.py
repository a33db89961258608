"""The child of the development server: `python -P -m ambi.cli.dev.child TASK`, which the parent starts.

It gets the listening socket and the end of a pipe as open descriptors. Nothing is ever written to that pipe: it ends
when the parent does, however that came about, and then the child ends too.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

from .serving import SERVED, Task, serve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .failing import Failure

_ALONE_S = 2.0


class Handed(NamedTuple):
    """What the parent hands over.

    Attributes:
        task: what is to be served.
        listening: the descriptor of the socket.
        life: the descriptor of the pipe.
        report: the file to write a failure to.
    """

    task: Task
    listening: int
    life: int
    report: str


def command_of(handed: Handed) -> list[str]:
    """Give the command line that starts a child; warnings and options of this interpreter are those of the child."""
    options = [f"-W{option}" for option in sys.warnoptions]
    options += [f"-X{name}" if value is True else f"-X{name}={value}" for name, value in sys._xoptions.items()]
    # -P: the current directory is put on the import path when the application is loaded, not for ambi's own imports.
    return [sys.executable, *options, "-P", "-m", __name__, json.dumps(handed)]


def main(argument: str) -> int:
    """Serve; the exit status."""
    signal.signal(signal.SIGINT, _leave_to_parent)
    signal.signal(signal.SIGTERM, _end)
    task, listening, life, report = json.loads(argument)
    for descriptor in (listening, life):
        os.set_inheritable(descriptor, False)  # what the application starts may outlive it
    threading.Thread(target=_end_with_parent, args=(life,), name="ambi-parent", daemon=True).start()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # none, or none of ours
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # what is printed is seen at once
    sys.argv = ["ambi", "run", Task(*task).spec]

    def write_report(failure: Failure) -> None:
        begun = Path(f"{report}.{os.getpid()}")
        begun.write_text(failure.dumps(), encoding="utf-8")
        begun.replace(report)  # all of it is there, or nothing, whenever this process ends

    try:
        with socket.socket(fileno=listening) as inherited:
            return serve(Task(*task), inherited, write_report)
    except KeyboardInterrupt:  # told to end before it served
        return SERVED


def _leave_to_parent(number: int, frame: object) -> None:
    """Do nothing: Ctrl+C reaches parent and child, and the parent then ends the child. A handler, as SIG_IGN would be
    inherited by what the application starts.
    """


def _end(number: int, frame: object) -> None:
    raise KeyboardInterrupt  # a SystemExit would be taken for one of the module that is imported


def _end_with_parent(life: int) -> None:
    os.read(life, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_ALONE_S)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
