"""What runs when the process ends.

Facts (seen on the servers)
- `atexit` runs on a normal end, on SIGTERM under gunicorn and uWSGI, and in a gunicorn master that preloaded the
  application: whoever registers checks the process id.
- A child of `multiprocessing` (granian's workers) leaves through `os._exit`: only `multiprocessing.util.Finalize`
  runs there.
- Under waitress, cheroot and Werkzeug the default SIGTERM ends the process with nothing run; a library must not
  install signal handlers, so nothing can be done about it here.
"""

from __future__ import annotations

import atexit
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def at_exit(function: Callable[[], object]) -> None:
    """Run `function` once when this process ends; not in a process forked from it."""
    pid = os.getpid()
    done = False

    def run() -> None:
        nonlocal done
        if not done and os.getpid() == pid:
            done = True
            function()

    atexit.register(run)
    if "multiprocessing" in sys.modules:
        from multiprocessing import parent_process, util

        if parent_process() is not None:
            util.Finalize(None, run, exitpriority=100)
