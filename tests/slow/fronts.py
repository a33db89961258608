"""A real nginx and a real haproxy on loopback, each in front of one server, configured as their manuals say."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.servers.nginx import OWN_FOLDERS
from tests.servers.processes import free_port

START_S, STOP_S = 10.0, 5.0
PROGRAMS = {name: shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin") for name in ("nginx", "haproxy")}

NGINX = (
    """
daemon off;
pid {folder}/nginx.pid;
worker_processes 1;
{user}
events {{ worker_connections 512; }}
http {{
"""
    + OWN_FOLDERS
    + """    map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{upstream};
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
        }}
    }}
}}
"""
)

HAPROXY = """
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout tunnel 60s
    timeout http-request 60s
frontend site
    bind 127.0.0.1:{port}
    default_backend servers
backend servers
    server one 127.0.0.1:{upstream}
"""


@contextlib.contextmanager
def front(name: str, upstream: int, folder: Path) -> Iterator[int]:
    """Run a front before a port of this machine; gives its own. Raises: RuntimeError when it does not come up."""
    port, configuration = free_port(), folder / f"{name}.conf"
    user = "user root;" if os.geteuid() == 0 else ""  # else its workers could not read the folder
    text = NGINX if name == "nginx" else HAPROXY
    configuration.write_text(text.format(folder=folder, port=port, upstream=upstream, user=user))
    program = str(PROGRAMS[name])
    if name == "nginx":
        command = [program, "-e", f"{folder}/nginx.log", "-p", str(folder), "-c", str(configuration)]
    else:
        command = [program, "-db", "-f", str(configuration)]
    with (folder / f"{name}.out").open("wb") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
    try:
        _await(port, process, folder / f"{name}.out")
        yield port
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_S)


def _await(port: int, process: subprocess.Popen[bytes], out: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{process.args!r} did not come up:\n{out.read_text(errors='replace')}")
        time.sleep(0.05)
