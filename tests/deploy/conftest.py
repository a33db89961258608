"""A Redis of the session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.features.redis_server import BINARY, RedisServer


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the URL of a redis-server of this session."""
    if BINARY is None:
        pytest.skip("redis-server is not installed")
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server.url
    server.stop()
