"""Load through the mount, in a small version; `python -m tests.interop load` and `upload` are the large ones."""

from __future__ import annotations

import pytest

from tests.interop.load import BodySeen, large_bodies, load

pytest.importorskip("starlette", reason="Starlette is not installed")
pytest.importorskip("flask", reason="Flask is not installed")

SERVERS = ("gunicorn gthread", "uvicorn h11")
REQUESTS = 500
MEBIBYTES, GROWTH_MIB = 32, 8


@pytest.mark.parametrize("guest", ["starlette", "flask"])
@pytest.mark.parametrize("server", SERVERS)
def test_clients_that_leave_early_leave_nothing_behind(server: str, guest: str) -> None:
    seen = load(server, guest, REQUESTS)
    print(f"{server}, {guest}: {seen}")
    assert seen.left_behind.is_nothing, seen
    if guest == "starlette":  # Flask itself logs an upload that breaks off, as it does alone
        assert seen.trouble == []
    assert seen.left >= REQUESTS // 11


@pytest.mark.parametrize("guest", ["wsgi", "asgi"])
@pytest.mark.parametrize("server", SERVERS)
def test_a_large_body_through_the_mount_does_not_fill_the_memory(server: str, guest: str) -> None:
    for what, seen in large_bodies(server, guest, "ambi", MEBIBYTES):
        print(f"{server}, {guest}, {what}: {seen}")
        assert isinstance(seen, BodySeen), f"{what}: {seen}"
        assert seen.growth_mib < GROWTH_MIB, what
