"""Hashing passwords. What is computed is the same in every cell; where it may be computed is not."""

import hashlib
import os
import sys
import threading
import time
import unicodedata
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from ambi import App
from ambi.features.auth import (
    hash_password,
    hash_password_async,
    needs_rehash,
    passwords,
    verify_password,
    verify_password_async,
)
from tests.cells import Cell
from tests.children import run_python


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take scrypt with so little work that a test need not wait for it."""
    monkeypatch.setattr(passwords, "_argon2", lambda: None)
    monkeypatch.setattr(passwords, "_LN", 4)
    monkeypatch.setattr(passwords, "_P", 1)
    monkeypatch.setattr(passwords, "_DEFAULTS", (4, 8, 1))


@pytest.fixture(params=["argon2", "scrypt"])
def algorithm(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Give each algorithm as it is used in earnest."""
    if request.param == "argon2":
        pytest.importorskip("argon2", reason="argon2-cffi is not installed")
    else:
        monkeypatch.setitem(sys.modules, "argon2", None)
    yield request.param


def test_a_password_is_verified_by_its_hash(algorithm: str) -> None:
    hashed = hash_password("correct horse")
    begins = {"argon2": "$argon2id$v=19$m=65536,t=3,p=4$", "scrypt": "$scrypt$ln=15,r=8,p=3$"}
    assert hashed.startswith(begins[algorithm])
    assert [verify_password(text, hashed) for text in ("correct horse", "correct hors")] == [True, False]
    assert not needs_rehash(hashed)


def test_nobody_costs_what_a_wrong_password_costs(cheap: None, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, int, int]] = []
    hashed, compute = hash_password("a"), hashlib.scrypt

    def counting(data: bytes, **given: Any) -> bytes:
        calls.append((given["n"], given["r"], given["p"]))
        return compute(data, **given)

    monkeypatch.setattr(hashlib, "scrypt", counting)
    assert not verify_password("b", hashed)
    assert not verify_password("b", None)
    assert not verify_password("", None)
    assert calls == [(16, 8, 1)] * 3


def test_a_hash_is_never_twice_the_same(cheap: None) -> None:
    assert hash_password("a") != hash_password("a")


def test_what_looks_the_same_is_the_same(cheap: None) -> None:
    composed, decomposed = (unicodedata.normalize(form, "passwörd") for form in ("NFC", "NFD"))
    assert composed != decomposed
    assert verify_password(decomposed, hash_password(composed))


def test_the_vector_of_the_rfc_is_computed() -> None:
    """See: RFC 7914 12."""
    key = bytes.fromhex(
        "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
        "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"
    )
    hashed = f"$scrypt$ln=14,r=8,p=1${passwords._encode(b'SodiumChloride')}${passwords._encode(key)}"
    assert verify_password("pleaseletmein", hashed)


@pytest.mark.parametrize("password", ["", "a" * 4097, "é" * 2049, "\ud800", "x" * 50_000_000])
def test_what_is_no_password_is_refused_and_never_right(cheap: None, password: str) -> None:
    hashed = hash_password("a")
    with pytest.raises(ValueError, match="a password is text of 1 to 4096 bytes") as refused:
        hash_password(password)
    assert len(str(refused.value)) < 200
    assert not verify_password(password, hashed)
    assert not verify_password(password, None)


def test_an_empty_password_is_not_right_even_for_a_hash_of_nothing(cheap: None) -> None:
    assert not verify_password("", passwords._hash(b""))


@pytest.mark.parametrize("password", ["a", "a" * 4096, "é" * 2048, "\0", " a ", "\U0001f600"])
def test_every_other_text_is_a_password(cheap: None, password: str) -> None:
    hashed = hash_password(password)
    assert verify_password(password, hashed)
    assert not verify_password(password + "a", hashed)


@pytest.mark.parametrize(
    "hashed",
    [
        "",
        "!",
        "a",
        "$scrypt$",
        "$2b$12$abcdefghijklmnopqrstuv",
        "pbkdf2_sha256$1000$a$b",
        "$argon2id$v=19$nonsense",
        "$scrypt$ln=15,r=8,p=3$AAAAAAAAAAAAAAAAAAAAAA$AAAA",  # a key too short
        "$scrypt$ln=15,r=8,p=3$A$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=30,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=15,r=99,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=15,r=8,p=99$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=0,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=-1,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$15,8,1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=15,r=8$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=15,r=8,p=3$*$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "x$scrypt$ln=15,r=8,p=3$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "x$scrypt$ln=15,r=8,p=3$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"[1:] + "$",
    ],
)
def test_what_is_no_hash_is_an_error_that_does_not_show_it(hashed: str) -> None:
    with pytest.raises(ValueError, match="is none that hash_password made") as refused:
        verify_password("a", hashed)
    assert not hashed or len(hashed) < 3 or hashed not in str(refused.value)
    if not hashed.startswith("$argon2"):
        with pytest.raises(ValueError, match="is none that hash_password made"):
            needs_rehash(hashed)


def test_weaker_hashes_are_to_be_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    argon2 = pytest.importorskip("argon2", reason="argon2-cffi is not installed")
    weak = argon2.PasswordHasher(memory_cost=8, time_cost=1, parallelism=1).hash("a")
    scrypt = "$scrypt$ln=%d,r=8,p=3$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    assert needs_rehash(weak)
    assert needs_rehash(scrypt % 15)  # there is Argon2 now
    assert verify_password("a", weak)
    monkeypatch.setitem(sys.modules, "argon2", None)
    assert needs_rehash(weak)
    assert [needs_rehash(scrypt % ln) for ln in (14, 15, 16)] == [True, False, False]
    with pytest.raises(RuntimeError, match=r"pip install 'ambi\[passwords\]'"):
        verify_password("a", weak)


def test_both_colours_hash_and_verify(make_client: Any, cell: Cell, cheap: None) -> None:
    app = App()
    hashed = hash_password("a")

    def verify(password: str) -> Any:
        return [verify_password(password, hashed), verify_password(password, hash_password(password))]

    async def verify_async(password: str) -> Any:
        return [
            await verify_password_async(password, hashed),
            await verify_password_async(password, await hash_password_async(password)),
        ]

    app.post("/{password}")(cell.pick(verify, verify_async))
    client = make_client(app)
    assert client.post("/a").json() == [True, True]
    assert client.post("/b").json() == [False, True]


def test_an_event_loop_is_not_made_to_wait(make_client: Any, cell: Cell, cheap: None) -> None:
    app = App()

    def verify() -> Any:
        return [verify_password("a", hash_password("a"))]

    async def verify_async() -> Any:
        return verify()

    app.get("/")(cell.pick(verify, verify_async))
    client = make_client(app, raise_server_exceptions=True)
    if not cell.is_async:
        assert client.get("/").json() == [True]
        return
    with pytest.raises(RuntimeError, match="await hash_password_async or verify_password_async"):
        client.get("/")


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_only_so_many_are_computed_at_a_time(backend: str, cheap: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told of threads, which both gateways have; so there is no cell."""
    now, most, lock = 0, 0, threading.Lock()

    def compute(data: bytes) -> str:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.01)
        with lock:
            now -= 1
        return "hash"

    monkeypatch.setattr(passwords, "_hash", compute)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(hash_password_async, "a")

    threads = [threading.Thread(target=hash_password, args=("a",)) for _ in range(10)]
    for thread in threads:
        thread.start()
    anyio.run(main, backend=backend)
    for thread in threads:
        thread.join(10)
    assert 1 <= most <= passwords.AT_A_TIME


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_process_does_not_wait_for_turns_of_its_parent() -> None:
    """Nothing is served, so there is no cell."""
    printed = run_python("""
import os
from ambi.features.auth import passwords
for _ in range(passwords.AT_A_TIME):
    passwords._turns[0].acquire()
pid = os.fork()
if not pid:
    passwords._computed(lambda: print("computed", flush=True))
    os._exit(0)
os.waitpid(pid, 0)
""")
    assert printed.split() == ["computed"]


def test_a_thread_alone_needs_no_event_loop() -> None:
    """Nothing is served, so there is no cell."""
    printed = run_python("""
import sys
from ambi.features.auth import passwords
passwords._computed(lambda: print("computed", flush=True))
print([name for name in ("asyncio", "anyio", "trio") if name in sys.modules])
""")
    assert printed.split() == ["computed", "[]"]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_who_waits_for_a_turn_can_be_cancelled(backend: str, cheap: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told of coroutines, which both gateways have; so there is no cell."""
    begun: list[str] = []
    go_on = threading.Event()

    def compute(data: bytes) -> str:
        begun.append("begun")
        assert go_on.wait(10)
        return "hash"

    monkeypatch.setattr(passwords, "_hash", compute)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            try:
                for _ in range(passwords.AT_A_TIME):
                    group.start_soon(hash_password_async, "a")
                with anyio.fail_after(10):
                    while len(begun) < passwords.AT_A_TIME:
                        await anyio.sleep(0.001)
                with anyio.move_on_after(0.02) as cut:
                    await hash_password_async("a")
                assert cut.cancelled_caught
            finally:
                go_on.set()

    anyio.run(main, backend=backend)
    assert len(begun) == passwords.AT_A_TIME
