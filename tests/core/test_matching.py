import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ambi.core.converters import CONVERTERS, Converter
from ambi.core.errors import ConfigurationError
from ambi.core.matching import Parameter, RouteTable, parse_template
from tests.core.scaling import assert_linear


class FakeRoute:
    """What the table looks at of a route."""

    def __init__(self, path: str, *methods: str, converters: dict[str, Converter] | None = None) -> None:
        self.path = path
        self.methods = methods or ("GET",)
        self.segments = parse_template(path)
        self.described = f"handler of {path}"
        for segment in self.segments:
            if isinstance(segment, Parameter):
                segment.converter = {**CONVERTERS, **(converters or {})}[segment.converter_name or "str"]


def table(*routes: str | FakeRoute) -> RouteTable:
    made = RouteTable()
    for route in routes:
        fake: Any = FakeRoute(route) if isinstance(route, str) else route
        made.add(fake)
    return made


def match(routes: RouteTable, path: str, method: str = "GET") -> tuple[str, tuple[Any, ...]] | None:
    """Give the path of the route found, and the values."""
    found = routes.match(method, path, [])
    return None if found is None else (found[0].path, found[1])


def allowed(routes: RouteTable, path: str, method: str) -> set[str]:
    """Give the methods of the routes that match the path; none may match the method."""
    others: list[Any] = []
    assert routes.match(method, path, others) is None
    return {method for endpoints in others for method in endpoints}


# --- templates ---


@pytest.mark.parametrize(
    "template",
    [
        "",
        "a",
        "{a}",
        "/{",
        "/}",
        "/{}",
        "/{a",
        "/a}",
        "/{a}{b}",
        "/{a}-{b}",
        "/{a}}",
        "/{{a}",
        "/{{a}}",
        "/}a{",
        "/{1a}",
        "/{a b}",
        "/{a.b}",
        "/{:int}",
        "/{a-b}",
        "/{a}/{a}",
        "/{a}/x/{a:int}",
    ],
)
def test_a_wrong_template_is_refused(template: str) -> None:
    with pytest.raises(ConfigurationError, match="the path") as caught:
        parse_template(template)
    assert repr(template) in str(caught.value)


def test_a_parameter_may_have_text_around_it() -> None:
    [segment] = parse_template("/v{major:int}.json")
    assert isinstance(segment, Parameter)
    assert (segment.name, segment.converter_name, segment.prefix, segment.suffix) == ("major", "int", "v", ".json")


@pytest.mark.parametrize("template", ["/{rest:path}/x", "/a{rest:path}", "/{rest:path}b", "/{rest:path}/{a}"])
def test_the_rest_of_a_path_is_its_last_segment_alone(template: str) -> None:
    with pytest.raises(ConfigurationError, match="must be the last segment, alone"):
        table(template)


# --- which route ---


@pytest.mark.parametrize(
    ("routes", "path", "expected"),
    [
        (["/"], "/", ("/", ())),
        (["/a/b"], "/a/b", ("/a/b", ())),
        (["/a"], "/A", None),
        (["/a"], "/a/", None),
        (["/a/"], "/a", None),
        (["/a"], "/a\n", None),
        (["/a"], "//a", None),
        (["/a/b"], "/a//b", None),
        (["/{x}"], "/", None),
        (["/{x}"], "/a/b", None),
        (["/{x}"], "/a/", None),
        (["/{x}/"], "/a/", ("/{x}/", ("a",))),
        (["/{x}/b"], "//b", None),
        (["/{x:int}"], "/7", ("/{x:int}", (7,))),
        (["/{x:int}"], "/7\n", None),
        (["/{x:int}"], "/" + "7" * 5000, None),
        (["/{x:int}/{y}"], "/7/a", ("/{x:int}/{y}", (7, "a"))),
        (["/{x:path}"], "/a/b//c/", ("/{x:path}", ("a/b//c/",))),
        (["/{x:path}"], "/", None),
        (["/{x:path}"], "//a", None),
        (["/f/{x:path}"], "/f", None),
        (["/f/{x:path}"], "/f/", None),
        (["/f/{x:path}"], "/f/..", ("/f/{x:path}", ("..",))),
        (["/v{x}.json"], "/v1.json", ("/v{x}.json", ("1",))),
        (["/v{x}.json"], "/v.json", None),
        (["/{x}.json"], "/.json", None),
        (["/a{x}a"], "/a", None),
        (["/a{x}a"], "/aa", None),
        (["/a{x}a"], "/aaa", ("/a{x}a", ("a",))),
        (["/v{x:int}"], "/va", None),
        # static, then text around a parameter, then typed, then text, then the rest
        (["/{x:path}", "/{x}", "/{x:int}", "/1{x}", "/12"], "/12", ("/12", ())),
        (["/{x:path}", "/{x}", "/{x:int}", "/1{x}"], "/12", ("/1{x}", ("2",))),
        (["/{x:path}", "/{x}", "/{x:int}"], "/12", ("/{x:int}", (12,))),
        (["/{x:path}", "/{x}"], "/12", ("/{x}", ("12",))),
        (["/{x:path}", "/{x}"], "/12/3", ("/{x:path}", ("12/3",))),
        # the more text, the earlier
        (["/{x}.gz", "/{x}.tar.gz"], "/a.tar.gz", ("/{x}.tar.gz", ("a",))),
        (["/a{x}", "/ab{x}"], "/abc", ("/ab{x}", ("c",))),
        # of typed ones the narrower
        (["/{x:float}", "/{x:int}", "/{x:decimal}"], "/7", ("/{x:int}", (7,))),
        (["/{x:decimal}", "/{x:float}"], "/7.5", ("/{x:float}", (7.5,))),
        # by segment, and back where it leads nowhere
        (["/{x}/b", "/a/{y}"], "/a/b", ("/a/{y}", ("b",))),
        (["/a/{y:int}", "/{x}/b"], "/a/b", ("/{x}/b", ("a",))),
        (["/a/b/c", "/a/{y}/d", "/{x}/b/e", "/{z:path}"], "/a/b/e", ("/{x}/b/e", ("a",))),
        (["/a/b/c", "/a/{y}/d", "/{x}/b/e", "/{z:path}"], "/a/b/f", ("/{z:path}", ("a/b/f",))),
        (["/{x:int}/a", "/{x}/b"], "/7/b", ("/{x}/b", ("7",))),
        (["/a{x}/c", "/{x}/d"], "/ab/d", ("/{x}/d", ("ab",))),
    ],
)  # fmt: skip
def test_the_route_found_is_the_same_in_any_order_of_registration(
    routes: list[str], path: str, expected: tuple[str, tuple[Any, ...]] | None
) -> None:
    for order in itertools.permutations(routes):
        assert match(table(*order), path) == expected


# --- methods ---


def test_a_method_has_its_own_route() -> None:
    routes = table(FakeRoute("/a", "GET"), FakeRoute("/a", "POST", "PUT"))
    assert match(routes, "/a", "PUT") is not None
    assert allowed(routes, "/a", "DELETE") == {"GET", "HEAD", "POST", "PUT"}
    assert allowed(routes, "/b", "GET") == set()
    assert allowed(routes, "/a", "get") == {"GET", "HEAD", "POST", "PUT"}


def test_a_route_without_the_method_hides_none_that_has_it() -> None:
    routes = table(FakeRoute("/new", "POST"), FakeRoute("/{x}", "GET"), FakeRoute("/{rest:path}", "DELETE"))
    assert match(routes, "/new") == ("/{x}", ("new",))
    assert match(routes, "/new", "DELETE") == ("/{rest:path}", ("new",))
    assert allowed(routes, "/new", "PUT") == {"POST", "GET", "HEAD", "DELETE"}
    assert allowed(routes, "/old", "PUT") == {"GET", "HEAD", "DELETE"}


@pytest.mark.parametrize("path", ["/a", "/{x}"])
def test_a_route_for_get_answers_head_unless_there_is_one_for_head(path: str) -> None:
    get, head = FakeRoute(path, "GET"), FakeRoute(path, "HEAD")
    assert match(table(get), "/a", "HEAD") is not None
    for routes in (table(get, head), table(head, get)):
        found = routes.match("HEAD", "/a", [])
        assert found is not None
        assert found[0] is head  # type: ignore[comparison-overlap]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/a", "/a"),
        ("/{x}", "/{y}"),
        ("/{x}", "/{y:str}"),
        ("/{x:int}/b", "/{y:int}/b"),
        ("/{x:path}", "/{y:path}"),
        ("/a{x}b", "/a{y}b"),
        ("/{x}/", "/{y}/"),
    ],
)
def test_routes_that_could_never_be_told_apart_are_refused(one: str, other: str) -> None:
    routes = table(FakeRoute(one, "GET", "POST"))
    with pytest.raises(ConfigurationError, match="could never be told apart") as caught:
        routes.add(FakeRoute(other, "PUT", "POST"))  # type: ignore[arg-type]
    assert str(caught.value).startswith(
        f"POST {other} could never be told apart from POST {one} of handler of {one}; give one of them another path"
    )


def test_another_converter_of_the_same_name_is_another_parameter() -> None:
    """A converter may be replaced for the routes registered from then on."""
    shout, whisper = Converter("voice", str.upper), Converter("voice", str.lower)
    routes = table(
        FakeRoute("/{x:voice}", "GET", converters={"voice": shout}),
        FakeRoute("/{x:voice}", "POST", converters={"voice": whisper}),
        FakeRoute("/f-{x:voice}", "GET", converters={"voice": shout}),
        FakeRoute("/f-{x:voice}", "POST", converters={"voice": whisper}),
    )
    assert match(routes, "/Ab", "GET") == ("/{x:voice}", ("AB",))
    assert match(routes, "/Ab", "POST") == ("/{x:voice}", ("ab",))
    assert match(routes, "/f-Ab", "GET") == ("/f-{x:voice}", ("AB",))
    assert match(routes, "/f-Ab", "POST") == ("/f-{x:voice}", ("ab",))


def test_the_values_of_a_way_that_led_nowhere_are_forgotten() -> None:
    routes = table("/{a:int}/{b:int}/x", "/{a}/{b:int}/y", "/{a:int}/{b}/z")
    assert match(routes, "/1/2/y") == ("/{a}/{b:int}/y", ("1", 2))
    assert match(routes, "/1/2/z") == ("/{a:int}/{b}/z", (1, "2"))


# --- against a matcher that looks at every route ---

STATIC = ["a", "b", "1", "ab"]
PARAMETERS = ["{p}", "{p:int}", "{p:float}", "a{p}", "{p}b", "a{p}b", "a{p:int}"]
METHODS = ["GET", "POST", "HEAD"]


@st.composite
def templates(draw: st.DrawFn) -> str:
    parts = draw(st.lists(st.sampled_from(STATIC + PARAMETERS), min_size=1, max_size=3))
    parts += draw(st.sampled_from([[], [], [""], ["{p:path}"]]))
    return "/" + "/".join(part.replace("{p", f"{{p{index}") for index, part in enumerate(parts))


ROUTES = st.lists(
    st.builds(
        lambda path, methods: FakeRoute(path, *methods), templates(), st.sets(st.sampled_from(METHODS), min_size=1)
    ),
    max_size=8,
)
PATHS = st.lists(st.sampled_from(["a", "b", "1", "ab", "a1", "aab", "1.5", "a1b", ""]), min_size=1, max_size=4).map(
    lambda parts: "/" + "/".join(parts)
)


def rank(segment: str | Parameter) -> tuple[Any, ...]:
    """Order what a segment may be, as design and docstring say."""
    if isinstance(segment, str):
        return (0, segment)
    converter = segment.converter
    if segment.prefix or segment.suffix:
        return (
            1,
            -len(segment.prefix + segment.suffix),
            segment.prefix,
            segment.suffix,
            converter.rank,
            converter.name,
        )
    return ({"str": 3, "path": 4}.get(converter.name, 2), converter.rank, converter.name)


def match_slowly(route: FakeRoute, path: str) -> tuple[Any, ...] | None:
    """Give the values with which one route matches."""
    parts, values = path.split("/")[1:], []
    for index, segment in enumerate(route.segments):
        if index >= len(parts):
            return None
        part = parts[index]
        if isinstance(segment, str):
            if segment != part:
                return None
        elif segment.converter.name == "path":
            rest = "/".join(parts[index:])
            return (*values, rest) if part else None
        else:
            inner = part.removeprefix(segment.prefix).removesuffix(segment.suffix)
            if not inner or segment.prefix + inner + segment.suffix != part:
                return None
            try:
                values.append(segment.converter.convert(inner))
            except ValueError:
                return None
    return tuple(values) if len(parts) == len(route.segments) else None


@given(ROUTES, st.lists(PATHS, min_size=1, max_size=10))
def test_the_table_finds_what_a_look_at_every_route_finds(routes: list[FakeRoute], paths: list[str]) -> None:
    made, kept = RouteTable(), []
    for route in routes:
        shape = [rank(segment) for segment in route.segments]
        clash = any(
            shape == [rank(s) for s in other.segments] and set(route.methods) & set(other.methods) for other in kept
        )
        if clash:
            with pytest.raises(ConfigurationError):
                made.add(route)  # type: ignore[arg-type]
            return
        made.add(route)  # type: ignore[arg-type]
        kept.append(route)
    for path, method in itertools.product(paths, METHODS):
        matching = [(route, values) for route in kept if (values := match_slowly(route, path)) is not None]
        serving = [
            ([rank(segment) for segment in route.segments], method not in route.methods, index)
            for index, (route, _) in enumerate(matching)
            if method in route.methods or (method == "HEAD" and "GET" in route.methods)
        ]
        if serving:
            found: Any = made.match(method, path, [])
            assert found == matching[min(serving)[2]]
        else:
            all_of_them = {m for route, _ in matching for m in route.methods}
            assert allowed(made, path, method) == all_of_them | ({"HEAD"} if "GET" in all_of_them else set())


# --- time ---


@pytest.mark.parametrize("template", ["/{rest:path}", "/a/{x}/{y:int}/c", "/{x}", "/a{x}a"])
def test_a_long_path_takes_linear_time(template: str) -> None:
    routes = table(template)
    for piece in ("/", "a/", "a", "1/"):
        assert_linear(lambda n, piece=piece: "/" + piece * n, lambda path: match(routes, path))  # type: ignore[misc]


def test_a_tree_that_branches_everywhere_is_walked_once() -> None:
    """With `n` levels of two ways each there are 2**n ways, but each node is visited once at most."""
    deep = "".join(f"/{{p{n}}}" for n in range(14))
    routes = table(
        *(f"{deep[: -len('/{p13}')]}/{end}" for end in "xyz"),
        *("/" + "/".join("a" if n & (1 << k) else f"{{p{k}}}" for k in range(5)) + "/q" for n in range(32)),
    )
    assert match(routes, "/a" * 14) is None
    assert match(routes, "/a" * 5 + "/q") == ("/a/a/a/a/a/q", ())


def test_lookup_does_not_slow_down_with_the_number_of_routes() -> None:
    def make(n: int) -> RouteTable:
        return table(*(f"/static{i}" for i in range(n // 2)), *(f"/tree{i}/{{x}}" for i in range(n // 2)))

    def look(routes: RouteTable) -> None:
        for _ in range(200):
            assert match(routes, "/static1") is not None
            assert match(routes, "/tree1/x") is not None
            assert match(routes, "/nothing/x") is None

    assert_linear(make, look, size=20)
