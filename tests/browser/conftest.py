"""Browsers and servers for the tests of pages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import count

import pytest

from tests.browser.serving import SERVERS, running_redis
from tests.leaks import nothing_left_behind

if find_spec("selenium") is None:  # it is in the dependency group `browser` only
    collect_ignore_glob = ["test_*.py"]
else:
    from tests.browser.chromium import Browser, open_browser, why_missing

DATABASES = count()


@pytest.fixture(autouse=True)
def no_leaks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fail the test that leaves threads, tasks, descriptors or temporary files behind, as everywhere."""
    tmp_path_factory.getbasetemp()  # where tests have folders of theirs, which stay
    with nothing_left_behind():
        yield


def new_browser() -> Iterator[Browser]:
    if reason := why_missing():
        pytest.skip(reason)
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="session")
def one_browser() -> Iterator[Browser]:
    yield from new_browser()


@pytest.fixture(scope="session")
def another_browser() -> Iterator[Browser]:
    yield from new_browser()


@pytest.fixture
def browser(one_browser: Browser) -> Iterator[Browser]:
    """A browser on no page, with nothing in its console."""
    one_browser.complaints()
    yield one_browser
    one_browser.leave()


@pytest.fixture
def second(another_browser: Browser) -> Iterator[Browser]:
    """A second browser, which shares nothing with the first."""
    another_browser.complaints()
    yield another_browser
    another_browser.leave()


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> str:
    """The same test under both."""
    return request.param


@pytest.fixture(scope="session")
def redis() -> Iterator[str]:
    """Where a Redis of our own listens."""
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server not found; Debian's package is redis-server")
    with running_redis() as url:
        yield url


@pytest.fixture
def redis_url(redis: str) -> str:
    """A database that no other test has used."""
    return f"{redis}/{next(DATABASES)}"
