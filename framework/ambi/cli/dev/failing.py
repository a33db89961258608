"""Why there is no application: for the terminal, for the parent, and as a page for the browser that waits for it."""

from __future__ import annotations

import json
import linecache
from html import escape
from typing import Any, NamedTuple

from ...core.errors import escape_controls
from ...core.forwarded import tells_of_proxy
from ..document import relative
from ..loading import user_frames
from .listening import is_loopback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from ..loading import Frame

_TRY_AGAIN_S = 1
_OWN_NAMES = ("localhost", "127.0.0.1", "[::1]")
_STYLE = """
:root { color-scheme: light dark; --edge: #ccc4; --mark: #d33 }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 2rem 1rem }
h1 { font-size: 1.25rem; border-left: .3rem solid var(--mark); padding-left: .7rem }
pre { font: 14px/1.5 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; margin: 0 0 1rem }
.frame { border: 1px solid var(--edge); border-radius: .4rem; padding: .6rem .8rem; margin: 0 0 .8rem }
.frame p { margin: 0; opacity: .75 } .frame pre { margin: .2rem 0 0 } footer { opacity: .75 }
"""


class Failure(NamedTuple):
    """What went wrong.

    Attributes:
        head: what could not be done, in a line.
        text: why, as the exception says.
        frames: where in the user's code, innermost last: file, line, function, and the line itself.
    """

    head: str
    text: str
    frames: tuple[tuple[str, int, str, str], ...] = ()

    def dumps(self) -> str:
        """Give it as a text that `loads` reads."""
        return json.dumps(self)


def loads(text: str) -> Failure:
    """Read what `dumps` gave. Raises: ValueError for half of it, or something else."""
    found: Any = json.loads(text)
    match found:
        case [str(head), str(why), [*frames]]:
            pass
        case _:
            raise ValueError("it describes no failure")
    return Failure(head, why, tuple((file, line, function, source) for file, line, function, source in frames))


def failure_of(head: str, error: BaseException, frames: Iterable[Frame] | None = None) -> Failure:
    """Describe an exception of the user's code."""
    found = user_frames(error) if frames is None else list(frames)
    shown = [(relative(file), line, name, linecache.getline(file, line).strip()) for file, line, name in found[-5:]]
    text = str(error)
    return Failure(head, f"{type(error).__name__}: {text}" if text else type(error).__name__, tuple(shown))


class FailurePage:
    """A WSGI application that answers everything with the failure: status 500, a page for browsers, else text.

    Facts
    - Only this machine is shown where and why. A page elsewhere could have a name of its own resolve to this machine,
      so the host must be one of the machine's names. A proxy on this machine makes everybody one of its clients; it
      tells of itself, or speaks HTTP/1.0, which no browser does.
    - A page that was asked for by GET asks again by itself, until the application is there.
    """

    def __init__(self, failure: Failure) -> None:
        self._failure = failure

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        """Answer a request."""
        failure = self._failure if _may_see(environ) else Failure("there is no application", "the terminal says why")
        if "text/html" in environ.get("HTTP_ACCEPT", ""):
            kind, text = "text/html", _page(failure, repeats=environ["REQUEST_METHOD"] == "GET")
        else:
            kind, text = "text/plain", _plain(failure)
        body = text.encode("utf-8", "replace")
        start_response(
            "500 Internal Server Error",
            [
                ("content-type", f"{kind}; charset=utf-8"),
                ("content-length", str(len(body))),
                ("cache-control", "no-store"),
                ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
                ("x-content-type-options", "nosniff"),
            ],
        )
        return [body]


def _may_see(environ: WSGIEnvironment) -> bool:
    host = environ.get("HTTP_HOST", "").lower()
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    fields = (key[5:].lower().replace("_", "-") for key in environ if key.startswith("HTTP_"))
    is_direct = environ.get("SERVER_PROTOCOL") == "HTTP/1.1" and not any(map(tells_of_proxy, fields))
    return is_direct and is_loopback(environ.get("REMOTE_ADDR", "")) and name in _OWN_NAMES


def _plain(failure: Failure) -> str:
    lines = [failure.head, ""]
    for file, line, function, source in failure.frames:
        lines += [f"  {file}:{line}{f', in {function}' if _has_name(function) else ''}", f"    {source}"]
    return escape_controls("\n".join([*lines, failure.text, ""]))


def _page(failure: Failure, *, repeats: bool) -> str:
    frames = "".join(
        f'<div class="frame"><p>{escape(file)}:{line}{escape(f", in {function}") if _has_name(function) else ""}</p>'
        f"<pre>{escape(source)}</pre></div>"
        for file, line, function, source in failure.frames
    )
    again = f'<meta http-equiv="refresh" content="{_TRY_AGAIN_S}">' if repeats else ""
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8">{again}'
        '<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">'
        f"<title>{escape(failure.head)}</title><style>{_STYLE}</style>"
        f"<h1>{escape(failure.head)}</h1>{frames}<pre>{escape(failure.text)}</pre>"
        f"<footer>ambi run waits for a change of a file{', and this page with it' if repeats else ''}.</footer></html>"
    )


def _has_name(function: str) -> bool:
    return function not in ("", "<module>")
