"""What real servers write in the form of `ambi.features.log_format`: JSON alone, and each crash once.

No cells: the servers are real. Each is configured as `docs/how-to/logging.md` says.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ambi.features.log_format import log_config
from tests.servers.catalogue import Server
from tests.servers.processes import Running, running, why_missing

APP = """
import logging
from ambi import App, Request

app = App()
app.request_ids()
app.access_log()


class Broken(Exception):
    pass


@app.get("/greet")
def greet(request: Request) -> str:
    logging.getLogger("shop").info("greeting %s", request.headers.get("x-name"))
    return "hello"


@app.get("/orders/{id}", name="order")
def order(id: str) -> None:
    raise Broken("first line\\nsecond line")


@app.get("/cut/{id}", name="cut")
async def cut(id: str):
    yield "a"
    raise Broken("in a stream")
"""

GUNICORN_CONF = """
from ambi.features.log_format import log_config

logconfig_dict = log_config("json")
"""

SERVERS = [
    Server("uvicorn", "asgi", "uvicorn --log-config log.json --port {port} shop_with_logs:app", ("uvicorn",)),
    Server("gunicorn gthread", "wsgi", "gunicorn -k gthread --bind 127.0.0.1:{port} shop_with_logs:app", ("gunicorn",)),
    Server("gunicorn asgi", "asgi", "gunicorn -k asgi --bind 127.0.0.1:{port} shop_with_logs:app", ("gunicorn",)),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of an application with its configuration of logs."""
    folder = tmp_path_factory.mktemp("logs")
    (folder / "shop_with_logs.py").write_text(APP)
    (folder / "gunicorn.conf.py").write_text(GUNICORN_CONF)
    (folder / "log.json").write_text(json.dumps(log_config("json")))
    return folder


@pytest.fixture(scope="module", params=SERVERS, ids=lambda server: server.name)
def server(request: pytest.FixtureRequest, home: Path) -> Iterator[Running]:
    """Give one server after the other, asked for all that is looked at here."""
    missing = why_missing(request.param)
    if missing:
        pytest.skip(missing)
    with running(request.param, home=home) as server:
        server.get("/greet", ("X-Name", 'Ann"{\\'))
        server.get("/orders/7", ("X-Request-ID", "crash-1"))
        server.get("/cut/7", ("X-Request-ID", "cut-1"))
        lines_of(server, until="cut-1")
        time.sleep(0.2)  # what a server says of it comes after
        yield server


def lines_of(server: Running, until: str = "") -> list[Any]:
    """Give what the server wrote, once a text is in it."""
    deadline = time.monotonic() + 5
    while until not in (written := (server.folder / "log").read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return [json.loads(line) for line in written.splitlines()]


def test_all_that_a_server_writes_is_an_object_of_json_a_line(server: Running) -> None:
    lines = lines_of(server)
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    names = {line["logger"] for line in lines}
    assert names & {"uvicorn.error", "gunicorn.error"}
    assert {"shop", "ambi.error", "ambi.access"} <= names


def test_a_line_of_the_application_has_the_id_and_the_route(server: Running) -> None:
    (line,) = [line for line in lines_of(server) if line["logger"] == "shop"]
    assert line["message"] == 'greeting Ann"{\\'
    assert line["route"] == "/greet"
    assert len(line["request_id"]) == 32


@pytest.mark.parametrize(("name", "route"), [("crash-1", "/orders/{id}"), ("cut-1", "/cut/{id}")])
def test_a_crash_is_there_once(server: Running, name: str, route: str) -> None:
    crashes = [line for line in lines_of(server) if "exception" in line]
    (line,) = [line for line in crashes if line.get("request_id") == name]
    assert (line["logger"], line["level"], line["route"]) == ("ambi.error", "ERROR", route)
    assert line["exception"]["type"] == "shop_with_logs.Broken"
    assert "in order" in line["exception"]["stack"] or "in cut" in line["exception"]["stack"]
    assert len(crashes) == 2


def test_the_access_log_is_ambis_alone(server: Running) -> None:
    lines = [line for line in lines_of(server) if "access" in line["logger"]]
    assert [line["access"]["route"] for line in lines] == ["/greet", "/orders/{id}", "/cut/{id}"]
    assert {line["logger"] for line in lines} == {"ambi.access"}
