"""The command line, as its own parsers tell of it: a fenced block of the language `commands` is all of it."""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import TYPE_CHECKING, Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from ambi.cli import COMMANDS

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def parser_of(command: str) -> argparse.ArgumentParser:
    """Give the parser of a command."""
    summary = COMMANDS[command]
    parser = argparse.ArgumentParser(prog=f"ambi {command}", description=f"{summary[0].upper()}{summary[1:]}.")
    import_module(f"ambi.cli.{command}").add_arguments(parser)
    return parser


def rows(parser: argparse.ArgumentParser) -> list[tuple[str, str]]:
    """Give what a command takes, and what that is for."""
    found = list[tuple[str, str]]()
    for action in parser._actions:
        if action.help == argparse.SUPPRESS:
            continue
        choices = "{" + ",".join(map(str, action.choices)) + "}" if action.choices else None
        shown = action.metavar or choices or action.dest.upper()
        value = "" if action.nargs == 0 else f" {shown if isinstance(shown, str) else ' '.join(shown)}"
        names = ", ".join(f"{name}{value}" for name in action.option_strings) or str(action.metavar or action.dest)
        text = (action.help or "") % {**vars(action), "prog": parser.prog}
        found.append((names, text))
    return found


class Commands(SphinxDirective):
    """The directive that a fenced block of this language is; what stands in it is for readers elsewhere."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Give each command a section with its usage, its arguments and what it says below them."""
        return [self.section(name) for name in COMMANDS]

    def section(self, name: str) -> nodes.section:
        """Make the section of one command."""
        parser = parser_of(name)
        usage = parser.format_usage().removeprefix("usage: ").rstrip()
        escape = str.maketrans({"|": "\\|", "*": "\\*", "<": "\\<", "_": "\\_"})
        lines = [parser.description or "", "", "```text", usage, "```", "", "| argument | |", "|---|---|"]
        lines += [f"| `{names}` | {text.translate(escape)} |" for names, text in rows(parser)]
        if parser.epilog:
            text = parser.epilog.rstrip()
            is_prose = not any(line.startswith(" ") for line in text.splitlines())
            lines += ["", *([text] if is_prose else ["```text", text, "```"])]
        title = nodes.title("", f"ambi {name}")
        made = nodes.section("", title, ids=[f"ambi-{name}"], names=[f"ambi {name}"])
        self.state.nested_parse(StringList(lines, self.get_source_info()[0]), 0, made)
        return made


def setup(app: Sphinx) -> dict[str, Any]:
    """Take part in a build."""
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
