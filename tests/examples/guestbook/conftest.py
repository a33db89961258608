"""A guestbook of its own for each test, and somebody who uses it through one gateway after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

if any(find_spec(name) is None for name in ("sqlalchemy", "jinja2", "itsdangerous", "limits", "argon2")):
    collect_ignore_glob = ["test_*.py"]  # where examples are tried that need nothing but ambi
else:
    from argon2 import PasswordHasher
    from sqlalchemy import Engine
    from sqlalchemy.orm import Session

    from ambi import App
    from ambi.testing import Client
    from examples.guestbook.database import open_database
    from examples.guestbook.forms import key_of
    from examples.guestbook.models import User
    from examples.guestbook.settings import Settings
    from examples.guestbook.site import make_site
    from tests.examples.guestbook.person import PASSWORD, Person

    QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture(autouse=True)
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hash takes long by intent; here it need not, but where a test says so."""
    monkeypatch.setattr("examples.guestbook.accounts.hash_password", QUICK.hash)
    monkeypatch.setattr("examples.guestbook.accounts.needs_rehash", lambda stored: False)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Those of development, but that nobody is too fast."""
    return replace(Settings.in_folder(tmp_path / "data"), attempts="1000/minute")


@pytest.fixture
def app(settings: Settings) -> App:
    return make_site(settings)


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    """The database as somebody else sees it: what is committed."""
    engine = open_database(settings.database)
    yield engine
    engine.dispose()


@pytest.fixture
def rows(engine: Engine) -> Iterator[Session]:
    with Session(engine) as session:
        yield session


@pytest.fixture(params=["wsgi", "asgi"])
def client(request: pytest.FixtureRequest, app: App) -> Iterator[Client]:
    gateway: Any = request.param
    with Client(app, gateway, headers={"accept": "text/html"}) as client:
        yield client


@pytest.fixture
def person(client: Client, rows: Session) -> Person:
    """Somebody with a browser, who is not logged in; Ann and Bob have accounts."""
    for name in ("Ann", "Bob"):
        rows.add(User(name=name, key=key_of(name), password_hash=QUICK.hash(PASSWORD)))
    rows.commit()
    return Person(client)
