"""The nginx of the page, with the ports, sockets and folders of a test in the place of those of a machine."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.deploy.pages import blocks, files
from tests.deploy.running import free_port, need, path_of, run, wait_for
from tests.servers.nginx import CLIENT, OWN_FOLDERS, make_certificate

AROUND = (
    """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
{user}
events {{ worker_connections 256; }}
http {{
"""
    + OWN_FOLDERS
    + """    {inner}
}}
"""
)
SITE = "shop.example.com"


class Site:
    """The site behind a running nginx, asked as its clients do: from an address that is not nginx's."""

    def __init__(self, folder: Path, plain: int, port: int) -> None:
        self.plain, self.port = plain, port
        self._tls = ssl.create_default_context(cafile=str(folder / "certificate.pem"))

    def connect(self) -> ssl.SSLSocket:
        bare = socket.create_connection(("127.0.0.1", self.port), timeout=10, source_address=(CLIENT, 0))
        return self._tls.wrap_socket(bare, server_hostname="localhost")

    def connection(self) -> http.client.HTTPConnection:
        found = http.client.HTTPConnection(SITE, timeout=10)  # the Host that it sends
        found.sock = self.connect()
        return found

    def ask(
        self, path: str, method: str = "GET", headers: dict[str, str] | None = None, body: bytes | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        with contextlib.closing(self.connection()) as connection:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


def locations_for_uploads(of_page: str) -> str:
    """Give the location of the page for large uploads, with the lines that it tells to copy."""
    (found,) = [block.text for block in blocks("deploy/nginx.md") if block.text.startswith("location /videos/")]
    inside = of_page.partition("location / {")[2].partition("}")[0]
    comment = '# and the proxy_ lines of "location /"'
    assert comment in found
    return found.replace(comment, inside)


def configuration(folder: Path, plain: int, port: int) -> str:
    """Give the page's configuration as it is for a test."""
    text = files("deploy/nginx.md")["/etc/nginx/conf.d/shop.conf"]
    text = text.replace("    location /assets/ {", locations_for_uploads(text) + "    location /assets/ {")
    for theirs, ours in (
        ("unix:/run/shop/shop.sock", f"unix:{folder}/shop.sock"),
        ("listen 80;", f"listen 127.0.0.1:{plain};"),
        ("listen 443 ssl http2;", f"listen 127.0.0.1:{port} ssl http2;"),
        (f"/etc/letsencrypt/live/{SITE}/fullchain.pem", f"{folder}/certificate.pem"),
        (f"/etc/letsencrypt/live/{SITE}/privkey.pem", f"{folder}/key.pem"),
        ("/srv/shop/", f"{folder}/"),
    ):
        assert theirs in text, f"the page has no {theirs!r} any more"
        text = text.replace(theirs, ours)
    user = "user root;" if os.geteuid() == 0 else ""  # else its workers could not read the folder
    return AROUND.format(folder=folder, inner=text, user=user)


@contextlib.contextmanager
def nginx(folder: Path) -> Iterator[Site]:
    """Run nginx with the page's configuration."""
    need("nginx", "openssl")
    make_certificate(folder)
    plain, port = free_port(), free_port()
    (folder / "nginx.conf").write_text(configuration(folder, plain, port))
    checked = subprocess.run(
        [str(path_of("nginx")), "-t", "-e", f"{folder}/error.log", "-p", str(folder), "-c", f"{folder}/nginx.conf"],
        check=False,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert checked.returncode == 0, checked.stderr
    assert "warn" not in checked.stderr, checked.stderr
    with run(f"nginx -e {folder}/error.log -p {folder} -c {folder}/nginx.conf", folder) as program:
        with_socket = Site(folder, plain, port)
        wait_for(lambda: _accepts(port), program)
        yield with_socket


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
