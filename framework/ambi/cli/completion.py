"""`ambi completion bash`: what lets a shell complete commands, options, choices and files, for bash, zsh and fish.

It is made of the very parsers that read the command line, so it says nothing that they do not know.
"""

from __future__ import annotations

import argparse
import sys
from typing import NamedTuple, cast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_EPILOG = """\
once for all:
  bash   echo 'eval "$(ambi completion bash)"' >> ~/.bashrc
  zsh    echo 'eval "$(ambi completion zsh)"' >> ~/.zshrc        behind the line with compinit
  fish   ambi completion fish > ~/.config/fish/completions/ambi.fish
"""
_PYTHON, _FOLDER, _FILE, _CHOICE, _ANYTHING = "python file", "folder", "file", "choice", ""


class Argument(NamedTuple):
    """An option, or what stands without one.

    Attributes:
        flags: as "-v" and "--verbose"; none of what stands without an option.
        name: of its value; "" where it takes none.
        kind: what the value is: "python file", "folder", "file", "choice"; "" where nobody knows.
        choices: the values, of a choice.
        about: what it is for, in a few words.
    """

    flags: tuple[str, ...]
    name: str
    kind: str
    choices: tuple[str, ...]
    about: str


class Command(NamedTuple):
    """A command, with what it takes."""

    name: str
    about: str
    options: list[Argument]
    rest: list[Argument]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument("shell", choices=tuple(_WRITERS), help="the shell that is to complete")


def run(options: argparse.Namespace) -> int:
    """Write the script; the exit status."""
    from . import make_parser

    script = "".join(f"{line}\n" for line in _WRITERS[options.shell](commands_of(make_parser())))
    sys.stdout.write(script)
    return 0


def commands_of(parser: argparse.ArgumentParser) -> list[Command]:
    """Give what a parser knows: first, without a name, what stands before any command."""
    found = [_command("", "", parser)]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            commands = cast("dict[str, argparse.ArgumentParser]", action.choices)  # pyright: ignore[reportUnknownMemberType]
            about = {choice.dest: choice.help or "" for choice in action._choices_actions}
            found += [_command(name, about[name], inner) for name, inner in commands.items()]
    return found


def _command(name: str, about: str, parser: argparse.ArgumentParser) -> Command:
    arguments = [
        _argument(parser, action) for action in parser._actions if not isinstance(action, argparse._SubParsersAction)
    ]
    return Command(name, about, [one for one in arguments if one.flags], [one for one in arguments if not one.flags])


def _argument(parser: argparse.ArgumentParser, action: argparse.Action) -> Argument:
    about = parser._get_formatter()._expand_help(action).partition(". ")[0].partition("; ")[0].replace("\n", " ")
    if action.nargs == 0:
        return Argument(tuple(action.option_strings), "", _ANYTHING, (), about)
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    choices = () if action.choices is None else tuple(map(str, action.choices))
    kind = _CHOICE if choices else _PYTHON if action.dest == "app" else _ANYTHING
    if not kind and ("DIR" in metavar or "FILE" in metavar):
        kind = _FOLDER if "DIR" in metavar else _FILE
    return Argument(tuple(action.option_strings), metavar.lower(), kind, choices, about)


# --- bash ---


def _write_bash(commands: list[Command]) -> Iterator[str]:
    yield '# Completion of ambi for bash: eval "$(ambi completion bash)"'
    yield from _BASH_HEAD.splitlines()
    yield '    case "$command $before" in'
    for command in commands:
        for option in command.options:
            if option.name:
                places = "|".join(f'"{command.name} {flag}"' for flag in option.flags)
                yield f"        {places}) {_bash_values(option) or ':'}; return ;;"
    yield "    esac"
    yield '    case "$command $word" in'
    for command in commands:
        flags = " ".join(flag for option in command.options for flag in option.flags)
        yield f'        "{command.name} -"*) _ambi_words "{flags}" ;;'
    yield f'        " "*) _ambi_words "{" ".join(command.name for command in commands if command.name)}" ;;'
    for command in commands:
        if command.rest and _bash_values(command.rest[0]):
            yield f'        "{command.name} "*) {_bash_values(command.rest[0])} ;;'
    yield "    esac"
    yield "}"
    yield "complete -F _ambi ambi"


_BASH_HEAD = """\
_ambi_words() { COMPREPLY=($(compgen -W "$1" -- "$word")); }
_ambi_paths() {
    local IFS=$'\\n'
    compopt -o filenames 2>/dev/null
    COMPREPLY=($(compgen "$@" -- "$word"))
}
_ambi_python() {
    local IFS=$'\\n'
    _ambi_paths -f -X '!*.py'
    COMPREPLY+=($(compgen -d -- "$word"))
}
_ambi() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command= at
    COMPREPLY=()
    if [[ $word == = ]]; then
        word=
    elif [[ $before == = ]]; then
        before=${COMP_WORDS[COMP_CWORD-2]}
    fi
    for ((at = 1; at < COMP_CWORD; at++)); do
        if [[ ${COMP_WORDS[at]} != -* ]]; then
            command=${COMP_WORDS[at]}
            break
        fi
    done
"""


def _bash_values(argument: Argument) -> str:
    """Give the command that completes a value; "" where nobody knows what it may be."""
    if argument.kind == _CHOICE:
        return f'_ambi_words "{" ".join(argument.choices)}"'
    return {_PYTHON: "_ambi_python", _FOLDER: "_ambi_paths -d", _FILE: "_ambi_paths -f"}.get(argument.kind, "")


# --- zsh ---


def _write_zsh(commands: list[Command]) -> Iterator[str]:
    yield "#compdef ambi"
    yield '# Completion of ambi for zsh: eval "$(ambi completion zsh)"'
    yield "_ambi() {"
    yield "    local context state state_descr line"
    yield "    typeset -A opt_args"
    first = " ".join(_zsh_option(option) for option in commands[0].options)
    yield f"    _arguments -C {first} '1: :->command' '*:: :->arguments'"
    yield "    case $state in"
    yield "    command)"
    described = " ".join(f"'{command.name}:{_zsh_text(command.about)}'" for command in commands if command.name)
    yield f"        local -a commands=({described})"
    yield "        _describe command commands ;;"
    yield "    arguments)"
    yield "        case $words[1] in"
    for command in commands[1:]:
        specs = [_zsh_option(option) for option in command.options]
        specs += [f"'{place}:{one.name}:{_zsh_values(one)}'" for place, one in enumerate(command.rest, 1)]
        yield f"        {command.name}) _arguments {' '.join(specs)} ;;"
    yield "        esac ;;"
    yield "    esac"
    yield "}"
    yield 'if [[ $funcstack[1] == _ambi ]]; then _ambi "$@"; else compdef _ambi ambi; fi'


def _zsh_option(option: Argument) -> str:
    both = f"({' '.join(option.flags)})" if len(option.flags) > 1 else ""
    value = f":{option.name}:{_zsh_values(option)}" if option.name else ""
    return " ".join(f"'{both}{flag}[{_zsh_text(option.about)}]{value}'" for flag in option.flags)


def _zsh_values(argument: Argument) -> str:
    if argument.kind == _CHOICE:
        return f"({' '.join(argument.choices)})"
    return {_PYTHON: '_files -g "*.py"', _FOLDER: "_files -/", _FILE: "_files"}.get(argument.kind, " ")


def _zsh_text(text: str) -> str:
    """Give a text between single quotes and brackets, in which a colon separates."""
    for sign in "\\[]:":
        text = text.replace(sign, f"\\{sign}")
    return text.replace("'", "'\\''")


# --- fish ---


def _write_fish(commands: list[Command]) -> Iterator[str]:
    yield "# Completion of ambi for fish: ambi completion fish > ~/.config/fish/completions/ambi.fish"
    yield "complete -c ambi -f"
    for command in commands:
        seen = f"__fish_seen_subcommand_from {command.name}" if command.name else "__fish_use_subcommand"
        if command.name:
            yield f"complete -c ambi -n __fish_use_subcommand -a {command.name} -d {_fish_text(command.about)}"
        for option in command.options:
            flags = " ".join(f"-l {flag[2:]}" if flag[:2] == "--" else f"-s {flag[1:]}" for flag in option.flags)
            value = f" -x{_fish_values(option)}" if option.name else ""
            yield f"complete -c ambi -n '{seen}' {flags}{value} -d {_fish_text(option.about)}"
        for one in command.rest:
            if one.kind:
                yield f"complete -c ambi -n '{seen}'{_fish_values(one)}"


def _fish_values(argument: Argument) -> str:
    if argument.kind == _CHOICE:
        return f" -a '{' '.join(argument.choices)}'"
    python, folder = " -k -a '(__fish_complete_suffix .py)'", " -a '(__fish_complete_directories)'"
    return {_PYTHON: python, _FOLDER: folder, _FILE: " -F"}.get(argument.kind, "")


def _fish_text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


_WRITERS: dict[str, Any] = {"bash": _write_bash, "zsh": _write_zsh, "fish": _write_fish}
