"""Probes put to servers, and their outcomes judged by what is documented."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass

from tests.servers.catalogue import Server
from tests.servers.differences import Difference, documented
from tests.servers.probing import Differs, OwnStart, Probe
from tests.servers.processes import Running, StartError, running
from tests.servers.wire import NoAnswerError

AS_ASKED = "yes"


@dataclass(frozen=True)
class Outcome:
    """What a server did when it was probed, and what is documented of it."""

    probe: Probe
    server: Server
    seen: str
    log: str = ""

    @property
    def difference(self) -> Difference | None:
        return documented(self.probe.name, self.server.name)

    @property
    def expected(self) -> str:
        return self.difference.seen if self.difference else AS_ASKED

    @property
    def is_as_documented(self) -> bool:
        if self.difference and self.difference.sometimes and self.seen == AS_ASKED:
            return True
        return self.seen == self.expected

    def __str__(self) -> str:
        verdict = f"{self.server.name}: {self.probe.name}\n  documented: {self.expected}\n  seen:       {self.seen}"
        return f"{verdict}\n{self.log}" if self.log else verdict


def put(probe: Probe, server: Running) -> str:
    """Put a probe to a running server, and return what was seen in the words of the table."""
    try:
        probe.ask(server)
    except Differs as difference:
        return str(difference)
    except NoAnswerError as error:
        return f"no answer: {error}"
    # Whatever else a probe stumbles on is its outcome too, and the run goes on with the next one.
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return AS_ASKED


def serves(server: Running) -> bool:
    """Tell whether a server that was just probed answers the next request."""
    try:
        return server.get("/def/hello").body == b"hello"
    except (NoAnswerError, OSError, ValueError):
        return False


class Session:
    """One server for all its probes: started once for most of them, and anew after one that it did not survive."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.stack = ExitStack()
        self.shared: Running | None = None

    def close(self) -> None:
        self.stack.close()
        self.shared = None

    def judge(self, probe: Probe) -> Outcome:
        try:
            return self.judge_on_shared(probe) if probe.own_start is None else self.judge_alone(probe, probe.own_start)
        except StartError as error:
            return Outcome(probe, self.server, "it does not start", str(error))

    def judge_on_shared(self, probe: Probe) -> Outcome:
        """Put a probe to the server that the others have been put to; it must serve the next request as well."""
        if self.shared is None:
            self.shared = self.stack.enter_context(running(self.server))
        log_size = self.shared.log_size()
        seen = put(probe, self.shared)
        survived = serves(self.shared)
        if not survived:
            seen += "; then no further request is served"
        outcome = Outcome(probe, self.server, seen, self.shared.log(since=log_size))
        if not survived:
            self.close()
        return outcome

    def judge_alone(self, probe: Probe, own_start: OwnStart) -> Outcome:
        start = own_start(self.server)
        if start is None:
            raise ValueError(f"{probe.name} does not concern {self.server.name}")
        with running(self.server, start) as alone:
            return Outcome(probe, self.server, put(probe, alone), alone.log())


def outcomes(server: Server, probes: Iterable[Probe]) -> Iterator[Outcome]:
    with closing(Session(server)) as session:
        for probe in probes:
            if probe.concerns(server):
                yield session.judge(probe)
