"""The guests, and how each of them is served alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tests.servers.catalogue import BIND, Server, Start

Interface = Literal["wsgi", "asgi"]


@dataclass(frozen=True)
class Guest:
    """An application of another framework.

    Args:
        name: the last segment of its prefix.
        target: `module:attribute`, the module in `guests/`.
        interface: what it is.
        packages: what must be installed for it, as one imports it.
        has_socket: it answers a WebSocket at `/ws`, runs jobs, and keeps what its lifespan made.
    """

    name: str
    target: str
    interface: Interface
    packages: tuple[str, ...]
    has_socket: bool = False

    @property
    def prefix(self) -> str:
        return f"/guest/{self.name}"

    @property
    def module(self) -> str:
        return f"tests.interop.guests.{self.target.partition(':')[0]}"

    @property
    def attribute(self) -> str:
        return self.target.partition(":")[2]

    @property
    def alone(self) -> tuple[Server, Start]:
        """How it is served by the server that people use for it, which is told the prefix."""
        what = f"{self.module}:{self.attribute}"
        if self.interface == "wsgi":
            command = f"gunicorn --bind {BIND} --threads 4 {what}"
            return Server(self.name, "wsgi", command, ("gunicorn",)), Start(variables={"SCRIPT_NAME": self.prefix})
        command = f"uvicorn --port {{port}} --http h11 --ws websockets-sansio --root-path {self.prefix} {what}"
        return Server(self.name, "asgi", command, ("uvicorn",)), Start()

    @property
    def prefix_alone(self) -> str:
        """What stands before a path when the guest is asked alone: uvicorn adds the prefix by itself."""
        return self.prefix if self.interface == "wsgi" else ""


GUESTS = (
    Guest("flask", "flask_app:app", "wsgi", ("flask",)),
    Guest("django-wsgi", "django_app:wsgi", "wsgi", ("django",)),
    Guest("bottle", "bottle_app:app", "wsgi", ("bottle",)),
    Guest("falcon-wsgi", "falcon_app:app", "wsgi", ("falcon",)),
    Guest("django-asgi", "django_app:asgi", "asgi", ("django",)),
    Guest("starlette", "starlette_app:app", "asgi", ("starlette", "itsdangerous", "python_multipart"), True),
    Guest("fastapi", "fastapi_app:app", "asgi", ("fastapi", "itsdangerous", "python_multipart"), True),
    Guest("falcon-asgi", "falcon_asgi_app:app", "asgi", ("falcon",), True),
)
