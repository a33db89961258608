"""Whatever is changed of a signed value, nobody takes it for one that was signed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("itsdangerous", reason="it comes with the extra sessions")

from ambi.features.sessions.signing import Signer

SECRET = b"a secret of thirty-two bytes or more, for tests"
SIGNER = Signer([SECRET], "session", "session", 3600)
OTHERS = {
    "another purpose": Signer([SECRET], "token", "session", 3600),
    "another cookie": Signer([SECRET], "session", "session2", 3600),
    "another secret": Signer([SECRET[::-1]], "session", "session", 3600),
}
VALUES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=40)
ANY = st.characters(min_codepoint=0, max_codepoint=0xFF)


@given(VALUES)
def test_what_was_signed_is_read(value: str) -> None:
    read = SIGNER.read(SIGNER.sign(value))
    assert read is not None
    assert read[0] == value


@given(VALUES, st.data())
def test_no_character_may_be_another(value: str, data: st.DataObject) -> None:
    signed = SIGNER.sign(value)
    at = data.draw(st.integers(0, len(signed) - 1))
    instead = data.draw(ANY.filter(lambda character: character != signed[at]))
    assert SIGNER.read(signed[:at] + instead + signed[at + 1 :]) is None


@given(VALUES)
def test_the_last_character_may_be_no_other(value: str) -> None:
    """In base64 the last one has bits that stand for nothing: four of them would give the same signature."""
    signed = SIGNER.sign(value)
    for instead in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=":
        assert instead == signed[-1] or SIGNER.read(signed[:-1] + instead) is None


@given(VALUES, st.data())
def test_nothing_may_be_put_in_or_left_out(value: str, data: st.DataObject) -> None:
    signed = SIGNER.sign(value)
    at = data.draw(st.integers(0, len(signed)))
    assert SIGNER.read(signed[:at] + data.draw(ANY) + signed[at:]) is None
    if at < len(signed):
        assert SIGNER.read(signed[:at] + signed[at + 1 :]) is None


@given(VALUES, VALUES)
def test_a_signature_fits_one_value(one: str, other: str) -> None:
    signature = SIGNER.sign(one).removeprefix(one)
    assert one == other or SIGNER.read(other + signature) is None


@pytest.mark.parametrize("other", OTHERS)
@given(value=VALUES)
def test_one_signed_for_something_else_is_none(other: str, value: str) -> None:
    assert OTHERS[other].read(SIGNER.sign(value)) is None


@given(st.text(max_size=80))
def test_no_text_breaks_it(text: str) -> None:
    assert SIGNER.read(text) is None
