"""Every Python block in the pages runs: in order, in one namespace a page, with warnings as errors, on both gateways.

A page runs twice, and a client that it makes without naming a gateway is of one and then of the other. A block that
cannot run has its reason in a comment before it: `<!-- not run: needs a database -->`.
"""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path
from types import ModuleType

import pytest

from ambi import App
from ambi.testing import AsyncClient, Client
from tests.calls import stop_lifespans
from tests.docs.markdown import PAGES, ROOT, python_blocks

OF_ITS_OWN = {ROOT / "docs" / "errors.md", *ROOT.glob("docs/tutorial/*.md")}
"""Have tests of their own: what stands there fails, or is a part of a file that the reader writes."""
WITH_PYTHON = [page for page in PAGES if python_blocks(page.read_text(encoding="utf-8")) and page not in OF_ITS_OWN]


@pytest.fixture(params=["wsgi", "asgi"])
def gateway(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The gateway of clients that are made without naming one."""
    for kind in (Client, AsyncClient):
        assert kind.__init__.__defaults__ == ("asgi",), "its gateway is not the one argument with a default any more"
        monkeypatch.setattr(kind.__init__, "__defaults__", (request.param,))
    return request.param


@pytest.fixture(autouse=True)
def logging_as_before():
    """Put back where lines are written to: a page may configure logging, and what it wrote to is closed by then."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def stopped(no_leaks: None):
    yield
    stop_lifespans()


@pytest.mark.parametrize("page", WITH_PYTHON, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_python_blocks_of_a_page_run(
    page: Path, gateway: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped: None
):
    # A module that can be found, since dataclasses and type hints look their names up there.
    module = ModuleType("page")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for block in python_blocks(page.read_text(encoding="utf-8")):
            if block.not_run is None:
                # The blank lines make a traceback name the line in the page.
                source = "\n" * (block.line - 1) + block.text
                exec(compile(source, page, "exec", dont_inherit=True), module.__dict__)


def test_a_client_is_of_the_gateway_of_the_run(gateway: str):
    assert Client(App()).gateway == AsyncClient(App()).gateway == gateway


def test_there_is_something_to_run():
    assert ROOT / "README.md" in WITH_PYTHON
