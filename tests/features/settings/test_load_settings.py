"""Settings are read by annotations; all that is wrong is told at once, and no secret is shown.

No cells: nothing here belongs to a request.
"""

import dataclasses
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from typing import Annotated, Any, Literal, NewType
from uuid import UUID

import pytest

from ambi import ConfigurationError
from ambi.features.settings import Secret, load_settings
from tests.features.settings import elsewhere


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


Port = NewType("Port", int)


def load(hint: Any, text: str, **options: Any) -> Any:
    """Read one field of a type."""
    cls: Any = dataclasses.make_dataclass("Settings", [("value", hint)])
    return load_settings(cls, environ={"VALUE": text}, **options).value


UTC_NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
ID = "12345678-1234-5678-1234-567812345678"


@pytest.mark.parametrize(
    ("hint", "text", "value"),
    [
        (str, "a b ", "a b "), (str, "", ""), (bytes, "é", b"\xc3\xa9"), (int, "-7", -7), (int, "+7", 7),
        (float, "1.5e3", 1500.0), (Decimal, "1.10", Decimal("1.10")), (Path, "a/b", Path("a/b")),
        (bool, "true", True), (bool, "YES", True), (bool, "on", True), (bool, "1", True),
        (bool, "False", False), (bool, "no", False), (bool, "Off", False), (bool, "0", False),
        (timedelta, "90", timedelta(seconds=90)), (timedelta, "1.5", timedelta(seconds=1.5)),
        (timedelta, "500ms", timedelta(milliseconds=500)), (timedelta, "1h30m", timedelta(minutes=90)),
        (timedelta, "7d", timedelta(days=7)), (timedelta, "-5s", timedelta(seconds=-5)),
        (datetime, "2026-01-31T12:00:00Z", UTC_NOON), (date, "2026-01-31", date(2026, 1, 31)), (time, "12:30", time(12, 30)),
        (UUID, ID, UUID(ID)), (Colour, "red", Colour.RED), (Colour, "BLUE", Colour.BLUE), (Level, "2", Level.HIGH),
        (Literal["a", 3, True], "3", 3), (Literal["a", 3, True], "true", True),
        (list[int], "1, 2,3", [1, 2, 3]), (list[int], "[1, 2]", [1, 2]), (list[int], "", []), (list[int], " ", []),
        (list[str], '["a,b", "c"]', ["a,b", "c"]), (tuple[str, ...], "a", ("a",)), (set[Colour], "red,red", {Colour.RED}),
        (frozenset[int], "1", frozenset([1])), (tuple[int, str], "1,x", (1, "x")), (Sequence[int], "1", (1,)),
        (list, "a,b", ["a", "b"]), (list, "[1, true, null]", [1, True, None]), (tuple, "a", ("a",)),
        (list[bool], "[true, 0]", [True, False]), (list[float], "[1, 2.5]", [1.0, 2.5]),
        (list[int | None], "[1, null]", [1, None]), (list[Decimal], "[1.10]", [Decimal("1.10")]),
        (dict[str, int], '{"a": 1}', {"a": 1}), (dict, '{"a": [1.5, {"b": "x"}]}', {"a": [1.5, {"b": "x"}]}),
        (Mapping[int, str], '{"1": "a"}', {1: "a"}), (dict[str, list[int]], '{"a": [1]}', {"a": [1]}),
        (int | None, "", None), (int | None, "3", 3), (str | None, "", ""), (str | int, "3", 3), (str | int, "x", "x"),
        (int | Decimal, "1.5", Decimal("1.5")), (list[int] | None, "", None),
        (Secret[str], "x", Secret("x")), (Secret[int], "3", Secret(3)), (Secret, "x", Secret("x")),
        (Secret[str] | None, "x", Secret("x")), (list[Secret[str]], '["a"]', [Secret("a")]),
        (Annotated[int, "a note"], "3", 3), (Port, "3", 3), (Any, "x", "x"), (object, "x", "x"),
    ],
    ids=lambda value: getattr(value, "__name__", repr(value))[:40],
)  # fmt: skip
def test_a_text_becomes_a_value_of_the_type(hint: Any, text: str, value: Any) -> None:
    found = load(hint, text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("hint", "text", "expected"),
    [
        (int, "1_000", "a whole number"), (int, "٣", "a whole number"), (int, "1.0", "a whole number"),
        (int, " 1", "a whole number"), (int, "1" * 5000, "a whole number"), (float, "nan", "a number"),
        (float, "1e999", "a number"), (float, "1_0.0", "a number"), (Decimal, "NaN", "a decimal number"),
        (Decimal, "1.1.1", "a decimal number"), (bool, "2", "true or false"), (bool, "t", "true or false"),
        (Path, "a\0b", "a path"), (timedelta, "1y", "seconds, or a time such as"), (timedelta, "1h30", "seconds, or"),
        (timedelta, "-", "seconds"), (timedelta, "h", "seconds"), (timedelta, "9" * 400, "seconds"),
        (timedelta, "9" * 30, "seconds"), (timedelta, "1 h", "seconds"),
        (datetime, "yesterday", "a date and time such as"), (date, "31.1.2026", "a date such as"), (time, "noon", "a time"),
        (UUID, "1", "a UUID"), (Colour, "green", "one of 'red', 'blue'"), (Level, "3", "one of '1', '2'"),
        (Literal["a", 3], "b", "one of 'a', '3'"), (list[int], "1,x", "list of JSON (each a whole number)"),
        (list[int], "1,", "list of JSON"), (list[int], "[1", "list of JSON"), (list[str], "[1]", "list of JSON"),
        (list[int], "[[1]]", "list of JSON"), (list[int], "[NaN]", "list of JSON"), (list[bool], "[2]", "list of JSON"),
        (list[int], "[" * 100_000, "list of JSON"), (list[list[int]], '["a"]', "list of JSON"),
        (tuple[int, str], "1", "(a whole number, text)"), (dict[str, int], "[]", "an object of JSON"),
        (dict[str, int], '{"a": "x"}', "an object of JSON"), (int | bool, "x", "a whole number or true or false"),
        (list[int | None], '["x"]', "list of JSON"),
    ],
    ids=lambda value: getattr(value, "__name__", repr(value))[:40],
)  # fmt: skip
def test_a_text_that_is_no_value_of_the_type_is_told_with_what_was_expected(
    hint: Any, text: str, expected: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(hint, text)
    head, problem = str(caught.value).split("\n", 1)
    assert head == "Settings cannot be read from the environment:"
    assert problem.startswith("- VALUE is ")
    assert expected in problem
    assert problem.endswith(" was expected")
    assert len(problem) < 400


def test_an_empty_text_is_told_as_such() -> None:
    with pytest.raises(ConfigurationError, match="VALUE is empty, and a whole number was expected"):
        load(int, "")


# --- a class ---


@dataclass(frozen=True)
class Database:
    url: Secret[str]
    pool: int = 5


@dataclass(frozen=True)
class Settings:
    database: Database
    port: int = 8000
    hosts: tuple[str, ...] = ()
    replica: Database | None = None
    cache: Database = Database(Secret("memory"), 1)
    labels: dict[str, str] = field(default_factory=dict)
    computed: str = field(init=False, default="c")


URL = {"SHOP_DATABASE__URL": "sqlite:///x"}


def test_what_is_not_set_has_its_default() -> None:
    settings = load_settings(Settings, prefix="SHOP_", environ=URL)
    assert settings == Settings(Database(Secret("sqlite:///x")))


def test_settings_within_settings_have_names_of_two_parts() -> None:
    more = {"SHOP_DATABASE__POOL": "9", "SHOP_REPLICA__URL": "r", "SHOP_PORT": "80"}
    settings = load_settings(Settings, prefix="SHOP_", environ={**URL, **more})
    assert (settings.database.pool, settings.port, settings.replica) == (9, 80, Database(Secret("r")))


def test_a_default_that_is_set_in_part_keeps_the_rest() -> None:
    settings = load_settings(Settings, prefix="SHOP_", environ={**URL, "SHOP_CACHE__POOL": "2"})
    assert settings.cache == Database(Secret("memory"), 2)


def test_settings_that_may_be_none_are_none_without_a_default() -> None:
    @dataclass
    class Holder:
        replica: Database | None

    assert load_settings(Holder, environ={}).replica is None


def test_names_of_settings_within_settings_that_are_not_set_are_known_too() -> None:
    @dataclass
    class Holder:
        outer: Database | None = None

    @dataclass
    class Whole:
        holder: Holder = field(default_factory=Holder)

    assert load_settings(Whole, prefix="S_", environ={}) == Whole()
    with pytest.raises(ConfigurationError, match="did you mean S_HOLDER__OUTER__URL"):
        load_settings(Whole, prefix="S_", environ={"S_HOLDER_OUTER_URL": "x"})


def test_settings_within_a_list_are_json() -> None:
    @dataclass
    class Holder:
        shards: list[Database]

    text = '[{"url": "a"}, {"url": "b", "pool": 2}]'
    assert load_settings(Holder, environ={"SHARDS": text}).shards == [Database(Secret("a")), Database(Secret("b"), 2)]


@pytest.mark.parametrize("text", ['[{"pool": 2}]', '[{"url": "a", "size": 1}]', '["a"]', "[1]", "text"])
def test_json_that_does_not_fit_is_refused_and_not_shown(text: str) -> None:
    @dataclass
    class Holder:
        shards: list[Database]

    with pytest.raises(
        ConfigurationError, match=r"SHARDS is set, and values .* object of JSON with url, pool"
    ) as caught:
        load_settings(Holder, environ={"SHARDS": text})
    assert text not in str(caught.value)


def test_a_class_in_a_function_may_be_annotated_by_text() -> None:
    assert elsewhere.load_local().parts.size == 3


def test_the_environment_is_not_changed(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=1\nSHOP_DATABASE__URL=x")
    before = dict(os.environ)
    load_settings(Settings, prefix="SHOP_", env_file=tmp_path / ".env")
    assert dict(os.environ) == before


def test_the_environment_of_the_process_is_read_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_DATABASE__URL", "x")
    assert load_settings(Settings, prefix="SHOP_").database.url.reveal() == "x"


def test_types_of_an_application_are_read_by_its_own_readers() -> None:
    class Money:
        def __init__(self, text: str) -> None:
            self.cents = int(Decimal(text.removesuffix(" EUR")) * 100)

    def money(text: str) -> Money:
        if not text.endswith(" EUR"):
            raise ValueError("it ends with EUR")
        return Money(text)

    assert load(Money, "1.50 EUR", readers={Money: money}).cents == 150
    assert load(list[Money], '["2 EUR"]', readers={Money: money})[0].cents == 200
    with pytest.raises(ConfigurationError, match=r"VALUE is '1 USD', and Money was expected \(it ends with EUR\)"):
        load(Money, "1 USD", readers={Money: money})


# --- msgspec ---


def test_a_struct_of_msgspec_is_read_likewise() -> None:
    msgspec = pytest.importorskip("msgspec")
    settings = load_settings(elsewhere.struct(msgspec), prefix="S_", environ={"S_PORT": "80", "S_INNER__NAME": "x"})
    assert (settings.port, settings.inner.name, settings.hosts) == (80, "x", [])


def test_the_constraints_of_msgspec_hold() -> None:
    msgspec = pytest.importorskip("msgspec")
    hint = Annotated[int, msgspec.Meta(ge=1)]
    assert (load(hint, "3"), load(list[hint], "[3]")) == (3, [3])
    with pytest.raises(
        ConfigurationError, match=r"VALUE is '0', and a whole number was expected \(Expected `int` >= 1\)"
    ):
        load(hint, "0")


# --- where the variables are ---


def test_the_environment_comes_before_the_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("SHOP_DATABASE__URL=file\nSHOP_PORT=1\n")
    settings = load_settings(Settings, prefix="SHOP_", env_file=tmp_path / ".env", environ=URL)
    assert (settings.database.url.reveal(), settings.port) == ("sqlite:///x", 1)


def test_a_file_that_is_not_there_is_no_error_and_is_named_where_something_is_missing(tmp_path: Path) -> None:
    load_settings(Settings, prefix="SHOP_", env_file=tmp_path / "no.env", environ=URL)
    with pytest.raises(ConfigurationError, match=r"from the environment \(.*no\.env does not exist\):"):
        load_settings(Settings, prefix="SHOP_", env_file=str(tmp_path / "no.env"), environ={})


def test_a_wrong_line_of_the_file_is_told_with_all_the_rest(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\nhush\n")
    with pytest.raises(ConfigurationError) as caught:
        load_settings(Settings, prefix="SHOP_", env_file=tmp_path / ".env", environ={})
    said = str(caught.value)
    assert f"\n- {tmp_path}/.env:2: NAME=value was expected" in said
    assert "hush" not in said
    assert "- SHOP_DATABASE__URL is missing" in said


@pytest.mark.parametrize(
    ("data", "why"),
    [(b"\xff", "it is no UTF-8"), (b"a\0b", "null character"), (b"x" * (1 << 20) + b"y", "more than 1048576 bytes")],
)
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, data: bytes, why: str) -> None:
    (tmp_path / ".env").write_bytes(data)
    with pytest.raises(ConfigurationError, match=f"env cannot be read: .*{why}"):
        load_settings(Settings, prefix="SHOP_", env_file=tmp_path / ".env", environ=URL)
    with pytest.raises(ConfigurationError, match=f"SHOP_PORT_FILE names .* cannot be read: .*{why}"):
        load_settings(Settings, prefix="SHOP_", environ={**URL, "SHOP_PORT_FILE": str(tmp_path / ".env")})


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        load_settings(Settings, prefix="SHOP_", env_file=tmp_path, environ=URL)


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_variable_may_name_the_file_that_holds_the_value(tmp_path: Path, end: str) -> None:
    (tmp_path / "url").write_bytes(f" hush{end}".encode())
    environ = {"SHOP_DATABASE__URL_FILE": str(tmp_path / "url")}
    assert load_settings(Settings, prefix="SHOP_", environ=environ).database.url.reveal() == " hush"


def test_a_file_named_in_the_environment_comes_before_a_value_in_the_env_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("of the secret")
    (tmp_path / ".env").write_text("SHOP_DATABASE__URL=of the env file")
    environ = {"SHOP_DATABASE__URL_FILE": str(tmp_path / "url")}
    settings = load_settings(Settings, prefix="SHOP_", env_file=tmp_path / ".env", environ=environ)
    assert settings.database.url.reveal() == "of the secret"


def test_both_forms_at_once_are_an_error() -> None:
    with pytest.raises(ConfigurationError, match="SHOP_PORT and SHOP_PORT_FILE are both set: one of them was expected"):
        load_settings(Settings, prefix="SHOP_", environ={**URL, "SHOP_PORT": "1", "SHOP_PORT_FILE": "x"})


def test_a_value_out_of_a_file_is_never_shown(tmp_path: Path) -> None:
    (tmp_path / "port").write_text("hush")
    with pytest.raises(ConfigurationError, match="SHOP_PORT is set, and a whole number was expected"):
        load_settings(Settings, prefix="SHOP_", environ={**URL, "SHOP_PORT_FILE": str(tmp_path / "port")})


def test_a_field_that_is_called_so_is_a_field_of_its_own() -> None:
    @dataclass
    class Logs:
        log: str = "-"
        log_file: str = "-"

    assert load_settings(Logs, environ={"LOG_FILE": "/x", "LOG": "y"}) == Logs("y", "/x")


# --- what is wrong ---


def test_all_problems_are_told_at_once() -> None:
    environ = {"SHOP_PORT": "http", "SHOP_HOSTS": "[", "SHOP_CACHE__POOL": "x", "SHOP_REPLICA__POOL": "3"}
    with pytest.raises(ConfigurationError) as caught:
        load_settings(Settings, prefix="SHOP_", environ=environ)
    assert str(caught.value).splitlines() == [
        "Settings cannot be read from the environment:",
        "- SHOP_DATABASE__URL is missing: text was expected",
        "- SHOP_PORT is 'http', and a whole number was expected",
        "- SHOP_HOSTS is '[', and values separated by commas, or a list of JSON (each text) was expected",
        "- SHOP_REPLICA__URL is missing: text was expected",
        "- SHOP_CACHE__POOL is 'x', and a whole number was expected",
    ]


@pytest.mark.parametrize(
    ("hint", "text", "options"),
    [
        (Secret[int], "hush", {}), (dict[str, int], '{"password": "hush"}', {}), (list[Secret[int]], "hush", {}),
        (int, "postgres://u:hush@host", {}),
    ],
    ids=str,
)  # fmt: skip
def test_no_secret_is_in_a_message(hint: Any, text: str, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="VALUE is set, and") as caught:
        load(hint, text, **options)
    assert "hush" not in str(caught.value)


def test_a_value_by_the_name_of_a_secret_is_not_shown_either() -> None:
    @dataclass
    class Keys:
        pin: int

    with pytest.raises(ConfigurationError, match="PIN is set, and a whole number"):
        load_settings(Keys, environ={"PIN": "hush"})
    with pytest.raises(ConfigurationError, match="PIN is 'hush', and a whole number"):
        load_settings(Keys, environ={"PIN": "hush"}, not_secret=["pin"])


def test_a_value_is_shown_on_one_line_and_cut() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(int, "\n\x1b[2J" + "x" * 1000)
    assert len(str(caught.value).splitlines()) == 2
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("environ", "hint"),
    [
        ({"SHOP_PROT": "1"}, "SHOP_PROT is not known: did you mean SHOP_PORT?"),
        ({"SHOP_DATABASE_URL": "x"}, "SHOP_DATABASE_URL is not known: did you mean SHOP_DATABASE__URL?"),
        ({"SHOP_REPLICA_URL": "x"}, "SHOP_REPLICA_URL is not known: did you mean SHOP_REPLICA__URL?"),
        (
            {"shop_database__url": "x"},
            "SHOP_DATABASE__URL is missing: text was expected; shop_database__url is set, and",
        ),
    ],
)
def test_a_name_that_is_nearly_right_is_pointed_out(environ: dict[str, str], hint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(Settings, prefix="SHOP_", environ=environ)
    assert f"\n- {hint}" in str(caught.value)


def test_a_name_like_one_that_is_set_is_somebody_elses() -> None:
    environ = {**URL, "SHOP_PORT": "1", "SHOP_PORTS": "2", "SHOP_SERVICE_HOST": "10.0.0.1", "SHOP_COLOUR": "red"}
    assert load_settings(Settings, prefix="SHOP_", environ=environ).port == 1


def test_without_a_prefix_the_file_alone_is_looked_through(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PROT=1\n")

    @dataclass
    class Small:
        port: int = 1

    assert load_settings(Small, environ={"PORTS": "3"}).port == 1
    with pytest.raises(ConfigurationError, match="PROT is not known: did you mean PORT"):
        load_settings(Small, environ={}, env_file=tmp_path / ".env")


def test_what_kubernetes_sets_is_known_for_what_it_is() -> None:
    with pytest.raises(ConfigurationError, match="Kubernetes sets it so .* enableServiceLinks: false"):
        load_settings(Settings, prefix="SHOP_", environ={**URL, "SHOP_PORT": "tcp://10.0.0.1:80"})


def test_what_the_class_itself_refuses_is_told_with_the_rest() -> None:
    @dataclass
    class Range:
        low: int
        high: int

        def __post_init__(self) -> None:
            if self.low > self.high:
                raise ValueError("low is above high")

    @dataclass
    class Holder:
        range: Range
        port: int

    with pytest.raises(ConfigurationError) as caught:
        load_settings(Holder, environ={"RANGE__LOW": "2", "RANGE__HIGH": "1"})
    assert str(caught.value).splitlines()[1:] == [
        "- RANGE__… does not fit together: low is above high",
        "- PORT is missing: a whole number was expected",
    ]
    with pytest.raises(ConfigurationError, match=r"Range does not fit together: low is above high"):
        load_settings(Range, environ={"LOW": "2", "HIGH": "1"})


# --- a class that will not do ---


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("password", str), ("api_key", str), ("API_KEYS", list[str]), ("session_secret", str | None), ("token", bytes),
        ("database_dsn", str), ("credentials", dict[str, str]), ("access_token", Annotated[str, "x"]),
    ],
)  # fmt: skip
def test_a_field_that_sounds_like_a_secret_is_one_or_says_that_it_is_none(name: str, hint: Any) -> None:
    cls: Any = dataclasses.make_dataclass("Settings", [(name, hint)])
    with pytest.raises(ConfigurationError, match=rf"{name} sounds like a secret.*Secret\[.*not_secret=\['{name}'\]"):
        load_settings(cls, environ={})
    text = '{"a": "b"}' if hint == dict[str, str] else "x"
    load_settings(cls, environ={name.upper(): text}, not_secret=[name])


@pytest.mark.parametrize(
    "made",
    [
        dataclasses.make_dataclass("Settings", [("token_url", str)]),
        dataclasses.make_dataclass("Settings", [("public_key", str)]),
        dataclasses.make_dataclass("Settings", [("max_pin", int)]),
        dataclasses.make_dataclass("Settings", [("api_key", Secret[str])]),
        dataclasses.make_dataclass("Settings", [("api_key", str, field(repr=False))]),
        dataclasses.make_dataclass("Settings", [("api_key", str)], repr=False),
    ],
    ids=["url", "public", "number", "secret", "field without repr", "class without repr"],
)
def test_what_no_repr_shows_may_be_called_so(made: Any) -> None:
    (name,) = made.__dataclass_fields__
    load_settings(made, environ={name.upper(): "3"})


def test_a_struct_that_shows_a_secret_is_refused() -> None:
    msgspec = pytest.importorskip("msgspec")
    with pytest.raises(ConfigurationError, match="token sounds like a secret"):
        load_settings(elsewhere.struct_with_a_token(msgspec), environ={"TOKEN": "x"})


@pytest.mark.parametrize("kind", [int, type("Plain", (), {}), dict])
def test_a_class_without_fields_is_refused(kind: Any) -> None:
    with pytest.raises(
        ConfigurationError, match="has no fields to read: a dataclass or a Struct of msgspec was expected"
    ):
        load_settings(kind, environ={})


def test_a_type_that_cannot_be_read_is_told_with_the_way_out() -> None:
    with pytest.raises(ConfigurationError, match=r"cannot be read from a variable: .*readers=\{TheType"):
        load(complex, "1")


def test_an_annotation_that_cannot_be_resolved_is_told() -> None:
    with pytest.raises(ConfigurationError, match="annotations of .*Settings cannot be resolved: name 'Nowhere'"):
        load("Nowhere", "1")


@pytest.mark.parametrize("prefix", ["SHOP", "shop_"])
def test_a_prefix_that_would_surprise_is_refused(prefix: str) -> None:
    with pytest.raises(ConfigurationError, match="one such as 'SHOP_' was expected"):
        load_settings(Settings, prefix=prefix, environ=URL)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="`type X = ...` came with Python 3.12")
def test_an_alias_of_a_type_is_that_type() -> None:
    names: dict[str, Any] = {}
    exec("type Ports = list[int]", names)
    assert load(names["Ports"], "1,2") == [1, 2]
