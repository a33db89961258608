"""What is typed out of habit: options of other command lines, and what they are here."""

from __future__ import annotations

import sys
from difflib import get_close_matches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser

_OPTIONS = {
    "-A": "the application is named without an option: ambi {command} shop:app",
    "--app": "the application is named without an option: ambi {command} shop:app",
    "--factory": "a factory is called as it is: ambi {command} shop:create",
}
_OPTIONS_OF_RUN = {
    "-p": "did you mean --port?",
    "-b": "did you mean --host and --port?",
    "--bind": "did you mean --host and --port?",
    "--debug": "it is on, unless --no-debug",
    "--reload": "it is on, unless --no-reload",
    "--reload-dir": "did you mean --watch?",
    "-w": "for more than one process there are servers: gunicorn, uvicorn",
    "--workers": "for more than one process there are servers: gunicorn, uvicorn",
}
_AT_LEAST = 0.6
"""How near to an option of ours a word has to be, of 1."""


def refuse_option(command: str, parser: ArgumentParser, word: str) -> int:
    """Say that a command has no such option or argument, and which may have been meant; the exit status.

    Args:
        command: its name; "" where the word stood in front of one.
        parser: that of the command.
        word: as it was typed.
    """
    option = word.partition("=")[0]
    name = f"ambi {command}".rstrip()
    if option[:1] != "-":
        told = f"{name}: {word!r} is one argument too many"
    else:
        told = f"{name}: there is no option {option}; {_meant(command, parser, option)}"
    sys.stderr.write(f"{told}\n{name} --help says what there is\n")
    return 2


def _meant(command: str, parser: ArgumentParser, option: str) -> str:
    if not command:
        return "a command comes first, as in: ambi run shop:app"
    more = _OPTIONS_OF_RUN if command == "run" else {}
    known = {**_OPTIONS, **more}.get(option)
    if known is not None:
        return known.format(command=command)
    ours = [flag for action in parser._actions for flag in action.option_strings if flag[:2] == "--"]
    near = get_close_matches(option, ours, 1, _AT_LEAST)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(ours)}"
