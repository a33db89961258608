"""A real nginx on loopback that ends TLS, and servers behind it, for as long as a test needs them."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.servers.processes import HERE, environment, free_port

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
OPENSSL = shutil.which("openssl")
START_S, STOP_S = 20.0, 5.0
CLIENT = "127.0.0.2"
"""The address from which clients come: not that of nginx."""

OWN_FOLDERS = """    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
"""
"""For what an nginx keeps: in the place of the one that a test starts, not in the machine's."""

CONFIGURATION = (
    """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
worker_processes 1;
{user}
events {{ worker_connections 64; }}
http {{
"""
    + OWN_FOLDERS
    + """    map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {folder}/certificate.pem;
        ssl_certificate_key {folder}/key.pem;
        proxy_http_version 1.1;
        {locations}
    }}
}}
"""
)

UNCHANGED = """
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_upgrade;
"""
"""In each location: one that sets a field inherits none."""

X_FORWARDED = f"""{UNCHANGED}
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Host $http_host;
    proxy_set_header X-Forwarded-Prefix "{{prefix}}";
"""
FORWARDED = """
    set $so_far "";
    if ($http_forwarded) {{ set $so_far "$http_forwarded, "; }}
    proxy_set_header Forwarded "${{so_far}}for=$remote_addr;proto=$scheme;host=\\"$http_host\\"";
"""


class Behind(NamedTuple):
    """A server behind nginx.

    Attributes:
        command: with `{at}` for where it listens.
        location: below which it is reached.
        says: the fields that nginx sets.
        over_unix: it listens on a Unix socket, and on a port otherwise.
    """

    command: tuple[str, ...]
    location: str
    says: str = UNCHANGED
    over_unix: bool = False


class Answer(NamedTuple):
    """An answer that came through nginx."""

    status: int
    headers: Mapping[str, str]
    text: str


class Nginx:
    """A running nginx."""

    def __init__(self, port: int, folder: Path) -> None:
        self.port = port
        self.tls = ssl.create_default_context(cafile=str(folder / "certificate.pem"))

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Ask over TLS, from an address of our own."""
        connection = http.client.HTTPSConnection(
            "localhost", self.port, timeout=10, context=self.tls, source_address=(CLIENT, 0)
        )
        with contextlib.closing(connection):
            connection.request("GET", path, headers=dict(headers or {}))
            answer = connection.getresponse()
            fields = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, fields, answer.read().decode())

    def connect(self) -> ssl.SSLSocket:
        """Open a connection with TLS, from the same address."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=10, source_address=(CLIENT, 0))
        return self.tls.wrap_socket(plain, server_hostname="localhost")


def why_not() -> str | None:
    """Tell why there can be none here; None where there can."""
    missing = [name for name, found in (("nginx", NGINX), ("openssl", OPENSSL)) if found is None]
    return f"{' and '.join(missing)} is not installed (Debian: apt-get install nginx openssl)" if missing else None


@contextlib.contextmanager
def behind_nginx(folder: Path, servers: list[Behind]) -> Iterator[Nginx]:
    """Start the servers and nginx before them; end them all."""
    make_certificate(folder)
    port = free_port()
    with contextlib.ExitStack() as stack:
        locations: list[str] = []
        waits: list[Any] = []
        for number, server in enumerate(servers):
            at = f"unix:{folder}/{number}.sock" if server.over_unix else f"127.0.0.1:{free_port()}"
            address: Any = f"{folder}/{number}.sock" if server.over_unix else ("127.0.0.1", int(at.rpartition(":")[2]))
            command = [
                part.format(at=at, path=f"{folder}/{number}.sock", port=at.rpartition(":")[2])
                for part in server.command
            ]
            waits.append(
                (address, stack.enter_context(_process(command, folder / f"{number}.log")), folder / f"{number}.log")
            )
            says = server.says.format(prefix=server.location)
            target = f"http://{at}:/" if server.over_unix else f"http://{at}/"
            locations.append(f"location {server.location}/ {{ {says} proxy_pass {target}; }}")
        user = "user root;" if os.geteuid() == 0 else ""  # else its workers could not read the folder
        text = CONFIGURATION.format(folder=folder, port=port, user=user, locations="\n".join(locations))
        (folder / "nginx.conf").write_text(text)
        command = [str(NGINX), "-e", f"{folder}/nginx.log", "-p", str(folder), "-c", f"{folder}/nginx.conf"]
        nginx = stack.enter_context(_process(command, folder / "nginx.out"))
        waits.append((("127.0.0.1", port), nginx, folder / "nginx.log"))
        for address, process, log in waits:
            _await(address, process, log)
        yield Nginx(port, folder)


def make_certificate(folder: Path) -> None:
    """Make a key and a certificate that signs itself, for localhost."""
    subprocess.run(
        [
            str(OPENSSL), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", f"{folder}/key.pem", "-out", f"{folder}/certificate.pem", "-days", "2",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
        ],
        check=True, capture_output=True, timeout=30,
    )  # fmt: skip


@contextlib.contextmanager
def _process(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=HERE,
            env=environment(log.with_suffix(".events"), {}),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_S)


def _await(address: Any, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a server accepts connections. Raises: RuntimeError when it does not."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    deadline = time.monotonic() + START_S
    while True:
        with socket.socket(family) as probe:
            if probe.connect_ex(address) == 0:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            said = log.read_text(errors="replace") if log.exists() else ""
            raise RuntimeError(f"{process.args!r} did not come up:\n{said}")
        time.sleep(0.05)
