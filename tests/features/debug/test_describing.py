"""Values as text: bounded, whatever their reprs do."""

import threading
import time
from collections import Counter, OrderedDict, defaultdict, deque
from types import MappingProxyType
from typing import Any

import pytest

from ambi import App
from ambi.features.debug.describing import LATE, Describer, cut, describe_all, message_of, name_of
from ambi.features.debug.masking import MASK, Masking
from tests.cells import Cell
from tests.conftest import MakeClient


def text_of(value: Any, name: str = "value") -> str:
    return Describer(Masking()).describe(name, value)


class Raising:
    def __repr__(self) -> str:
        raise ValueError("no repr")


class Leaving:
    def __repr__(self) -> str:
        raise SystemExit("leaving")


class Numeric:
    def __repr__(self) -> Any:
        return 5


class Recursive:
    def __repr__(self) -> str:
        return f"<{self!r}>"


class Huge:
    def __repr__(self) -> str:
        return "x" * 10_000_000


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("mute")


class BadError:
    def __repr__(self) -> str:
        raise Mute


class Fake:
    @property  # type: ignore[misc]
    def __class__(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        raise RuntimeError("who asks?")

    def __repr__(self) -> str:
        return "<fake at 0x7f00deadbeef>"


class Eager(dict[str, int]):
    def items(self) -> Any:
        raise RuntimeError("items() of a class of its own")


class Sly(list[int]):
    def __iter__(self) -> Any:
        raise RuntimeError("iteration of a class of its own")


itself: list[Any] = [1]
itself.append(itself)
own: dict[str, Any] = {}
own["own"] = own
deep: list[Any] = []
for _ in range(50):
    deep = [deep]

SHOWN = {
    "text": ("ada", "'ada'"),
    "bytes": (b"ada", "b'ada'"),
    "bytearray": (bytearray(b"ada"), "bytearray(b'ada')"),
    "number": (5, "5"),
    "large number": (10**9, "1000000000"),
    "very large number": (1 << 50_000, "<an int of 50,001 bits>"),
    "none": (None, "None"),
    "dict": ({"a": [1, (2,), {3}]}, "{'a': [1, (2,), {3}]}"),
    "secret in a dict": ({"a": {"password": "x", "token": None}}, f"{{'a': {{'password': {MASK}, 'token': None}}}}"),
    "ordered": (OrderedDict(a=1), "{'a': 1}"),
    "default": (defaultdict(int, a=1), "{'a': 1}"),
    "counter": (Counter("a"), "{'a': 1}"),
    "proxy": (MappingProxyType({"a": 1}), "{'a': 1}"),
    "frozen": (frozenset((1,)), "frozenset({1})"),
    "deque": (deque((1, 2)), "deque([1, 2])"),
    "header field": ((b"cookie", b"a=b"), f"(b'cookie', {MASK})"),
    "pair that is none": (("key", 5), "('key', 5)"),
    "itself": (itself, "[1, (itself)]"),
    "own": (own, "{'own': (itself)}"),
    "deep": (deep, "[[[[[…]]]]]"),
    "long list": (list(range(1000)), f"[{', '.join(map(str, range(25)))}, … 975 more]"),
    "long dict": (dict.fromkeys(range(26)), f"{{{', '.join(f'{n}: None' for n in range(25))}, … 1 more}}"),
    "long text": ("x" * 100_000, f"'{'x' * 400}'… (of 100,000)"),
    "raising": (Raising(), "<Raising: its repr raised ValueError: no repr>"),
    "raising inside": ([Raising()], "[<Raising: its repr raised ValueError: no repr>]"),
    "leaving": (Leaving(), "<Leaving: its repr raised SystemExit: leaving>"),
    "numeric": (Numeric(), "<Numeric: its repr raised TypeError: __repr__ returned non-string (type int)>"),
    "mute": (BadError(), "<BadError: its repr raised Mute: (its message cannot be had: str() raised RuntimeError)>"),
    "fake": (Fake(), "<fake>"),
    "class of dict": (Eager(a=1), "{'a': 1}"),
    "class of list": (Sly((1,)), "[1]"),
}  # fmt: skip


@pytest.mark.parametrize("what", SHOWN)
def test_a_value_is_shown(what: str) -> None:
    value, text = SHOWN[what]
    assert text_of(value) == text


def test_a_repr_that_recurses_is_bounded() -> None:
    assert text_of(Recursive()).startswith("<Recursive: its repr raised RecursionError: ")


def test_a_huge_repr_is_cut() -> None:
    text = text_of(Huge())
    assert len(text) < 5000
    assert cut(text, 100, Masking()) == f"{'x' * 100}… ({len(text):,} characters)"


def test_by_name_alone_a_value_is_not_even_asked() -> None:
    assert text_of(Raising(), "password") == MASK
    assert text_of(None, "password") == "None"


def test_the_repr_of_one_object_is_asked_for_once() -> None:
    class Counting:
        asked = 0

        def __repr__(self) -> str:
            type(self).asked += 1
            return "counted"

    describer, value = Describer(Masking()), Counting()
    assert describe_all(describer, [("a", value), ("b", value)]) == ["counted", "counted"]
    assert Counting.asked == 1


def test_names_of_classes_are_short_for_builtins() -> None:
    assert name_of(ValueError) == "ValueError"
    assert name_of(Mute) == "tests.features.debug.test_describing.Mute"
    assert message_of(Mute()) == "(its message cannot be had: str() raised RuntimeError)"


def test_slow_reprs_have_a_time_for_all_of_them() -> None:
    released = threading.Event()

    class Slow:
        def __repr__(self) -> str:
            released.wait(5)
            return "slow"

    started = time.monotonic()
    texts = describe_all(Describer(Masking()), [("a", 1), ("b", Slow()), ("c", 3)], budget_s=0.1)
    assert time.monotonic() - started < 2
    assert texts == ["1", LATE, LATE]
    released.set()
    deadline = time.monotonic() + 5
    while any(thread.name == "ambi-debug" for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "what was too late goes on"
        time.sleep(0.01)


def test_a_crash_among_hostile_values_is_shown(make_client: MakeClient, cell: Cell) -> None:
    app = App(debug=True)

    def handler() -> None:
        one, two, three, four, five, six = Raising(), Recursive(), Huge(), Leaving(), Fake(), itself
        raise Mute(one, two, three, four, five, six)

    app.get("/")(cell.handler(handler))
    client = make_client(app)
    response = client.get("/")
    assert (
        "tests.features.debug.test_describing.Mute: (its message cannot be had: str() raised RuntimeError)"
        in response.text
    )
    assert "one = <Raising: its repr raised ValueError: no repr>" in response.text
    assert len(response.content) < 30_000


def test_a_message_that_leaves_the_process_is_one_that_cannot_be_had() -> None:
    class Exiting(Exception):
        def __str__(self) -> str:
            raise SystemExit(3)

    assert message_of(Exiting()) == "(its message cannot be had: str() raised SystemExit)"
