"""What a page of the tutorial has its reader do: files to write, commands to type, and what is seen then.

A paragraph before a block ends with the file's name, as "`app.py`:". Then the block is

    the whole file        `app.py`:
    added to its end      At the end of `app.py`:
    a change of it        In `app.py`:        and the block is of the language `diff`

In a diff the lines without "+" are there exactly once, one after the other; a line `@@` stands between two places.
In a block of the language `console` a line with `$ ` is a command, and what follows is its output. There `…` stands
for anything: within a line for a part of it, alone in a line for any number of lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.docs.markdown import ROOT, Block, parse

PAGES = sorted((ROOT / "docs" / "tutorial").glob("[1-9]-*.md"))

FILE_NAME = re.compile(r"`(?P<name>[\w.-]+(/[\w.-]+)*)`:$")
AT_THE_END = re.compile(r"at the end of `[^`]+`:$", re.IGNORECASE)
ANYTHING = "…"


class WrongPage(AssertionError):
    """The page says something that cannot be done, or that is not so."""


@dataclass(frozen=True)
class Write:
    """A file, whole."""

    line: int
    name: str
    text: str

    def apply(self, folder: Path) -> None:
        path = folder / self.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.text, encoding="utf-8")


@dataclass(frozen=True)
class Add:
    """Lines at the end of a file; in Python two blank lines before them."""

    line: int
    name: str
    text: str

    def apply(self, folder: Path) -> None:
        path = folder / self.name
        between = "\n\n" if path.suffix == ".py" else "\n"
        path.write_text(path.read_text(encoding="utf-8") + between + self.text, encoding="utf-8")


@dataclass(frozen=True)
class Change:
    """Lines taken out of a file and put into it."""

    line: int
    name: str
    text: str

    def apply(self, folder: Path) -> None:
        path = folder / self.name
        text = path.read_text(encoding="utf-8")
        for old, new in self._places():
            found = len(re.findall(f"^{re.escape(old)}", text, re.MULTILINE))
            if found != 1:
                raise WrongPage(f"line {self.line}: these lines are {found} times in {self.name}, not once:\n{old}")
            text = re.sub(f"^{re.escape(old)}", lambda _: new, text, count=1, flags=re.MULTILINE)  # noqa: B023
        path.write_text(text, encoding="utf-8")

    def _places(self) -> Iterator[tuple[str, str]]:
        for place in re.split(r"^@@\n", self.text, flags=re.MULTILINE):
            lines = [line or " " for line in place.splitlines()]  # an editor takes the blank of an empty line away
            if wrong := [line for line in lines if line[0] not in "+- "]:
                raise WrongPage(
                    f"line {self.line}: a line of a diff begins with '+', '-' or a blank, not as {wrong[0]!r}"
                )
            old = "".join(f"{line[1:]}\n" for line in lines if line[0] != "+")
            yield old, "".join(f"{line[1:]}\n" for line in lines if line[0] != "-")


@dataclass(frozen=True)
class Command:
    """A command, "" for more of what the one before it puts out; and the lines that are then seen."""

    line: int
    text: str
    output: tuple[str, ...]
    under: str = ""
    """"servers" or "run" where the paragraph before says so: what is seen under `ambi run` alone, or not there."""

    @property
    def program(self) -> str:
        return self.text.partition(" ")[0]


Step = Write | Add | Change | Command


def steps(page: str) -> Iterator[Step]:
    """Give what a page has its reader do, in order.

    Raises:
        WrongPage: a block that belongs to no file and is no command.
    """
    lines = page.split("\n")
    before = ""
    for part in parse(page):
        if not isinstance(part, Block):
            # The paragraph: its lines as they stand, since `parse` blanks the code spans.
            line = lines[part.line - 1].strip()
            before = f"{before} {line}" if line and lines[part.line - 2].strip() else line or before
        elif part.language == "console":
            yield from commands(part, next((name for start, name in UNDER.items() if before.startswith(start)), ""))
        elif (named := FILE_NAME.search(before)) is not None:
            yield _kind(part, before)(part.line, named["name"], part.text)
        elif part.not_run is None:
            raise WrongPage(f"line {part.line}: no file is named before this block: {before!r}")


def write_files(page: str, folder: Path) -> None:
    """Write what a page says into a folder, without typing its commands."""
    for step in steps(page):
        if not isinstance(step, Command):
            step.apply(folder)


def _kind(block: Block, before: str) -> type[Write | Add | Change]:
    if block.language == "diff":
        return Change
    return Add if AT_THE_END.search(before) else Write


UNDER = {"Under gunicorn and uvicorn": "servers", "Under `ambi run`": "run"}


def commands(block: Block, under: str = "") -> Iterator[Command]:
    line, text, output = block.line, "", list[str]()
    said = block.text.replace("\\\n", "").splitlines()
    for number, each in enumerate(said, block.line):
        if each.startswith("$ "):
            if text or output:
                yield Command(line, text, tuple(output), under)
            line, text, output = number, re.sub(r"\s+#\s.*", "", each[2:]), []
        else:
            output.append(each)
    yield Command(line, text, tuple(output), under)


def is_seen(expected: tuple[str, ...], seen: list[str], *, so_far: bool = False) -> bool:
    """Tell whether the output is what the page shows.

    Args:
        so_far: more may come; only what the page shows must be there.
    """
    lines = [".*?".join(map(re.escape, line.split(ANYTHING))) + "\n" for line in expected]
    pattern = "".join(r"(.*\n)*?" if line == ".*?\n" else line for line in lines)
    text = "".join(f"{line}\n" for line in seen)
    return bool(re.match(pattern, text) if so_far else re.fullmatch(pattern, text))
