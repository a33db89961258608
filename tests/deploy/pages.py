"""The files that the pages tell a reader to write."""

from __future__ import annotations

import re
from pathlib import Path

from tests.docs.markdown import ROOT, Block, parse

NAME = re.compile(r"^(?:#|//|--|;)\s+(?P<name>[\w./@-]*\w)$")
"""The first line of a block that is a file: a comment with its name and nothing else."""


def blocks(page: str) -> list[Block]:
    """Give the fenced blocks of a page below docs/how-to/, in order."""
    text = (ROOT / "docs/how-to" / page).read_text(encoding="utf-8")
    return [part for part in parse(text) if isinstance(part, Block)]


def files(page: str) -> dict[str, str]:
    """Give the files of a page, by their names as the page has them."""
    found: dict[str, str] = {}
    for block in blocks(page):
        named = NAME.match(block.text.partition("\n")[0])
        if named is not None:
            assert named["name"] not in found, f"{page} has two files {named['name']}"
            found[named["name"]] = block.text
    return found


def write(page: str, folder: Path) -> None:
    """Write the files of a page into a folder, without the directories that they have on a server."""
    for name, text in files(page).items():
        (folder / Path(name).name).write_text(text, encoding="utf-8")


def commands(page: str, program: str) -> list[str]:
    """Give the command lines of a page that start with a program, as its blocks of `console` show them."""
    lines = [
        line.removeprefix("$ ").partition("   #")[0].strip()
        for block in blocks(page)
        if block.language == "console"
        for line in block.text.replace("\\\n", " ").splitlines()
    ]
    return [" ".join(line.split()) for line in lines if line.split()[:1] == [program]]
