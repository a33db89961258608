"""What a probe is.

A probe is a function that returns when a server with the application under test does what the probe's sentence says.
Where it does not, the probe raises `Differs` with the few words that stand in the table; these must be the words that
`differences.py` documents for that server, or the run fails. Whatever else a probe raises is a failure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.servers.catalogue import Server, Start
from tests.servers.processes import Running

Ask = Callable[[Running], None]
OwnStart = Callable[[Server], Start | None]


class Differs(Exception):
    """What a server did in place of what the probe asks for, in a few words."""


def must_equal(what: str, seen: object, wanted: object) -> None:
    if seen != wanted:
        raise Differs(f"{what} is {seen!r}, not {wanted!r}")


@dataclass(frozen=True)
class Probe:
    """One question to every server that it concerns."""

    name: str
    sentence: str
    ask: Ask
    # How a server is started for this probe alone, None for a server that it does not concern. Most probes have
    # no such function: they share one start.
    own_start: OwnStart | None = None

    def concerns(self, server: Server) -> bool:
        return self.own_start is None or self.own_start(server) is not None


class Section:
    """Probes under one heading of the table, in the order in which they are written."""

    def __init__(self, heading: str) -> None:
        self.heading = heading
        self.probes: list[Probe] = []

    def probe(self, ask: Ask) -> Ask:
        """Enter a probe that shares the start of its server with others; its docstring is its row's sentence."""
        return self.enter(ask, None)

    def probe_with(self, own_start: OwnStart) -> Callable[[Ask], Ask]:
        """Enter a probe for which the server is started anew, in the way that `own_start` says."""
        return lambda ask: self.enter(ask, own_start)

    def enter(self, ask: Ask, own_start: OwnStart | None) -> Ask:
        if ask.__doc__ is None:
            raise TypeError(f"the probe {ask.__name__} needs a docstring: the sentence of its row in the table")
        sentence = " ".join(ask.__doc__.split()).removesuffix(".")
        self.probes.append(Probe(ask.__name__, sentence, ask, own_start))
        return ask
