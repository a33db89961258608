"""`ambi run` as it is used: processes, sockets, signals, files that change. The gateway is that of the command line.

uvicorn is not there everywhere; what needs it is skipped then.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.children import environment
from tests.cli.running import WAIT_S, Running, ask, seconds_until, talking, write

HAS_UVICORN = importlib.util.find_spec("uvicorn") is not None
GATEWAYS = [
    "wsgi",
    pytest.param("asgi", marks=pytest.mark.skipif(not HAS_UVICORN, reason="uvicorn is not installed")),
]
both = pytest.mark.parametrize("gateway", GATEWAYS)

SLACK_S = 2.0
"""For a machine on which much else runs."""

SHOP = """
    import asyncio, os, time
    from ambi import SSE, App, WebSocket

    async def lifespan(app):
        print("it starts", os.getpid())
        yield
        print("it stops")

    app = App(lifespan=lifespan)

    @app.get("/")
    def index():
        return "one"

    @app.get("/debug")
    def debug():
        return str(app.debug)

    @app.get("/crash")
    async def crash():
        raise KeyError("no such thing")

    @app.get("/exit")
    def leave():
        os._exit(7)

    @app.get("/events")
    async def events():
        async def endless():
            for n in range(10**6):
                yield n
                await asyncio.sleep(0.1)
        return SSE(endless())

    @app.get("/stubborn")
    def stubborn():
        print("it is stubborn")
        time.sleep(60)

    @app.websocket("/socket")
    async def echo(ws: WebSocket):
        async for message in ws:
            await ws.send(message)
"""

HANDSHAKE = (
    b"GET /socket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def read_until(connection: socket.socket, wanted: bytes) -> bytes:
    got = b""
    while wanted not in got:
        got += (more := connection.recv(4096))
        assert more, got
    return got


@both
def test_an_edit_is_served_soon_and_open_connections_do_not_hold_it(tmp_path: Path, gateway: str) -> None:
    write(tmp_path, SHOP)
    with Running(tmp_path, "shop:app", "--gateway", gateway) as shop:
        port = shop.port
        assert ask(port) == (200, "one")
        assert ask(port, "/debug") == (200, "True")
        with (
            talking(port, b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n") as events,
            talking(port, HANDSHAKE) as ws,
        ):
            read_until(events, b"data: 1")
            answered = read_until(ws, b"\r\n\r\n")
            assert answered.startswith(b"HTTP/1.1 101 ")
            shop.write(SHOP.replace('"one"', '"two"'))
            took_s = seconds_until(port, "two")
        assert took_s < 2 + SLACK_S
        assert shop.interrupt() == 0
    assert shop.log.text.count("it starts") == 2
    assert shop.log.text.count("it stops") == 2
    assert "Traceback" not in shop.log.text
    assert "shop.py changed: starting again" in shop.log.text
    with socket.create_server(("127.0.0.1", port)):  # it is free again
        pass


@both
def test_a_syntax_error_is_a_page_until_it_is_mended(tmp_path: Path, gateway: str) -> None:
    write(tmp_path, SHOP)
    with Running(tmp_path, "shop:app", "--gateway", gateway) as shop:
        port = shop.port
        assert ask(port) == (200, "one")
        shop.write("x = (\n")
        shop.log.wait_for("waiting for a change")
        status, page = ask(port, "/any", accept="text/html")
        assert status == 500
        assert "SyntaxError: &#x27;(&#x27; was never closed" in page
        assert "shop.py:1" in page
        shop.write(SHOP)
        assert seconds_until(port, "one") < 1 + SLACK_S
    said = shop.log.text
    assert "ambi run: shop:app raised an error\n  shop.py:1\n    x = (\nSyntaxError" in said


@both
def test_a_connection_that_is_made_during_a_restart_waits_and_is_not_refused(tmp_path: Path, gateway: str) -> None:
    slow = SHOP.replace("import asyncio, os, time", "import asyncio, os, time; time.sleep(0.7)").replace(
        '"one"', '"two"'
    )
    write(tmp_path, SHOP)
    with Running(tmp_path, "shop:app", "--gateway", gateway) as shop:
        assert ask(shop.port) == (200, "one")
        shop.write(slow)
        shop.log.wait_for("starting again")
        shop.log.wait_for("it stops")
        assert ask(shop.port) == (200, "two")


@both
def test_a_crash_of_a_request_is_shown_once_and_each_request_is_a_line(tmp_path: Path, gateway: str) -> None:
    write(tmp_path, SHOP)
    with Running(tmp_path, "shop:app", "--gateway", gateway, "--no-debug") as shop:
        assert ask(shop.port, "/crash")[0] == 500
        assert ask(shop.port, "/nowhere")[0] == 404
        assert ask(shop.port, "/debug") == (200, "False")
        for path in ("/crash", "/nowhere", "/debug"):
            shop.log.wait_for(f"GET {path} ")
        shop.interrupt()
    said = shop.log.text
    assert said.count("Traceback") == 1
    assert said.count("KeyError: 'no such thing'") == 1
    # A line is written when the answer has been sent, and the client may have asked again by then.
    lines = re.findall(r"^\d\d:\d\d:\d\d (\d+) (GET /\S*) ", said, re.MULTILINE)
    assert sorted(lines) == [("200", "GET /debug"), ("404", "GET /nowhere"), ("500", "GET /crash")]
    assert "\x1b" not in said


def test_lines_are_json_for_tools(tmp_path: Path) -> None:
    write(tmp_path, SHOP.replace('print("it starts", os.getpid())', "").replace('print("it stops")', ""))
    with Running(tmp_path, "shop:app", "--gateway", "wsgi", "--log-format", "json") as shop:
        assert ask(shop.port, "/crash")[0] == 500
        shop.write("raise ValueError('mend me')")
        shop.log.wait_for("waiting for a change")
        shop.interrupt()
    lines = [json.loads(line) for line in shop.log.text.splitlines()]
    loggers = {line["logger"] for line in lines}
    assert {"ambi.run", "ambi.access", "ambi.error"} == loggers
    said = [line["message"] for line in lines if line["logger"] == "ambi.run" and line["level"] == "ERROR"]
    assert said == ["shop:app could not be loaded: ValueError: mend me; shop.py:1"]


@both
def test_a_start_up_that_fails_is_a_page_too(tmp_path: Path, gateway: str) -> None:
    write(tmp_path, SHOP.replace('print("it starts", os.getpid())', 'raise OSError("no database")'))
    with Running(tmp_path, "shop:app", "--gateway", gateway) as shop:
        shop.log.wait_for("waiting for a change")
        status, text = ask(shop.port)
        assert status == 500
        assert text.startswith("shop:app could not be started\n\n  shop.py:6, in lifespan\n    raise OSError(")
        assert text.endswith("OSError: no database\n")
        shop.write(SHOP)
        assert seconds_until(shop.port, "one") < WAIT_S
    assert shop.log.text.count("Traceback") == 1


def test_a_process_that_ends_itself_is_said_and_waited_for(tmp_path: Path) -> None:
    write(tmp_path, SHOP)
    with Running(tmp_path, "shop:app", "--gateway", "wsgi") as shop:
        with contextlib.suppress(OSError, Exception):
            ask(shop.port, "/exit")
        shop.log.wait_for("the process of shop:app ended: it left with status 7")
        assert ask(shop.port)[0] == 500
        shop.write(SHOP.replace('"one"', '"two"'))
        seconds_until(shop.port, "two")
        pid = int(shop.log.wait_for(r"it starts \d+", times=2)[-1].split()[-1])
        os.kill(pid, signal.SIGSEGV)
        shop.log.wait_for("it was ended by the signal SIGSEGV")


def test_a_child_that_does_not_end_is_killed(tmp_path: Path) -> None:
    write(tmp_path, SHOP)
    asking = b"GET /stubborn HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with Running(tmp_path, "shop:app", "--gateway", "wsgi") as shop, talking(shop.port, asking):
        shop.log.wait_for("it is stubborn")
        shop.write(SHOP.replace('"one"', '"two"'))
        assert seconds_until(shop.port, "two") < 4 + SLACK_S


def test_a_child_ends_with_its_parent(tmp_path: Path) -> None:
    write(tmp_path, SHOP)
    with Running(tmp_path, "shop:app", "--gateway", "wsgi") as shop:
        pid = int(shop.log.wait_for(r"it starts \d+")[0].split()[-1])
        shop.process.kill()
        shop.log.wait_for("it stops")
        until = time.monotonic() + WAIT_S
        while time.monotonic() < until and Path(f"/proc/{pid}").exists():
            time.sleep(0.02)
        assert not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_and_its_like_end_all_while_it_still_starts(tmp_path: Path, sent: signal.Signals) -> None:
    write(tmp_path, "print('importing', flush=True)\nimport time\ntime.sleep(30)")
    with Running(tmp_path, "shop:app", "--gateway", "wsgi") as shop:
        shop.log.wait_for("importing")
        began = time.monotonic()
        shop.process.send_signal(sent)
        assert shop.wait() == 0
        assert time.monotonic() - began < 1 + SLACK_S
    assert "Traceback" not in shop.log.text
    assert "raised an error" not in shop.log.text


def test_ctrl_c_of_a_terminal_reaches_parent_and_child(tmp_path: Path) -> None:
    write(tmp_path, SHOP)
    with in_terminal(tmp_path, "shop:app") as (terminal, process):
        port = port_in(wait_for(terminal, b"it starts"))
        assert ask(port) == (200, "one")
        assert b"\x1b[32m200\x1b[0m GET /" in wait_for(terminal, b"GET /")
        os.write(terminal, b"\x03")
        said = wait_for(terminal, b"it stops")
        assert process.wait(WAIT_S) == 0
    assert b"Traceback" not in said


@both
def test_a_debugger_can_be_used_and_a_restart_mends_the_terminal(tmp_path: Path, gateway: str) -> None:
    import termios

    asking = SHOP.replace('return "one"', "answer = [41]\n        breakpoint()\n        return str(answer[0])")
    write(tmp_path, asking)
    with in_terminal(tmp_path, "shop:app", "--gateway", gateway) as (terminal, _):
        port = port_in(wait_for(terminal, b"it starts"))
        with talking(port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") as connection:
            wait_for(terminal, b"(Pdb) ")
            os.write(terminal, b"answer[0] = 42\n")
            wait_for(terminal, b"(Pdb) ")
            os.write(terminal, b"c\n")
            assert b"42" in read_until(connection, b"42")
        with talking(port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"):
            wait_for(terminal, b"(Pdb) ")
            settings = termios.tcgetattr(terminal)
            settings[3] &= ~termios.ECHO
            termios.tcsetattr(terminal, termios.TCSANOW, settings)
            write(tmp_path, SHOP)
            wait_for(terminal, b"it starts")
            assert termios.tcgetattr(terminal)[3] & termios.ECHO
        assert ask(port) == (200, "one")


@contextlib.contextmanager
def in_terminal(folder: Path, *arguments: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Run the command in a terminal of its own."""
    ours, theirs = pty.openpty()
    code = (
        "import fcntl, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\nfrom ambi.cli import main; sys.exit(main())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, "run", "--port", "0", *arguments],
        cwd=folder, env={**environment(), "TERM": "xterm", "NO_COLOR": ""},
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    try:
        yield ours, process
    finally:
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
        if process.poll() is None:
            process.kill()
            process.wait(5)
        os.close(ours)


def port_in(said: bytes) -> int:
    found = re.search(rb"127\.0\.0\.1:(\d+)", said)
    assert found is not None, said
    return int(found[1])


def wait_for(terminal: int, wanted: bytes) -> bytes:
    """Read from a terminal until something was written."""
    got, until = b"", time.monotonic() + WAIT_S
    while wanted not in got:
        ready, _, _ = select.select([terminal], [], [], max(0, until - time.monotonic()))
        assert ready, got
        got += os.read(terminal, 4096)
    return got


@pytest.mark.parametrize("hidden", ["uvicorn", "uvicorn watchfiles"])
def test_without_uvicorn_and_watchfiles_it_serves_and_reloads_all_the_same(tmp_path: Path, hidden: str) -> None:
    write(tmp_path, SHOP)
    with Running(tmp_path, "shop:app", launcher=hiding(hidden)) as shop:
        assert ask(shop.port) == (200, "one")
        shop.write(SHOP.replace('"one"', '"two"'))
        assert seconds_until(shop.port, "two") < 2 + SLACK_S
    assert "wsgi, by ambi's own server (with uvicorn installed: asgi)" in shop.log.text
    assert ("looking 4 times a second" in shop.log.text) == ("watchfiles" in hidden or not has("watchfiles"))


def test_asgi_without_uvicorn_names_what_to_install(tmp_path: Path) -> None:
    write(tmp_path, SHOP)
    with Running(tmp_path, "shop:app", "--gateway", "asgi", launcher=hiding("uvicorn")) as shop:
        assert shop.wait() == 2
    assert shop.log.text == "ambi run: --gateway asgi needs uvicorn: pip install 'uvicorn[standard]'\n"


def hiding(names: str) -> str:
    """Give a program that runs the command as if packages were not installed."""
    return (
        "import importlib.util, sys\nfind = importlib.util.find_spec\n"
        f"importlib.util.find_spec = lambda name, *rest: None if name in {names.split()} else find(name, *rest)\n"
        "from ambi.cli import main\nsys.exit(main())"
    )


def has(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def test_what_is_not_there_at_first_ends_it(tmp_path: Path) -> None:
    write(tmp_path, SHOP)
    with Running(tmp_path, "shap:app") as shop:
        assert shop.wait() == 2
    assert "ambi run: there is no module 'shap'" in shop.log.text
    assert "did you mean shop?" in shop.log.text


def test_many_changes_at_once_are_few_restarts(tmp_path: Path) -> None:
    write(tmp_path, SHOP)
    with Running(tmp_path, "shop:app", "--gateway", "wsgi") as shop:
        assert ask(shop.port) == (200, "one")
        for number in range(20):
            shop.write(SHOP.replace('"one"', f'"no {number:02}"'))
            time.sleep(0.02)
        seconds_until(shop.port, "no 19")
        time.sleep(0.5)
        assert ask(shop.port) == (200, "no 19")
    assert shop.log.text.count("starting again") <= 6


def test_factories_templates_settings_and_asked_for_directories_are_watched(tmp_path: Path) -> None:
    write(
        tmp_path,
        """
        from pathlib import Path
        from ambi import App

        def create():
            app = App()
            text = "".join(Path(name).read_text() for name in ("templates/page.txt", ".env", "data/rates.csv"))
            app.get("/")(lambda: text)
            return app
        """,
    )
    names = ("templates/page.txt", ".env", "data/rates.csv")
    for name in names:
        write(tmp_path, "a", name)
    with Running(tmp_path, "shop:create", "--gateway", "wsgi", "--watch", "data") as shop:
        assert ask(shop.port) == (200, "aaa")
        for number, name in enumerate(names, 1):
            shop.write("b", name)
            seconds_until(shop.port, "".join(sorted("b" * number + "a" * (3 - number), reverse=True)))
        shop.write("b", "uploads.txt")
        shop.write("b", "node_modules/lib.py")
        time.sleep(0.6)
    assert shop.log.text.count("starting again") == 3
