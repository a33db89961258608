"""The secrets by which an application knows again what it has given out: who signs, and who verifies."""

from __future__ import annotations

from .errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MIN_SECRET_BYTES = 32


def check_secrets(secret: str | bytes | Iterable[str | bytes], what: str) -> list[bytes]:
    """Give secrets as bytes, the one that signs first; all of them verify.

    Args:
        secret: one, or several: a new one is put in front of the old ones.
        what: they are for, as "session".

    Raises:
        ConfigurationError: there is none, or one is too short or no text.
    """
    given: list[object] = [secret] if isinstance(secret, (str, bytes)) else list(secret)
    secrets: list[bytes] = []
    for one in given:
        if not isinstance(one, (str, bytes)):
            raise ConfigurationError(f"a {what} secret is a str or bytes, not {type(one).__name__}")
        secrets.append(one.encode() if isinstance(one, str) else one)
        if len(secrets[-1]) < MIN_SECRET_BYTES:
            raise ConfigurationError(
                f"a {what} secret of {len(secrets[-1])} bytes can be guessed; {MIN_SECRET_BYTES} bytes or more were"
                " expected. Make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
            )
    if not secrets:
        raise ConfigurationError(f"a {what} secret of {MIN_SECRET_BYTES} bytes or more was expected, not an empty list")
    return secrets
