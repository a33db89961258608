"""All that people do with Conduit, over sockets, under the servers that it names; and many at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.examples.conduit.api import CONTRACTS, Person
from tests.examples.conduit.flows import FLOWS
from tests.servers.catalogue import SERVERS, Start
from tests.servers.processes import Running, running, why_missing

ROOT = Path(__file__).parents[3]
BY_NAME = {server.name: server for server in SERVERS}
WORKERS = {"gunicorn gthread": "--workers 2 --threads 4"}


@contextmanager
def serve(name: str, folder: Path, **more: str) -> Iterator[Running]:
    """Serve Conduit as its documentation says. Skips: where the server is not installed."""
    server = BY_NAME[name]
    if why := why_missing(server):
        pytest.skip(f"{name}: {why}")
    command = server.command.replace("--threads 4", "").replace(
        "app:app", f"{WORKERS.get(name, '')} tests.examples.conduit.served:app"
    )
    path = os.pathsep.join(filter(None, sys.path))
    variables = {"PYTHONPATH": path, "CONDUIT_FOLDER": str(folder), **more}
    with running(replace(server, command=command), Start(variables=variables), ROOT) as started:
        yield started


def person_at(port: int, contract: str = "1.1") -> Person:
    def send(
        method: str, target: str, headers: dict[str, str], body: bytes | None
    ) -> tuple[int, dict[str, str], bytes]:
        connection = HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            connection.request(method, target, body, headers)
            response = connection.getresponse()
            fields = {name.lower(): value for name, value in response.getheaders()}
            return response.status, fields, response.read()
        finally:
            connection.close()

    return Person(send, contract=CONTRACTS[contract])


@pytest.mark.parametrize(("server", "contract"), [("gunicorn gthread", "1.1"), ("uvicorn h11", "2.0")])
def test_what_people_do_under_a_server(server: str, contract: str, tmp_path: Path) -> None:
    with serve(server, tmp_path, CONDUIT_CONTRACT=contract) as started:
        api = person_at(started.port, contract)
        for flow in FLOWS.values():
            flow(api)
        writers = [api.somebody() for _ in range(3)]
        slug = writers[0].writes()["slug"]

        def write(number: int) -> tuple[int, int]:
            writer = writers[number % len(writers)]
            writer.writes("One title")
            liked = writer.post(f"/articles/{slug}/favorite")
            return liked.status, writer.post(f"/articles/{slug}/comments", {"comment": {"body": f"{number}"}}).status

        with ThreadPoolExecutor(8) as people:
            assert set(people.map(write, range(40))) == {(200, api.contract.commented)}
        assert api.get(f"/articles/{slug}")["article"]["favoritesCount"] == len(writers)
        assert len(api.get(f"/articles/{slug}/comments")["comments"]) == 40
        assert "Traceback" not in started.log()
