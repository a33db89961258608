import copy
import pickle
from typing import Any

import pytest

from ambi.core.errors import ConfigurationError
from ambi.core.limits import Limits, check_size

KIB, MIB = 1024, 1024 * 1024

DEFAULTS = {
    "max_body_bytes": 16 * MIB, "max_form_fields": 1000, "max_form_files": 100, "max_form_parts": 1100, "max_field_bytes": MIB,
    "max_fields_bytes": 2 * MIB, "max_json_bytes": MIB, "spool_bytes": 64 * KIB, "max_part_headers": 8,
    "max_part_header_bytes": 4 * KIB, "max_query_fields": 1000, "max_json_depth": 400, "max_cookies": 200,
    "max_cookie_bytes": 32 * KIB, "max_header_lines": 100,
    "max_header_bytes": 64 * KIB, "max_target_bytes": 8 * KIB, "body_timeout_s": 60, "threads": 40, "io_threads": 8,
    "stream_threads": 100, "queue_timeout_s": 30, "graceful_stop_s": 30, "slow_step_s": 0.1, "max_message_bytes": 16 * MIB,
    "max_websockets": 100, "websocket_ping_s": 20, "websocket_pong_s": 20, "websocket_idle_s": 3600,
    "websocket_close_s": 5,
}  # fmt: skip


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_limit_is_on_by_default(name: str) -> None:
    assert getattr(Limits(), name) == DEFAULTS[name]


def test_no_limit_is_without_a_default_that_is_known_here() -> None:
    assert set(DEFAULTS) == set(Limits.__annotations__) - {"harmless_name_bytes", "harmless_value_bytes"}


def test_a_limit_that_is_given_leaves_the_others() -> None:
    limits = Limits(max_body_bytes=10, body_timeout_s=0.5)
    assert (limits.max_body_bytes, limits.body_timeout_s, limits.threads) == (10, 0.5, Limits().threads)
    assert Limits.max_body_bytes == Limits().max_body_bytes
    assert repr(limits) == "Limits(max_body_bytes=10, body_timeout_s=0.5)"


@pytest.mark.parametrize("value", [0, -1, 1.5, "10", None, True, float("inf")], ids=repr)
def test_a_count_is_a_positive_integer(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="max_form_files must be a positive int, not"):
        Limits(max_form_files=value)


@pytest.mark.parametrize("value", [0, -0.1, "1", None, True, float("nan")], ids=repr)
def test_a_time_is_a_positive_number(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="body_timeout_s must be a positive float, not"):
        Limits(body_timeout_s=value)


@pytest.mark.parametrize("name", ["max_body", "MAX_BODY_BYTES", "longest_harmless_field", "_x"])
def test_a_misspelt_limit_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"Limits has no '{name}'; there are max_body_bytes, max_form_fields"):
        Limits(**{name: 1})


def test_limits_cannot_be_changed() -> None:
    limits = Limits()
    with pytest.raises(AttributeError, match=r"frozen; make a new one with Limits\(max_body_bytes=1, ...\)"):
        limits.max_body_bytes = 1
    assert limits.max_body_bytes == Limits().max_body_bytes


def test_limits_can_be_copied() -> None:
    limits = Limits(max_body_bytes=10)
    for twin in (copy.copy(limits), copy.deepcopy(limits), pickle.loads(pickle.dumps(limits))):
        assert twin.max_body_bytes == 10
        assert repr(twin) == repr(limits)


@pytest.mark.parametrize(("bytes_", "lines"), [(64 * KIB, 100), (1000, 7), (100, 100), (99, 100), (7, 1)])
def test_fields_that_are_short_enough_are_together_within_their_limit(bytes_: int, lines: int) -> None:
    limits = Limits(max_header_bytes=bytes_, max_header_lines=lines)
    share = limits.harmless_name_bytes + limits.harmless_value_bytes
    assert share == bytes_ // lines
    assert limits.harmless_name_bytes == share // 4  # a name is shorter than a value


def test_a_stop_waits_for_streams_and_has_time_left_for_the_rest() -> None:
    assert Limits(graceful_stop_s=30).streams_stop_s == 20


@pytest.mark.parametrize("value", [0, 1, 10**30])
def test_a_size_is_none_or_more_bytes(value: int) -> None:
    assert check_size("max_bytes", value) == value


@pytest.mark.parametrize("value", [-1, True, False, 1.0, "1", None], ids=repr)
def test_what_is_no_size_is_refused(value: object) -> None:
    with pytest.raises(ConfigurationError, match="max_bytes must be a number of bytes, 0 or more, not"):
        check_size("max_bytes", value)
