r"""Passwords: hashes that are slow to guess, and checking them.

Facts
- A hash that takes memory costs who guesses as much as it costs us: Argon2id where `argon2-cffi` is installed (extra
  `passwords`), with the parameters of RFC 9106 for little memory: 64 MiB, 3 passes. Else scrypt of the standard
  library, with 32 MiB and p = 3, one of the settings that OWASP names as equal.
- So it takes tenths of a second and tens of megabytes. It never runs on an event loop, and only a few run at a time, as
  many as there are processors and at most four: the others wait, and an attacker cannot use up the memory.
- A hash tells its own parameters, so they can be raised: `needs_rehash` tells of those that are older.
- A password is text: letters that look the same but were typed by different keyboards are made the same (NFC).

The form is that of PHC: `$argon2id$v=19$m=65536,t=3,p=4$salt$hash`, `$scrypt$ln=15,r=8,p=3$salt$hash`.

See: RFC 9106 4, RFC 7914, RFC 8265 4.2; OWASP, "Password Storage Cheat Sheet"; NIST SP 800-63B 3.1.1.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import sys
import threading
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from hmac import compare_digest
from typing import NamedTuple, TypeVar
from unicodedata import normalize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from anyio import CapacityLimiter

T = TypeVar("T")

MAX_PASSWORD_BYTES = 4096
"""As UTF-8. Long enough for every pass phrase, and hashed in no time."""

AT_A_TIME = min(4, os.cpu_count() or 1)
"""How many hashes a process computes at a time; the others wait."""


class _Scrypt(NamedTuple):
    """A hash of scrypt and its parameters. See: RFC 7914 2."""

    ln: int
    r: int
    p: int
    salt: bytes
    key: bytes


_LN, _R, _P, _SALT_BYTES, _KEY_BYTES = 15, 8, 3, 16, 32
_DEFAULTS = (_LN, _R, _P)


def hash_password(password: str) -> str:
    """Hash a password, to be stored. It takes tenths of a second: in an `async def` await `hash_password_async`.

    Raises:
        ValueError: the password is empty, has more than 4096 bytes, or is no Unicode text.
        RuntimeError: this is an event loop, which would stand still.
    """
    data = _as_bytes(password)
    if data is None:
        raise ValueError(f"a password is text of 1 to {MAX_PASSWORD_BYTES} bytes; let people choose another")
    return _computed(_hash, data)


def verify_password(password: str, hashed: str | None) -> bool:
    """Tell whether a password is the one that was hashed. In an `async def` await `verify_password_async`.

    Args:
        password: as it was typed. One that cannot have been hashed is a wrong one.
        hashed: what was stored; None for a user who is not there, which takes as long as a wrong password, so that
            nobody can tell which users there are.

    Raises:
        ValueError: what was stored is no hash of ours.
        RuntimeError: this is an event loop, or the hash is Argon2's and `argon2-cffi` is not installed.
    """
    data = _as_bytes(password)
    return _computed(_verify, b"" if data is None else data, hashed) and data is not None


async def hash_password_async(password: str) -> str:
    """Do what `hash_password` does, in a worker thread."""
    return await _in_thread(hash_password, password)


async def verify_password_async(password: str, hashed: str | None) -> bool:
    """Do what `verify_password` does, in a worker thread."""
    return await _in_thread(verify_password, password, hashed)


def needs_rehash(hashed: str) -> bool:
    """Tell whether a hash is weaker than those made now: hash the password again at a login that succeeds.

    Raises:
        ValueError: it is no hash of ours.
    """
    hasher = _argon2()
    if hashed.startswith("$argon2"):
        return hasher is None or bool(hasher.check_needs_rehash(hashed))
    found = _read_scrypt(hashed)
    return hasher is not None or (found.ln, found.r, found.p) < _DEFAULTS or len(found.key) < _KEY_BYTES


def _as_bytes(password: str) -> bytes | None:
    """Give a password as the bytes that are hashed; None for what is none."""
    if not 0 < len(password) <= MAX_PASSWORD_BYTES:  # before anything looks at each character
        return None
    try:
        data = normalize("NFC", password).encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate
        return None
    return data if len(data) <= MAX_PASSWORD_BYTES else None


# --- the two algorithms ---


def _hash(data: bytes) -> str:
    hasher = _argon2()
    if hasher is not None:
        hashed: str = hasher.hash(data)
        return hashed
    salt = secrets.token_bytes(_SALT_BYTES)
    key = _derive(data, _Scrypt(_LN, _R, _P, salt, bytes(_KEY_BYTES)))
    return f"$scrypt$ln={_LN},r={_R},p={_P}${_encode(salt)}${_encode(key)}"


def _verify(data: bytes, hashed: str | None) -> bool:
    if hashed is None:
        _hash(data)
        return False
    if not hashed.startswith("$argon2"):
        found = _read_scrypt(hashed)
        return compare_digest(_derive(data, found), found.key)
    hasher = _argon2()
    if hasher is None:
        raise RuntimeError("the password was hashed with Argon2: pip install 'ambi[passwords]'")
    import argon2

    try:
        hasher.verify(hashed, data)
    except argon2.exceptions.VerifyMismatchError:
        return False
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        raise ValueError(_NO_HASH) from None
    return True


_NO_HASH = "what is stored as the hash of a password is none that hash_password made; it is not shown here"


def _argon2() -> Any:
    """Give the hasher of `argon2-cffi`; None where that is not installed."""
    try:
        from argon2 import PasswordHasher
    except ImportError:
        return None
    return PasswordHasher()


def _derive(data: bytes, using: _Scrypt) -> bytes:
    n = 1 << using.ln
    room = 128 * using.r * (n + using.p + 2)
    return hashlib.scrypt(data, salt=using.salt, n=n, r=using.r, p=using.p, maxmem=room, dklen=len(using.key))


def _read_scrypt(hashed: str) -> _Scrypt:
    """Read a hash. Raises: ValueError for what is none, or asks for more than half a gigabyte."""
    try:
        empty, name, parameters, salt, key = hashed.split("$")
        ln, r, p = (_number(part, prefix) for part, prefix in zip(parameters.split(","), _PREFIXES, strict=True))
        found = _Scrypt(ln, r, p, _decode(salt), _decode(key))
    except (ValueError, NotBase64):
        raise ValueError(_NO_HASH) from None
    if empty or name != "scrypt" or not (1 <= ln <= 19 and 1 <= r <= 8 and 1 <= p <= 16 and 16 <= len(found.key) <= 64):
        raise ValueError(_NO_HASH)
    return found


_PREFIXES = ("ln=", "r=", "p=")


def _number(text: str, prefix: str) -> int:
    digits = text.removeprefix(prefix)
    if digits == text or not (digits.isascii() and digits.isdecimal() and len(digits) <= 2):
        raise ValueError(_NO_HASH)
    return int(digits)


def _encode(data: bytes) -> str:
    """Encode without padding, as PHC has it."""
    return b64encode(data).decode("ascii").rstrip("=")


def _decode(text: str) -> bytes:
    return b64decode(text + "=" * (-len(text) % 4), validate=True)


# --- where it runs ---


_turns = [threading.BoundedSemaphore(AT_A_TIME)]


def _computed(function: Callable[..., T], *args: Any) -> T:
    """Compute in this thread, when it is its turn. Raises: RuntimeError on an event loop."""
    if _is_on_loop():
        raise RuntimeError(
            "hashing a password takes tenths of a second, for which the event loop would stand still: await"
            " hash_password_async or verify_password_async, or do it in a `def` handler"
        )
    with _turns[0]:
        return function(*args)


def _is_on_loop() -> bool:
    """Tell whether an event loop runs in this very thread. None does where neither library is loaded."""
    if "asyncio" in sys.modules:
        from asyncio import get_running_loop

        with contextlib.suppress(RuntimeError):  # there is none
            get_running_loop()
            return True
    if "trio" in sys.modules:
        from trio.lowlevel import in_trio_run

        return in_trio_run()
    return False


async def _in_thread(function: Callable[..., T], *args: Any) -> T:
    """Compute in a worker thread. Who waits for a turn has no thread yet, and can be cancelled."""
    from ...bridge.to_thread import run_in_thread

    async with _limiter():
        result: T = await run_in_thread(function, *args)
        return result


def _limiter() -> CapacityLimiter:
    """Give the limiter of this event loop."""
    from anyio import CapacityLimiter
    from anyio.lowlevel import RunVar

    if not _limiters:
        _limiters.append(RunVar("ambi_passwords"))
    variable: RunVar[CapacityLimiter] = _limiters[0]
    try:
        return variable.get()
    except LookupError:
        variable.set(limiter := CapacityLimiter(AT_A_TIME))
        return limiter


_limiters: list[Any] = []


def _after_fork() -> None:
    """Begin anew in a forked process: whoever held a turn is not here."""
    _turns[0] = threading.BoundedSemaphore(AT_A_TIME)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
