"""The command line: `ambi run shop:app`, `ambi check shop:app`, ..., or `python -m ambi run shop:app`.

    loading.py     from `shop:app` to the application
    run.py         the command `run`; dev/ is the server that it runs
    check.py       the command `check`: what it is asked, and its status
    openapi.py     the command `openapi`
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
    from collections.abc import Sequence

COMMANDS = {
    "run": "serve an application for development, and start it again when a file changes",
    "check": "show what an application is made of, what it needs of servers, and what is wrong with it",
    "openapi": "write the OpenAPI document of an application",
}
"""The name of a command, which is that of its module, and what it is for; a module is loaded when it is asked for."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: of the command line; those of this process by default.

    Returns:
        The exit status: 0 when all is well, 1 when the application is not, 2 when the command was used wrongly.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="ambi", description="Look at an application, from the command line.")
    commands = parser.add_subparsers(title="commands", metavar="command", dest="command", required=True)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
        if name in given:
            import_module(f".{name}", __name__).add_arguments(command)
    try:
        options = parser.parse_args(given)
        status: int = import_module(f".{options.command}", __name__).run(options)
        sys.stdout.flush()
    except SystemExit as done:  # argparse: 2 for wrong use, 0 for --help
        return done.code if isinstance(done.code, int) else 1
    except BrokenPipeError:  # whoever read it has seen enough, as in `ambi check shop:app | head`
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())  # what is still to be flushed goes there
        os.close(nowhere)
        return 0
    return status
