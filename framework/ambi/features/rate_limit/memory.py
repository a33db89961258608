"""A store of counts in the memory of this process, for the strategies of `limits`.

The library has one as well. It starts a thread with almost every request, to look through all keys for what is over;
that may not be done on an event loop, and gets slower with each client. Here each request takes away what is over.

Facts
- What was counted last ends last: of one length of window, the first keys of a dict are over before the others. Where
  the clock was set back some are not, and are found to be over when they are asked for.
- What was counted at a time that is still to come, since the clock was set back, counts as of now: so nobody is kept
  out for longer than the window.
- Keys come from clients, so there is an end to them: past that, those counted longest ago are forgotten.
"""

from __future__ import annotations

import time
from collections import deque
from threading import Lock

from limits.storage import MovingWindowSupport, Storage

MAX_KEYS = 100_000
_NEVER = (0, 0.0)


class MemoryStore(Storage, MovingWindowSupport):
    """Count in memory, exactly, from any thread; nothing here waits.

    Args:
        max_keys: of each length of window.
    """

    STORAGE_SCHEME = None

    def __init__(self, max_keys: int = MAX_KEYS) -> None:
        super().__init__()
        self._max_keys = max_keys
        self._lock = Lock()
        self._moving: dict[int, dict[str, deque[float]]] = {}
        self._fixed: dict[int, dict[str, tuple[int, float]]] = {}

    @property
    def base_exceptions(self) -> tuple[type[Exception], ...]:
        """What may fail here: nothing."""
        return ()

    # --- moving windows ---

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count a request, unless that would be too many within the last `expiry` seconds."""
        with self._lock:
            now = time.time()
            windows = self._moving.setdefault(expiry, {})
            while windows and next(iter(windows.values()))[-1] <= now - expiry:
                del windows[next(iter(windows))]
            window = windows.get(key) or deque()
            if window and window[-1] > now:
                window = windows[key] = deque(min(at, now) for at in window)
            while window and window[0] <= now - expiry:
                window.popleft()
            if len(window) + amount > limit:
                if not window:
                    windows.pop(key, None)
                return False
            windows.pop(key, None)
            window.extend([now] * amount)
            windows[key] = window  # behind all others
            if len(windows) > self._max_keys:
                del windows[next(iter(windows))]
        return True

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """Give when the first request within the window came, and how many there are."""
        now = time.time()
        with self._lock:
            window = self._moving.get(expiry, {}).get(key, ())
            for over, at in enumerate(window):  # few are over: the request that is counted takes those away
                if at > now - expiry:
                    return at, len(window) - over
        return now, 0

    def free_at(self, key: str, limit: int, expiry: int, amount: int) -> float:
        """Give when there is room for so many within the window."""
        now = time.time()
        with self._lock:
            window = self._moving.get(expiry, {}).get(key, ())
            last_in_the_way = len(window) + amount - limit - 1
            return window[last_in_the_way] + expiry if 0 <= last_in_the_way < len(window) else now

    # --- fixed windows ---

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count a request in the window that began with the first one; give how many there are."""
        with self._lock:
            now = time.time()
            windows = self._fixed.setdefault(expiry, {})
            while windows and next(iter(windows.values()))[1] <= now:
                del windows[next(iter(windows))]
            count, until = windows.get(key, _NEVER)
            until = min(until, now + expiry)
            if until <= now:
                windows.pop(key, None)
                count, until = 0, now + expiry
            windows[key] = (count + amount, until)
            if len(windows) > self._max_keys:
                del windows[next(iter(windows))]
        return count + amount

    def get(self, key: str) -> int:
        """Give how many requests there are in the window of a key."""
        return self._current(key)[0]

    def get_expiry(self, key: str) -> float:
        """Give when the window of a key ends."""
        return self._current(key)[1]

    def _current(self, key: str) -> tuple[int, float]:
        now = time.time()
        with self._lock:
            for windows in self._fixed.values():
                if key in windows and windows[key][1] > now:
                    return windows[key]
        return 0, now

    # --- all of them ---

    def check(self) -> bool:
        """Tell whether the store works."""
        return True

    def reset(self) -> int:
        """Forget everything; give how many keys there were."""
        with self._lock:
            count = sum(map(len, self._moving.values())) + sum(map(len, self._fixed.values()))
            self._moving.clear()
            self._fixed.clear()
        return count

    def clear(self, key: str) -> None:
        """Forget a key."""
        with self._lock:
            for moving in self._moving.values():
                moving.pop(key, None)
            for fixed in self._fixed.values():
                fixed.pop(key, None)
