"""Every probe over real servers: those of `QUICK`, or those that `AMBI_SERVERS` names, with commas, or `all`."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.servers.catalogue import QUICK, SERVERS, Server
from tests.servers.differences import DIFFERENCES
from tests.servers.judging import AS_ASKED, Session, session
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


@pytest.fixture(scope="module", params=chosen(), ids=lambda server: server.name)
def started(request: pytest.FixtureRequest) -> Iterator[Session]:
    server: Server = request.param
    if why := why_missing(server):
        pytest.skip(f"{server.name}: {why}")
    with session(server) as running:
        yield running


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_a_server_does_what_is_documented_of_it(started: Session, probe: Probe) -> None:
    if not probe.concerns(started.server):
        pytest.skip(f"{started.server.name} has no option for it")
    outcome = started.judge(probe)
    assert outcome.is_as_documented, str(outcome)


def test_the_page_on_parity_says_what_is_documented() -> None:
    assert PAGE.read_text("utf-8") == page_as_it_should_be()


def test_no_two_probes_share_a_name() -> None:
    names = [probe.name for probe in PROBES]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.probe)
def test_a_documented_difference_is_one_of_known_servers_under_a_known_probe(difference) -> None:
    assert difference.probe in {probe.name for probe in PROBES}
    assert set(difference.servers) <= {server.name for server in SERVERS}
    assert difference.seen != AS_ASKED
    assert difference.because


def test_no_server_has_two_differences_under_one_probe() -> None:
    pairs = [(difference.probe, server) for difference in DIFFERENCES for server in difference.servers]
    assert len(pairs) == len(set(pairs))
