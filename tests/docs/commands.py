"""Command lines of the pages, held to the programs that they call: does it have that option, that session, that extra?

Nothing is run. A program's own parser reads its line; of what is not installed here only the name is known.
"""

from __future__ import annotations

import argparse
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import pytest

from ambi.cli import COMMANDS
from tests.docs.markdown import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = frozenset(PYPROJECT["project"]["optional-dependencies"])
GROUPS = frozenset(PYPROJECT["dependency-groups"])
SESSIONS = frozenset(
    re.findall(r"^def (\w+)\(session", (ROOT / "noxfile.py").read_text(encoding="utf-8"), re.MULTILINE)
)
NAMED_EXTRAS = re.compile(r"(?:\bambi|(?<![\w)])\.)\[([\w, -]+)\]")
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
ENDS = frozenset(("&&", "||", "|", ";", "&"))


class WrongCommandError(Exception):
    """A command line that the program would refuse."""


def command_lines(text: str, *, prompts: bool) -> list[str]:
    """Give the commands of a block, each whole, however many lines it takes.

    Args:
        text: of the block.
        prompts: commands stand behind one, the other lines are what they print; else all lines are commands.
    """
    found: list[str] = []
    rest = iter(text.replace("\\\n", " ").splitlines())
    for line in rest:
        command = line.strip()
        if not command or command.startswith("#") or (prompts and not command.startswith("$ ")):
            continue
        command = command.removeprefix("$ ")
        while not is_whole(command) and (more := next(rest, None)) is not None:
            command += "\n" + more
        found.append(command)
    return found


def is_whole(command: str) -> bool:
    """Tell whether all quotes of a command are closed."""
    try:
        shlex.split(command, comments=True)
    except ValueError:
        return False
    return True


def calls(line: str) -> Iterator[list[str]]:
    """Give the words of each program that a line calls, without what is set for it and where its output goes."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;<>")
    lexer.whitespace_split = True
    words: list[str] = []
    rest = iter([*lexer, ";"])
    for word in rest:
        if word in ENDS:
            if words:
                yield words
            words = []
        elif word and set(word) <= {"<", ">"}:
            next(rest)  # the file
        elif words or not ASSIGNMENT.match(word):
            words.append(word)


def check(words: list[str]) -> None:
    """Hold one call to its program.

    Raises:
        WrongCommandError: the program would refuse it, or nobody has said what to make of the program.
    """
    program, arguments = words[0].removeprefix(".venv/bin/"), words[1:]
    if program in UNCHECKED:
        return
    if program not in PROGRAMS:
        raise WrongCommandError(f"{program}: nothing here knows what it takes; see PROGRAMS and UNCHECKED")
    try:
        PROGRAMS[program](arguments)
    except WrongCommandError:
        raise
    except SystemExit as exc:  # argparse has written why
        if exc.code:
            raise WrongCommandError(f"{program} refuses {arguments}") from None
    except Exception as exc:
        raise WrongCommandError(f"{program} refuses {arguments}: {exc}") from exc


def check_extras(text: str) -> None:
    """Hold the extras that a text names, as in `ambi[redis]`, to those that there are."""
    named = {extra.strip() for found in NAMED_EXTRAS.finditer(text) for extra in found[1].split(",")}
    if unknown := named - EXTRAS:
        raise WrongCommandError(f"there is no extra {', '.join(sorted(unknown))}")


def _ambi(arguments: list[str]) -> None:
    if not arguments or arguments[0] not in COMMANDS:
        raise WrongCommandError(f"ambi has no command {' '.join(arguments[:1])!r}")
    parser = argparse.ArgumentParser(prog=f"ambi {arguments[0]}", allow_abbrev=False)
    import_module(f"ambi.cli.{arguments[0]}").add_arguments(parser)
    parser.parse_args(arguments[1:])


def _gunicorn(arguments: list[str]) -> None:
    from gunicorn.config import Config

    config = Config()
    for name, value in vars(config.parser().parse_args(arguments)).items():
        if value is not None and name in config.settings and name != "config":
            config.set(name.lower(), value)


def _click(where: str) -> Callable[[list[str]], None]:
    import click

    def parse(arguments: list[str]) -> None:
        module, _, attribute = where.partition(":")
        command = getattr(import_module(module), attribute)
        try:
            command.make_context(attribute, arguments)
        except click.BadParameter as exc:
            if exc.param is None or not isinstance(exc.param.type, click.Path):  # the reader's files are not here
                raise

    return parse


def _hypercorn(arguments: list[str]) -> None:
    from hypercorn import __main__ as program

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(program, "run", lambda config: 0)
        patch.setattr(program, "_load_config", lambda path: program.Config())  # the reader's files are not here
        program.main(arguments)


def _daphne(arguments: list[str]) -> None:
    from daphne.cli import CommandLineInterface

    CommandLineInterface().parser.parse_args(arguments)


def _nox(arguments: list[str]) -> None:
    ours = arguments[: arguments.index("--")] if "--" in arguments else arguments
    for option, name in pairwise(ours):
        if option == "-s" and name.partition("(")[0] not in SESSIONS:
            raise WrongCommandError(f"there is no session {name}")


def _pip(arguments: list[str]) -> None:
    from pip._internal.commands import create_command

    # A path to ourselves is a requirement like any other to its parser.
    options, _ = create_command(arguments[0]).parse_args(arguments[1:])
    for group in getattr(options, "dependency_groups", None) or ():
        if str(group[1] if isinstance(group, tuple) else group) not in GROUPS:
            raise WrongCommandError(f"there is no group {group}")


def _python(arguments: list[str]) -> None:
    if arguments[:1] == ["-m"]:
        module = arguments[1]
        known: dict[str, Callable[[list[str]], Any]] = {"ambi": _ambi, "pip": _pip, "venv": lambda given: None}
        if module in known:
            known[module](arguments[2:])
        elif module.partition(".")[0] in {"examples", "tests"} and find_spec(module) is None:
            raise WrongCommandError(f"there is no module {module}")
    elif arguments and not arguments[0].startswith("-") and "/" in arguments[0] and not (ROOT / arguments[0]).exists():
        raise WrongCommandError(f"there is no file {arguments[0]}")


PROGRAMS: dict[str, Callable[[list[str]], None]] = {
    "ambi": _ambi,
    "daphne": _daphne,
    "granian": _click("granian.cli:cli"),
    "gunicorn": _gunicorn,
    "hypercorn": _hypercorn,
    "nox": _nox,
    "pip": _pip,
    "python": _python,
    "python3": _python,
    "uvicorn": _click("uvicorn.main:main"),
}
"""A program -> what reads its command line."""

OF_THE_SHELL = ". cat cd chmod cp echo export grep head ls mkdir mv printf rm sed sh source tail test touch true"
NOT_HERE = """
    apt-get arq aws celery curl createdb docker dramatiq git http journalctl kubectl nginx openssl podman psql pytest
    redis-cli redis-server sqlite3 sudo systemctl systemd-analyze uv uwsgi waitress-serve wget
"""
UNCHECKED = frozenset([*OF_THE_SHELL.split(), *NOT_HERE.split()])
"""Programs that stand in the pages as they are: not installed here, or without a parser that can be asked."""
