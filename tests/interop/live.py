"""What real servers serve: `tests.interop.live:wsgi_flask` is ours in a Flask, `asgi_fastapi` ours in a FastAPI.

What its lifespan does is written to the file that `AMBI_EVENTS` names.
"""

import os
from pathlib import Path
from typing import Any

from tests.interop.host_apps import ASGI_HOSTS, WSGI_HOSTS, who
from tests.interop.ours import Ours


class Written(list[str]):
    """Events that a test reads from a file."""

    def append(self, event: str) -> None:
        """Write an event."""
        with Path(os.environ["AMBI_EVENTS"]).open("a") as file:
            file.write(f"{event} {os.getpid()}\n")


def __getattr__(name: str) -> Any:
    kind, _, host = name.partition("_")
    if kind not in ("wsgi", "asgi"):
        raise AttributeError(name)
    ours = Ours()
    ours.life = Written()
    ours.look = who.get

    @ours.app.post("/gate")
    def open_gate() -> None:
        ours.gate.set()

    @ours.app.delete("/gate")
    def close_gate() -> None:
        ours.gate.clear()

    return (WSGI_HOSTS if kind == "wsgi" else ASGI_HOSTS)[host]({"/in": ours.app})
