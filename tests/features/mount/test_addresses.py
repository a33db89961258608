"""What a guest is told of its server's address, where the server says it in its own way. One gateway at a time."""

import pytest

from ambi import App
from ambi.features.mount.addresses import server_of
from ambi.gateways import asgi, wsgi
from tests.calls import environ_of, scope_of


@pytest.mark.parametrize(
    ("server", "host", "found"),
    [
        (("::1", 80), None, ("::1", 80)),
        (("::1", 8000), None, ("::1", 8000)),
        (("inside", 80), b"outside:90", ("inside", 80)),
        (None, b"[::1]:8000", ("::1", 8000)),
        (None, b"[::1]", ("::1", 80)),
        (None, b"outside:", ("outside", 80)),
        (None, None, ("localhost", 80)),
    ],
)
def test_the_server_of_a_scope(server: object, host: bytes | None, found: tuple[str, int]) -> None:
    scope = scope_of(server=server, headers=[(b"host", host)] if host else [])
    request, _ = asgi.read_request(App(), scope, print)  # type: ignore[arg-type]
    assert server_of(request) == found


@pytest.mark.parametrize("port", ["80", "8000"])
def test_the_server_of_an_environ(port: str) -> None:
    request, _ = wsgi.read_request(App(), environ_of(SERVER_NAME="::1", SERVER_PORT=port))
    assert server_of(request) == ("::1", int(port))
    assert request.host == ("[::1]" if port == "80" else "[::1]:8000")
