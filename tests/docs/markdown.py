"""What the checks need to know of a Markdown page: its fenced blocks, its links and its headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])

FENCE = re.compile(r"^\s*(?P<fence>`{3,}(?=[^`]*$)|~{3,})\s*(?P<language>[\w+-]*)")
NOT_RUN = re.compile(r"^\s*<!-- not run: (?P<reason>.*\S.*) -->\s*$")
CODE_SPAN = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)")
LINK = re.compile(r"\[[^\]]*\]\(<?(?P<target>[^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
LINK_DEFINITION = re.compile(r"^\s{0,3}\[[^\]]+\]:\s*<?(?P<target>[^\s>]+)>?")
HEADING = re.compile(r"^#{1,6}\s+(?P<title>.+?)\s*#*$")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language in lower case, its first line's number, its text without the fences."""

    language: str
    line: int
    text: str
    not_run: str | None


@dataclass(frozen=True)
class Prose:
    """A line outside all fenced blocks, with its code spans blanked out."""

    line: int
    text: str


def parse(text: str) -> Iterator[Block | Prose]:
    """Split a page into fenced blocks and the lines between them, in order."""
    fence, language, opened, body = "", "", 0, list[str]()
    not_run: str | None = None
    for number, line in enumerate(text.split("\n"), start=1):
        if fence:
            if line.strip().startswith(fence) and not line.strip().strip(fence[0]):
                yield Block(language, opened + 1, dedent("\n".join(body)) + "\n", not_run)
                fence, not_run = "", None
            else:
                body.append(line)
        elif opening := FENCE.match(line):
            fence, language, opened, body = opening["fence"], opening["language"].lower(), number, []
        else:
            # The comment speaks for the block that follows it; blank lines may stand between.
            if line.strip():
                remark = NOT_RUN.match(line)
                not_run = remark["reason"] if remark else None
            yield Prose(number, CODE_SPAN.sub("``", line))
    if fence:
        raise ValueError(f"the block that opens in line {opened} is never closed")


def python_blocks(text: str) -> list[Block]:
    """Return the page's blocks of Python, those with a reason not to run included."""
    return [part for part in parse(text) if isinstance(part, Block) and part.language in {"python", "py"}]


def links(text: str) -> list[tuple[int, str]]:
    """Return the line and target of every link, image and link definition."""
    return [
        (part.line, found["target"])
        for part in parse(text)
        if isinstance(part, Prose)
        for pattern in (LINK, LINK_DEFINITION)
        for found in pattern.finditer(part.text)
    ]


def anchors(text: str) -> set[str]:
    """Return the fragments that the page's headings answer to, made as code hosts make them."""
    found: set[str] = set()
    inside = {line for part in parse(text) if isinstance(part, Prose) for line in [part.line]}
    for number, line in enumerate(text.split("\n"), start=1):
        heading = HEADING.match(line)
        if heading is None or number not in inside:
            continue
        title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading["title"]).lower()
        slug = re.sub(r"[^\w\- ]", "", title).replace(" ", "-")
        times = 0
        while (name := f"{slug}-{times}" if times else slug) in found:
            times += 1
        found.add(name)
    return found
