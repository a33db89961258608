"""Waiting for what a client has left behind on purpose."""

import threading


def join_servers() -> None:
    """Wait for the threads in which a client calls the application for a WebSocket under WSGI, once they may end."""
    for thread in threading.enumerate():
        if thread.name == "ambi-testing-server":
            thread.join(10)
            assert not thread.is_alive()
