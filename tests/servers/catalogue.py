"""The servers: how a user starts each of them, by its plainest command line.

What one is known to do differently stands in `differences.py`.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Gateway = Literal["wsgi", "asgi"]


@dataclass(frozen=True)
class Start:
    """One way to start a server: options that stand before those of its command, and variables for it."""

    arguments: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Mounted:
    """How a server is told that the application stands below `/api`."""

    start: Start
    # Whether the server is made for a proxy that takes the prefix off before it passes a request on.
    behind_stripping_proxy: bool


@dataclass(frozen=True)
class Server:
    """One server in one of its ways to work.

    Args:
        name: its heading in the table.
        gateway: what it must take the application for.
        command: what a user types in the folder of `app.py`; `{port}` stands for the port.
        packages: what must be installed for it, as one imports it.
        mounted: its option for a prefix, if it has one.
        two_workers: its option for several processes, if it has one.
        preloaded: its option to import the application before it forks, if it has one.
        hooked: its option to start the application's lifespan before the first request, if it needs one.
        leaves_sigterm_alone: it installs no handler for SIGTERM, so an application has to.
    """

    name: str
    gateway: Gateway
    command: str
    packages: tuple[str, ...] = ()
    mounted: Mounted | None = None
    two_workers: Start | None = None
    preloaded: Start | None = None
    hooked: Start | None = None
    leaves_sigterm_alone: bool = False

    @property
    def program(self) -> str:
        return shlex.split(self.command)[0]


BIND = "127.0.0.1:{port}"
PLAIN = Start()
TWO_WORKERS = Start("--workers 2")
PRELOADED = Start("--workers 2 --preload")
ROOT_PATH = Mounted(Start("--root-path /api"), behind_stripping_proxy=True)
# gunicorn takes the prefix off by itself, from the variable that CGI gave this name.
SCRIPT_NAME = Mounted(Start(variables={"SCRIPT_NAME": "/api"}), behind_stripping_proxy=False)


def gunicorn_wsgi(name: str, arguments: str, *packages: str) -> Server:
    return Server(
        f"gunicorn {name}",
        "wsgi",
        " ".join(filter(None, ["gunicorn", "--bind", BIND, arguments, "app:app"])),
        ("gunicorn", *packages),
        mounted=SCRIPT_NAME,
        two_workers=TWO_WORKERS,
        preloaded=PRELOADED,
        hooked=Start("-c python:ambi.gunicorn"),
    )


def gunicorn_asgi(name: str, arguments: str, *packages: str, mounted: Mounted | None = None) -> Server:
    return Server(
        f"gunicorn {name}",
        "asgi",
        f"gunicorn --bind {BIND} {arguments} app:app",
        ("gunicorn", *packages),
        mounted=mounted,
        two_workers=TWO_WORKERS,
        preloaded=PRELOADED,
    )


def uvicorn(parser: str) -> Server:
    return Server(
        f"uvicorn {parser}",
        "asgi",
        f"uvicorn --port {{port}} --http {parser} app:app",
        ("uvicorn", parser),
        mounted=ROOT_PATH,
        two_workers=TWO_WORKERS,
    )


def hypercorn(loop: str, *packages: str) -> Server:
    return Server(
        f"hypercorn {loop}",
        "asgi",
        f"hypercorn --bind {BIND} --worker-class {loop} app:app",
        ("hypercorn", *packages),
        mounted=ROOT_PATH,
        two_workers=TWO_WORKERS,
    )


def granian(gateway: Gateway) -> Server:
    return Server(
        f"granian {gateway}",
        gateway,
        f"granian --port {{port}} --interface {gateway} app:app",
        ("granian",),
        # Over WSGI it cuts the prefix off by its length, whatever stands there.
        mounted=Mounted(Start("--url-path-prefix /api"), behind_stripping_proxy=gateway == "asgi"),
        two_workers=TWO_WORKERS,
    )


def script(name: str, package: str, *lines: str) -> Server:
    """A server without a program: the few lines that its manual shows."""
    command = shlex.join(["python", "-c", "; ".join(lines)])
    return Server(name, "wsgi", command, (package,), leaves_sigterm_alone=True)


SERVERS: tuple[Server, ...] = (
    gunicorn_wsgi("sync", ""),
    gunicorn_wsgi("gthread", "--threads 4"),
    gunicorn_wsgi("gevent", "-k gevent", "gevent"),
    granian("wsgi"),
    Server(
        "waitress",
        "wsgi",
        f"waitress-serve --listen {BIND} app:app",
        ("waitress",),
        mounted=Mounted(Start("--url-prefix /api"), behind_stripping_proxy=False),
        leaves_sigterm_alone=True,
    ),
    Server("cheroot", "wsgi", f"cheroot --bind {BIND} app:app", ("cheroot",), leaves_sigterm_alone=True),
    script(
        "Werkzeug",
        "werkzeug",
        "from app import app",
        "from werkzeug.serving import run_simple",
        'run_simple("127.0.0.1", {port}, app, threaded=True)',
    ),
    script(
        "wsgiref",
        "wsgiref",
        "from app import app",
        "from wsgiref.simple_server import make_server",
        'make_server("127.0.0.1", {port}, app).serve_forever()',
    ),
    Server(
        "uWSGI",
        "wsgi",
        f"uwsgi --http-socket {BIND} --module app:app --die-on-term",
        ("pyuwsgi",),
        two_workers=Start("--master --processes 2"),
    ),
    script(
        "gevent.pywsgi",
        "gevent",
        "from gevent.monkey import patch_all",
        "patch_all()",
        "from app import app",
        "from gevent.pywsgi import WSGIServer",
        'WSGIServer(("127.0.0.1", {port}), app).serve_forever()',
    ),
    Server(
        "ambi run",
        "wsgi",
        "python -m ambi run --gateway wsgi --no-reload --no-debug --port {port} app:app",
    ),
    gunicorn_asgi("asgi", "-k asgi", mounted=ROOT_PATH),
    gunicorn_asgi("uvicorn-worker", "-k uvicorn_worker.UvicornWorker", "uvicorn_worker"),
    uvicorn("h11"),
    uvicorn("httptools"),
    hypercorn("asyncio"),
    hypercorn("trio", "trio"),
    Server("daphne", "asgi", "daphne --port {port} app:app", ("daphne",), mounted=ROOT_PATH),
    granian("asgi"),
)

# Three servers that together show most: both gateways, one thread and several, keep-alive and none.
QUICK = ("gunicorn gthread", "wsgiref", "uvicorn h11")
