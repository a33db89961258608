"""The hooks for gunicorn, called as gunicorn calls them; with gunicorn itself in `tests/servers`.

WSGI alone: workers that speak ASGI start and stop the application by themselves.
"""

import asyncio
import functools
from collections.abc import Iterator
from typing import Any

import pytest

from ambi import App
from ambi.gunicorn import find_app, post_worker_init, worker_exit
from tests.calls import call_wsgi

# The hooks look at the module of a worker's class, so these stand in for gunicorn's own.
SyncWorker = type("SyncWorker", (), {"__module__": "gunicorn.workers.sync"})
ThreadWorker = type("ThreadWorker", (), {"__module__": "gunicorn.workers.gthread"})
GeventWorker = type("GeventWorker", (), {"__module__": "gunicorn.workers.ggevent"})
OwnWorker = type("OwnWorker", (ThreadWorker,), {"__module__": "my.workers"})
ASGIWorker = type("ASGIWorker", (), {"__module__": "gunicorn.workers.gasgi"})
UvicornWorker = type("UvicornWorker", (), {"__module__": "uvicorn_worker._workers"})


def worker_of(kind: Any, served: Any) -> Any:
    """Make a worker that has loaded its application."""
    worker = kind()
    worker.wsgi = served
    return worker


def app_with_lifespan(events: list[str]) -> App:
    """Make an application whose start and stop are noted, with something async about it."""

    async def lifespan() -> Any:
        await asyncio.sleep(0)
        events.append("up")
        yield {"name": "pool"}
        events.append("down")

    app = App(lifespan=lifespan)
    app.get("/")(lambda request: request.state.name)
    return app


@pytest.mark.parametrize("kind", [SyncWorker, ThreadWorker, GeventWorker, OwnWorker], ids=lambda kind: kind.__name__)
def test_a_worker_starts_and_stops_the_application(kind: Any) -> None:
    events: list[str] = []
    app = app_with_lifespan(events)
    worker = worker_of(kind, app)
    post_worker_init(worker)
    assert events == ["up"]
    assert call_wsgi(app)[2] == b"pool"
    worker_exit(None, worker)
    assert events == ["up", "down"]


@pytest.mark.parametrize("kind", [ASGIWorker, UvicornWorker], ids=lambda kind: kind.__name__)
def test_a_worker_that_speaks_asgi_is_left_alone(kind: Any) -> None:
    events: list[str] = []
    worker = worker_of(kind, app_with_lifespan(events))
    post_worker_init(worker)
    worker_exit(None, worker)
    assert events == []


def test_gunicorns_own_asgi_worker_has_not_loaded_its_application_when_the_hook_runs() -> None:
    worker = ASGIWorker()
    post_worker_init(worker)
    worker_exit(None, worker)


def test_a_start_up_that_fails_stops_the_worker() -> None:
    def lifespan() -> Iterator[None]:
        raise KeyError("no database")
        yield

    with pytest.raises(KeyError, match="no database"):
        post_worker_init(worker_of(SyncWorker, App(lifespan=lifespan)))


def test_an_application_without_a_lifespan_needs_nothing() -> None:
    worker = worker_of(SyncWorker, App())
    post_worker_init(worker)
    worker_exit(None, worker)


def test_a_worker_that_never_loaded_its_application_exits() -> None:
    worker_exit(None, SyncWorker())


class Middleware:
    """A WSGI middleware, as most are written."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, environ: Any, start_response: Any) -> Any:
        return self.app(environ, start_response)


class OlderMiddleware(Middleware):
    """One that calls it otherwise."""

    def __init__(self, app: Any) -> None:
        self.wsgi_app = app


APP = App()


@pytest.mark.parametrize(
    "served",
    [
        APP,
        APP.wsgi,
        APP.__call__,
        Middleware(APP),
        Middleware(OlderMiddleware(Middleware(APP.wsgi))),
        Middleware(APP).__call__,
    ],
    ids=["app", "app.wsgi", "app.__call__", "middleware", "middlewares", "method"],
)
def test_the_application_is_found_behind_what_wraps_it(served: Any) -> None:
    assert find_app(served) is APP


def test_what_is_no_application_of_ours_is_left_alone() -> None:
    def plain(environ: Any, start_response: Any) -> list[bytes]:
        return [b""]

    looped = Middleware(None)
    looped.app = looped
    assert [find_app(served) for served in (plain, None, Middleware(plain), looped, functools.partial(plain))] == [
        None
    ] * 5
