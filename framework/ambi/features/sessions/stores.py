"""Where sessions are kept on the server: what a store does, and one in memory.

A store keeps, under a name, a few texts by key, for a while. It is called where it may block, from many threads at
once. Changes are merged key by key, so requests that change different keys lose nothing.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...core.session import Change


LONGEST_LEASE_S = 300
"""No lock is held for longer: one that claims to be is of a time before the clock was set back."""


class SessionStore(Protocol):
    """What keeps sessions. Every method is one step that others see whole or not at all.

    `name` is a text of 64 hexadecimal digits; what is kept under it gives no cookie away.

    Raises:
        Unavailable: from any method, when the store is away or full; the answer is a 503 or 507. Of other exceptions it
            is a 500.
    """

    def load(self, name: str) -> dict[str, str] | None:
        """Give the texts of a session by key; None when there is none, or it is too old."""
        ...

    def save(self, name: str, changes: Mapping[str, Change], *, ttl_s: float | None, new: bool) -> list[str] | None:
        """Merge changes, each a text before and after, into a session.

        Args:
            name: of the session.
            changes: by key; None stands for no value.
            ttl_s: for how long it is kept from now on; None leaves that as it is.
            new: make it; else only one that is there is changed, and none that was deleted comes back.

        Returns:
            The keys whose text was neither the one before nor the one after: another request has changed them
            meanwhile, and its value is lost. None when there is no such session.
        """
        ...

    def delete(self, name: str) -> bool:
        """Delete a session; whether there was one."""
        ...

    def lock(self, name: str, token: str, lease_s: float) -> bool:
        """Take the lock of a session; False, at once, when somebody else has it.

        Args:
            name: of the session.
            token: tells this holder from others.
            lease_s: seconds after which others may take it, given back or not.
        """
        ...

    def unlock(self, name: str, token: str) -> None:
        """Give the lock back, if it is still held with this token."""
        ...


def merge(texts: dict[str, str], changes: Mapping[str, Change]) -> list[str]:
    """Apply changes to texts; the keys that were neither as before nor as after."""
    conflicts: list[str] = []
    for key, (before, after) in changes.items():
        if texts.get(key) not in (before, after):
            conflicts.append(key)
        if after is None:
            texts.pop(key, None)
        else:
            texts[key] = after
    return conflicts


class MemoryStore:
    """Keep sessions in this process: for development and tests. Other workers do not see them.

    Args:
        max_sessions: beyond them those that were read or saved longest ago are dropped.

    Example:
        app.sessions(secret=SECRET, store=MemoryStore())
    """

    def __init__(self, *, max_sessions: int = 10_000) -> None:
        self._max_sessions = max_sessions
        self._kept: dict[str, tuple[dict[str, str], float]] = {}
        self._locks: dict[str, tuple[str, float]] = {}
        self._guard = threading.Lock()

    def load(self, name: str) -> dict[str, str] | None:
        """Give the texts of a session; see `SessionStore`."""
        with self._guard:
            texts = self._load(name)
            if texts is not None:
                self._kept[name] = self._kept.pop(name)  # at the end: a new one must not push out the one it is made of
            return texts

    def _load(self, name: str) -> dict[str, str] | None:
        texts, until = self._kept.get(name, (None, 0.0))
        return dict(texts) if texts is not None and until > time.time() else None

    def save(self, name: str, changes: Mapping[str, Change], *, ttl_s: float | None, new: bool) -> list[str] | None:
        """Merge changes into a session; see `SessionStore`."""
        with self._guard:
            texts = {} if new else self._load(name)
            if texts is None:
                return None
            conflicts = merge(texts, changes)
            until = self._kept[name][1] if ttl_s is None else time.time() + ttl_s
            self._kept.pop(name, None)
            self._kept[name] = texts, until  # at the end
            while len(self._kept) > self._max_sessions:
                del self._kept[next(iter(self._kept))]
            return conflicts

    def delete(self, name: str) -> bool:
        """Delete a session; see `SessionStore`."""
        with self._guard:
            return self._kept.pop(name, None) is not None

    def lock(self, name: str, token: str, lease_s: float) -> bool:
        """Take the lock of a session; see `SessionStore`."""
        with self._guard:
            now = time.time()
            if now < self._locks.get(name, ("", 0.0))[1] <= now + max(lease_s, LONGEST_LEASE_S):
                return False
            self._locks[name] = token, now + lease_s
            return True

    def unlock(self, name: str, token: str) -> None:
        """Give the lock back; see `SessionStore`."""
        with self._guard:
            if self._locks.get(name, ("", 0.0))[0] == token:
                del self._locks[name]
