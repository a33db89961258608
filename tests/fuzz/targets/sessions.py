"""Session cookies: only what was signed here is read, and whatever was signed here does no harm."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from ambi import App, Request
from ambi.core.session import UnreadableSession, check_values
from ambi.features.sessions.keeping import _read_written
from ambi.features.sessions.signing import Signer
from tests.differential.exchange import Answer, Sent, ask_wsgi
from tests.fuzz.finding import found, of_corpus, values_of
from tests.fuzz.properties import check_work

SECRET = "a secret of thirty-two bytes or more, for fuzzing"
NAME = "session"
FULL = 2500
"""Characters of JSON that, with something added and in base64, may be more than a cookie takes."""
SIGNER = Signer([SECRET.encode()], "session", NAME, 3600)
OTHER = Signer([SECRET.encode()], "token", NAME, 3600)


def make_app() -> App:
    """Make an application that tells its session, and changes it."""
    app = App(allowed_hosts=["example.test"])
    app.sessions(SECRET, cookie=NAME, max_age_s=3600)

    @app.get("/")
    def tell(request: Request) -> Any:
        kept = dict(request.session)
        request.session["seen"] = True
        return kept

    return app


APP = make_app()


def ask(cookie: str) -> Answer:
    """Send a request with a cookie."""
    return ask_wsgi(APP, Sent(headers=(("cookie", cookie),)))


def check(data: bytes) -> None:
    """Check one value: as a client made it up, as another cookie's, and as one of ours in another form."""
    text = data.decode("latin-1")
    assert SIGNER.read(text) is None
    status, _, body = ask(f"{NAME}={text}")
    assert (status, body) == (200, b"{}")
    visible = "".join(c for c in text if "\x21" <= c <= "\x7e" and c not in '";,\\')
    signed = SIGNER.sign(visible)
    read = SIGNER.read(signed)
    assert read is not None
    assert read[0] == visible
    assert OTHER.read(signed) is None
    # The last character has bits that stand for nothing: others there may give the same signature.
    assert not any(SIGNER.read(signed[:-1] + other) for other in "AEIMQUYcgkosw048BCD-_=" if other != signed[-1])
    for payload in (visible, urlsafe_b64encode(data).decode(), urlsafe_b64encode(b"[1700000000, %s]" % data).decode()):
        _check_signed(payload)
    check_work(data, lambda large: _read_written(large.decode("latin-1")))


def _check_signed(payload: str) -> None:
    status, fields, body = ask(f"{NAME}={SIGNER.sign(payload)}")
    written = _read_written(payload)
    kept: dict[str, Any] = {}
    with suppress(UnreadableSession):  # what was never in a session of ours is not read
        check_values(written[1] if written is not None else {})
        kept = written[1] if written is not None else {}
    if status == 500:  # something added, it is more than a cookie takes
        assert len(json.dumps(kept)) > FULL
        return
    assert status == 200
    assert json.loads(body) == kept
    given = fields.get("set-cookie", "")
    if given.startswith(f"{NAME}="):
        again = ask(given.partition(";")[0])
        assert json.loads(again.body) == {**kept, "seen": True}


def seeds() -> Iterator[bytes]:
    """Give values of the cookie, and what may be in one."""
    yield from found("sessions")
    yield from of_corpus("cookies", values_of("cookie"))
    yield from (
        b'{"user": 7}',
        b'{"a": [1, null, "\\u00fc"]}',
        b"[[]]",
        b"[1700000000, []]",
        b'{"a": 1e999}',
        b'{"": "\\ud800"}',
    )
    yield b"WzE3MDAwMDAwMDAsIHsiYSI6MX1d.abcdef.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
