"""Signed cookie values: what the client brings back is what it was given, and not too old.

Facts
- Each purpose and each cookie name has a key of its own, derived from the secret: a value of one is nothing to another.
- The algorithm is ours to choose, HMAC with SHA-256, and never the client's. See: RFC 8725 3.1.
- The first secret signs, all verify: so a new one is put in front, and the old one goes when its cookies are too old.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode

from ...core.chance import now_s

SIGNATURE_BYTES = 52
"""What a signature adds to a value: two dots, six characters of time and 43 of the signature; rounded up."""

AHEAD_S = 300
"""By how much the clock of another machine that signs may be ahead of this one's."""


class Signer:
    """Sign texts for one purpose.

    Args:
        secrets: the first signs, all verify.
        purpose, name: what the values are, and of which cookie.
        max_age_s: how old a signature may be.

    Raises:
        ImportError: itsdangerous is missing.
    """

    def __init__(self, secrets: list[bytes], purpose: str, name: str, max_age_s: int) -> None:
        try:
            from itsdangerous import BadSignature, TimestampSigner
        except ImportError as exc:
            raise ImportError("app.sessions(...) needs itsdangerous: pip install 'ambi[sessions]'") from exc

        class SignerOfNow(TimestampSigner):
            """One whose time is ours."""

            def get_timestamp(self) -> int:
                """Give the time in seconds."""
                return int(now_s())

        self._refused = BadSignature
        self._max_age_s = max_age_s
        self._signer = SignerOfNow(
            secrets[::-1],  # there the last one signs
            salt=f"ambi.{purpose}\0{name}".encode(),
            key_derivation="hmac",
            digest_method=hashlib.sha256,
        )

    def sign(self, value: str) -> str:
        """Give the value with the time and a signature."""
        return self._signer.sign(value).decode()

    def read(self, signed: str) -> tuple[str, float] | None:
        """Give the value and the age of its signature in seconds; None for one that is not ours, or too old.

        Or too young: one made in the future, by a clock that has been set back since, would last for as much longer.
        The clocks of several machines may differ a little.
        """
        try:
            value, at = self._signer.unsign(signed, return_timestamp=True)
        except self._refused:
            return None
        age_s = now_s() - at.timestamp()
        if not -AHEAD_S <= age_s < self._max_age_s + 1 or not _is_canonical(signed):  # it is signed in whole seconds
            return None
        return value.decode("latin-1"), max(0.0, age_s)


def _is_canonical(signed: str) -> bool:
    """Tell whether the signature is written as we write it: base64 may be written so that some of it means nothing."""
    signature = signed.rpartition(".")[2].encode("latin-1", "replace")
    return urlsafe_b64encode(urlsafe_b64decode(signature + b"=")) == signature + b"="
