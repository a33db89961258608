"""What the Dockerfile of its page starts and asks, run without a container; there is no Docker where tests run."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.pages import blocks, files, write
from tests.deploy.running import STOP_S, ask, free_port, need, serve, slow

PAGE = "deploy/containers.md"
DOCKERFILE = files(PAGE)["Dockerfile"].replace("\\\n", " ")


def words_of(instruction: str, text: str = DOCKERFILE) -> list[str]:
    """Read the list of a CMD, which is JSON."""
    (found,) = re.findall(rf"^{instruction}\s*(\[.*\])$", text, re.MULTILINE)
    words = json.loads(found)
    assert all(isinstance(word, str) for word in words)
    return list(words)


def test_what_is_copied_is_let_through_and_not_owned_by_who_runs_it() -> None:
    let_through = {line[1:] for line in files(PAGE)[".dockerignore"].splitlines() if line.startswith("!")}
    copied = set(
        re.findall(r"[\w.]+\.(?:py|txt)", " ".join(re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)))
    )
    assert copied == let_through
    user = DOCKERFILE.index("\nUSER ")
    assert DOCKERFILE.rindex("\nCOPY ") < user < DOCKERFILE.index("\nCMD ")
    assert re.search(r"^USER \d+$", DOCKERFILE, re.MULTILINE)


def test_what_is_required_is_named_as_pip_has_it() -> None:
    from packaging.requirements import Requirement

    lines = [line for line in files(PAGE)["requirements.txt"].splitlines() if not line.startswith("#")]
    assert {Requirement(line).name for line in lines} == {"ambi", "gunicorn"}


@pytest.mark.parametrize("server", ["gunicorn", pytest.param("uvicorn", marks=slow)])
def test_the_command_serves_and_the_check_tells_whether_it_does(server: str, tmp_path: Path) -> None:
    need(server)
    write("deploy/index.md", tmp_path)
    write("deploy/gunicorn.md", tmp_path)
    port = free_port()
    if server == "gunicorn":
        command = words_of("CMD")
    else:
        (other,) = [block.text for block in blocks(PAGE) if block.text.startswith('CMD ["uvicorn"')]
        command = words_of("CMD", other)
    command = [word.replace("8000", str(port)) for word in command]
    (settings,) = re.findall(r"^ENV (.*)$", DOCKERFILE, re.MULTILINE)
    env = {name: value for name, _, value in (word.partition("=") for word in shlex.split(settings)) if name != "PATH"}
    env["SHOP_BIND"] = env["SHOP_BIND"].replace("0.0.0.0:8000", f"127.0.0.1:{port}")
    (check,) = re.findall(r"^HEALTHCHECK .* CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    asks = [word.replace("8000", str(port)) for word in json.loads(check)]
    assert asks[0] == "python"
    asks[0] = sys.executable

    def is_healthy() -> bool:
        clean = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        return subprocess.run(asks, check=False, capture_output=True, timeout=20, env=clean).returncode == 0

    with serve(shlex.join(command), tmp_path, ("127.0.0.1", port), env=env) as program:
        assert ask(("127.0.0.1", port), "/async").status == 200
        assert is_healthy(), program.log
        program.terminate()
        assert program.ended_within(STOP_S), program.log
        assert program.process.returncode in (0, -15)  # uvicorn ends by the signal that stopped it
    assert not is_healthy()
