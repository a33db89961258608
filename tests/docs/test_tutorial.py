"""The tutorial is done from its own text, page by page, under gunicorn and under uvicorn."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.docs.deployed import HOST, ask, deployed, first_lines
from tests.docs.reader import GATEWAYS, VARIABLES, Reader
from tests.docs.walkthrough import PAGES, Command, steps, write_files
from tests.servers.nginx import why_not
from tests.servers.processes import environment

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl not found; Debian's package is curl")


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    return Reader([page.read_text(encoding="utf-8") for page in PAGES], tmp_path_factory.mktemp("reader"))


@needs_curl
@pytest.mark.parametrize("number", range(1, len(PAGES) + 1), ids=lambda number: PAGES[number - 1].stem)
def test_what_a_page_of_the_tutorial_says_is_so(number: int, reader: Reader):
    reader.read_to(number)


def make_log_config(project: Path) -> None:
    """Type the one command of the last page that makes a file."""
    typed = [step.text for step in steps(PAGES[-1].read_text(encoding="utf-8")) if isinstance(step, Command)]
    (command,) = (text for text in typed if text.endswith("> logging.json"))
    subprocess.run(["bash", "-c", command], cwd=project, env=environment(project, VARIABLES), timeout=30, check=True)


@needs_curl
@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
@pytest.mark.parametrize("server", GATEWAYS)
def test_the_files_of_the_last_page_deploy_it(server: str, tmp_path: Path):
    project, folder = tmp_path / "project", tmp_path / "run"
    folder.mkdir()
    for page in PAGES:
        write_files(page.read_text(encoding="utf-8"), project)
    make_log_config(project)
    with deployed(project, folder, server) as asking:
        made = ask(asking, "/polls -i -u 'owner:tea for two' -d question=Why -d choices=$'So\\nSo'")
        assert "HTTP/1.1 303 See Other" in made
        voted = ask(asking, "/polls/1/votes -i -d choice=2")
        assert "; Secure" in voted  # nginx is believed: the client came by https
        assert "strict-transport-security" in voted.lower()
        assert [choice["votes"] for choice in json.loads(ask(asking, "/api/polls/1"))["choices"]] == [0, 1]
        # What a stream sends goes through nginx at once.
        assert first_lines(asking, "/polls/1/live", 3)[2].startswith('data: {"id":1,')
        assert "400" in ask(asking, "/ -o /dev/null -w '%{http_code}' -H 'Host: elsewhere.example'")
    log = (folder / "log").read_text()
    assert "ambi.access" in log
    assert HOST not in log


def test_the_container_starts_what_the_service_starts(tmp_path: Path):
    for page in PAGES:
        write_files(page.read_text(encoding="utf-8"), tmp_path)
    lines = (tmp_path / "Dockerfile").read_text().splitlines()
    command = json.loads(next(line for line in lines if line.startswith("CMD "))[4:])
    unit = (tmp_path / "deploy" / "polls.service").read_text()
    expected = unit.partition("ExecStart=/srv/polls/.venv/bin/")[2].splitlines()[0].split()
    assert [word for word in command if ":8000" not in word] == [word for word in expected if "unix:" not in word]
    assert set(lines[2].split()[1:-1]) <= {path.name for path in tmp_path.iterdir()}
