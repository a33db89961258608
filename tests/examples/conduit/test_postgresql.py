"""All that people do with Conduit, with PostgreSQL, which one setting chooses."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from ambi.testing import Client
from examples.conduit.app import make_api
from examples.conduit.settings import Settings
from tests.examples.conduit.api import Person
from tests.examples.conduit.conftest import person_of
from tests.examples.conduit.flows import FLOWS
from tests.leaks import nothing_left_behind
from tests.servers.processes import free_port

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
STARTS_WITHIN_S = 15


@pytest.fixture(scope="module", autouse=True)
def no_leaks(environment: None) -> Iterator[None]:
    """Hold all tests together to leave nothing: they share a database, whose connections are kept."""
    with nothing_left_behind():
        yield


@pytest.fixture(scope="session")
def database() -> Iterator[str]:
    """Give the URL of an empty database of a server of our own. Skips: where there is no PostgreSQL."""
    if not PROGRAMS or find_spec("psycopg") is None:
        pytest.skip("Debian's package postgresql, or psycopg, is not installed")
    folder = Path(tempfile.mkdtemp(prefix="ambi-postgresql-"))
    options: dict[str, Any] = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    if os.geteuid() == 0:  # as root it does not start
        options["user"] = options["group"] = "postgres"
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    port = free_port()
    programs, data = PROGRAMS[-1], folder / "data"
    subprocess.run(
        [programs / "initdb", "-D", data, "-A", "trust", "-U", "conduit", "-E", "UTF8", "--locale=C", "--no-sync"],
        check=True, timeout=60, **options,
    )  # fmt: skip
    where = ["-h", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(
        [programs / "postgres", "-D", data, *where, "-k", folder, "-c", "fsync=off"], **options
    )  # fmt: skip
    try:
        await_postgresql([programs / "psql", *where, "-U", "conduit", "-d", "postgres", "-c", "SELECT 1"])
        yield f"postgresql://conduit@127.0.0.1:{port}/postgres"
    finally:
        server.terminate()
        server.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def await_postgresql(question: list[Any]) -> None:
    give_up = time.monotonic() + STARTS_WITHIN_S
    while subprocess.run(question, capture_output=True, timeout=20, check=False).returncode:
        assert time.monotonic() < give_up, "PostgreSQL has not started"
        time.sleep(0.05)


@pytest.fixture(scope="module", params=["wsgi", "asgi"])
def api(
    request: pytest.FixtureRequest, no_leaks: None, database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Person]:
    gateway: Any = request.param
    settings = Settings.in_folder(tmp_path_factory.mktemp(gateway), {"CONDUIT_DATABASE": database})
    with Client(make_api(settings), gateway) as client:
        yield person_of(client)


@pytest.mark.parametrize("flow", FLOWS)
def test_what_people_do(api: Person, flow: str) -> None:
    FLOWS[flow](api)


def test_of_those_who_come_at_once_one_gets_the_name(api: Person) -> None:
    jake = api.somebody()
    slug = jake.writes()["slug"]
    new = {"username": f"{jake.name}-rival", "email": f"{jake.name}-rival@example.com", "password": "p"}

    def at_once(number: int) -> tuple[int, int, str]:
        signed_up = api.post("/users", {"user": new}).status
        return signed_up, jake.post(f"/articles/{slug}/favorite").status, jake.writes("One title")["slug"]

    with ThreadPoolExecutor(8) as people:
        answers = list(people.map(at_once, range(16)))
    assert sorted(signed_up for signed_up, _, _ in answers) == [201] + [409] * 15
    assert {liked for _, liked, _ in answers} == {200}
    assert len({written for _, _, written in answers}) == 16
