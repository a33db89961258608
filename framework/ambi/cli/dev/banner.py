"""What `ambi run` says in the terminal: on stderr, in text or as lines of JSON."""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, datetime
from shlex import quote

from ..loading import is_file
from ..printing import Page

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

    LogFormat = Literal["text", "json"]

BOLD, DIM, RED, YELLOW = "1", "2", "31", "33"
_NAMED = re.compile(r"(?P<module>[^\W\d][\w.]*)(:(?P<name>[^\W\d]\w*))?(?P<call>\(.*\))?", re.DOTALL)
_FACTORY = re.compile(r"(create|make|build)(_|$)")


class Terminal:
    """Where it is said."""

    def __init__(self, log_format: LogFormat) -> None:
        self.is_json = log_format == "json"
        self.page = Page(sys.stderr)

    def say(self, text: str, style: str = DIM, *, level: str = "INFO") -> None:
        """Write a line; in colour where there are any."""
        if self.is_json:
            time = datetime.now(UTC).isoformat(timespec="milliseconds")
            line = json.dumps({"time": time, "level": level, "logger": "ambi.run", "message": text})
            sys.stderr.write(f"{line}\n")
        else:
            self.page.write(self.page.style(text, style))
        sys.stderr.flush()

    def say_banner(self, spec: str, url: str, facts: Sequence[tuple[str, str]], warning: str) -> None:
        """Write what is served, where and how: `facts` are pairs of a word and what is so."""
        if self.is_json:
            self.say(f"{spec} on {url} ({'; '.join(f'{word} {fact}' for word, fact in facts)})")
        else:
            page = self.page
            page.write()
            page.write(f"  {page.style('ambi run', BOLD)}  {spec}")
            page.write(f"  {page.style(url, BOLD)}")
            page.write()
            for word, fact in facts:
                page.wrap(fact, f"  {page.style(word.ljust(8), DIM)}", " " * 10)
            page.write()
            page.write(page.style(f"  For development only. Ctrl+C stops it.{_deployed(spec)}", DIM))
            page.write()
        if warning:
            self.say(f"  {warning}", YELLOW, level="WARNING")
        sys.stderr.flush()


def _deployed(spec: str) -> str:
    """Say how the same is served for others; "" where a file was named, which servers do not take."""
    named = _NAMED.fullmatch(spec)
    if named is None or is_file(spec.partition(":")[0]):
        return ""
    module, name = named["module"], named["name"] or "app"
    if named["call"] is None and _FACTORY.match(name) is None:
        return f" Deploy with: gunicorn {module}:{name}, or uvicorn {module}:{name}"
    how = f" Deploy with: gunicorn {quote(f'{module}:{name}' + (named['call'] or '()'))}"
    return how if named["call"] not in (None, "()") else f"{how}, or uvicorn --factory {module}:{name}"
