"""Every command line of the pages starts its server, which serves both colours and stops as the pages say.

No cells: the servers are real. `AMBI_SERVERS=all` runs all of them, else those that the pages name first.
"""

from __future__ import annotations

import http.client
import re
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.deploy.pages import commands, files, write
from tests.deploy.running import (
    ALL,
    STOP_S,
    Events,
    Program,
    ask,
    connection_to,
    free_port,
    need,
    path_of,
    run,
    serve,
    slow,
)
from tests.servers.nginx import make_certificate

PAGES = ("gunicorn", "uvicorn", "hypercorn", "granian")
NEEDS = {
    "gevent": "gevent",
    "uvicorn_worker": "uvicorn_worker",
    "uvloop": "uvloop",
    "trio": "trio",
    "wsproto": "wsproto",
}
CUTS = {"granian"}
"""Servers that cut an open event stream, as their pages say."""

EVERY = [(page, command) for page in PAGES for command in commands(f"deploy/{page}.md", page)]
FIRST = [next(each for each in EVERY if each[0] == page) for page in PAGES]
CHOSEN = EVERY if ALL else FIRST


def at_port(page: str, command: str, port: int, folder: Path) -> str:
    """Give the command line with a port of the test's; the file that it names has it already."""
    if page == "hypercorn":
        settings = folder / "hypercorn.toml"
        settings.write_text(settings.read_text().replace("127.0.0.1:8000", f"127.0.0.1:{port}"))
        return command.replace("127.0.0.1:8000", f"127.0.0.1:{port}").replace("0.0.0.0:8443", f"127.0.0.1:{port}")
    option = "-b 127.0.0.1:" if page == "gunicorn" else "--port "
    return f"{command} {option}{port}"


def test_the_pages_have_command_lines() -> None:
    assert {page: len(commands(f"deploy/{page}.md", page)) for page in PAGES} == {
        "gunicorn": 5, "uvicorn": 3, "hypercorn": 5, "granian": 2,
    }  # fmt: skip


@pytest.mark.parametrize(("page", "command"), CHOSEN, ids=[command for _, command in CHOSEN])
def test_a_command_line_of_the_pages_serves_and_stops(page: str, command: str, tmp_path: Path) -> None:
    need(page)
    for word, package in NEEDS.items():
        if word in command and find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    write("deploy/index.md", tmp_path)
    write(f"deploy/{page}.md", tmp_path)
    port = free_port()
    address = ("127.0.0.1", port)
    tls = "--certfile" in command
    if tls:
        make_certificate(tmp_path)
        (tmp_path / "cert.pem").write_text((tmp_path / "certificate.pem").read_text())
    command = at_port(page, command, port, tmp_path).replace("--workers-kill-timeout 25", "--workers-kill-timeout 2")
    with serve(command, tmp_path, address) as program:
        if tls:
            seen = speaks_http_2(port, tmp_path)
            assert seen in (None, ("2", "ok"))
            return
        assert ask(address, "/healthz").text == "ok"
        for path in ("/", "/async"):
            assert ask(address, path).json()["url"] == f"http://127.0.0.1:{port}{path}", program.log
        answer = ask(address, "/", headers={"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}).json()
        assert answer == {"client": "203.0.113.7", "url": f"https://127.0.0.1:{port}/"}
        with Events(connection_to(address), "/ticks") as events:
            assert events.next()["data"] == "0"
            stops_well(program, events, cuts=page in CUTS)


def stops_well(program: Program, events: Events, *, cuts: bool) -> None:
    """Stop a server with an event stream open; hold that it ends well, or is cut where the server does not care."""
    program.terminate()
    started = time.monotonic()
    with pytest.raises((http.client.IncompleteRead, OSError, EOFError) if cuts else EOFError):
        while True:
            events.next()
    assert time.monotonic() - started < 8
    assert program.ended_within(STOP_S), program.log


def speaks_http_2(port: int, folder: Path) -> tuple[str, str] | None:
    """Ask over TLS with curl; None where it is not there or speaks no HTTP/2."""
    curl = path_of("curl")
    if (
        curl is None
        or b"HTTP2" not in subprocess.run([curl, "-V"], check=False, capture_output=True, timeout=10).stdout
    ):
        return None
    address = f"https://localhost:{port}/healthz"
    asked = [curl, "-s", "--http2", "--cacert", f"{folder}/certificate.pem", "-w", " %{http_version}", address]
    said = subprocess.run(asked, check=False, capture_output=True, text=True, timeout=20).stdout
    text, _, version = said.rpartition(" ")
    return version, text


def test_the_hooks_start_the_lifespan_with_the_worker(tmp_path: Path) -> None:
    need("gunicorn")
    write("deploy/gunicorn.md", tmp_path)
    (tmp_path / "shop.py").write_text(
        "from ambi import App\ndef lifespan():\n    print('started', flush=True)\n    yield\n    print('stopped', flush=True)\n"
        "app = App(lifespan=lifespan)\n"
    )
    port = free_port()
    command = f"{commands('deploy/gunicorn.md', 'gunicorn')[0]} -b 127.0.0.1:{port}"
    with serve(command, tmp_path, ("127.0.0.1", port), env={"SHOP_WORKERS": "1"}) as program:
        deadline = time.monotonic() + 10
        while "started" not in program.log and time.monotonic() < deadline:
            time.sleep(0.05)  # without a single request
        assert "started" in program.log
        program.terminate()
        assert program.ended_within(STOP_S)
        assert "stopped" in program.log


def test_the_times_of_a_stop_are_one_longer_than_the_other() -> None:
    def number(page: str, name: str, pattern: str) -> int:
        found = re.search(pattern, files(page)[name], re.MULTILINE)
        assert found, f"{page} has no {pattern} in {name}"
        return int(found[1])

    ours = number("deploy/index.md", "shop.py", r"graceful_stop_s=(\d+)")
    gunicorn = number("deploy/gunicorn.md", "gunicorn.conf.py", r"^graceful_timeout = (\d+)")
    hypercorn = number("deploy/hypercorn.md", "hypercorn.toml", r"^graceful_timeout = (\d+)")
    unit = number("deploy/systemd.md", "/etc/systemd/system/shop.service", r"^TimeoutStopSec=(\d+)")
    assert ours < gunicorn == hypercorn < unit
    (uvicorn, *_) = commands("deploy/uvicorn.md", "uvicorn")
    assert f"--timeout-graceful-shutdown {gunicorn}" in uvicorn


@slow
def test_a_worker_that_has_had_its_requests_ends_open_event_streams_well(tmp_path: Path) -> None:
    need("gunicorn")
    write("deploy/index.md", tmp_path)
    port = free_port()
    address = ("127.0.0.1", port)
    command = f"gunicorn --threads 8 --max-requests 5 -b 127.0.0.1:{port} shop:app"
    with serve(command, tmp_path, address) as program, Events(connection_to(address), "/ticks") as events:
        assert events.next()["data"] == "0"
        for _ in range(5):
            assert ask(address, "/healthz").text == "ok"
        with pytest.raises(EOFError):
            while True:
                events.next()
        assert ask(address, "/healthz").text == "ok", program.log  # of the next worker
        assert program.log.count("Booting worker") == 2


@slow
def test_a_start_up_that_fails_ends_the_server(tmp_path: Path) -> None:
    lifespan = "def lifespan():\n    raise RuntimeError('no database')\n    yield\n"
    (tmp_path / "shop.py").write_text(f"from ambi import App\n{lifespan}app = App(lifespan=lifespan)\n")
    write("deploy/gunicorn.md", tmp_path)
    for command, status in (
        ("uvicorn --port 0 shop:app", 3),
        ("gunicorn -c gunicorn.conf.py -b 127.0.0.1:0 shop:app", 3),
    ):
        need(command.split()[0])
        with run(command, tmp_path) as program:
            assert program.ended_within(15), program.log
            assert program.process.returncode == status, program.log
            assert "no database" in program.log
