"""Docstrings of the package, which are plain text, made into what Sphinx reads.

`name`                              code, and a link where it names something of the reference
Args: Returns: Raises: Attributes:  fields below the text; what is raised must be known by that name
Example:                            code, with or without prompts
See: RFC 9110                       a remark
an indented piece                   a list of names and what they are, or as it stands
* _ |                               themselves
"""

from __future__ import annotations

import re
from textwrap import dedent
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sphinx.application import Sphinx

FIELDS = {"Args": "Parameters", **{name: name for name in ("Attributes", "Raises", "Returns", "Yields")}}
EXAMPLES = {"Example", "Examples"}
SECTION = re.compile(r"(?P<name>[A-Z][a-z]+):$")
SEE = "See: "
SPAN = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)")
NAME = re.compile(r"[A-Za-z_][\w.]*(\(\))?")
ENTRY = re.compile(r"(?P<names>\*{0,2}[A-Za-z_][\w.]*(?:, \*{0,2}[A-Za-z_][\w.]*)*): (?P<text>.*)", re.DOTALL)
ITEM = re.compile(r"\s*([-*]|\d+\.) ")


def inline(text: str) -> str:
    """Give prose with its code marked as Sphinx marks it, and all else as it reads."""
    parts, end = list[str](), 0
    for span in SPAN.finditer(text):
        parts.append(escaped(text[end : span.start()]))
        before, after = text[max(span.start() - 1, 0) : span.start()], text[span.end() : span.end() + 1]
        code = span[2].strip()
        marked = f":name:`{code}`" if NAME.fullmatch(code) else f"``{code}``"
        open_before, open_after = not before or before in " \n([{<\"'", not after or after in " \n)]}>\"'.,:;!?-/"
        parts.append(("" if open_before else "\\ ") + marked + ("" if open_after else "\\ "))
        end = span.end()
    return "".join([*parts, escaped(text[end:])])


def escaped(text: str) -> str:
    """Give text in which nothing means anything but itself."""
    return re.sub(r"(?<=\w)_(?=\W|$)|[*|`\\]", lambda found: "\\" + found[0], text)


def depth(line: str) -> int:
    """Tell how far a line is indented."""
    return len(line) - len(line.lstrip())


def pieces(lines: list[str]) -> Iterator[list[str]]:
    """Split lines at blank ones; what stands deeper than its piece begins, or behind a blank line deeper, is of it."""
    piece: list[str] = []
    for index, line in enumerate(lines):
        following = next((each for each in lines[index:] if each.strip()), "")
        if line.strip() and depth(line) == 0 and piece and (not lines[index - 1].strip() or SECTION.match(line)):
            yield piece
            piece = []
        if line.strip() or (piece and depth(following) > 0):
            piece.append(line)
    if piece:
        yield piece


def under(directive: str, lines: list[str]) -> list[str]:
    """Give lines as a block that is shown as it stands."""
    body = dedent("\n".join(lines)).strip("\n").split("\n")
    return [directive, "", *(f"    {line}".rstrip() for line in body), ""]


def prose(lines: list[str]) -> list[str]:
    """Give a piece of prose: text, a list, and what is indented below either."""
    made, index = list[str](), 0
    while index < len(lines):
        end = index + 1
        if ITEM.match(lines[index]) and depth(lines[index]) == 0:
            while end < len(lines) and depth(lines[end]) > 0 and lines[end].strip():
                end += 1
            marker, _, text = " ".join(line.strip() for line in lines[index:end]).partition(" ")
            made.extend(["", f"{'#.' if marker[0].isdigit() else '-'} {inline(text)}", ""])
        elif depth(lines[index]) > 0 or not lines[index].strip():
            while end < len(lines) and (depth(lines[end]) > 0 or not lines[end].strip()):
                end += 1
            kept = dedent("\n".join(lines[index:end])).split("\n")
            if all(ENTRY.match(line) for line in kept if line.strip() and depth(line) == 0):
                made.extend(["", *entries(kept, "Args"), ""])
            else:
                made.extend(["", *under(".. code-block:: text", kept)])
        else:
            while end < len(lines) and depth(lines[end]) == 0 and lines[end].strip() and not ITEM.match(lines[end]):
                end += 1
            made.extend(["", inline(" ".join(line.strip() for line in lines[index:end])), ""])
        index = end
    return made


def entries(body: list[str], name: str) -> list[str]:
    """Give the entries of a section as a list, or as text where it has none."""
    items: list[list[str]] = []
    for line in dedent("\n".join(body)).strip("\n").split("\n"):
        if depth(line) == 0 and line.strip() and ENTRY.match(line):
            items.append([line])
        elif items:
            items[-1].append(line)
        else:
            items.append([line])
    made: list[str] = []
    for item in items:
        found = ENTRY.match(item[0])
        rest = dedent("\n".join(item[1:])).split("\n") if item[1:] else []
        text = list(prose_of([(found["text"] if found else item[0]).strip(), *rest]))
        if found and name in ("Args", "Attributes", "Raises"):
            role = "raised" if name == "Raises" else "code"
            names = ", ".join(f":{role}:`{each}`" for each in found["names"].split(", "))
            text[0] = f"{names}: {text[0]}"
        elif found:
            text[0] = f"{inline(found['names'])}: {text[0]}"
        marker = "- " if len(items) > 1 or name in ("Args", "Attributes", "Raises") else ""
        made.append(marker + text[0])
        made.extend((" " * len(marker) + line).rstrip() for line in text[1:])
    return made


def prose_of(lines: list[str]) -> list[str]:
    """Give several pieces of prose one after the other, without blank lines before and behind."""
    made = [line for piece in pieces(lines) for line in prose(piece)]
    while made and not made[0]:
        made.pop(0)
    while made and not made[-1]:
        made.pop()
    return made or [""]


def as_sphinx_reads(lines: list[str]) -> list[str]:
    """Give a docstring's lines as Sphinx reads them: its text first, then its fields, then its example."""
    text, fields, behind = list[str](), list[str](), list[str]()
    for piece in pieces(lines):
        section = SECTION.match(piece[0])
        name = section["name"] if section else ""
        if name in FIELDS and len(piece) > 1:
            shown = entries(piece[1:], name)
            fields.extend([f":{FIELDS[name]}:", *(f"    {line}".rstrip() for line in shown)])
        elif name in EXAMPLES and len(piece) > 1:
            language = "pycon" if any(line.lstrip().startswith(">>> ") for line in piece) else "python"
            behind.extend([".. rubric:: Example", "", *under(f".. code-block:: {language}", piece[1:])])
        elif piece[0].startswith(SEE):
            behind.extend([f"See {inline(' '.join([piece[0][len(SEE) :], *map(str.strip, piece[1:])]))}", ""])
        else:
            text.extend([*prose_of(piece), ""])
    return [*text, *fields, "", *behind]


def process(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Rewrite a docstring."""
    lines[:] = as_sphinx_reads(lines)


def setup(app: Sphinx) -> dict[str, Any]:
    """Take part in a build."""
    app.connect("autodoc-process-docstring", process)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
