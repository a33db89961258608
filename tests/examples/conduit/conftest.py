"""Conduit in process, through one gateway after the other."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

if any(find_spec(name) is None for name in ("sqlalchemy", "aiosqlite", "jwt", "msgspec", "argon2")):
    collect_ignore_glob = ["test_*.py"]  # where examples are tried that need nothing but ambi
else:
    from argon2 import PasswordHasher

    from ambi import App
    from ambi.testing import Client
    from tests.examples.conduit.api import Person

    QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture(scope="session", autouse=True)
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The example makes an application when it is imported, and a folder with it; a hash takes long by intent."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONDUIT_FOLDER", str(tmp_path_factory.mktemp("unused")))
        patch.setattr("examples.conduit.users.hash_password", QUICK.hash)
        patch.setattr("examples.conduit.users.needs_rehash", lambda stored: False)
        yield


@pytest.fixture
def app(tmp_path: Path) -> App:
    """An application with a database of its own."""
    return new_app(tmp_path)


@pytest.fixture(scope="module", params=["wsgi", "asgi"])
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    """Somebody who has no account. The tests of a file share the database, as people do."""
    gateway: Any = request.param
    with Client(new_app(tmp_path_factory.mktemp(gateway)), gateway) as client:
        yield person_of(client)


def new_app(folder: Path) -> App:
    from examples.conduit.app import make_api
    from examples.conduit.settings import Settings

    return make_api(Settings.in_folder(folder))


def person_of(client: Client) -> Person:
    def send(
        method: str, target: str, headers: dict[str, str], body: bytes | None
    ) -> tuple[int, dict[str, str], bytes]:
        response = client.request(method, target, headers=headers, content=body)
        return response.status_code, dict(response.headers), response.content

    return Person(send)
