"""`ambi run` in this process, for what does not need one of its own. As it is used: tests/servers/test_run.py."""

import importlib.util
import logging
import os
import signal
import socket
import threading
from pathlib import Path

import pytest

from tests.cli.conftest import Site
from tests.cli.running import ask, run_here, seconds_until, write

GATEWAYS = [
    "wsgi",
    pytest.param(
        "asgi", marks=pytest.mark.skipif(not importlib.util.find_spec("uvicorn"), reason="uvicorn is not installed")
    ),
]
both = pytest.mark.parametrize("gateway", GATEWAYS)

SHOP = """
    from ambi import App

    async def lifespan(app):
        yield
        print("it stops")

    app = App(lifespan=lifespan)
    inner = App()
    app.mount("/inner", inner)

    @app.get("/")
    def index():
        return f"{app.debug} {inner.debug}"

    @app.get("/crash")
    def crash():
        raise KeyError("no such thing")

    class Wrapped:
        def __init__(self, app):
            self.app = app

        def __call__(self, environ, start_response):
            return self.app(environ, start_response)

    class WrappedASGI(Wrapped):
        async def __call__(self, scope, receive, send):
            assert scope["type"] != "lifespan"
            await self.app(scope, receive, send)

    wrapped = Wrapped(app)
    wrapped_asgi = WrappedASGI(app)

    def create():
        return app
"""


pytestmark = pytest.mark.usefixtures("libuv_has_its_pipe")


@pytest.fixture(autouse=True)
def process_as_it_was():
    """Give the loggers back as the tests of others have them."""
    names = [None, "ambi.access", "uvicorn", "uvicorn.error", "uvicorn.access", "gunicorn.error", "hypercorn.error"]
    loggers = [logging.getLogger(name) for name in names]
    before = [(log, log.level, [*log.handlers], log.propagate) for log in loggers]
    yield
    for log, level, handlers, propagate in before:
        log.setLevel(level)
        log.handlers[:] = handlers
        log.propagate = propagate


@both
def test_it_serves_until_it_is_interrupted(site: Site, gateway: str, capsys: pytest.CaptureFixture[str]) -> None:
    site.write(SHOP)

    def client(port: int) -> None:
        assert ask(port) == (200, "True True")
        assert ask(port, "/crash")[0] == 500

    status, said = run_here(client, "shop:app", "--no-reload", "--gateway", gateway)
    assert status == 0
    assert f"gateway {gateway}, by " in " ".join(said.split())
    assert "reload  off" in said
    assert said.count("Traceback") == 1
    assert capsys.readouterr().out == "it stops\n"


@both
def test_a_factory_is_served_with_its_own_debug(site: Site, gateway: str) -> None:
    site.write(SHOP)

    def client(port: int) -> None:
        assert ask(port) == (200, "False False")

    status, said = run_here(client, "shop:create", "--no-reload", "--no-debug", "--gateway", gateway)
    assert status == 0
    assert "debug   as the application has it" in said
    assert "Deploy with: gunicorn 'shop:create()', or uvicorn --factory shop:create" in said


def test_an_access_log_of_the_application_is_the_only_one(site: Site) -> None:
    site.write(SHOP + "\n    app.access_log()\n")

    def client(port: int) -> None:
        ask(port)

    _, said = run_here(client, "shop", "--no-reload", "--gateway", "wsgi")
    assert said.count("GET /") == 1
    assert "route=/" in said


@pytest.mark.parametrize(("spec", "gateway", "other"), [("wrapped", "wsgi", "asgi"), ("wrapped_asgi", "asgi", "wsgi")])
def test_a_wrapper_is_served_by_the_gateway_that_it_speaks(site: Site, spec: str, gateway: str, other: str) -> None:
    if not importlib.util.find_spec("uvicorn"):
        pytest.skip("uvicorn is not installed")
    site.write(SHOP)

    def client(port: int) -> None:
        assert ask(port) == (200, "True True")

    assert run_here(client, f"shop:{spec}", "--no-reload", "--gateway", gateway)[0] == 0
    status, said = run_here(None, f"shop:{spec}", "--no-reload", "--gateway", other)
    assert status == 2
    assert f"which speaks {gateway} only: say --gateway {gateway}, or wrap one side of the App: app.{gateway} =" in said


@both
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_what_cannot_be_served_is_said(site: Site, gateway: str, log_format: str) -> None:
    failures = {
        "raise OSError('no file')": "OSError: no file",
        "from ambi import App\napp = App()\napp.get('items')(print)": "must begin with a slash",
        "from ambi import App\ndef start():\n    raise OSError('no base')\n    yield\napp = App(lifespan=start)": "OSError: no base",
    }
    for text, why in failures.items():
        site.forget()
        site.write(text)
        status, said = run_here(
            lambda port: None, "shop:app", "--no-reload", "--gateway", gateway, "--log-format", log_format
        )
        assert status == 1
        assert why in said
        assert "shop.py" in said


def test_it_starts_again_when_a_file_changes(site: Site) -> None:
    site.write(SHOP)

    def client(port: int) -> None:
        assert ask(port) == (200, "True True")
        write(site.folder, "import nothing_there")
        seconds_until(port, "No module named 'nothing_there'")
        write(site.folder, SHOP)
        seconds_until(port, "True True")

    status, said = run_here(client, "--gateway", "wsgi", "shop:app")
    assert status == 0
    assert said.count("shop.py changed: starting again") == 2
    assert "waiting for a change of a file" in said


def test_a_child_that_ends_by_itself_is_waited_for(site: Site) -> None:
    site.write("import os\nos._exit(9)")

    def client(port: int) -> None:
        assert ask(port) == (500, "the process of shop:app ended\n\nit left with status 9\n")

    status, said = run_here(client, "shop:app", "--gateway", "wsgi")
    assert status == 0
    assert "it left with status 9" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["shop.py:app", "--host", "no.such.host.invalid"], "--host no.such.host.invalid: "),
        (["shop:app", "--host", "192.0.2.1"], "--host 192.0.2.1 --port 0: "),
        (["shop:app", "--watch", "nowhere"], "--watch nowhere: there is no such directory"),
        (["nowhere.py"], "there is no file 'nowhere.py'"),
        (["shop:app", "--port", "70000"], "a number from 0 to 65535 was expected, not '70000'"),
        ([], "no application was named"),
    ],
)
def test_wrong_use_is_a_2(site: Site, arguments: list[str], said: str) -> None:
    site.write(SHOP)
    result = site.run("run", "--port", "0", *arguments)
    assert (result.status, result.out) == (2, "")
    assert said in result.err


def test_a_module_that_is_not_there_ends_it_at_once(site: Site) -> None:
    status, said = run_here(None, "shap:app", "--gateway", "wsgi")
    assert status == 2
    assert "there is no module 'shap'" not in said  # the child says so, on the stderr of this process


def test_a_port_that_is_taken_is_said_with_one_that_is_free(site: Site) -> None:
    site.write(SHOP)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = site.run("run", "shop:app", "--port", str(port))
    assert (result.status, result.out) == (1, "")
    assert (
        f"port {port} is taken: another server listens on 127.0.0.1 already; end that one, or say --port " in result.err
    )
    assert int(result.err.split()[-1]) > port


def test_other_machines_are_warned_of(site: Site) -> None:
    site.write(SHOP)

    def client(port: int) -> None:
        assert ask(port) == (200, "True True")

    _, said = run_here(client, "shop:app", "--no-reload", "--gateway", "wsgi", "--host", "0.0.0.0")
    assert "--host 0.0.0.0: other machines can reach this server, and debug is on" in said
    assert "http://127.0.0.1:" in said


def test_a_child_ends_when_the_pipe_of_its_parent_does(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from ambi.cli.dev import child
    from ambi.cli.dev.listening import listen
    from ambi.cli.dev.serving import Task

    site.write(SHOP)
    left: list[int] = []
    monkeypatch.setattr(child, "_ALONE_S", 0)
    monkeypatch.setattr(os, "_exit", left.append)  # at last it would leave this process
    monkeypatch.setattr("sys.argv", [])
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    reading, writing = os.pipe()
    listening = listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    answers: list[object] = []

    def use() -> None:
        answers.append(ask(port))
        os.close(writing)

    threading.Thread(target=use).start()
    task = Task("shop:app", str(site.folder), "wsgi", True, "text")
    handed = child.Handed(task, listening.detach(), reading, str(site.folder / "report"))
    command = child.command_of(handed)
    try:
        assert child.main(command[-1]) == 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for thread in threading.enumerate():
        if thread.name == "ambi-parent":
            thread.join(5)
    os.close(reading)
    assert left == [1]
    assert answers == [(200, "True True")]
    assert command[-4:-1] == ["-P", "-m", "ambi.cli.dev.child"]
    assert not Path(site.folder, "report").exists()
