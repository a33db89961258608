"""The id of a request and its trace, taken from what callers send. Pure: there is no cell."""

import pytest

from ambi.core.tracing import Trace, is_request_id, parse_traceparent
from tests.core.vectors import vectors

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


def test_a_trace_goes_on() -> None:
    trace = Trace(None, PARENT, "vendor=a,other=b")
    assert (trace.trace_id, trace.request_id, trace.is_sampled, trace.state) == (TRACE, TRACE, True, "vendor=a,other=b")
    assert trace.span_id != SPAN
    assert trace.traceparent == f"00-{TRACE}-{trace.span_id}-01"
    assert parse_traceparent(trace.traceparent) == (TRACE, 1)


def test_without_one_a_trace_begins() -> None:
    trace = Trace()
    assert parse_traceparent(trace.traceparent) == (trace.trace_id, 0)
    assert trace.request_id == trace.trace_id != Trace().trace_id


def test_an_id_comes_before_the_trace() -> None:
    trace = Trace("abc-1", PARENT)
    assert (trace.request_id, trace.trace_id) == ("abc-1", TRACE)
    assert repr(trace) == f"<Trace abc-1 {trace.traceparent}>"


def test_a_state_without_a_trace_is_dropped() -> None:
    assert Trace(None, None, "a=b").state == Trace(None, "00-x", "a=b").state == ""


@pytest.mark.parametrize("state", ["a=\n", "a=\xe4", "a=" + "b" * 2048])
def test_a_state_that_cannot_be_sent_on_is_dropped(state: str) -> None:
    trace = Trace(None, PARENT, state)
    assert (trace.trace_id, trace.state) == (TRACE, "")


@pytest.mark.parametrize("text", ["a", "a" * 128, "1-67891233-abcdef012345678912345678", "A_b.c:d+e/f=@g"])
def test_an_id_that_is_well_formed_is_taken(text: str) -> None:
    assert is_request_id(text)
    assert Trace(text).request_id == text


@pytest.mark.parametrize(
    "text", ["", "a" * 129, "a b", "a,b", "a\nb", "a\x1b[31m", "<b>", '"', "${x}", "ä", "a;b", "\x00"]
)
def test_an_id_that_is_not_is_replaced(text: str) -> None:
    assert not is_request_id(text)
    assert Trace(text).request_id not in ("", text)


@vectors("traceparents", "traceparent", "flags")
def test_a_traceparent_is_taken_by_its_grammar(traceparent: str, flags: int | None) -> None:
    assert parse_traceparent(traceparent) == (None if flags is None else (TRACE, flags))
    assert Trace(None, traceparent).is_sampled is bool((flags or 0) & 1)
