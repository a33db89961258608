"""Every probe over real servers: those of `QUICK`, or those that `AMBI_SERVERS` names, with commas, or `all`."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.leaks import nothing_left_behind
from tests.servers.catalogue import QUICK, SERVERS, Server
from tests.servers.differences import DIFFERENCES, Difference
from tests.servers.judging import AS_ASKED, Session
from tests.servers.probes import PROBES
from tests.servers.probing import Probe
from tests.servers.processes import why_missing
from tests.servers.table import PAGE, page_as_it_should_be


def chosen() -> list[Server]:
    wanted = os.environ.get("AMBI_SERVERS", ",".join(QUICK))
    if wanted == "all":
        return list(SERVERS)
    by_name = {server.name: server for server in SERVERS}
    return [by_name[name.strip()] for name in wanted.split(",")]


class OneAtATime:
    """The session of the server that was asked for last; tests come ordered by server."""

    def __init__(self) -> None:
        self.session: Session | None = None

    def of(self, server: Server) -> Session:
        if self.session is None or self.session.server is not server:
            self.close()
            self.session = Session(server)
        return self.session

    def close(self) -> None:
        if self.session is not None:
            self.session.close()


@pytest.fixture(scope="module", autouse=True)
def no_leaks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hold all tests together to leave nothing: they share servers."""
    tmp_path_factory.getbasetemp()  # which stays
    with nothing_left_behind():
        yield


@pytest.fixture(scope="module")
def sessions(no_leaks: None) -> Iterator[OneAtATime]:
    kept = OneAtATime()
    yield kept
    kept.close()


@pytest.mark.parametrize(
    ("server", "probe"),
    [
        pytest.param(server, probe, id=f"{server.name}-{probe.name}")
        for server in chosen()
        for probe in PROBES
        if probe.concerns(server)
    ],
)
def test_a_server_does_what_is_documented_of_it(sessions: OneAtATime, server: Server, probe: Probe) -> None:
    if why := why_missing(server):
        pytest.skip(f"{server.name}: {why}")
    outcome = sessions.of(server).judge(probe)
    assert outcome.is_as_documented, str(outcome)


def test_the_page_on_parity_says_what_is_documented() -> None:
    assert PAGE.read_text("utf-8") == page_as_it_should_be()


def test_no_two_probes_share_a_name() -> None:
    names = [probe.name for probe in PROBES]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.probes[0])
def test_a_documented_difference_is_one_of_known_servers_under_known_probes(difference: Difference) -> None:
    assert set(difference.probes) <= {probe.name for probe in PROBES}
    assert set(difference.servers) <= {server.name for server in SERVERS}
    assert difference.seen != AS_ASKED
    assert difference.because


def test_no_server_has_two_differences_under_one_probe() -> None:
    pairs = [
        (probe, server) for difference in DIFFERENCES for probe in difference.probes for server in difference.servers
    ]
    assert len(pairs) == len(set(pairs))
