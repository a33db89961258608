"""Sessions in Redis: a hash for each, with a field for each key, so that Redis itself merges changes.

Facts
- A hash without fields does not exist; the field "created" keeps that of an empty session there. Fields of keys begin
  with a dot.
- A script runs as a whole; each touches one session, so a cluster is served too.
- Where a connection breaks, nobody knows whether the command has run. It is run once more where that changes neither
  what is kept nor what is answered.
"""

from __future__ import annotations

from ...core.errors import Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ...core.session import Change

_TIMEOUT_S = 5

_SAVE = """
if ARGV[2] == '0' and redis.call('EXISTS', KEYS[1]) == 0 then return false end
redis.call('HSETNX', KEYS[1], 'created', '1')
local conflicts = {}
for i = 3, #ARGV, 3 do
  local now = redis.call('HGET', KEYS[1], ARGV[i]) or ''
  if now ~= ARGV[i + 1] and now ~= ARGV[i + 2] then conflicts[#conflicts + 1] = ARGV[i] end
  if ARGV[i + 2] == '' then redis.call('HDEL', KEYS[1], ARGV[i])
  else redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 2]) end
end
if ARGV[1] ~= '' then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return conflicts
"""

_LOCK = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return 1 end
return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0
"""

_UNLOCK = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"


class RedisStore:
    """Keep sessions in Redis (or Valkey), for any number of processes and machines.

    Nothing is connected before the first session; a connection that does not answer within 5 s is an error of the
    request, which is answered with 503.

    Args:
        url: "redis://host:port/db", "rediss://..." or "unix://...".
        prefix: of the keys; applications that share a Redis need different ones.

    Raises:
        ImportError: redis-py is missing.
        ValueError: the URL is none.
        Unavailable: while a request is served: Redis is away, or its memory full (507).

    Example:
        app.sessions(secret=SECRET, store=RedisStore("redis://localhost:6379/0"))
    """

    def __init__(self, url: str, *, prefix: str = "ambi:session:") -> None:
        try:
            import redis
            from redis import exceptions
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError as exc:
            raise ImportError("RedisStore needs redis-py: pip install 'ambi[redis]'") from exc
        redis_py: Any = redis  # its annotations are too loose to be of use
        self._prefix = prefix
        keep_alive = {} if url.startswith("unix://") else {"socket_keepalive": True}  # redis-py refuses it for a file
        self._client: Any = redis_py.Redis.from_url(
            url, decode_responses=True, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0), **keep_alive,
        )  # fmt: skip
        self._save: Any = self._client.register_script(_SAVE)
        self._lock: Any = self._client.register_script(_LOCK)
        self._unlock: Any = self._client.register_script(_UNLOCK)
        self._full: Any = exceptions.OutOfMemoryError
        self._broken: Any = exceptions.ConnectionError  # a time-out is none
        self._away: Any = (exceptions.ConnectionError, exceptions.TimeoutError, exceptions.ReadOnlyError)

    def _ask(self, command: Callable[[], Any], *, again: bool = True) -> Any:
        """Run a command, and once more where the connection broke, unless that could change its answer.

        Raises:
            Unavailable: for errors that may be over later.
        """
        try:
            try:
                return command()
            except self._broken:
                if not again:
                    raise
                return command()
        except self._full as exc:
            raise Unavailable(f"Redis takes no sessions: {exc}", 507) from exc
        except self._away as exc:
            raise Unavailable(f"the sessions in Redis: {exc}") from exc

    def load(self, name: str) -> dict[str, str] | None:
        """Give the texts of a session; see `SessionStore`."""
        fields: dict[str, str] = self._ask(lambda: self._client.hgetall(self._prefix + name))
        return {field[1:]: text for field, text in fields.items() if field[0] == "."} if fields else None

    def save(self, name: str, changes: Mapping[str, Change], *, ttl_s: float | None, new: bool) -> list[str] | None:
        """Merge changes into a session; see `SessionStore`."""
        arguments = ["" if ttl_s is None else str(int(ttl_s * 1000)), "1" if new else "0"]
        for key, (before, after) in changes.items():
            arguments += ["." + key, before or "", after or ""]
        conflicts: list[str] | None = self._ask(lambda: self._save(keys=[self._prefix + name], args=arguments))
        return None if conflicts is None else [field[1:] for field in conflicts]

    def delete(self, name: str) -> bool:
        """Delete a session; see `SessionStore`."""
        return bool(self._ask(lambda: self._client.delete(self._prefix + name), again=False))

    def lock(self, name: str, token: str, lease_s: float) -> bool:
        """Take the lock of a session; see `SessionStore`."""
        arguments = [token, int(lease_s * 1000)]
        return bool(self._ask(lambda: self._lock(keys=[f"{self._prefix}lock:{name}"], args=arguments)))

    def unlock(self, name: str, token: str) -> None:
        """Give the lock back; see `SessionStore`."""
        self._ask(lambda: self._unlock(keys=[f"{self._prefix}lock:{name}"], args=[token]))

    def close(self) -> None:
        """Close the connections; the next use opens new ones."""
        self._client.close()
