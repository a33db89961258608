"""Servers that speak WSGI only, as their page sets them up: uWSGI behind nginx, mod_wsgi, waitress.

No cells: the servers are real.
"""

from __future__ import annotations

import ast
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.deploy.apache import apache, why_not
from tests.deploy.nginx import AROUND
from tests.deploy.pages import blocks, commands, files, write
from tests.deploy.running import (
    STOP_S,
    Events,
    accepts,
    ask,
    connection_to,
    free_port,
    need,
    run,
    serve,
    slow,
    wait_for,
)

PAGE = "deploy/wsgi-hosts.md"


@pytest.mark.parametrize("name", [name for name in files(PAGE) if name.endswith(".py")])
def test_a_file_for_a_host_gives_the_application(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write("deploy/index.md", tmp_path)
    write(PAGE, tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "shop", raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    found: dict[str, object] = {}
    exec(compile((tmp_path / name).read_text(), name, "exec"), found)
    sys.modules.pop("shop", None)
    assert type(found["application"]).__name__ == "App"


def test_uwsgi_serves_behind_nginx(tmp_path: Path) -> None:
    need("uwsgi", "nginx")
    write("deploy/index.md", tmp_path)
    ini = files(PAGE)["uwsgi.ini"].replace("/run/shop/", f"{tmp_path}/")
    (tmp_path / "uwsgi.ini").write_text(ini)
    port = free_port()
    (location,) = [block.text for block in blocks(PAGE) if block.language == "nginx"]
    location = location.replace("/run/shop/", f"{tmp_path}/")
    location = location.replace("include    uwsgi_params;", "include /etc/nginx/uwsgi_params;")
    user = "user root;" if os.geteuid() == 0 else ""
    server = f"server {{ listen 127.0.0.1:{port}; {location} }}"
    (tmp_path / "nginx.conf").write_text(AROUND.format(folder=tmp_path, inner=server, user=user))
    address = ("127.0.0.1", port)
    (command,) = commands(PAGE, "uwsgi")
    nginx = f"nginx -e {tmp_path}/error.log -p {tmp_path} -c {tmp_path}/nginx.conf"
    with run(command, tmp_path) as program, serve(nginx, tmp_path, address):
        wait_for(lambda: accepts(str(tmp_path / "uwsgi.sock")), program)
        for path in ("/", "/async"):
            told = ask(address, path, headers={"Host": "shop.example.com"}).json()
            assert told == {"client": "127.0.0.1", "url": f"http://shop.example.com{path}"}
        assert ask(address, "/photos", "POST", body=b"x" * 100_000).json() == {"bytes": 100_000}
        assert ask(address, "/healthz", headers={"Cookie": "a=" + "x" * 6000}).text == "ok"
        with Events(connection_to(address), "/ticks") as events:
            assert [events.next()["data"] for _ in range(2)] == ["0", "1"]
        program.terminate()
        assert program.ended_within(STOP_S), program.log


@slow
def test_waitress_serves_and_stops_where_the_application_says_how(tmp_path: Path) -> None:
    need("waitress-serve")
    write("deploy/index.md", tmp_path)
    (stopping,) = [block.text for block in blocks(PAGE) if block.language == "python" and "signal.signal" in block.text]
    lifespan = "from ambi import App\ndef lifespan():\n    yield\n    print('stopped', flush=True)\napp = App(lifespan=lifespan)\n"
    route = "@app.get('/')\nasync def home():\n    return 'home'\n"
    (tmp_path / "shop.py").write_text(f"{lifespan}{route}{stopping}")
    ast.parse((tmp_path / "shop.py").read_text())
    port = free_port()
    (command,) = commands(PAGE, "waitress-serve")
    with serve(command.replace("8000", str(port)), tmp_path, ("127.0.0.1", port)) as program:
        assert ask(("127.0.0.1", port), "/").text == "home"
        os.kill(program.process.pid, signal.SIGTERM)
        assert program.ended_within(STOP_S), program.log
        assert "stopped" in program.log


def test_apache_is_told_what_the_page_says() -> None:
    text = files(PAGE)["shop.conf"]
    names = {line.split()[0] for line in text.splitlines() if line[:1].isalpha()}
    assert names == {
        "AllowEncodedSlashes", "WSGIChunkedRequest", "WSGIDaemonProcess", "WSGIPassAuthorization", "WSGIScriptAlias",
    }  # fmt: skip
    assert text.count("<Directory") == text.count("</Directory>") == text.count("<Files") == text.count("</Files>")


@slow
def test_mod_wsgi_serves() -> None:
    if (reason := why_not()) is not None:
        pytest.skip(reason)
    with apache() as address:
        for path in ("/", "/async"):
            told = ask(address, path, headers={"Host": "shop.example.com"}).json()
            assert told == {"client": "127.0.0.1", "url": f"http://shop.example.com{path}"}
        assert ask(address, "/photos", "POST", body=b"x" * 100_000).json() == {"bytes": 100_000}
        with Events(connection_to(address), "/ticks") as events:
            assert [events.next()["data"] for _ in range(2)] == ["0", "1"]
        assert ask(address, "/a%2Fb").headers["content-type"] == "application/problem+json"  # ours, not Apache's
