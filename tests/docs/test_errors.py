"""Every message in docs/errors.md is provoked as the page says, and is what the page says.

A section's first block of Python is the module `shop`. It fails when it runs; or after the request that the text names,
through either gateway; or when the command in a console block looks at it. A second block is the mend, and works.
`<!-- without: jinja2 -->` takes that package away.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import pytest

from ambi.testing import Client
from tests.docs.markdown import ROOT, Block, Prose, parse

PAGE = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
_REQUEST = re.compile(r"^After `(?P<method>[A-Z]+) (?P<path>\S+)`(?P<fields>.*)")
_FIELD = re.compile(r"`([\w-]+): ([^`]+)`")
_WITHOUT = re.compile(r"<!-- without: (?P<package>\w+) -->")


@dataclass
class Section:
    """One message: what leads there, and its text."""

    title: str
    modules: list[str] = field(default_factory=list)
    command: str | None = None
    request: re.Match[str] | None = None
    hidden: str | None = None
    message: str = ""

    @property
    def kind(self) -> Literal["command", "request", "module"]:
        return "command" if self.command else "request" if self.request else "module"


def read_page() -> Iterator[Section]:
    section: Section | None = None
    # The blanked-out code spans are of use here: the lines are read as they are.
    lines = PAGE.split("\n")
    for part in parse(PAGE):
        if isinstance(part, Prose):
            line = lines[part.line - 1]
            if line.startswith("#"):
                if section is not None and section.message:
                    yield section
                section = Section(line.strip("# "))
            elif section is not None:
                section.request = section.request or _REQUEST.match(line)
                section.hidden = section.hidden or (_WITHOUT.match(line) or {"package": None})["package"]
        elif section is not None:
            _take(section, part)
    if section is not None and section.message:
        yield section


def _take(section: Section, block: Block) -> None:
    if block.language == "python":
        section.modules.append(block.text)
    elif block.language == "console":
        section.command = block.text.strip().removeprefix("$ ")
    else:
        assert (block.language, section.message) == ("text", ""), section.title
        section.message = block.text.strip()


SECTIONS = list(read_page())


def sections(kind: str) -> list[Any]:
    return [pytest.param(section, id=section.title) for section in SECTIONS if section.kind == kind]


def assert_shown(message: str, shown: str) -> None:
    """Compare line by line, in order: `…` is anything."""
    pattern = ".*?".join(re.escape(line.strip()).replace("…", ".*") for line in message.split("\n"))
    assert re.search(pattern, shown, re.DOTALL), f"{message}\n--- was expected, not ---\n{shown}"


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


WITHOUT_A_PACKAGE = """
import sys
sys.modules[sys.argv[1]] = None
exec(compile(sys.argv[2], "shop.py", "exec", dont_inherit=True), {"__name__": "shop"})
"""


def run_module(source: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    module = ModuleType("shop")
    monkeypatch.setitem(sys.modules, "shop", module)
    exec(compile(source, "shop.py", "exec", dont_inherit=True), module.__dict__)
    return module.__dict__


@pytest.mark.parametrize("section", [one for one in sections("module") if one.values[0].hidden is None])
def test_a_module_fails_when_it_runs(section: Section, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(Exception) as caught:  # noqa: PT011  # which one is in the message
        run_module(section.modules[0], monkeypatch)
    assert_shown(section.message, f"{type(caught.value).__name__}: {caught.value}")


@pytest.mark.parametrize("section", [one for one in sections("module") if one.values[0].hidden is not None])
def test_a_module_fails_where_a_package_is_missing(section: Section):
    command = [sys.executable, "-c", WITHOUT_A_PACKAGE, str(section.hidden), section.modules[0]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert_shown(section.message, done.stderr)


@pytest.mark.parametrize("gateway", ["wsgi", "asgi"])
@pytest.mark.parametrize("section", sections("request"))
def test_a_request_leads_to_the_message(
    section: Section,
    gateway: Literal["wsgi", "asgi"],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    caplog.set_level(logging.INFO)
    assert section.request is not None
    module = run_module(section.modules[0], monkeypatch)
    method, path, fields = section.request.groups()
    body = b"some" if method == "POST" else None
    with Client(module["app"], gateway=gateway, raise_server_exceptions=False) as client:
        client.request(method, path, headers=_FIELD.findall(fields), content=body)
    shown = [caplog.text, *(f"{type(e).__name__}: {e}" for r in caplog.records if r.exc_info and (e := r.exc_info[1]))]
    assert_shown(section.message, "\n".join(shown))


@pytest.mark.parametrize("section", [one for one in sections("command") if one.values[0].command.startswith("ambi ")])
def test_a_command_shows_the_message(section: Section, tmp_path: Path):
    tmp_path.joinpath("shop.py").write_text("".join(section.modules[:1]), encoding="utf-8")
    command = [sys.executable, "-m", *(section.command or "").split()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in {1, 2}
    assert_shown(section.message, f"{done.stdout}{done.stderr}")


@pytest.mark.skipif(find_spec("granian") is None, reason="granian is not installed")
def test_granian_without_its_flag_is_told_in_a_sentence(tmp_path: Path):
    (section,) = (one for one in SECTIONS if one.command and one.command.startswith("granian "))
    tmp_path.joinpath("shop.py").write_text(section.modules[0], encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        *(section.command or "").split(),
        "--port",
        str(port),
        "--workers-kill-timeout",
        "1",
    ]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])},
    ) as process:  # fmt: skip
        try:
            ask(port)
        finally:
            process.terminate()
            shown, _ = process.communicate(timeout=20)
    assert_shown(section.message, shown)


def ask(port: int) -> None:
    """Ask until somebody answers; what is answered does not matter."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with contextlib.closing(HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
            try:
                connection.request("GET", "/")
                connection.getresponse().read()
            except ConnectionRefusedError:
                time.sleep(0.1)
            else:
                return
    raise AssertionError("the server did not come up")


@pytest.mark.parametrize("section", [pytest.param(one, id=one.title) for one in SECTIONS if len(one.modules) > 1])
@pytest.mark.parametrize("gateway", ["wsgi", "asgi"])
def test_the_mend_works(section: Section, gateway: Literal["wsgi", "asgi"], monkeypatch: pytest.MonkeyPatch):
    client = Client(run_module(section.modules[1], monkeypatch)["app"], gateway=gateway)
    if section.request is not None:
        assert client.request(section.request["method"], section.request["path"]).status_code < 300


def test_the_page_is_read_whole():
    assert len(SECTIONS) == len(re.findall(r"^### ", PAGE, re.MULTILINE))
    assert {section.kind for section in SECTIONS} == {"command", "module", "request"}
    assert all(section.modules or section.command for section in SECTIONS)


def test_another_message_is_seen():
    assert_shown("a … c\nd", "x\na b c\n\nd e")
    with pytest.raises(AssertionError, match="was expected"):
        assert_shown("a … c\nd", "a b d\nd e")
