"""Ask all of them, and compare what they say."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from hypothesis import HealthCheck, Phase, given, settings

from tests.differential.apps import ETAG, make_ours, make_starlette, make_tree, make_werkzeug
from tests.differential.exchange import Answer, Sent, ask_asgi, ask_wsgi
from tests.differential.inputs import GENERATED, known

PEERS = ("Werkzeug", "Starlette")
GATEWAYS = ("wsgi", "asgi")
_DECIDED = ("content-range", "location")
_TOLD = ("content-encoding", "content-length", "content-type", "etag", "last-modified")


class Seen(NamedTuple):
    """What is compared of an answer: what was read, if it was a matter of that; else status, some fields, and the body.

    `told` is what is said of the content, which is the same wherever the answer is.
    """

    status: int
    read: Any = None
    fields: tuple[tuple[str, str], ...] = ()
    body: str = ""
    told: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        if self.read is not None:
            return " ".join(repr(pair) for kind in ("fields", "files") for pair in self.read[kind]) or "nothing"
        return " ".join([str(self.status), *(f"{name}: {value}" for name, value in self.fields)])

    def decides_as(self, other: Seen) -> bool:
        """Tell whether both are the same answer, whatever is said of its content."""
        return self._replace(told=()) == other._replace(told=())

    def tells_else_than(self, other: Seen) -> set[str]:
        """Give the names of fields about the content that one has and the other has not, or with another value."""
        return {name for name, _ in set(self.told) ^ set(other.told)}


def seen(answer: Answer) -> Seen:
    """Take from an answer what is compared: of a refusal, that it is one."""
    if answer.status >= 400:
        return Seen(answer.status)
    if answer.fields.get("content-type", "").startswith("application/json"):
        return Seen(answer.status, json.loads(answer.body))
    fields = tuple((name, answer.fields[name]) for name in _DECIDED if name in answer.fields)
    if answer.status in (302, 307, 308):  # a page about the other one, for who does not go there
        return Seen(answer.status, None, fields)
    told = tuple((name, _plain(name, answer.fields[name])) for name in _TOLD if name in answer.fields)
    return Seen(answer.status, None, fields, answer.body.decode("latin-1"), told)


def _plain(name: str, value: str) -> str:
    """Give the value of a field; of a tag that each makes in its own way, that it is one, and of which kind."""
    if name != "etag" or value.strip('W/"') == ETAG:
        return value
    kind = "weak" if value.startswith("W/") else "strong"
    return kind if re.fullmatch('(?:W/)?"[!-~]+"', value) and '"' not in value[3:-1] else value


class Panel:
    """All of them, ready to be asked."""

    def __init__(self, folder: Path, runner: asyncio.Runner) -> None:
        root = make_tree(folder)
        self._ours, self._werkzeug, self._starlette = make_ours(root), make_werkzeug(root), make_starlette(root)
        self._runner = runner

    def ours(self, sent: Sent, gateway: str = "wsgi") -> Seen:
        """Ask ambi."""
        return seen(ask_wsgi(self._ours, sent) if gateway == "wsgi" else self._runner.run(ask_asgi(self._ours, sent)))

    def theirs(self, peer: str, sent: Sent) -> Seen:
        """Ask one of the others; an exception is its 500."""
        try:
            if peer == "Werkzeug":
                return seen(ask_wsgi(self._werkzeug, sent))
            return seen(self._runner.run(ask_asgi(self._starlette, sent)))
        except Exception:
            return Seen(500)


@contextmanager
def panel() -> Iterator[Panel]:
    """Make the directory and the applications, for as long as somebody asks."""
    with TemporaryDirectory(prefix="ambi-differential-") as folder, asyncio.Runner() as runner:
        yield Panel(Path(folder), runner)


@cache
def inputs_of(subject: str, generated: int = 100) -> tuple[Sent, ...]:
    """Give the requests of a subject, the same ones on each run."""
    found = dict.fromkeys(known(subject))

    @settings(
        max_examples=generated, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(GENERATED[subject])
    def collect(sent: Sent) -> None:
        found[sent] = None

    collect()
    return tuple(found)
