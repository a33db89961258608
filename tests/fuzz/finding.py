"""Inputs to begin with: the tables of tests/data, the corpus, and what fuzzing has found before."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[1] / "data"
FOUND = DATA / "fuzz"


def table(name: str, key: str) -> Iterator[bytes]:
    """Give one column of a table in tests/data."""
    for case in json.loads((DATA / f"{name}.json").read_text("utf-8")):
        if case[key]:
            yield in_bytes(case[key])


def in_bytes(text: str) -> bytes:
    """Give the bytes of a text: of latin-1 where that can be, as the tables write them."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()


def found(name: str) -> Iterator[bytes]:
    """Give what was found for a target: a JSON list of texts in tests/data/fuzz, a character a byte."""
    path = FOUND / f"{name}.json"
    if path.exists():
        yield from (case["input"].encode("latin-1") for case in json.loads(path.read_text("utf-8")))


def of_corpus(group: str, choose: Callable[[Any], Iterable[bytes]], limit: int = 4096) -> Iterator[bytes]:
    """Give what a function takes from the http cases of a group of the corpus, where it is not too long."""
    from tests.corpus.cases import CASES  # loaded here: it reads the whole corpus

    for case in CASES:
        if case.kind == "http" and case.id.startswith(f"{group}/"):
            yield from (data for data in choose(case) if 0 < len(data) <= limit)


def values_of(name: str) -> Callable[[Any], Iterable[bytes]]:
    """Take the values of a header field from a case."""

    def choose(case: Any) -> Iterable[bytes]:
        return [value.encode("latin-1", "replace") for field, value in case.headers if field.lower() == name]

    return choose


def small_body(case: Any) -> Iterable[bytes]:
    """Take the body of a case, where it is no huge one."""
    body = case.request.get("body", "")
    if isinstance(body, dict) and "text" not in body and "b64" not in body:
        return ()
    return (case.body,)
