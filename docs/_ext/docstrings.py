"""Docstrings of the package, which are plain text, made into what Sphinx reads.

    `name`              code, and a link where it names something of the reference
    Example:            code, with or without prompts
    See: RFC ...        a remark
    an indented piece   as it stands, in the letters of code
    * _ |               themselves

What remains (Args, Returns, Raises, Attributes) is napoleon's.
"""

from __future__ import annotations

import re
from textwrap import dedent
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

SECTIONS = {"Args:", "Attributes:", "Raises:", "Returns:", "Yields:"}
EXAMPLES = {"Example:", "Examples:"}
SPAN = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)")
NAME = re.compile(r"[A-Za-z_][\w.]*(\(\))?")
ITEM = re.compile(r"^(\s*)([-*]|\d+\.) ")


def inline(line: str) -> str:
    """Give a line of prose with its code marked as Sphinx marks it, and all else as it reads."""
    parts, end = list[str](), 0
    for span in SPAN.finditer(line):
        parts.append(escaped(line[end : span.start()]))
        code = span[2].strip()
        before = line[span.start() - 1 : span.start()]
        after = line[span.end() : span.end() + 1]
        marked = f":name:`{code}`" if NAME.fullmatch(code) else f"``{code}``"
        parts.append(("\\ " if before and (before.isalnum() or before in "=*/-'") else "") + marked)
        parts.append("\\ " if after.isalnum() or after == "_" else "")
        end = span.end()
    return "".join([*parts, escaped(line[end:])])


def escaped(text: str) -> str:
    """Give text in which nothing means anything but itself; the bullet of a list stays one."""
    bullet = re.match(r"\s*- ", text)
    kept = bullet[0] if bullet else ""
    text = text[len(kept) :].replace("\\", "\\\\")
    return kept + re.sub(r"(?<=\w)_(?=\W|$)|[*|`]", lambda found: "\\" + found[0], text)


def block(lines: list[str], directive: str, indent: str) -> list[str]:
    """Give lines as a block that is shown as it stands."""
    body = dedent("\n".join(lines)).strip("\n").split("\n")
    return ["", f"{indent}{directive}", "", *(f"{indent}    {line}" if line else "" for line in body), ""]


def depth(line: str) -> int:
    return len(line) - len(line.lstrip())


def take_deeper(lines: list[str], at: int, than: int) -> int:
    """Give where the lines that stand deeper end, blank ones between them included."""
    end = at
    for index in range(at, len(lines)):
        if lines[index].strip():
            if depth(lines[index]) <= than:
                break
            end = index + 1
    return end


def as_sphinx_reads(lines: list[str]) -> list[str]:
    """Give a docstring's lines as Sphinx and napoleon read them."""
    made, index, section = list[str](), 0, False
    while index < len(lines):
        line = lines[index]
        text = line.strip()
        if text and depth(line) == 0:
            section = text in SECTIONS
        if text in EXAMPLES and depth(line) == 0:
            end = take_deeper(lines, index + 1, 0)
            code = lines[index + 1 : end]
            language = "pycon" if any(each.lstrip().startswith(">>> ") for each in code) else "python"
            made.extend(["", "**Example**", *block(code, f".. code-block:: {language}", "")])
            index = end
        elif text.startswith("See: ") and depth(line) == 0:
            end = take_deeper(lines, index + 1, 0)
            words = [text.removeprefix("See: "), *(each.strip() for each in lines[index + 1 : end])]
            made.extend(["", f"See {inline(' '.join(words))}", ""])
            index = end
        elif text and not section and depth(line) > 0 and not within_item(lines, index):
            end = take_deeper(lines, index, depth(line) - 1)
            made.extend(block(lines[index:end], "::", ""))
            index = end
        elif section and text and not lines[index - 1].strip() and depth(line) > 4 :
            end = take_deeper(lines, index, depth(line) - 1)
            made.extend(block(lines[index:end], "::", " " * 8))
            index = end
        else:
            if ITEM.match(line) and made and made[-1].strip() and not within_item(lines, index):
                made.append("")
            made.append(line if text in SECTIONS else inline(line))
            index += 1
    return made


def within_item(lines: list[str], index: int) -> bool:
    """Tell whether a line belongs to the item of a list that begins above it, or is one in a list."""
    for above in range(index - 1, -1, -1):
        if not lines[above].strip():
            return False
        if ITEM.match(lines[above]):
            return True
    return False


def process(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Rewrite a docstring before napoleon sees it."""
    lines[:] = as_sphinx_reads(lines)


def setup(app: Sphinx) -> dict[str, Any]:
    """Take part in a build."""
    app.connect("autodoc-process-docstring", process, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
