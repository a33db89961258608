"""Whatever is changed of a signed value, nobody takes it for one that was signed."""

from __future__ import annotations

import hashlib
import hmac
import sys
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("itsdangerous", reason="it comes with the extra sessions")

from ambi.features.sessions import signing
from ambi.features.sessions.signing import SIGNATURE_BYTES, Signer

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


def test_a_signature_is_the_hmac_with_sha_256_under_a_key_of_its_own() -> None:
    """As anybody may compute it: what was signed by one version is read by the next."""
    signed = Signer([SECRET], "session", "session", 3600).sign("value")
    stamped, _, signature = signed.rpartition(".")
    key = hmac.new(SECRET, b"ambi.session\0session", hashlib.sha256).digest()
    computed = urlsafe_b64encode(hmac.new(key, stamped.encode(), hashlib.sha256).digest()).rstrip(b"=")
    assert signature == computed.decode()
    assert len(signed) - len("value") == SIGNATURE_BYTES - 1


def test_without_itsdangerous_a_signer_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "itsdangerous", None)
    with pytest.raises(ImportError, match=r"pip install 'ambi\[sessions\]'"):
        Signer([SECRET], "session", "session", 3600)


SIGNED_AT = 1_800_000_000.0


@pytest.mark.parametrize(
    ("later_s", "read"),
    [
        (0, ("value", 0)),
        (0.5, ("value", 0.5)),
        (10, ("value", 10)),
        (10.75, ("value", 10.75)),  # the seconds of a signature are whole
        (11, None),
        (-1, ("value", 0)),
        (-300, ("value", 0)),  # the clock of who signed it is ahead
        (-300.25, None),
    ],
)
def test_a_signature_has_an_age_and_ends_when_it_is_too_old_or_of_the_future(
    monkeypatch: pytest.MonkeyPatch, later_s: float, read: tuple[str, float] | None
) -> None:
    signer = Signer([SECRET], "session", "session", 10)
    monkeypatch.setattr(signing, "now_s", lambda: SIGNED_AT)
    signed = signer.sign("value")
    monkeypatch.setattr(signing, "now_s", lambda: SIGNED_AT + later_s)
    assert signer.read(signed) == read


def test_the_first_secret_signs_and_all_verify() -> None:
    new, old = SECRET[::-1], SECRET
    signers = {
        "new": Signer([new], "session", "session", 10),
        "both": Signer([new, old], "session", "session", 10),
        "old": Signer([old], "session", "session", 10),
    }
    signed = {by: signer.sign("value") for by, signer in signers.items()}
    read = {(by, of) for by, signer in signers.items() for of, text in signed.items() if signer.read(text)}
    assert read == {
        ("new", "new"), ("new", "both"), ("both", "new"), ("both", "both"), ("both", "old"), ("old", "old"),
    }  # fmt: skip
