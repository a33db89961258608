"""The socket of the development server, and how its address is written."""

from __future__ import annotations

import contextlib
import errno
import socket

from ..loading import WrongUseError

_BACKLOG = 128
_ANY = ("0.0.0.0", "::")  # noqa: S104  # asked for by name


class PortTakenError(Exception):
    """Say that another process listens there already, and what to do."""


def listen(host: str, port: int) -> socket.socket:
    """Open the socket, which does not block: several processes may wait for its connections.

    Args:
        host: a name or an address.
        port: 0 for one that is free.

    Raises:
        WrongUseError: there is no such host, or this user may not listen there.
        PortTakenError: as it says.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as exc:
        raise WrongUseError(f"--host {host}: {exc.strerror or exc}; an address of this machine was expected") from None
    found.sort(key=lambda one: one[0] != socket.AF_INET)  # `localhost` has two, and browsers try both
    family, kind, protocol, _, address = found[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(_BACKLOG)
    except OSError as exc:
        listening.close()
        if exc.errno == errno.EADDRINUSE:
            raise PortTakenError(_taken(host, port)) from None
        raise WrongUseError(f"--host {host} --port {port}: {exc.strerror}") from None
    listening.setblocking(False)
    return listening


def _taken(host: str, port: int) -> str:
    other = next((near for near in range(port + 1, min(port + 20, 65536)) if _is_free(host, near)), 0)
    return f"port {port} is taken: another server listens on {host} already; end that one, or say --port {other}"


def _is_free(host: str, port: int) -> bool:
    with contextlib.suppress(PortTakenError, WrongUseError):
        listen(host, port).close()
        return True
    return False


def url_of(listening: socket.socket) -> str:
    """Give the address as a browser on this machine takes it."""
    host, port = listening.getsockname()[:2]
    if host in _ANY:
        host = "127.0.0.1" if host == _ANY[0] else "::1"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def is_open_to_others(listening: socket.socket) -> bool:
    """Tell whether other machines may reach it."""
    host: str = listening.getsockname()[0]
    return not is_loopback(host)


def is_loopback(address: str) -> bool:
    """Tell whether an address is one of the machine's own, which no other machine can have."""
    from ipaddress import ip_address

    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return (getattr(parsed, "ipv4_mapped", None) or parsed).is_loopback
