"""The command line: `ambi run shop:app`, `ambi check shop:app`, ..., or `python -m ambi run shop:app`.

    loading.py     from `shop:app` to the application; mends.py: what may have been meant
    failing.py     why there is none, for people and as JSON
    new.py         the command `new`: a small project, made of what is in project/
    run.py         the command `run`; dev/ is the server that it runs
    routes.py      the command `routes`; answering.py: which route answers a path
    check.py       the command `check`: what it is asked, and its status
    openapi.py     the command `openapi`
    shell.py       the command `shell`; console.py and awaiting.py: Python with `await`
    completion.py  the command `completion`, made of what all commands take
    document.py    what `check` says, as data: `--json`
    uses.py        what of ambi an application uses, as far as it can be seen
    servers.py     what that needs of servers, and what they do differently
    cautions.py    what may well be a mistake
    printing.py    the same for people

A command is a module here with `add_arguments(parser)` and `run(options)`, and a row in `COMMANDS`.
"""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Sequence
    from typing import Any

COMMANDS = {
    "new": "write a small project to begin with",
    "run": "serve an application for development, and start it again when a file changes",
    "routes": "show the routes of an application, or which of them answers a path",
    "check": "show what an application is made of, what it needs of servers, and what is wrong with it",
    "openapi": "write the OpenAPI document of an application",
    "shell": "start Python with an application, and a client for it",
    "completion": "print what lets a shell complete commands and options",
}
"""The name of a command, which is that of its module, and what it is for; a module is loaded when it is asked for."""


_EPILOG = """\
An application is named module:attribute, as shop:app; where none is named, [tool.ambi] in pyproject.toml says which, as
`ambi new` writes it. `ambi COMMAND --help` says what a command takes.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: of the command line; those of this process by default.

    Returns:
        The exit status: 0 when all is well, 1 when the application is not, 2 when the command was used wrongly.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = make_parser(given)
    if not given:
        parser.print_help(sys.stderr)
        return 2
    if given[0][:1] != "-" and given[0] not in COMMANDS:
        return _refuse(parser, given[0])
    try:
        options = parser.parse_args(given)
        from .failing import run_command  # when something is to be run: an `--help` needs no application

        status = run_command(import_module(f".{options.command}", __name__), options)
        sys.stdout.flush()
    except SystemExit as done:  # argparse: 2 for wrong use, 0 for --help
        return done.code if isinstance(done.code, int) else 1
    except BrokenPipeError:  # whoever read it has seen enough, as in `ambi check shop:app | head`
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())  # what is still to be flushed goes there
        os.close(nowhere)
        return 0
    return status


def make_parser(wanted: Container[str] = tuple(COMMANDS)) -> argparse.ArgumentParser:
    """Make the parser of the command line.

    Args:
        wanted: the commands whose arguments are needed; their modules are loaded.
    """
    parser = argparse.ArgumentParser(
        prog="ambi",
        description="Begin a project, look at an application, and run it: from the command line.",
        epilog=_EPILOG,
        formatter_class=_Help,
    )
    root: Any = sys.modules[__name__.partition(".")[0]]
    python = ".".join(map(str, sys.version_info[:3]))
    parser.add_argument("--version", action="version", version=f"ambi {root.__version__} (Python {python})")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        if name in wanted:
            import_module(f".{name}", __name__).add_arguments(command)
    return parser


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help whose column of commands is as wide as the longest one: argparse leaves their indentation out."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog)
        self._action_max_length = max(map(len, COMMANDS)) + 4


def _refuse(parser: argparse.ArgumentParser, word: str) -> int:
    """Say that there is no such command, and which may have been meant; the exit status."""
    from difflib import get_close_matches

    near = get_close_matches(word, COMMANDS, 1, 0.5)
    parser.print_usage(sys.stderr)
    known = f"did you mean {near[0]}?" if near else f"there are {', '.join(COMMANDS)}"
    sys.stderr.write(f"ambi: there is no command {word!r}; {known}\n")
    return 2
