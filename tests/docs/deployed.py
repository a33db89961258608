"""The tutorial's application as its last page deploys it: behind a real nginx, at a Unix socket, by the unit's command.

Paths of the reader's server become ones of the test; all else is as it stands in the files.
"""

from __future__ import annotations

import configparser
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.docs.reader import VARIABLES
from tests.servers.nginx import NGINX, OPENSSL, OWN_FOLDERS
from tests.servers.processes import environment, free_port

WAIT_S = 20.0
HOST = "polls.example.com"
AROUND = (
    """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
{user}
events {{ worker_connections 64; }}
http {{
"""
    + OWN_FOLDERS
    + """    {server}
}}
"""
)


def start_lines(unit: str) -> dict[str, str]:
    """Give the command of each server: the one that is in force, and those in comments."""
    configparser.ConfigParser(interpolation=None, strict=False).read_string(unit)  # it is one
    lines = [line.removeprefix("# ").partition("=")[2] for line in unit.splitlines() if "ExecStart=" in line]
    return {Path(shlex.split(line)[0]).name: line for line in lines}


@contextmanager
def deployed(project: Path, folder: Path, server: str) -> Iterator[str]:
    """Serve the project; give the start of a curl command that asks it as https://polls.example.com."""
    port, site = free_port(), (project / "deploy" / "nginx.conf").read_text(encoding="utf-8")
    places = {
        "/run/polls/": f"{folder}/", "/srv/polls/.venv/bin/": f"{Path(sys.executable).parent}/",
        "/var/lib/polls/": f"{folder}/", f"/etc/letsencrypt/live/{HOST}/": f"{folder}/",
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
    }  # fmt: skip
    _certify(folder)
    user = "user root;" if os.geteuid() == 0 else ""  # the workers of root are nobody else
    configuration = folder / "nginx.conf"
    configuration.write_text(AROUND.format(folder=folder, user=user, server=_moved(site, places)))
    command = _moved(start_lines((project / "deploy" / "polls.service").read_text(encoding="utf-8"))[server], places)
    variables = (project / "deploy" / "polls.env").read_text(encoding="utf-8")
    said = dict(line.split("=", 1) for line in _moved(variables, places).splitlines())
    said = {**environment(folder / "events", VARIABLES), **said}
    log = folder / "log"
    with log.open("wb") as output:
        commands = [shlex.split(command), [str(NGINX), "-e", f"{folder}/nginx.log", "-c", str(configuration)]]
        processes = [subprocess.Popen(each, cwd=project, env=said, stdout=output, stderr=output) for each in commands]
        try:
            asking = f"curl -sS -k --resolve {HOST}:{port}:127.0.0.1 https://{HOST}:{port}"
            _await(asking, processes, log)
            yield asking
        finally:
            for process in reversed(processes):
                process.terminate()
                process.wait(WAIT_S)


def ask(asking: str, rest: str) -> str:
    """Ask for a path, with options; give what curl prints."""
    done = subprocess.run(["bash", "-c", f"{asking}{rest}"], capture_output=True, text=True, timeout=WAIT_S, check=True)
    return done.stdout


def first_lines(asking: str, path: str, count: int) -> list[str]:
    """Give the first lines of a stream, and leave it."""
    reading = subprocess.Popen([*shlex.split(f"{asking}{path}"), "-N"], stdout=subprocess.PIPE, text=True)
    try:
        assert reading.stdout is not None
        with reading.stdout as lines:
            return [next(lines).rstrip() for _ in range(count)]
    finally:
        reading.terminate()
        reading.wait(WAIT_S)


def _moved(text: str, places: dict[str, str]) -> str:
    for old, new in places.items():
        text = text.replace(old, new)
    return text


def _certify(folder: Path) -> None:
    asked = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
    out = ["-subj", f"/CN={HOST}", "-keyout", f"{folder}/privkey.pem", "-out", f"{folder}/fullchain.pem"]
    subprocess.run([str(OPENSSL), *asked, *out], check=True, capture_output=True, timeout=WAIT_S)


def _await(asking: str, processes: list[subprocess.Popen[bytes]], log: Path) -> None:
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            if ask(asking, "/health") == '{"status":"fine"}':
                return
        except subprocess.CalledProcessError:
            pass  # nobody listens yet
        if any(process.poll() is not None for process in processes) or time.monotonic() > deadline:
            raise AssertionError(f"it did not come up:\n{log.read_text(errors='replace')}")
        time.sleep(0.1)
