"""The page on the command line shows what is written. Nothing is served here, so there is no cell."""

import re
import shlex
from pathlib import Path

import pytest

from ambi.cli import COMMANDS
from tests.cli.conftest import Site
from tests.docs.markdown import Block, parse

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "command-line.md"


@pytest.fixture
def shown() -> list[tuple[list[str], str]]:
    """Give the commands of the page, each with what it writes."""
    blocks = [part.text for part in parse(PAGE.read_text(encoding="utf-8")) if isinstance(part, Block)]
    runs = re.split(r"^\$ ambi ", "".join(blocks), flags=re.MULTILINE)[1:]
    return [(shlex.split(line), output) for line, _, output in (run.partition("\n") for run in runs)]


def test_what_the_page_shows_is_what_is_written(
    site: Site, monkeypatch: pytest.MonkeyPatch, shown: list[tuple[list[str], str]]
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    (check, said), *others = shown
    new, output = others.pop(0)
    assert site.run(*new).out == output.replace("…", str(site.folder.resolve()))
    monkeypatch.chdir(site.folder / "shop")
    for command, expected in others:
        if command == ["shell"] or "<" in command:  # it is typed into: tests/cli/test_shell.py
            continue
        result = site.run(*command)
        assert result.out + result.err == expected, command
    module = Path("shop/web.py")
    module.write_text(module.read_text(encoding="utf-8").replace("Request\n", "Requests\n", 1), encoding="utf-8")
    result = site.run(*check)
    assert re.sub(r"\s\(.*?\)", " (…)", result.err, flags=re.DOTALL) == said


def test_every_command_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [command for command in COMMANDS if f"`ambi {command}" not in text] == []
