"""Redis, and broadcasts over it and in memory."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from tests.features.redis_server import BINARY, RedisServer

if TYPE_CHECKING:
    from ambi import Broadcast  # at run time when a fixture needs it: the other features have tests here as well

MakeBroadcast = Callable[..., "Broadcast"]

NEEDS_REDIS = "redis-server is not installed"
_prefixes = count()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Give a redis-server of this session, which runs from first to last."""
    pytest.importorskip("redis", reason="redis-py is not installed")
    if BINARY is None:
        pytest.skip(NEEDS_REDIS)
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis_url(redis_server: RedisServer) -> str:
    """Give the URL of a redis-server of this session."""
    return redis_server.url


@pytest.fixture(scope="session")
def redis_socket_url(redis_server: RedisServer) -> str:
    """Give the URL of the same server's socket in the file system."""
    return redis_server.socket_url


@pytest.fixture
def passing_redis(tmp_path: Any) -> Iterator[RedisServer]:
    """Give a redis-server of the test's own, which it may stop and start; what it holds survives that."""
    pytest.importorskip("redis", reason="redis-py is not installed")
    if BINARY is None:
        pytest.skip(NEEDS_REDIS)
    server = RedisServer(tmp_path, keep=True)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def prefix() -> str:
    """Give a prefix that no other test uses."""
    return f"test{next(_prefixes)}:"


@pytest.fixture
def over_redis(redis_url: str, prefix: str, no_leaks: None) -> Iterator[MakeBroadcast]:
    """Give what makes broadcasts over Redis that share their channels, as processes do."""
    from ambi import Broadcast

    made: list[Broadcast] = []

    def make(**options: Any) -> Broadcast:
        made.append(Broadcast(redis_url, prefix=prefix, **options))
        return made[-1]

    yield make
    for broadcast in made:
        broadcast.close()


@pytest.fixture(params=["memory", "redis"])
def make_broadcast(request: pytest.FixtureRequest, no_leaks: None) -> Iterator[MakeBroadcast]:
    """Give what makes a broadcast, in memory and over Redis."""
    if request.param == "redis":
        yield request.getfixturevalue("over_redis")
        return
    from ambi import Broadcast

    made: list[Broadcast] = []

    def make(**options: Any) -> Broadcast:
        made.append(Broadcast(**options))
        return made[-1]

    yield make
    for broadcast in made:
        broadcast.close()


@pytest.fixture
def broadcast(make_broadcast: MakeBroadcast) -> "Broadcast":
    """Give a broadcast, in memory and over Redis."""
    return make_broadcast()
