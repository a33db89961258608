"""What nobody sees: secrets by their names, by their looks, and by their values wherever they occur."""

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ambi import App, Request
from ambi.features.debug.describing import Describer
from ambi.features.debug.masking import MASK, Masking, is_harmless, is_secret
from ambi.testing import Client
from tests.cells import Cell
from tests.core.scaling import assert_linear
from tests.features.debug.test_crash import FORMS
from tests.profiles import examples

IN_SOURCE, POSITIONAL = "pw-in-source", "pw-positional"  # far from the lines that are shown

SECRETS = [
    "password", "PASSWORD", "user_password", "userPassword", "passwd", "pwd", "db_pwd", "passphrase", "secret",
    "client_secret", "SECRET_KEY", "token", "access_token", "accessToken", "X-CSRF-Token", "api_key", "apikey", "APIKEY",
    "key", "keys", "private_key", "AWS_SECRET_ACCESS_KEY", "authorization", "HTTP_AUTHORIZATION", "Proxy-Authorization",
    "auth", "cookie", "HTTP_COOKIE", "Set-Cookie", "session", "sessionid", "session_id", "sid", "dsn", "SENTRY_DSN",
    "credentials", "jwt", "signature", "otp", "totp_code", "pin", "code", "cvv", "salt", "bearer", b"cookie", b"X-Api-Key",
    "connection_string", "signingKey", "hmac", "ssn",
]  # fmt: skip
HARMLESS = [
    "name", "author", "authors", "monkeys_eaten", "keyboard", "passenger", "compass", "status_code", "pinned", "spin", "content",
    "saltwater", "sidebar", "id", "page", "", 5, None, ("password",), b"accept", "x" * 500,
]  # fmt: skip


@pytest.mark.parametrize("name", SECRETS, ids=str)
def test_a_secret_is_told_by_its_name(name: object) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", HARMLESS, ids=str)
def test_other_names_are_those_of_no_secret(name: object) -> None:
    assert not is_secret(name)


@pytest.mark.parametrize("value", [None, True, False, "", b"", [], {}, len, is_secret, Masking, pytest, "".join])
def test_what_says_nothing_is_shown_whatever_its_name(value: object) -> None:
    assert is_harmless(value)


def test_what_only_has_the_name_of_something_harmless_is_none() -> None:
    class Nameless(type):
        @property
        def __name__(cls) -> str:  # type: ignore[override]
            raise ValueError

    assert not is_harmless(type("function", (), {})())
    assert not is_harmless(Nameless("Token", (), {})())
    assert not is_harmless("x")
    assert not is_harmless(1234)


TEXTS = {
    # dicts, calls, dataclass-like reprs
    "{'password': 'hunter2', 'name': 'ada'}": "{'password': •, 'name': 'ada'}",
    '{"password": "hunter2", "name": "ada"}': '{"password": •, "name": "ada"}',
    "{b'cookie': b'a=b; c=d', b'x': 1}": "{b'cookie': •, b'x': 1}",
    "User(name='ada', password='hunt\\'er2', age=3)": "User(name='ada', password=•, age=3)",
    "Config(token=SecretStr(value='x'), debug=True)": "Config(token=•, debug=True)",
    "Config(api_key=hunter2, debug=True)": "Config(api_key=•, debug=True)",
    "Config(keys=['a', 'b)'], debug=True)": "Config(keys=•, debug=True)",
    "Config(keys={'a': {'b': 'c'}}, debug=True)": "Config(keys=•, debug=True)",
    "[('authorization', 'Digest x, y'), ('accept', 'z')]": "[('authorization', •), ('accept', 'z')]",
    "[(b'x-api-key', b'abc'), (b'accept', b'z')]": "[(b'x-api-key', •), (b'accept', b'z')]",
    r"'{\'password\': \'hunter2\', \'a\': 1}'": r"'{\'password\': •, \'a\': 1}'",
    # words in sentences, lines of headers
    "login failed: password=hunter2 for ada": "login failed: password=• for ada",
    "wrong token: abc123": "wrong token: •",
    "Cookie: a=b; c=d\nAccept: x": "Cookie: •\nAccept: x",
    "Authorization: Digest username=x, response=y": "Authorization: •",
    "GET /x?token=abc&page=2": "GET /x?token=•&page=2",
    "host=db user=ada password=hunter2 port=5": "host=db user=ada password=• port=5",
    # by their looks
    "postgres://ada:hunter2@db:5432/shop": "postgres://ada:•@db:5432/shop",
    "redis://:hun@ter/2@cache/0": "redis://:•@cache/0",
    "sent Bearer abc.def-ghi as asked": "sent Bearer • as asked",
    "Basic YWRhOmh1bnRlcg==": "Basic •",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc_def was expired": "• was expired",
    "see x-eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0": "see x-•",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----": "•-----END RSA PRIVATE KEY-----",
    # and what must stay readable
    "KeyError: 'milk'": "KeyError: 'milk'",
    "TokenError: it is over": "TokenError: it is over",
    "{'password': None, 'token': '', 'key': False}": "{'password': None, 'token': '', 'key': False}",
    "['password', 'name']": "['password', 'name']",
    "http://localhost:8000/users/@ada": "http://localhost:8000/users/@ada",
    "Basic authentication is needed": "Basic authentication is needed",
    "author='ada', status_code=200": "author='ada', status_code=200",
    "the key is missing": "the key is missing",
    # no end to it
    "password='never closed": "password=•",
    "token=f(x, 'y": "token=•",
    r"\'password\': \'never": r"\'password\': •",
    "password=": "password=",
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_shown_without_the_secrets_in_it(text: str) -> None:
    assert Masking().clean(text) == TEXTS[text].replace("•", MASK)


@pytest.mark.parametrize("piece", ["eyJaaaaaa-", "eyJ-", "eyJaaaaaa.", "eyJaaaaaa.a-", "basic ", "password=", "://a:"])
def test_a_long_text_is_cleaned_in_linear_time(piece: str) -> None:
    masking = Masking()
    assert_linear(lambda size: piece * size, masking.clean, size=500)


SOURCES = {
    'password = "hunter2"  # why': "password = •  # why",
    "login(user, password='hunter2')": "login(user, password=•)",
    'password: str = b"hunter2"': "password: str = •",
    'os.environ["API_TOKEN"] = "x"': 'os.environ["API_TOKEN"] = •',
    'secret = """several': "secret = •",
    'secret = """several""" + x': "secret = • + x",
    'if token == "abc":': "if token == •:",
    "token = request.headers['x-token']": "token = request.headers['x-token']",
    "def login(user: str, password: str) -> None:": "def login(user: str, password: str) -> None:",
    "name = 'ada'": "name = 'ada'",
    "key, value = pair": "key, value = pair",
}


@pytest.mark.parametrize("line", SOURCES)
def test_sources_are_shown_but_for_literals_with_the_names_of_secrets(line: str) -> None:
    assert Masking().clean(line, is_source=True) == SOURCES[line].replace("•", MASK)


def test_a_value_that_was_masked_once_is_masked_everywhere() -> None:
    masking = Masking()
    masking.learn("password", {"old": ["hunter2!", b"f00 bar\n"], "deep": ("x/y z1",)})
    masking.learn_credentials("Basic " + base64.b64encode(b"ada:wonder-land").decode())
    masking.learn_credentials("Basic not base64 \xff")
    masking.learn("key", "short")
    masking.learn("key", "a-long-value-of-a-key")
    masking.learn("token", "return")
    masking.learn("token", type("Text", (str,), {})("of-a-class"))
    masking.learn("token", [[[[[["too-deep"]]]]]])
    cleaned = masking.clean(
        "of-a-class too-deep hunter2! f00 bar\n f00 bar\\n x%2Fy%20z1 wonder-land short a-long-value-of-a-key return"
    )
    assert cleaned == f"{MASK} too-deep {MASK} {MASK} {MASK} {MASK} {MASK} short {MASK} return"


@settings(max_examples=examples(50))
@given(st.text(min_size=6), st.text(), st.text(), st.text())
def test_no_text_gets_it_out_of_step(secret: str, before: str, behind: str, other: str) -> None:
    masking = Masking()
    masking.learn("password", secret)
    masking.learn_from(other)
    is_word = secret.isalpha() and secret.islower() and len(secret) < 10
    for shape in (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1]):
        for is_source in (False, True):
            cleaned = masking.clean(f"{before}{shape}{behind}", is_source=is_source)
            assert is_word or MASK in secret or secret not in cleaned.replace(MASK, "")


def test_a_secret_that_has_no_encoding_is_masked() -> None:
    masking = Masking()
    masking.learn("password", "lone \ud800 one")
    assert masking.clean("a lone \ud800 one") == f"a {MASK}"


def test_the_password_in_a_url_is_masked_without_it_as_well() -> None:
    masking = Masking()
    masking.learn_from("see postgres://ada:hunter2-3@db")
    masking.learn("dsn", "postgres://ada:hunter2-9@db")
    assert masking.clean("neither hunter2-3 nor hunter2-9") == f"neither {MASK} nor {MASK}"


def test_the_current_directory_is_no_secret_though_its_variable_has_the_name_of_one() -> None:
    from pathlib import Path

    app = App(debug=True)

    @app.get("/")
    def handler() -> None:
        raise LookupError(f"in {Path.cwd()}/here")

    with env("PWD", str(Path.cwd())):
        text = Client(app, "wsgi", raise_server_exceptions=False).get("/").text
    assert f"LookupError: in {Path.cwd()}/here" in text


def test_a_cut_leaves_no_beginning_of_a_secret() -> None:
    masking = Masking()
    masking.learn("password", "hunter2-and-more")
    assert masking.end_of("it was hunter2-an") == "it was "
    assert masking.end_of("it was hun") == "it was hun"
    assert masking.end_of("hunt and hunter2-an") == "hunt and "


def test_text_and_bytes_that_are_cut_within_a_secret_lose_all_of_it() -> None:
    masking = Masking()
    masking.learn("password", "Hunter2-and-more")
    for text in ("x" * 390 + "Hunter2-and-more", "x" * 396 + "Hunter2-and-more"):
        assert "Hunt" not in Describer(masking).describe("value", text)
        assert "Hunt" not in Describer(masking).describe("value", [text.encode()])
    assert "xHun" in Describer(Masking()).describe("value", "x" * 390 + "Hunter2-and-more")


def test_of_a_secret_that_is_longer_than_texts_are_nothing_is_shown() -> None:
    secret = "".join(f"L{n}." for n in range(5000))
    masking = Masking()
    masking.learn("token", secret)
    masking.learn("key", secret[::-1].encode())
    assert masking.clean(f"it was {secret} and") == f"it was {MASK}"
    assert masking.clean(f"it was {secret[::-1]}") == f"it was {MASK}"
    assert Describer(masking).describe("value", secret) == f"''… (of {len(secret):,})"


def test_many_secrets_do_not_make_it_slow() -> None:
    app = App(debug=True)

    @app.post("/")
    def crash(request: Request) -> None:
        form, texts = request.form, ["z" * 3000 for _ in range(25)]
        raise ValueError("q" * 5000, form, texts)

    client = Client(app, "wsgi", raise_server_exceptions=False)  # where it is masked is the same on both
    began = time.process_time()
    answer = client.post("/", data=[(f"token{n}", f"s{n}" * 400) for n in range(900)])
    assert (answer.status_code, time.process_time() - began < 2) == (500, True)
    assert "s899s899" not in answer.text


def test_hostile_text_is_read_in_one_pass() -> None:
    started = time.perf_counter()
    for text in (
        "password=" * 5000,
        "'" * 40_000,
        "a" * 40_000,
        "://:" * 10_000,
        "token=(" * 6000,
        "b'" * 20_000,
        "\\'" * 9999,
    ):
        Masking().clean(text)
        Masking().clean(text, is_source=True)
    assert time.perf_counter() - started < 3


@dataclass
class Customer:
    name: str
    password: str


class Pair(NamedTuple):
    name: str
    token: str


class Opaque:
    def __init__(self, secret: str) -> None:
        self.secret = secret

    def __repr__(self) -> str:
        return f"<Opaque with {self.secret}>"


def crash_with(secret: str, request: Request) -> None:
    password = secret
    config = {"db": {"PASSWORD": secret}, "url": f"postgres://ada:{secret}@db/x"}
    customer, pair, spaced = Customer("ada", secret), Pair("ada", secret), SimpleNamespace(api_key=secret)
    scope = [(b"cookie", secret.encode()), ("x-token", secret)]
    opaque, copied, encoded = Opaque(secret), [secret], secret.encode()
    native = request.native
    try:
        raise LookupError(f"no {password} in {config} for {customer}, {pair}", opaque)
    except LookupError as exc:
        exc.add_note(f"asked for {copied} and {encoded!r} of {scope} {spaced} {type(native)}")
        raise ValueError(f"https://ada:{secret}@example.com/?token={secret}") from exc


# As they are made: without quotes, which no repr leaves as they are.
PLANTED = st.text(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~+/=!#$%^*", min_size=6, max_size=30
).map(lambda text: f"s3{text}")


@contextmanager
def env(name: str, value: str) -> Iterator[None]:
    import os

    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


@pytest.mark.parametrize("gateway", ["wsgi", "asgi"])
@settings(max_examples=examples(12), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(secrets=st.lists(PLANTED, min_size=6, max_size=6, unique=True))
def test_planted_secrets_never_occur(gateway: Any, secrets: list[str]) -> None:
    local, bearer, header, query, field, environment = secrets
    cookie = "c00kie-" + base64.urlsafe_b64encode(local.encode()).decode().rstrip("=")
    app = App(debug=True)

    @app.post("/reset/{token:path}")
    def reset(request: Request, token: str) -> None:
        seen = environment.swapcase().swapcase()
        crash_with(local, request)
        print(seen)

    with env("SHOP_API_TOKEN", environment):
        client = Client(app, gateway, raise_server_exceptions=False)
        for accept in FORMS.values():
            response = client.post(
                f"/reset/{quote('path-' + query, '')}?access_token={quote(query, '')}&page=2",
                data={"password": field, "name": "ada"},
                headers={**accept, "authorization": f"Bearer {bearer}", "x-api-key": header},
                cookies={"sid": cookie},
            )
            assert response.status_code == 500
            text = response.text + json.dumps(response.text) + response.text.replace("&amp;", "&")
            for secret in (*secrets, cookie):
                for shape in (secret, quote(secret, ""), json.dumps(secret)[1:-1]):
                    assert shape not in text, (shape, accept)


def test_a_secret_in_a_literal_is_masked_in_the_source_where_it_has_a_name(cell: Cell, make_client: Any) -> None:
    app = App(debug=True)

    def handler() -> None:
        password = "pw-in-source-1"
        customer = Customer("ada", "pw-positional-2")
        raise ValueError(customer.name + password[:0])

    app.get("/")(cell.handler(handler))
    client = make_client(app)
    for accept in FORMS.values():
        text = client.get("/", headers=accept).text
        assert IN_SOURCE not in text
        assert POSITIONAL not in text
        assert "ada" in text
