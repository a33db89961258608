"""The connection behind a WSGI request, as far as the server lets it be seen.

Facts
- gunicorn and Werkzeug lend the socket in the environ, waitress a function that tells; elsewhere nothing is known.
- A look takes nothing from the socket (MSG_PEEK) and waits for nothing. It goes past gevent's sockets, which wait even
  when told not to, and past TLS, of which the end of the stream is seen all the same.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any
    from wsgiref.types import WSGIEnvironment


def client_has_left(environ: WSGIEnvironment) -> bool:
    """Tell whether the client is known to have closed its connection, or its sending half."""
    tells: Callable[[], bool] | None = environ.get("waitress.client_disconnected")
    if tells is not None:
        return bool(tells())
    lent = lent_socket(environ)
    return lent is not None and _is_closed(lent.fileno())


def lent_socket(environ: WSGIEnvironment) -> Any:
    """Give the socket that the server lends; None where it lends none."""
    return environ.get("gunicorn.socket") or environ.get("werkzeug.socket")


def _is_closed(descriptor: int) -> bool:
    import _socket  # gevent patches the module above it

    if descriptor < 0:
        return True
    plain = _socket.socket(fileno=descriptor)
    try:
        return plain.recv(1, _socket.MSG_PEEK | _socket.MSG_DONTWAIT) == b""
    except (BlockingIOError, InterruptedError):
        return False
    except OSError:  # reset
        return True
    finally:
        plain.detach()  # it is the server's to close
