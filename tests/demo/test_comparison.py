"""The demo sees every difference between two answers, and none where there is none."""

from __future__ import annotations

import pytest

from tests.demo.comparison import CELL, Answer, Row, Terminal, cells, rows

ANSWER = Answer("200 OK", [("content-type", "text/plain"), ("set-cookie", "a=1"), ("set-cookie", "b=2")], b"Hello\n")


def differences(other: Answer) -> list[str]:
    return [row.label for row in rows(ANSWER, other) if row.differs]


def test_an_answer_is_the_same_as_itself():
    assert differences(ANSWER) == []


def test_the_servers_own_headers_are_not_compared():
    own = [("server", "one"), ("date", "now"), ("connection", "close"), ("transfer-encoding", "chunked")]
    assert differences(Answer(ANSWER.status, [*own, *ANSWER.headers], ANSWER.body)) == []


@pytest.mark.parametrize(
    ("status", "headers", "body", "expected"),
    [
        ("201 Created", ANSWER.headers, b"Hello\n", ["status"]),
        ("200 Fine", ANSWER.headers, b"Hello\n", ["status"]),
        ("200 OK", [("content-type", "text/html"), *ANSWER.headers[1:]], b"Hello\n", ["content-type"]),
        ("200 OK", ANSWER.headers[1:], b"Hello\n", ["content-type"]),
        ("200 OK", ANSWER.headers[:2], b"Hello\n", ["set-cookie"]),
        ("200 OK", [*ANSWER.headers, ("x-more", "")], b"Hello\n", ["x-more"]),
        ("200 OK", [*ANSWER.headers[1:], ANSWER.headers[0]], b"Hello\n", ["order of headers"]),
        ("200 OK", ANSWER.headers, b"Hella\n", ["body at byte 4"]),
        ("200 OK", ANSWER.headers, b"Hello", ["body at byte 5"]),
        ("200 OK", ANSWER.headers, b"", ["body at byte 0"]),
    ],
)
def test_a_difference_is_seen(status: str, headers: list[tuple[str, str]], body: bytes, expected: list[str]):
    assert differences(Answer(status, headers, body)) == expected


def test_values_that_agree_are_cut_to_their_column_and_values_that_differ_are_shown_whole():
    long = "word " * 40
    [(_, one, _, other)] = cells(Row("x", long, long))
    assert one == other == long[: CELL - 1] + "…"
    lines = list(cells(Row("x", "short", long)))
    assert "".join(other for _, _, _, other in lines) == long
    assert all(len(other) <= CELL for _, _, _, other in lines)


def test_a_table_fits_100_columns(capsys: pytest.CaptureFixture[str]):
    other = Answer("404 Not Found", [("x", "y" * 200)], b"z" * 5000)
    for right in (ANSWER, other):
        Terminal().table("OPTIONS /countdown", ("gunicorn (WSGI)", "uvicorn (ASGI)"), rows(ANSWER, right))
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 100
