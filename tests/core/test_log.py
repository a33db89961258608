import logging
from typing import Any

import pytest

from ambi import App
from ambi.core.errors import HTTPError
from ambi.core.log import log_crash, log_disconnect, log_failure, log_refusal
from tests.core.fakes import make_request

HOSTILE = make_request(method="GET\n", path="/a\r\nERROR forged\x1b[2J")


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as exc:
        return exc


def test_a_crash_is_one_error_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    log_crash(HOSTILE, raised(KeyError("x")), "handler (app.py:3)")
    [record] = caplog.records
    assert (record.name, record.levelname) == ("ambi.error", "ERROR")
    line = "GET\\n /a\\r\\nERROR\\x20forged\\x1b[2J crashed in handler (app.py:3)"
    assert record.getMessage() == f"{line} id={HOSTILE.id}"
    assert "in raised" in caplog.text
    fields: Any = record
    assert fields.path == "/a\\r\\nERROR forged\\x1b[2J", "a field of its own needs no more"


def test_a_fault_of_the_client_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    log_refusal(HOSTILE, HTTPError(400, "bad\nline"))
    log_disconnect(HOSTILE)
    assert [(record.name, record.levelname) for record in caplog.records] == [
        ("ambi.request", "INFO"),
        ("ambi.request", "DEBUG"),
    ]
    assert caplog.messages == [
        "GET\\n /a\\r\\nERROR\\x20forged\\x1b[2J: 400 Bad Request: bad\\nline",
        "GET\\n /a\\r\\nERROR\\x20forged\\x1b[2J: the client left",
    ]


def test_a_failure_that_no_client_sees_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    log_failure("a task failed", raised(KeyError("x")))
    [record] = caplog.records
    assert (record.name, record.levelname, record.getMessage()) == ("ambi.error", "ERROR", "a task failed")
    assert "KeyError: 'x'" in caplog.text


def test_the_secret_of_a_path_is_in_no_line(caplog: pytest.LogCaptureFixture) -> None:
    app = App()
    app.get("/reset/{token}")(lambda token: None)
    app.get("/orders/{id}")(lambda id: None)
    reset, order = app.routes
    caplog.set_level(logging.DEBUG)
    for route, path in ((reset, "/reset/hush"), (order, "/orders/7")):
        request = make_request(path=path)
        request.route = route
        log_crash(request, raised(KeyError("x")), "handler")
        log_refusal(request, HTTPError(404))
        log_disconnect(request)
    assert [message.split()[1].rstrip(":") for message in caplog.messages] == ["/reset/{token}"] * 3 + ["/orders/7"] * 3


def test_a_request_shows_itself_as_a_log_may_show_it() -> None:
    assert repr(HOSTILE) == "<Request GET\\n /a\\r\\nERROR\\x20forged\\x1b[2J>"
    assert repr(make_request(path="/a b/ü")) == "<Request GET /a\\x20b/ü>"
