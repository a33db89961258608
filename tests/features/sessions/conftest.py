"""Stores of each kind, and applications that keep their sessions in them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ambi import App
from ambi.features.sessions import MemoryStore, RedisStore, SessionStore, SQLiteStore
from ambi.testing import Client, Response
from tests.conftest import MakeClient

SECRET = "a secret of thirty-two bytes, or more"


@pytest.fixture(autouse=True)
def needs_itsdangerous() -> None:
    """Skip what cannot be tried."""
    pytest.importorskip("itsdangerous", reason="itsdangerous is not installed")


def made(kind: str, request: pytest.FixtureRequest, folder: Path) -> SessionStore | None:
    """Make what keeps sessions."""
    if kind == "memory":
        return MemoryStore()
    if kind == "sqlite":
        return SQLiteStore(folder / "sessions.db")
    if kind == "redis":
        return RedisStore(request.getfixturevalue("redis_url"), prefix=request.getfixturevalue("prefix"))
    return None


@pytest.fixture(params=["cookie", "sqlite"])
def kept(request: pytest.FixtureRequest, no_leaks: None, tmp_path: Path) -> Iterator[SessionStore | None]:
    """Give what keeps the sessions of a test: None is a cookie."""
    store: Any = made(request.param, request, tmp_path)
    yield store
    if hasattr(store, "close"):
        store.close()


@pytest.fixture(params=["memory", "sqlite", "redis"])
def store(request: pytest.FixtureRequest, no_leaks: None, tmp_path: Path) -> Iterator[SessionStore]:
    """Give each store."""
    store: Any = made(request.param, request, tmp_path)
    yield store
    if hasattr(store, "close"):
        store.close()


@pytest.fixture
def app(kept: SessionStore | None) -> App:
    """Give an application with sessions."""
    app = App()
    app.sessions(SECRET, store=kept)
    return app


@pytest.fixture
def make_browser(app: App, make_client: MakeClient) -> Callable[[], Client]:
    """Give what makes further clients of the application, with cookies of their own."""
    return lambda: make_client(app)


def cookie_of(response: Response) -> str | None:
    """Give the value of the session cookie that a response sets."""
    for line in response.headers.get_list("set-cookie"):
        if line.startswith("session="):
            return line.removeprefix("session=").partition(";")[0]
    return None
