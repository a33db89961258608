"""Summaries and descriptions, from what the developer wrote for other developers."""

from __future__ import annotations

import inspect
import re

from ...core.errors import innermost

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SECTION = re.compile(
    r"\f|^(?:(?:Args|Arguments|Parameters|Params|Returns?|Yields?|Raises|Examples?|Attributes|See|Notes?):\s*$|:\w+[^:]*:)",
    re.MULTILINE,
)
"""Where a docstring begins to speak of the function as such, in one of the usual styles; or a form feed."""


def words_of(function: Any) -> tuple[str, str]:
    """Give the summary and the description of a handler: the first paragraph of its docstring, and what follows.

    Sections of arguments, of what is raised, and the like are for those who call the function, and so is what stands
    behind a form feed. Without a docstring the summary is the function's name.
    """
    inner = innermost(function)
    text = inspect.getdoc(inner) or ""
    found = _SECTION.search(text)
    if found is not None:
        text = text[: found.start()]
    first, _, rest = text.strip().partition("\n\n")
    summary = " ".join(first.split()).removesuffix(".")
    return summary or _spoken(getattr(inner, "__name__", type(inner).__name__)), rest.strip()


def _spoken(name: str) -> str:
    """Make words of a name: "Get user" of `get_user`."""
    words = " ".join(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ").split()).lower()
    return words[:1].upper() + words[1:]
