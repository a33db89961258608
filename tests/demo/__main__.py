"""Serve examples/hello.py under gunicorn and uvicorn at once, and show that both answer alike.

Exits with 1 when any answer differs. Stays up for a browser until Ctrl-C, unless called with `--once`.
"""

from __future__ import annotations

import argparse
import http.client
import signal
import sys
import time

from tests.demo.comparison import Answer, Terminal, rows
from tests.demo.servers import Server, ServerFailed, running
from tests.examples.exchanges import EXCHANGES, Exchange

APP = "examples.hello:app"
ANSWER_S = 20.0


def ask(server: Server, exchange: Exchange) -> Answer:
    """Send the request on a connection of its own. The bytes sent are the same for both servers: one Host."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=ANSWER_S)
    try:
        connection.putrequest(exchange.method, exchange.target, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", "localhost")
        for name, value in exchange.headers.items():
            connection.putheader(name, value)
        if exchange.body:
            connection.putheader("Content-Length", str(len(exchange.body)))
        connection.endheaders(exchange.body or None)
        response = connection.getresponse()
        return Answer(
            status=f"{response.status} {response.reason}",
            headers=[(name.lower(), value) for name, value in response.getheaders()],
            body=response.read(),
        )
    except (OSError, http.client.HTTPException) as failure:
        server.check()
        raise ServerFailed(f"{server.name}: {exchange}: {failure!r}\n{server.log_end()}") from failure
    finally:
        connection.close()


def compare(terminal: Terminal, servers: tuple[Server, Server]) -> int:
    """Send every request to both servers, write the tables, and return how many answers differ."""
    names = (f"{servers[0].name} ({servers[0].gateway})", f"{servers[1].name} ({servers[1].gateway})")
    exchanges = EXCHANGES["hello"]
    different = 0
    for exchange in exchanges:
        left, right = (ask(server, exchange) for server in servers)
        different += not terminal.table(str(exchange), names, rows(left, right))
    if different:
        summary, colour = f"{different} of {len(exchanges)} answers differ.", "red"
    else:
        summary, colour = f"{len(exchanges)} requests, all answered alike, byte for byte.", "green"
    terminal.line(terminal.paint(summary, colour, "bold"))
    return different


def introduce(terminal: Terminal, servers: tuple[Server, Server]) -> None:
    """Say what runs where."""
    terminal.line()
    for server in servers:
        address = terminal.paint(f"http://127.0.0.1:{server.port}/", "bold")
        terminal.line(f"  {server.command:<30}{server.gateway}   {address}   {server.name} {server.release}")
    terminal.line()


def stay_up(terminal: Terminal, servers: tuple[Server, Server]) -> None:
    """Wait until interrupted, or until a server ends."""
    introduce(terminal, servers)
    terminal.line("Open either in a browser. Ctrl-C ends both.")
    while True:
        time.sleep(0.3)
        for server in servers:
            server.check()


def main() -> int:
    parser = argparse.ArgumentParser(prog="nox -s demo --", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end after the comparison")
    once: bool = parser.parse_args().once
    # Ended by the system or by a closing terminal, the demo leaves no server behind either.
    for other in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.default_int_handler)
    terminal = Terminal()
    different = 0
    try:
        with running(APP) as servers:
            introduce(terminal, servers)
            different = compare(terminal, servers)
            if not once:
                stay_up(terminal, servers)
    except KeyboardInterrupt:
        terminal.line("\nBoth servers have ended.")
    except ServerFailed as failure:
        terminal.line(terminal.paint(str(failure), "red"))
        return 1
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
