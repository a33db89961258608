"""The applications of the page on databases: what is answered with a success is kept, and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, Literal

import pytest

from ambi.testing import Client
from tests.deploy.pages import files, write
from tests.deploy.postgres import postgres, why_not
from tests.deploy.running import ask, free_port, need, serve, slow, wait_for

PAGE = "databases.md"
NEEDS = {
    "shop_blocking": ("sqlalchemy",),
    "shop_asyncio": ("sqlalchemy", "aiosqlite"),
    "shop_layer": ("sqlalchemy", "aiosqlite"),
    "shop_psycopg": ("psycopg", "psycopg_pool"),
    "shop_asyncpg": ("asyncpg",),
}
ON_POSTGRES = {
    "shop_blocking": "postgresql+psycopg://",
    "shop_asyncio": "postgresql+asyncpg://",
    "shop_layer": "postgresql+psycopg://",
    "shop_psycopg": "postgresql://",
    "shop_asyncpg": "postgresql://",
}
GATEWAYS = pytest.mark.parametrize("gateway", ["wsgi", "asgi"])


def load(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import an application of the page."""
    for package in (*NEEDS[name], "msgspec"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    write(PAGE, folder)
    spec = spec_from_file_location(name, folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    monkeypatch.delitem(sys.modules, "shop_asyncio", raising=False)  # of another test's folder
    monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    spec.loader.exec_module(module)
    return module.app


def keeps_what_succeeds(app: Any, gateway: Literal["wsgi", "asgi"]) -> None:
    with Client(app, gateway, raise_server_exceptions=False) as client:
        assert client.post("/items/coffee").status_code == 201
        assert client.post("/items/tea").status_code == 409  # inserted, and then refused
        assert client.post("/items/coffee").status_code == 500  # the name is taken: the database says so
        assert client.post("/items/cake").status_code == 201
        assert client.get("/items").json() == ["coffee", "cake"]
    with Client(app, gateway) as client:  # the next process finds it
        assert client.get("/items").json() == ["coffee", "cake"]


def test_the_page_has_the_applications() -> None:
    assert {Path(name).stem for name in files(PAGE)} == set(NEEDS)


@GATEWAYS
@pytest.mark.parametrize("name", ["shop_blocking", "shop_asyncio", "shop_layer"])
def test_with_sqlite_what_succeeds_is_kept_and_nothing_else(
    name: str, gateway: Literal["wsgi", "asgi"], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    keeps_what_succeeds(load(name, tmp_path, monkeypatch), gateway)


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """Give where a PostgreSQL is, without what stands before the user in a URL."""
    if (reason := why_not()) is not None:
        pytest.skip(reason)
    with postgres() as where:
        yield where


@slow
@GATEWAYS
@pytest.mark.parametrize("name", NEEDS)
def test_with_postgresql_what_succeeds_is_kept_and_nothing_else(
    name: str, gateway: Literal["wsgi", "asgi"], database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")
    with psycopg.connect(f"postgresql://{database}") as connection:
        connection.execute("DROP TABLE IF EXISTS item")
    monkeypatch.setenv("DATABASE_URL", ON_POSTGRES[name] + database)
    keeps_what_succeeds(load(name, tmp_path, monkeypatch), gateway)


@pytest.mark.parametrize("name", [pytest.param("shop_blocking", marks=slow), "shop_asyncio"])
def test_with_preload_each_worker_has_connections_of_its_own(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need("gunicorn")
    load(name, tmp_path, monkeypatch)
    port = free_port()
    address = ("127.0.0.1", port)
    command = f"gunicorn --preload --workers 2 --threads 4 -b 127.0.0.1:{port} {name}:app"
    with serve(command, tmp_path, address) as program:
        wait_for(lambda: program.log.count("Booting worker") == 2, program)
        answers = [ask(address, f"/items/{n}", "POST").status for n in range(8)]
        assert answers == [201] * 8, program.log
        assert ask(address, "/items").json() == [str(n) for n in range(8)]
