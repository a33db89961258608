"""Values that a client makes up so that to read or to refuse them takes long, or so that they mean something else."""

import gc
import itertools
import json
import math
import struct
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Literal, get_origin
from uuid import UUID

import msgspec
import pydantic
import pytest

from ambi import App, HTTPError, Limits
from ambi.features.typed import Body, Form, Query
from ambi.features.typed.faults import Misfit
from ambi.features.typed.msgspec_shape import MsgspecShape
from ambi.features.typed.packed import read_msgpack
from ambi.features.typed.pydantic_shape import PydanticShape
from ambi.features.typed.shapes import Packed
from ambi.testing import Client
from tests.cells import Cell
from tests.core.scaling import assert_linear
from tests.features.typed.test_parameters import JSON_TYPE, MSGPACK_TYPE, errors


def refused(read: Any, *values: Any) -> None:
    with pytest.raises(Misfit):
        read(*values)


def number_of(piece: str, size: int) -> str:
    return piece * size + "x"


@pytest.mark.parametrize("kind", [Decimal, datetime, timedelta, float])
def test_to_read_a_long_number_from_text_takes_linear_time(kind: Any) -> None:
    """No gateway is involved: a header field, a form and a query are read by this."""
    shape = MsgspecShape(kind)
    for piece in ("1", "1.", ".1", "1e", "+1"):
        assert_linear(partial(number_of, piece), lambda text: refused(shape.read_text, text))


@dataclass
class Chosen:
    kind: Literal["a", "b"]


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    """One that refuses fields that it does not know."""


@pytest.mark.parametrize("piece", [" - at `$", " - at `", "`", ".[1", "Invalid value "])
def test_to_refuse_a_value_that_looks_like_a_message_takes_linear_time(piece: str) -> None:
    """No gateway is involved. Messages of msgspec repeat some of what was sent."""
    shape, strict = MsgspecShape(Chosen), MsgspecShape(Strict)
    assert_linear(lambda size: msgspec.json.encode({"kind": piece * size}), lambda data: refused(shape.read_json, data))
    assert_linear(lambda size: msgspec.json.encode({piece * size: 1}), lambda data: refused(strict.read_json, data))


def test_a_value_does_not_choose_the_place_that_is_told(app: App, client: Client, cell: Cell) -> None:
    @app.post("/chosen")
    @cell.handler
    def chosen(body: list[Chosen]) -> None: ...

    @app.post("/keys")
    @cell.handler
    def keys(body: Annotated[dict[Literal["a"], int], Body()]) -> None: ...

    @app.post("/strict")
    @cell.handler
    def strict(body: Annotated[Strict, Body()]) -> None: ...

    place = " - at `$.admin[3]`"
    assert errors(client.post("/chosen", json=[{"kind": place}])) == [("body", "#/0/kind", "Invalid enum value")]
    assert errors(client.post("/keys", json={place: 1})) == [("body", "#", "Invalid enum value")]
    unknown = "Object contains unknown field"
    for name in (" - at `$[3]", " - at `$[" + "9" * 5000 + "]", " - at `$"):
        told = errors(client.post("/strict", json={"x" + name: 1}))
        assert told == [("body", "#/x" + name if len(name) < 1000 else "#", unknown)]


def map_of(keys: list[bytes]) -> bytes:
    """Pack a map in which each of so many keys has the value nil, of which the keys are packed already."""
    return b"\xdf" + struct.pack(">I", len(keys)) + b"".join(key + b"\xc0" for key in keys)


def colliding(size: int) -> list[bytes]:
    """Pack so many arrays of -1 and -2, which Python hashes alike."""
    numbers = itertools.islice(itertools.product((b"\xff", b"\xfe"), repeat=16), size)
    return [b"\xdc\0\x10" + b"".join(each) for each in numbers]


class AnyModel(pydantic.BaseModel):
    name: str
    more: Any = None


@dataclass
class AnyItem:
    name: str
    more: Any = None


@pytest.mark.parametrize("kind", [AnyItem, AnyModel, dict[str, Any]])
def test_packed_keys_that_hash_alike_take_linear_time(app: App, client: Client, cell: Cell, kind: Any) -> None:
    def handler(body) -> None: ...

    handler.__annotations__["body"] = Annotated[kind, Body()]
    app.post("/")(cell.handler(handler))
    started = time.process_time()
    for more in (b"", b"\xc4\x01x"):  # bytes are read in another way
        for name in (b"\xa4more", b"\xa5other"):
            body = b"\x83\xa4name\xa1x\xa1y" + (more or b"\xc0") + name + map_of(colliding(20_000))
            assert client.post("/", content=body, headers=MSGPACK_TYPE).status_code == 400
    assert time.process_time() - started < 4  # it has been ten seconds for one


ANYTHING = Packed(frozenset(("bytes", "times", "extensions")), holds_itself=True)
KEYS: dict[bytes, bool] = {
    b"\xa1a": True, b"\x01": True, b"\xcb\x40\0\0\0\0\0\0\0": True, b"\xc4\x01a": True, b"\xc0": False, b"\xc3": False,
    b"\x90": False, b"\x91\x01": False, b"\xdc\0\0": False, b"\xdd\0\0\0\0": False, b"\x80": False, b"\xde\0\0": False,
}  # fmt: skip
BEFORE: list[Any] = [
    *(b"x" * 2**n for n in (0, 8, 16)), *("x" * 2**n for n in (0, 5, 8, 16)), 1.5, *(1 << n for n in (0, 7, 8, 16, 32)),
    *(-1 << n for n in (1, 7, 15, 31, 40)), [], [1] * 20, [1] * 70_000, {}, {str(n): n for n in range(20)}, None, True,
    dict.fromkeys(map(str, range(70_000))), *(msgspec.msgpack.Ext(5, b"x" * n) for n in (1, 2, 3, 4, 8, 16, 256, 70_000)),
    datetime(2000, 1, 1, tzinfo=UTC), datetime(2000, 1, 1, 0, 0, 0, 1, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC), {"a": [{}, {}]},
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_a_packed_key_is_text_or_a_number_whatever_is_before_it(key: bytes) -> None:
    """No gateway is involved."""
    for before in (b"\xca\x3f\x80\0\0", *map(msgspec.msgpack.encode, BEFORE)):
        data = b"\x94" + before + b"\xc4\x01x\x81" + key + b"\x01\xc0"
        if KEYS[key]:
            assert read_msgpack(data, 400, ANYTHING) == msgspec.msgpack.decode(data)
        else:
            with pytest.raises(HTTPError, match="neither text nor a number|valid MessagePack"):
                read_msgpack(data, 400, ANYTHING)


@pytest.mark.parametrize("piece", [b"\x01", b"\x90", b"\xc4\0", b"\x81\xa1a\xc4\0", b"\xa1a", b"\xcd\1\1"])
def test_to_read_what_is_packed_takes_linear_time(piece: bytes) -> None:
    """No gateway is involved."""
    assert_linear(
        lambda n: b"\xdd" + struct.pack(">I", n) + b"\xc4\0" + piece * (n - 1),
        lambda data: read_msgpack(data, 400, ANYTHING),
    )


def test_packed_bytes_and_times_are_read(app: App, client: Client, cell: Cell) -> None:
    class Upload(msgspec.Struct):
        blob: bytes
        at: datetime
        by_number: dict[int, str]
        more: Any = None

    seen: list[Upload] = []

    def handler(upload) -> None:
        seen.append(upload)

    handler.__annotations__["upload"] = Upload
    app.post("/")(cell.handler(handler))
    for more in ({"a": [b"x", {"b": 1}], "c": None}, {"a": [1.5]}):
        upload = Upload(b"\xff\xcb\x7f\xf0", datetime(2000, 1, 1, tzinfo=UTC), {1: "a"}, more)
        assert client.post("/", content=msgspec.msgpack.encode(upload), headers=MSGPACK_TYPE).status_code == 204
        assert seen[-1] == upload


@pytest.mark.parametrize("kind", [AnyItem, AnyModel, dict[str, Any]])
def test_packed_numbers_are_finite(app: App, client: Client, cell: Cell, kind: Any) -> None:
    def handler(body) -> None: ...

    handler.__annotations__["body"] = Annotated[kind, Body()]
    app.post("/")(cell.handler(handler))
    for number in (b"\xca\x7f\xc0\0\0", b"\xca\xff\x80\0\0", b"\xcb\x7f\xf0\0\0\0\0\0\0", b"\xcb\xff\xf8\0\0\0\0\0\0"):
        for value in (
            number,
            b"\x91" + number,
            b"\x81\xa1a" + number,
            b"\x81" + number + b"\1",
            b"\x92\xa1a" + number,
        ):
            body = b"\x82\xa4name\xa1x\xa4more" + value
            assert client.post("/", content=body, headers=MSGPACK_TYPE).status_code == 400
    for more in ("\x7f\x7f", 1.7976931348623157e308, 3.5):
        body = msgspec.msgpack.encode({"name": "x", "more": [more]})
        assert client.post("/", content=body, headers=MSGPACK_TYPE).status_code == 204


class Node(pydantic.BaseModel):
    c: list["Node"] = []
    more: Any = None


ODD: dict[str, bytes] = {
    "an extension": b"\xd4\x05\0",
    "a long extension": b"\xc8\0\2\5ab",
    "bytes": b"\xc4\1\xff",
    "a time": b"\xd6\xff\0\0\0\1",
    "a long time": b"\xc7\x0c\xff\0\0\0\0\0\0\0\0\0\0\0\1",
    "a key of bytes": b"\x81\xc4\1\xff\2",
    "a key that is a time": b"\x81\xd6\xff\0\0\0\1\2",
    "a key that is nil": b"\x81\xc0\2",
    "a key that is true": b"\x81\xc3\2",
}


@pytest.mark.parametrize("kind", [AnyItem, AnyModel, Node, dict[str, Any]])
def test_what_json_cannot_say_is_refused_where_the_type_does_not_name_it(
    app: App, client: Client, cell: Cell, kind: Any
) -> None:
    def handler(body):
        return body

    handler.__annotations__.update({"body": Annotated[kind, Body()], "return": kind})
    app.post("/")(cell.handler(handler))
    for what, value in ODD.items():
        for name in (b"\xa4more", b"\xa5other"):
            body = b"\x82\xa4name\xa1x" + name + value
            response = client.post("/", content=body, headers=MSGPACK_TYPE)
            assert response.status_code == 400, (what, name)
    for depth in (180, 260, 399, 500):
        body = b"\x82\xa4name\xa1x\xa4more" + b"\x81\xa1x" * depth + b"\xc0"
        response = client.post("/", content=body, headers=MSGPACK_TYPE)
        is_read = depth < 200 or (depth < 400 and not issubclass(get_origin(kind) or kind, pydantic.BaseModel))
        assert response.status_code == (200 if is_read else 400), depth


class Named(pydantic.BaseModel):
    id: UUID
    blob: bytes | None = None
    at: datetime | None = None


class Extended(msgspec.Struct):
    id: UUID
    by_time: dict[datetime, bytes]
    other: msgspec.msgpack.Ext | None = None


def test_what_json_cannot_say_is_read_where_the_type_names_it(app: App, client: Client, cell: Cell) -> None:
    seen: list[Any] = []

    def handler(body) -> None:
        seen.append(body)

    for path, kind in (("/named", Named), ("/extended", Extended)):
        handler.__annotations__["body"] = kind
        app.post(path)(cell.handler(handler))
    number, now = UUID(int=1), datetime(2000, 1, 1, tzinfo=UTC)
    body = msgspec.msgpack.encode({"id": number.bytes, "blob": b"x", "at": now})
    assert client.post("/named", content=body, headers=MSGPACK_TYPE).status_code == 204
    assert seen.pop() == Named(id=number, blob=b"x", at=now)
    body = msgspec.msgpack.encode({"id": number.bytes, "by_time": {now: b"x"}, "other": msgspec.msgpack.Ext(5, b"y")})
    assert client.post("/extended", content=body, headers=MSGPACK_TYPE).status_code == 204
    assert seen.pop() == Extended(number, {now: b"x"}, msgspec.msgpack.Ext(5, b"y"))


def tree(width: int, depth: int, item: bytes = b"1") -> bytes:
    """Nest nodes, of which the innermost has so many children that are none."""
    return b'{"c":[' * depth + b",".join([item] * width) + b"]}" * depth


def test_errors_of_a_type_that_holds_itself_take_memory_in_proportion_to_the_body(
    app: App, client: Client, cell: Cell
) -> None:
    def handler(body) -> None: ...

    handler.__annotations__["body"] = Node
    app.post("/")(cell.handler(handler))
    for width, depth, status in ((100, 90, 422), (7000, 90, 400)):
        body = tree(width, depth)
        packed = msgspec.msgpack.encode(msgspec.json.decode(body))
        assert client.post("/", content=body, headers=JSON_TYPE).status_code == status
        assert client.post("/", content=packed, headers=MSGPACK_TYPE).status_code == status


def test_a_type_that_holds_itself_may_be_long_or_deep() -> None:
    """No gateway is involved."""
    shape = PydanticShape(Node)
    for width, depth in ((200, 90), (10_000, 8)):
        assert shape.read_json(tree(width, depth, b"{}"))


def test_to_tell_what_is_wrong_in_a_type_that_holds_itself_takes_linear_time() -> None:
    """No gateway is involved."""
    shape = PydanticShape(Node)

    def read(data: bytes) -> None:
        with pytest.raises((Misfit, HTTPError)):
            shape.read_json(data)

    assert_linear(lambda size: tree(size, size // 100), read, size=900)  # ten times as deep, and as many of them


class Measures(pydantic.BaseModel):
    x: float
    note: str = ""
    more: dict[float, list[float]] = {}
    most: float = math.inf
    limit: Annotated[float, pydantic.BeforeValidator(lambda value: math.inf if value == "none" else value)] = 1


NOT_FINITE = ("nan", "NaN", " inf ", "+Infinity", "-iNf", "1e999", "1.E+999", "1_0e9_99", "9" * 400)
FINITE_TEXT = ("1e308", " 1.5 ", "1_0", "-0")


def test_text_that_pydantic_reads_as_numbers_is_finite(app: App, client: Client, cell: Cell) -> None:
    class Single(pydantic.BaseModel):
        x: float

    def query(x: Annotated[float, pydantic.Field(le=math.inf)]) -> None: ...

    def several(x: Annotated[list[float], pydantic.Field(max_length=5), Query()]) -> None: ...

    def model(body) -> None: ...

    def form(body) -> None: ...

    model.__annotations__["body"] = Annotated[Single, Query()]
    form.__annotations__["body"] = Annotated[Measures, Form()]
    for path, handler in (("/query", query), ("/several", several), ("/model", model)):
        app.get(path)(cell.handler(handler))
    app.post("/form")(cell.handler(form))
    for texts, status in ((NOT_FINITE, 422), (FINITE_TEXT, 204)):
        for text in texts:
            answers = [client.get(path, params={"x": text}) for path in ("/query", "/several", "/model")]
            answers.append(client.post("/form", data={"x": text}))
            assert [answer.status_code for answer in answers] == [status] * 4, text
    for answer in (client.get("/several?x=1&x=nan"), client.post("/form", data={"x": "inf"})):
        (told,) = answer.json()["errors"]
        assert (told["name"], told["message"]) == ("x", "Expected a finite number")


def test_text_in_bodies_that_pydantic_reads_as_numbers_is_finite(app: App, client: Client, cell: Cell) -> None:
    def handler(body) -> None: ...

    handler.__annotations__["body"] = Measures
    app.post("/")(cell.handler(handler))

    def send(body: Any) -> list[Any]:
        packed = client.post("/", content=msgspec.msgpack.encode(body), headers=MSGPACK_TYPE)
        escaped = client.post("/", content=json.dumps(body).replace("n", "\\u006e"), headers=JSON_TYPE)
        answers = [client.post("/", json=body), packed, escaped]
        return [told for answer in answers for told in ([None] if answer.status_code == 204 else errors(answer))]

    message = "Expected a finite number"
    for text in NOT_FINITE:
        assert send({"x": text}) == [("body", "#/x", message)] * 3, text
        assert send({"x": 1, "more": {"2": ["1", text]}}) == [("body", "#/more/2.0/1", message)] * 3
    assert send({"x": 1, "more": {"inf": []}}) == [("body", "#/more/inf", message)] * 3
    for text in FINITE_TEXT:
        assert send({"x": text, "note": "nan"}) == [None] * 3
    assert send({"x": 1, "limit": "none", "note": "info"}) == [None] * 3


class Numbers(pydantic.BaseModel):
    x: float
    n: int = 0
    more: Any = None


@dataclass
class PlainNumbers:
    x: float
    n: int = 0
    more: Any = None


INFINITE = [
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "-1E+0309",
    "9" * 310 + ".5",
    "9" * 400,
    "9" * 299 + "e99",
    "1" + "0" * 199 + "e0110",
]
FINITE = ["1e308", "0.1E-400", "1" + "0" * 300, "1" + "0" * 308, "9" * 198 + "e99", "1" * 290 + "e09", "0." + "1" * 5000]  # fmt: skip


@pytest.mark.parametrize("kind", [Numbers, PlainNumbers])
def test_numbers_that_json_has_not_are_refused(app: App, client: Client, cell: Cell, kind: Any) -> None:
    def handler(body) -> None: ...

    handler.__annotations__["body"] = kind
    app.post("/")(cell.handler(handler))
    for places in ('{"x":%s}', '{"x":%s,"n":"bad"}', '{"x":0,"more":[{"a":%s}]}'):
        for number in INFINITE:
            response = client.post("/", content=places % number, headers=JSON_TYPE)
            is_integer = number.isdigit() and "more" in places  # where any value may be, that is one
            told = (204,) if is_integer else (400, 422)
            assert response.status_code in told, (places, number)
    assert client.post("/", content='{"x":1,"more":NaN,"n":""}', headers=JSON_TYPE).status_code == 400
    for text in (
        *FINITE,
        f'1,"n":{"9" * 400}' if kind is Numbers else "1",
        '0,"more":"NaN Infinity 1e999"',
        f'0,"more":"{"9" * 400}"',
    ):
        assert client.post("/", content=f'{{"x":{text}}}', headers=JSON_TYPE).status_code == 204
    app.limits = Limits(max_json_depth=5000)
    for number in ("0", "1e100"):
        deep = f'{{"x":{number},"more":{"[" * 3000}{"]" * 3000}}}'
        # Where the interpreter's own limit is lower than the application's it is a refusal too, and no crash.
        assert client.post("/", content=deep, headers=JSON_TYPE).status_code in (204, 400)


@pytest.mark.parametrize("piece", ["1", "1e", "1e+", "Na", "1" * 199 + " "])
def test_to_look_for_numbers_that_json_has_not_takes_linear_time(piece: str) -> None:
    """No gateway is involved."""
    read = PydanticShape(Numbers).read_json
    assert_linear(lambda size: b'{"x":0,"more":"%s"}' % (piece * size).encode(), read)


@dataclass
class Prices:
    one: Decimal
    more: list[Decimal] | dict[str, Decimal] | None = None
    note: str = ""
    most: Decimal = Decimal("Infinity")


def test_decimals_in_bodies_are_finite(app: App, client: Client, cell: Cell) -> None:
    @app.post("/")
    @cell.handler
    def handler(body: Prices) -> None: ...

    def send(body: Any) -> list[Any]:
        packed = client.post("/", content=msgspec.msgpack.encode(body), headers=MSGPACK_TYPE)
        escaped = client.post("/", content=json.dumps(body).replace("a", "\\u0061"), headers=JSON_TYPE)
        answers = [client.post("/", json=body), packed, escaped]
        return [told for answer in answers for told in ([None] if answer.status_code == 204 else errors(answer))]

    message = "Expected a decimal number"
    for text in ("NaN", "nan", "sNaN", "-sNaN12", "Infinity", "-inf", " Nan\N{EM SPACE}", "_inf_"):
        assert send({"one": text}) == [("body", "#/one", message)] * 3
        assert send({"one": "1", "more": ["1", text]}) == [("body", "#/more/1", message)] * 3
        assert send({"one": "1", "more": {"a": text}}) == [("body", "#/more/a", message)] * 3
        assert send({"one": 1.0, "more": ["1", text]}) == [("body", "#/more/1", message)] * 3
    for body in ({"one": "1", "note": "Nancy, NaN"}, {"one": 1, "x": "nan"}, {"one": "1e5"}, {"one": 1.5}):
        assert send(body) == [None] * 3
    assert client.post("/", content='{"one":1e999,"note":"nan"}', headers=JSON_TYPE).status_code == 204
    digits = "9" * 5000
    assert client.post("/", content=f'{{"one":{digits}}}', headers=JSON_TYPE).status_code == 204
    assert client.post("/", content=f'{{"one":{digits},"note":"nan"}}', headers=JSON_TYPE).status_code == 400


def nested(size: int, *, depth: int = 390) -> list[Any]:
    """Nest lists, of which the innermost holds so many empty ones, and text that looks like a number."""
    inner: list[Any] = ["info", "nan", *([] for _ in range(size))]
    for _ in range(depth):
        inner = [inner]
    return inner


class Told(msgspec.Struct):
    price: Decimal
    more: Any = None


@pytest.mark.parametrize("name", ["more", "other"])
def test_to_look_for_decimals_takes_memory_in_proportion_to_what_is_sent_however_deep_that_is(name: str) -> None:
    """No gateway is involved."""
    shape = MsgspecShape(Told)
    bodies = [msgspec.json.encode({"price": "1", name: nested(2000, depth=depth)}) for depth in (1, 390)]
    shape.read_json(bodies[0])
    shallow, deep = (most_memory(partial(shape.read_json, body)) for body in bodies)
    assert deep < 2 * shallow  # it has been twenty times as much


def most_memory(call: Callable[[], object]) -> int:
    """Give how many bytes a call takes at most; of what Python counts, which is the same on every machine."""
    gc.collect()
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_to_look_for_decimals_takes_linear_time() -> None:
    """No gateway is involved."""
    shape = MsgspecShape(Told)
    assert_linear(lambda n: msgspec.json.encode({"price": "1", "more": nested(n)}), shape.read_json)
    assert_linear(lambda n: msgspec.json.encode({"price": "nan", "more": nested(n)}), partial(refused, shape.read_json))


def test_a_decimal_is_told_by_its_place_however_deep_that_is(app: App, client: Client, cell: Cell) -> None:
    def handler(body) -> None: ...

    handler.__annotations__["body"] = dict[int, list[dict[str, Decimal]]]
    app.post("/")(cell.handler(handler))
    told = errors(client.post("/", json={"7": [{"a": "1"}, {"b": "1", "c": "nan"}]}))
    assert told == [("body", "#/7/1/c", "Expected a decimal number")]


@pytest.mark.parametrize("kind", [set[Decimal], dict[Decimal, int]])
def test_decimals_that_are_hashed_are_finite(app: App, client: Client, cell: Cell, kind: Any) -> None:
    def handler(body) -> None: ...

    handler.__annotations__["body"] = Annotated[kind, Body()]
    app.post("/")(cell.handler(handler))
    for text in ("NaN", "sNaN", "Infinity"):
        body = [text] if kind == set[Decimal] else {text: 1}
        assert client.post("/", json=body).status_code == 422
        assert client.post("/", content=msgspec.msgpack.encode(body), headers=MSGPACK_TYPE).status_code == 422
    assert client.post("/", json=["1.5"] if kind == set[Decimal] else {"1.5": 1}).status_code == 204


def test_what_cannot_be_in_a_set_is_told_with_all_else_that_does_not_fit(app: App, client: Client, cell: Cell) -> None:
    def handler(body) -> None: ...

    handler.__annotations__["body"] = Annotated[list[set[Decimal | bool]], Body()]
    app.post("/")(cell.handler(handler))
    told = errors(client.post("/", json=[["1"], ["x"], ["sNaN"]]))
    assert [place for _, place, _ in told] == ["#/1/0", "#/2"]
    assert told[1][2] == "A value in it can be neither a key nor in a set"
