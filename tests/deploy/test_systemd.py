"""The units of their page are what systemd takes, and the servers take the socket that it hands over."""

from __future__ import annotations

import configparser
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.deploy.pages import commands, files, write
from tests.deploy.running import STOP_S, ask, need, path_of, run, slow, wait_for

PAGE = "deploy/systemd.md"
BIN = Path(sys.executable).parent


def test_the_units_are_taken_by_systemd(tmp_path: Path) -> None:
    need("systemd-analyze", "gunicorn")
    for name, text in files(PAGE).items():
        here = text.replace("/srv/shop/venv/bin/", f"{BIN}/").replace("/srv/shop", str(tmp_path))
        (tmp_path / Path(name).name).write_text(here)
    units = sorted(str(path) for path in tmp_path.glob("shop*"))
    assert len(units) == 4
    checked = subprocess.run(
        [str(path_of("systemd-analyze")), "verify", "--man=no", *units],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    said = [line for line in checked.stderr.splitlines() if str(tmp_path) in line or "shop" in line]
    assert (checked.returncode, said) == (0, [])


def test_the_service_can_do_little_harm(tmp_path: Path) -> None:
    """By systemd's own measure, where 10 is everything and 0 nothing."""
    need("systemd-analyze")
    unit = tmp_path / "shop.service"
    unit.write_text(files(PAGE)["/etc/systemd/system/shop.service"])
    asked = [str(path_of("systemd-analyze")), "security", "--offline=true", "--no-pager", "--threshold=25", str(unit)]
    checked = subprocess.run(asked, check=False, capture_output=True, text=True, timeout=30)
    if "Operation not permitted" in checked.stderr or "Failed to" in checked.stderr:
        pytest.skip(f"systemd-analyze cannot do that here: {checked.stderr.strip()}")
    assert checked.returncode == 0, checked.stdout[-400:]


@pytest.mark.parametrize("name", sorted(files(PAGE)))
def test_a_unit_says_everything_once(name: str) -> None:
    parser = configparser.RawConfigParser(strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(files(PAGE)[name])
    assert set(parser.sections()) <= {"Unit", "Service", "Socket", "Timer", "Install"}


@pytest.mark.parametrize(
    "server", ["gunicorn", pytest.param("uvicorn", marks=slow), pytest.param("hypercorn", marks=slow)]
)
def test_a_server_takes_the_socket_that_is_handed_over(server: str, tmp_path: Path) -> None:
    """As systemd does it: descriptor 3, and LISTEN_FDS and LISTEN_PID in the environment."""
    need(server, "sh")
    write("deploy/index.md", tmp_path)
    write("deploy/gunicorn.md", tmp_path)
    if server == "gunicorn":
        unit = files(PAGE)["/etc/systemd/system/shop.service"]
        found = re.search(r"^ExecStart=/srv/shop/venv/bin/(.*)$", unit, re.MULTILINE)
        assert found
        command = found[1]
    else:
        (command,) = commands(PAGE, server)
    path = str(tmp_path / "shop.sock")
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(path)
        opened.listen(16)
        dup = (
            f"import os; os.dup2({opened.fileno()}, 3); os.set_inheritable(3, True); "
            f"os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid())); "
            f"words = {command.split()!r}; os.execvp(words[0], words)"
        )
        (tmp_path / "handing_over.py").write_text(dup)
        os.set_inheritable(opened.fileno(), True)
        with run(f"{sys.executable} handing_over.py", tmp_path, keep=(opened.fileno(),)) as program:
            wait_for(lambda: _answers(path), program)
            assert ask(path, "/async").status == 200
            os.kill(program.process.pid, signal.SIGTERM)
            assert program.ended_within(STOP_S), program.log
    assert Path(path).exists()  # it is systemd's, and is there for the next one


def _answers(path: str) -> bool:
    try:
        return ask(path, "/healthz").text == "ok"
    except OSError:
        time.sleep(0.05)
        return False
