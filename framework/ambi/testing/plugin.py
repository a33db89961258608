"""Fixtures for pytest: the tests of a project run through both gateways.

    # conftest.py
    import pytest

    from shop import app as shop

    @pytest.fixture
    def app():
        return shop                  # an App, or a factory of one

    # test_shop.py
    def test_hello(client):          # runs twice: under WSGI and under ASGI
        assert client.get("/hello").status_code == 200

    @pytest.mark.gateway("asgi")     # or several, or "both"
    def test_asgi_alone(client): ...

`ambi_client` and `ambi_async_client` are always there; `client` and `async_client` are the same, but only where no
other plugin (pytest-django, pytest-flask) has a fixture of that name, and `ambi_fixtures` in pytest's configuration
does not say "prefixed". A fixture of the project's own goes before all of them.

This module is loaded in every project where ambi is installed. So it loads nothing of the client by itself.
"""

from __future__ import annotations

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .async_client import AsyncClient
    from .client import Client

_GATEWAYS = ("wsgi", "asgi")
_KNOWN = (*_GATEWAYS, "both")
_OPTION = "ambi_fixtures"
_HOW = """\
the fixture `{name}` of ambi needs a fixture `app` that gives the application under test, or a factory of it:

    @pytest.fixture
    def app():
        from shop import app
        return app
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the one option of the configuration."""
    parser.addini(
        _OPTION,
        "the fixtures of ambi: 'plain' (client and async_client besides those with a prefix; the default) or 'prefixed'"
        " (ambi_client and ambi_async_client alone)",
        default="plain",
    )


@pytest.hookimpl(trylast=True)  # when the plugins of other packages are there
def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and the plain names where they are free."""
    config.addinivalue_line(
        "markers", "gateway(*names): run a test that takes a client of ambi under 'wsgi', 'asgi' or 'both' alone"
    )
    names = config.getini(_OPTION)
    if names not in ("plain", "prefixed"):
        raise pytest.UsageError(f"{_OPTION} must be 'plain' or 'prefixed', not {names!r}")
    if names == "prefixed":
        return
    for name, plain in (("client", _PlainClient), ("async_client", _PlainAsyncClient)):
        if not any(_has_fixture(plugin, name) for plugin in config.pluginmanager.get_plugins()):
            config.pluginmanager.register(plain(), f"ambi_{name}_fixture")


def _has_fixture(plugin: object, name: str) -> bool:
    """Tell whether a plugin has a fixture of this name. One in a conftest.py goes first anyway, and may use ours."""
    found = getattr(plugin, name, None)
    if str(getattr(plugin, "__file__", "")).endswith("conftest.py"):
        return False
    return hasattr(found, "_pytestfixturefunction") or type(found).__name__ == "FixtureFunctionDefinition"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what takes a client once for each gateway that its marker names."""
    if "ambi_gateway" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("gateway")
    gateways: tuple[Any, ...] = marker.args if marker is not None else _GATEWAYS
    if not gateways or not set(gateways) <= set(_KNOWN) or (marker is not None and marker.kwargs):
        raise pytest.UsageError(
            f"{metafunc.definition.nodeid}: the marker `gateway` takes 'wsgi', 'asgi' or 'both', not {marker}"
        )
    metafunc.parametrize("ambi_gateway", gateways, indirect=True)


@pytest.fixture
def ambi_gateway(request: pytest.FixtureRequest) -> str:
    """Give the gateway of this run: "wsgi", "asgi" or "both"."""
    gateway: str = request.param
    return gateway


@pytest.fixture
def ambi_client(request: pytest.FixtureRequest, ambi_gateway: Any) -> Iterator[Client]:
    """Give a client of the fixture `app`, whose lifespan runs as long as the test."""
    from .client import Client

    with Client(_app(request, "client"), ambi_gateway) as client:
        yield client


@pytest.fixture
def ambi_async_client(request: pytest.FixtureRequest, ambi_gateway: Any) -> AsyncClient:
    """Give an `AsyncClient` of the fixture `app`; the test enters it: `async with async_client:` runs the lifespan.

    pytest has no fixtures that await, and those of its plugins do not agree in which task they end.
    """
    from .async_client import AsyncClient

    return AsyncClient(_app(request, "async_client"), ambi_gateway)


def _app(request: pytest.FixtureRequest, name: str) -> Any:
    try:
        return request.getfixturevalue("app")
    except pytest.FixtureLookupError as exc:
        if exc.argname != "app":
            raise
        pytest.fail(_HOW.format(name=name), pytrace=False)


class _PlainClient:
    """Gives the client under its plain name."""

    @pytest.fixture
    def client(self, ambi_client: Client) -> Client:
        """Give a client of the fixture `app`, through one gateway after the other; see `ambi.testing.plugin`."""
        return ambi_client


class _PlainAsyncClient:
    """Gives the client that awaits under its plain name."""

    @pytest.fixture
    def async_client(self, ambi_async_client: AsyncClient) -> AsyncClient:
        """Give an `AsyncClient` of the fixture `app`, to be entered by the test; see `ambi.testing.plugin`."""
        return ambi_async_client
