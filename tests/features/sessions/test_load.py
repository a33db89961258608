"""Many clients, each of which counts in its session, over a real server with two workers. Nothing may be lost or mixed.

    AMBI_SESSION_CLIENTS=200 AMBI_SESSION_REQUESTS=50 AMBI_SESSION_THREADS=8 pytest tests/features/sessions/test_load.py

Requests of one client are under way at the same time. It takes both kinds of server in one run: their workers share a
store as processes do.
"""

import contextlib
import http.client
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.children import environment

pytest.importorskip("gunicorn", reason="gunicorn is not installed")
pytest.importorskip("uvicorn", reason="uvicorn is not installed")

CLIENTS = int(os.environ.get("AMBI_SESSION_CLIENTS", "8"))
REQUESTS = int(os.environ.get("AMBI_SESSION_REQUESTS", "6"))
THREADS = int(os.environ.get("AMBI_SESSION_THREADS", "4"))
"""Of each of gunicorn's two workers; and half as many as there are requests at a time."""
APP = "tests.features.sessions.load_app:app"


@contextlib.contextmanager
def serving(store: str, folder: Path, *command: str) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    with (folder / f"{port}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *(part.format(port=port) for part in command), APP],
            env={**environment(), "SESSIONS": store}, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + 20
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                assert process.poll() is None, (folder / f"{port}.log").read_text()
                assert time.monotonic() < deadline, (folder / f"{port}.log").read_text()
                time.sleep(0.05)
            yield port
        except AssertionError as exc:
            exc.add_note((folder / f"{port}.log").read_text()[-4000:])
            raise
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)


def post(port: int, path: str, cookie: str | None) -> tuple[int, str | None]:
    """Send one request on a connection of its own; the count, and the cookie that was set."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", path, headers={} if cookie is None else {"cookie": cookie})
        response = connection.getresponse()
        body = response.read().decode()
        assert response.status == 200, (response.status, body)
        return int(body), (response.getheader("set-cookie") or "").partition(";")[0] or None
    finally:
        connection.close()


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_no_update_is_lost_and_none_is_mixed(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    store = str(tmp_path / "sessions.db") if kind == "sqlite" else request.getfixturevalue("redis_url")
    gunicorn = ("gunicorn", "-w2", f"--threads={THREADS}", "-b127.0.0.1:{port}")
    uvicorn = ("uvicorn", "--port={port}", "--log-level=warning")
    with (
        serving(store, tmp_path, *gunicorn) as wsgi,
        serving(store, tmp_path, *uvicorn) as asgi,
        ThreadPoolExecutor(2 * THREADS) as pool,
    ):
        ports = (wsgi, asgi)
        first = list(pool.map(lambda client: post(ports[client % 2], f"/def/{client}", None), range(CLIENTS)))
        cookies = [cookie for _, cookie in first]
        assert len(set(cookies)) == CLIENTS
        jobs = [(client, n) for client in range(CLIENTS) for n in range(REQUESTS - 1)]
        random.Random(1).shuffle(jobs)
        jobs.sort(key=lambda job: job[0] // 4)  # few clients at a time, so that their own requests meet

        def work(job: tuple[int, int]) -> tuple[int, int]:
            client, n = job
            path = f"/{'async' if n // 2 % 2 else 'def'}/{client}"
            return client, post(ports[n % 2], path, cookies[client])[0]

        seen: dict[int, list[int]] = {client: [] for client in range(CLIENTS)}
        for client, count in pool.map(work, jobs):
            seen[client].append(count)
    assert {client: sorted(counts) for client, counts in seen.items()} == {
        client: list(range(2, REQUESTS + 1)) for client in range(CLIENTS)
    }
