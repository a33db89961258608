from typing import Any

import pytest

from ambi.core.errors import ConfigurationError
from ambi.core.secrets import MIN_SECRET_BYTES, check_secrets

LONG = "k" * MIN_SECRET_BYTES


@pytest.mark.parametrize("secret", ["k" * 32, b"k" * 32, ["k" * 32], ("k" * 32,), "ü" * 16], ids=repr)
def test_32_bytes_are_enough(secret: Any) -> None:
    given = secret if isinstance(secret, (str, bytes)) else secret[0]
    assert check_secrets(secret, "test") == [given.encode() if isinstance(given, str) else given]


@pytest.mark.parametrize("secret", ["k" * 31, b"k" * 31, "", [LONG, "k" * 31], ["k" * 31, LONG]], ids=repr)
def test_a_secret_that_can_be_guessed_is_refused(secret: Any) -> None:
    size = 0 if secret == "" else 31
    with pytest.raises(ConfigurationError, match=rf"a test secret of {size} bytes can be guessed; 32 bytes or more"):
        check_secrets(secret, "test")


def test_several_secrets_keep_their_order() -> None:
    assert check_secrets(iter([LONG + "a", b"b" * 40, LONG]), "test") == [b"k" * 32 + b"a", b"b" * 40, b"k" * 32]


def test_no_secret_at_all_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="a test secret of 32 bytes or more was expected, not an empty list"):
        check_secrets([], "test")


@pytest.mark.parametrize("one", [None, 1, bytearray(32), [LONG]], ids=repr)
def test_a_secret_is_text_or_bytes(one: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"a test secret is a str or bytes, not {type(one).__name__}"):
        check_secrets([LONG, one], "test")
