"""The port of httpbin on real servers, asked by real clients: requests, httpx and urllib3, with their own decoders."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from examples.httpbin.encodings import stored_brotli
from tests.interop.serving import serve

requests = pytest.importorskip("requests")
brotli = pytest.importorskip("brotli")

Client = Any
WAIT_S = 10


@pytest.fixture(scope="module", params=["gunicorn gthread", "uvicorn h11"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with serve(request.param, "examples.httpbin:app") as server:
        yield f"http://127.0.0.1:{server.port}"


@pytest.fixture(params=["requests", "httpx"])
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    if request.param == "requests":
        with requests.Session() as session:
            session.trust_env = False
            yield session
    else:
        with httpx.Client(follow_redirects=True, trust_env=False, timeout=WAIT_S, verify=False) as session:
            yield session


def digest(client: Client, password: str = "passwd") -> Any:
    kind = httpx.DigestAuth if isinstance(client, httpx.Client) else requests.auth.HTTPDigestAuth
    return kind("user", password)


def test_clients_undo_every_coding(url: str, client: Client) -> None:
    for path, name in (("/gzip", "gzipped"), ("/deflate", "deflated"), ("/brotli", "brotli")):
        assert client.get(url + path).json()[name] is True


@pytest.mark.parametrize("size", [1, 1 << 16, (1 << 16) + 1, 3 << 16, 1_000_000])
def test_brotli_that_is_not_compressed_is_brotli(size: int) -> None:
    data = bytes(i * i % 251 for i in range(size))
    assert brotli.decompress(stored_brotli(data)) == data


def test_clients_prove_passwords_by_digest(url: str, client: Client) -> None:
    for algorithm in ("MD5", "SHA-256", "SHA-512"):
        path = f"{url}/digest-auth/auth/user/passwd/{algorithm}?a=b%20c"
        assert client.get(path, auth=digest(client)).json() == {"authenticated": True, "user": "user"}
        assert client.get(path, auth=digest(client, "wrong")).status_code == 401
        client.cookies.clear()


def test_a_nonce_is_stale_after_so_many_requests_and_another_is_taken(url: str, client: Client) -> None:
    # Both clients repeat a request with the cookies it had, and so are refused once, before they begin anew.
    auth, path = digest(client), f"{url}/digest-auth/auth/user/passwd/MD5/2"
    assert [client.get(path, auth=auth).status_code for _ in range(5)] == [200, 200, 401, 200, 200]


def test_clients_send_names_and_passwords(url: str, client: Client) -> None:
    shown = {"authenticated": True, "user": "user"}
    assert client.get(f"{url}/basic-auth/user/passwd", auth=("user", "passwd")).json() == shown
    assert client.get(f"{url}/hidden-basic-auth/user/passwd", auth=("user", "passwd")).json() == shown
    assert client.get(f"{url}/hidden-basic-auth/user/passwd", auth=("user", "x")).status_code == 404


def test_a_session_keeps_cookies(url: str, client: Client) -> None:
    assert client.get(f"{url}/cookies/set?a=1&b=2").json() == {"cookies": {"a": "1", "b": "2"}}
    assert client.get(f"{url}/cookies/delete?a").json() == {"cookies": {"b": "2"}}
    client.get(url + '/cookies/set?c="x:y"')
    assert client.cookies["c"].strip('"').replace("\\", "").strip('"') == "x:y"


def test_a_row_of_redirects_is_followed(url: str, client: Client) -> None:
    for path in ("/redirect/3", "/absolute-redirect/3", "/relative-redirect/3"):
        response = client.get(url + path)
        assert (len(response.history), response.json()["url"]) == (3, f"{url}/get")
    moved = client.post(f"{url}/redirect-to", params={"url": "/post", "status_code": 307}, data={"a": "b"})
    assert moved.json()["form"] == {"a": "b"}


def test_forms_files_and_json_are_shown(url: str, client: Client) -> None:
    files = [("f", ("a.txt", io.BytesIO(b"text"), "text/plain")), ("f", ("b", io.BytesIO(b"\xff"), "image/x"))]
    shown = client.post(f"{url}/post?q=1&q=2", data={"a": ["1", "2"]}, files=files).json()
    assert shown["files"] == {"f": ["text", "data:image/x;base64,/w=="]}
    assert (shown["form"], shown["args"], shown["url"]) == ({"a": ["1", "2"]}, {"q": ["1", "2"]}, f"{url}/post?q=1&q=2")
    assert client.put(f"{url}/put", json={"ä": None}).json()["json"] == {"ä": None}


def test_a_body_in_chunks_is_read(url: str, client: Client) -> None:
    chunks = (piece for piece in (b"one ", b"two"))
    shown = (
        client.post(f"{url}/post", content=chunks)
        if isinstance(client, httpx.Client)
        else client.post(f"{url}/post", data=chunks)
    )
    assert shown.json()["data"] == "one two"
    assert shown.json()["headers"]["Transfer-Encoding"] == "chunked"


def test_streams_come_whole(url: str, client: Client) -> None:
    assert len(client.get(f"{url}/stream/5").text.splitlines()) == 5
    assert len(client.get(f"{url}/stream-bytes/5000?seed=1&chunk_size=99").content) == 5000
    assert client.get(f"{url}/drip?numbytes=5&duration=0.1&code=201").content == 5 * b"*"
    response = client.get(f"{url}/range/26?chunk_size=3&duration=0.1", headers={"range": "bytes=20-"})
    assert (response.status_code, response.content) == (206, b"uvwxyz")


def test_a_slow_answer_is_left(url: str, client: Client) -> None:
    late = httpx.ReadTimeout if isinstance(client, httpx.Client) else requests.exceptions.ReadTimeout
    with pytest.raises(late):
        client.get(f"{url}/delay/1", timeout=0.2)
    assert client.get(f"{url}/delay/0.01").status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE"])
def test_statuses_are_answered_to_every_method(url: str, client: Client, method: str) -> None:
    for status in (200, 204, 404, 418):
        assert client.request(method, f"{url}/status/{status}").status_code == status


def test_a_client_that_waits_before_it_sends_its_body_is_told_to_go_on(url: str) -> None:
    # Neither client can wait for that, so by hand.
    import socket

    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=WAIT_S) as connection, connection.makefile("rb") as answer:
        head = f"POST /post HTTP/1.1\r\nhost: {host}\r\nexpect: 100-continue\r\ncontent-length: 5\r\n"
        connection.sendall(f"{head}connection: close\r\n\r\n".encode())
        assert answer.readline().startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"hello")
        assert b'"data": "hello"' in answer.read()
