"""Blocks that are no Python: each is read by what reads its language, and commands by the programs that they call."""

from __future__ import annotations

import configparser
import importlib
import json
import re
import tomllib
from collections.abc import Callable
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path

import click
import pytest

from tests.docs.commands import PROGRAMS, WrongCommandError, calls, check, check_extras, command_lines
from tests.docs.markdown import PAGES, ROOT, Block, parse

AS_THEY_STAND = {
    "": "text",
    "text": "text",
    "http": "messages, cut to what matters",
    "js": "nothing here reads JavaScript; what matters runs in the browser's tests of the examples",
    "css": "nothing here reads it",
    "apache": "there is no Apache here",
    "python": "runs, see test_code_blocks",
    "py": "runs, see test_code_blocks",
    "diff": "a change of a block that is checked",
    "dot": "drawn when the site is built; a mistake fails that",
    "commands": "read when the site is built",
    "limits": "read when the site is built",
    "reference": "read when the site is built",
}
"""Languages whose blocks nothing is asked of here, each with its reason."""
EMPTY = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"]
)
"""Elements that have no end."""
CLOSED_BY_OTHERS = frozenset(["html", "head", "body", "li", "p", "td", "th", "tr", "dt", "dd", "option"])
INSTRUCTIONS = frozenset(
    [
        "ADD",
        "ARG",
        "CMD",
        "COPY",
        "ENTRYPOINT",
        "ENV",
        "EXPOSE",
        "FROM",
        "HEALTHCHECK",
        "LABEL",
        "RUN",
        "SHELL",
        "STOPSIGNAL",
        "USER",
        "VOLUME",
        "WORKDIR",
    ]
)
"""What a line of a Dockerfile begins with."""


class Nesting(HTMLParser):
    """Elements that are closed in the order in which they were opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            raise ValueError(f"</{tag}> closes what is not open")


def read_html(text: str) -> None:
    parser = Nesting()
    parser.feed(text)
    parser.close()
    if unclosed := [tag for tag in parser.open if tag not in CLOSED_BY_OTHERS]:
        raise ValueError(f"never closed: {unclosed}")


def read_ini(text: str) -> None:
    # A unit of systemd may say a key twice.
    configparser.ConfigParser(strict=False, interpolation=None, allow_no_value=True).read_string(text)


def read_yaml(text: str) -> None:
    import yaml

    try:
        assert list(yaml.safe_load_all(text))
    except yaml.YAMLError as exc:
        raise ValueError(str(exc)) from exc


def read_nginx(text: str) -> None:
    # Those that matter run before servers, in tests of the servers.
    assert re.sub(r"(^|\s)#.*", "", text).strip()[-1:] in {";", "}"}
    assert text.count("{") == text.count("}")


def read_dockerfile(text: str) -> None:
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip() and not line.startswith("#"):
            assert line.split()[0] in INSTRUCTIONS, line


def read_console(text: str, *, prompts: bool = False) -> None:
    for line in command_lines(text, prompts=prompts):
        for words in calls(line):
            check(words)


COMMANDS = frozenset(["bash", "console", "sh", "shell"])
READERS: dict[str, Callable[[str], object]] = {
    "dockerfile": read_dockerfile,
    "html": read_html,
    "html+jinja": read_html,
    "ini": read_ini,
    "jinja": read_html,
    "json": json.loads,
    "nginx": read_nginx,
    "systemd": read_ini,
    "toml": tomllib.loads,
    "yaml": read_yaml,
}


def faults(text: str) -> list[str]:
    """Say which blocks of a page cannot be read as what they say that they are."""
    found = list[str]()
    blocks = [part for part in parse(text) if isinstance(part, Block)]
    prompts = any(
        line.startswith("$ ") for each in blocks if each.language in COMMANDS for line in each.text.splitlines()
    )
    for block in blocks:
        if block.language in AS_THEY_STAND or block.not_run:
            continue
        if block.language not in COMMANDS | READERS.keys():
            found.append(f"line {block.line}: nobody reads blocks of the language {block.language!r}")
            continue
        try:
            if block.language in COMMANDS:
                read_console(block.text, prompts=prompts)
            else:
                READERS[block.language](block.text)
        except (AssertionError, ValueError, configparser.Error, WrongCommandError) as exc:
            found.append(f"line {block.line}: {exc}")
    try:
        check_extras(text)
    except WrongCommandError as exc:
        found.append(str(exc))
    return found


@pytest.fixture(scope="session", autouse=True)
def twisted_has_its_reactor():
    """Have daphne's reader installed: it makes an event loop when it is imported, once for all of a process."""
    if find_spec("daphne"):
        importlib.import_module("daphne.cli")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_other_blocks_of_a_page_can_be_read(page: Path):
    assert faults(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("json", "{'a': 1}"),
        ("toml", "a = \n"),
        ("yaml", "a: [1"),
        ("ini", "no section"),
        ("html", "<p><b>a</p></b>"),
        ("html", "<div>"),
        ("nginx", "location / {"),
        ("dockerfile", "RUNS ls"),
        ("cobol", "MOVE A TO B."),
    ],
)
def test_a_block_that_is_not_what_it_says_is_seen(language: str, text: str):
    assert len(faults(f"```{language}\n{text}\n```\n")) == 1


@pytest.mark.parametrize(
    "line",
    [
        "ambi chek shop:app",
        "ambi check shop:app --rout /items",
        "gunicorn --thread-count 4 shop:app",
        "gunicorn --workers many shop:app",
        "A=1 gunicorn -k gthread --no-such shop:app",
        "uvicorn --no-such shop:app",
        "uvicorn shop:app --port",
        "hypercorn --no-such shop:app",
        "granian --interface wsgj shop:app",
        "daphne --no-such shop:app",
        "nox -s no_such",
        "python examples/no_such.py",
        "python -m tests.no_such",
        "pip install 'ambi[no-such]'",
        "pip install --no-such ambi",
        "true && gunicorn --no-such shop:app",
        "somebody --else",
    ],
)
def test_a_command_that_its_program_would_refuse_is_seen(line: str):
    assert len(faults(f"```console\n{line}\n```\n")) == 1


def test_where_there_are_prompts_commands_stand_behind_them():
    assert command_lines("$ ambi check shop:app\nshop:app  4 routes\n", prompts=True) == ["ambi check shop:app"]
    assert faults("```console\n$ ls\n```\n```console\nwhat it's printed\n```\n") == []


def test_a_command_may_take_several_lines():
    assert command_lines("a \\\n  b\n# a remark\nc 'd\ne'\n", prompts=False) == ["a    b", "c 'd\ne'"]


def test_a_line_is_cut_into_the_calls_that_it_makes():
    line = "X=1 . .venv/bin/activate && a 'b c' > file.txt | d --e='f;g'   # a remark"
    assert list(calls(line)) == [[".", ".venv/bin/activate"], ["a", "b c"], ["d", "--e=f;g"]]


@pytest.mark.parametrize("program", ["daphne", "granian", "gunicorn", "hypercorn", "uvicorn"])
def test_a_server_is_there_to_be_asked(program: str):
    with pytest.raises((SystemExit, click.exceptions.Exit, WrongCommandError)) as caught:
        PROGRAMS[program](["--help"])
    assert getattr(caught.value, "code", getattr(caught.value, "exit_code", 1)) == 0
