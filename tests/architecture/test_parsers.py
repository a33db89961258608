"""No parser of what clients send calls what means more than it says. Nothing is served here, so there is no cell.

`int` and `float` take "+1", "1_0", white space and the digits of all scripts; `strip()`, `split()` and `splitlines()`
know white space and line ends that no protocol does; `isdigit`, `isdecimal` and `isnumeric` know digits that no
protocol does. With each of them two who read one message can find another meaning in it.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import ambi

PACKAGE = Path(ambi.__file__).parent
ELSEWHERE = ("features/debug", "features/openapi", "features/settings")
"""What reads source code, docstrings and the environment: nothing that a client sends."""
FILES = sorted(
    path
    for folder in ("core", "gateways", "features", "cli/dev")
    for path in (PACKAGE / folder).rglob("*.py")
    if not path.relative_to(PACKAGE).as_posix().startswith(ELSEWHERE)
)

NUMBERS = ("int", "float")
DIGITS = ("isdigit", "isdecimal", "isnumeric")
WHITE_SPACE = ("strip", "lstrip", "rstrip", "split", "rsplit")
LINES = ("splitlines",)

ALLOWED = {
    "is a number already": {
        "core/cookies.py: int(max_age)",
        "core/routing.py: int(check_limit('max_body_bytes', limit))",
        "core/session.py: int(now_s() * 1000000000.0)",
        "gateways/socket_link.py: int(event.code)",
        "features/caching.py: int(time.total_seconds())",
        "features/log_format.py: int(self._max_chars * share)",
        "features/rate_limit/keys.py: int(whole)",
        "features/broadcast/redis_streams.py: int(self._history_s * 1000)",
        "features/sessions/keeping.py: int(max_age_s)",
        "features/sessions/keeping.py: int(now_s())",
        "features/sessions/redis_store.py: int(ttl_s * 1000)",
        "features/sessions/redis_store.py: int(lease_s * 1000)",
        "features/sessions/signing.py: int(now_s())",
        "features/typed/shapes.py: int(number)",
    },
    "asks what a reader that takes as much has made of it, to refuse that": {
        "features/typed/pydantic_shape.py: float(text)",
    },
    "has passed a check of each character, in this function or the one that gives it": {
        "core/converters.py: float(_number(text))",
        "core/cookies.py: int(octal, 8)",
        "core/negotiation.py: float(text if fraction else whole)",
        "core/ranges.py: int(digits)",
        "core/tracing.py: int(flags, 16)",
        "features/broadcast/channels.py: int(parts[0])",
        "features/broadcast/channels.py: int(parts[1])",
        "features/proxy.py: int(text)",
        "features/proxy.py: int(port)",
        "cli/dev/request_head.py: int(lengths[0])",
        "cli/dev/wsgi_server.py: int(found[1], 16)",
    },
    "is a length that was read with `parse_content_length` before: bytes have no other digits": {
        "gateways/wsgi.py: int(length)",
        "gateways/asgi_connection.py: length.isdigit()",
        "gateways/asgi_connection.py: int(length)",
    },
    "is what the server, the application or a library says, and no client": {
        "core/json.py: float(text)",  # the standard library's reader has found it to be a number of JSON
        "features/typed/shapes.py: float(text)",
        "features/typed/msgspec_shape.py: index.isdecimal()",
        "features/typed/msgspec_shape.py: int(index)",
        "features/mount/addresses.py: int(port)",
        "features/mount/wsgi_guest.py: int(status[:3])",
        "features/security.py: sources.split()",
        "gateways/asgi.py: port.isdecimal()",
        "gateways/asgi.py: int(port)",
        "gateways/wsgi.py: port.isdecimal()",
        "gateways/wsgi.py: int(port)",
        "gateways/counting.py: value.isdigit()",
        "gateways/counting.py: int(value)",
        "cli/dev/failing.py: linecache.getline(file, line).strip()",
        "cli/dev/wsgi_server.py: length.isdecimal()",
        "cli/dev/wsgi_server.py: int(length)",
    },
}


def doubtful_calls(tree: ast.AST) -> Iterator[str]:
    """Give the calls that may mean more than they say, as code; not those that follow a check in the same function."""
    for scope in ast.walk(tree):
        if isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Module)):
            calls = list(calls_in(scope))
            checked = {ast.unparse(call.args[-1]) for call in calls if is_check_of_digits(call)}
            checked |= {ast.unparse(call.args[0]) for call in calls if is_check_of_number(call)}
            ascii_only = {receiver_of(call) for call in calls if name_of(call) == "isascii"}
            for call in calls:
                if is_doubtful(call, checked, ascii_only):
                    yield ast.unparse(call)


def calls_in(scope: ast.AST) -> Iterator[ast.Call]:
    """Give the calls of a function, or of a module, without those of the functions inside of it."""
    for child in ast.iter_child_nodes(scope):
        if isinstance(child, ast.Call):
            yield child
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from calls_in(child)


def is_check_of_digits(call: ast.Call) -> bool:
    """Tell whether it asks if a text has only digits: `DIGITS.issuperset(text)`."""
    return name_of(call) == "issuperset" and receiver_of(call) == "DIGITS"


def is_check_of_number(call: ast.Call) -> bool:
    """Tell whether it asks if a value is a number, and so no text."""
    return name_of(call) == "isinstance" and ast.unparse(call.args[1]) in NUMBERS


def is_doubtful(call: ast.Call, checked: set[str], ascii_only: set[str]) -> bool:
    name = name_of(call)
    if isinstance(call.func, ast.Name):
        is_of_text = bool(call.args) and not isinstance(call.args[0], ast.Constant)
        return name in NUMBERS and is_of_text and ast.unparse(call.args[0]) not in checked | ascii_only
    if name in DIGITS:
        return receiver_of(call) not in ascii_only
    return name in LINES or (name in WHITE_SPACE and not call.args and not call.keywords)


def name_of(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def receiver_of(call: ast.Call) -> str:
    return ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def found_in(path: Path) -> set[str]:
    name = path.relative_to(PACKAGE).as_posix()
    return {f"{name}: {call}" for call in doubtful_calls(tree_of(path))}


def test_parsers_read_text_with_nothing_that_takes_more_than_the_grammar() -> None:
    """What is new here is checked character by character, or is listed above with the reason for which it may be."""
    found = set().union(*map(found_in, FILES))
    allowed = set().union(*ALLOWED.values())
    gone = {each for each in allowed - found if (PACKAGE / each.partition(":")[0]).exists()}  # a feature may be deleted
    assert sorted(found - allowed) == []
    assert sorted(gone) == [], "listed, and not there any more"


@pytest.mark.parametrize(
    "line",
    [
        "int(text)", "float(text)", "text.strip()", "text.lstrip()", "text.split()", "text.isdigit()", "text.isdecimal()",
        "text.splitlines()", "text.splitlines(True)", "int(text, 16)", "_LETTERS.issuperset(text) and int(text)",
        "other.isascii() and text.isdecimal()", "DIGITS.issuperset(other) and int(text)",
    ],
)  # fmt: skip
def test_a_call_that_takes_too_much_is_found(line: str) -> None:
    for source in (
        f"def f(text):\n    return {line}",
        f"class C:\n    async def f(self, text):\n        x = [{line}]",
        line,
    ):
        assert len(list(doubtful_calls(ast.parse(source)))) == 1


@pytest.mark.parametrize(
    "line",
    [
        "text.strip(' \\t')", "text.split(',')", "DIGITS.issuperset(text) and int(text)", "text.partition(' ')",
        "text.isascii() and text.isdecimal() and int(text)", "int.from_bytes(text)",
        "float('inf')", "isinstance(text, int) and int(text)",
    ],
)  # fmt: skip
def test_a_call_that_says_what_it_takes_is_let_be(line: str) -> None:
    assert list(doubtful_calls(ast.parse(f"def f(text):\n    return {line}"))) == []


def test_no_parser_is_one_that_is_known_to_be_slow_or_to_run_what_it_reads() -> None:
    """`http.cookies` takes seconds for a hostile header, `pickle` and its like make calls; `-O` leaves out an assert."""
    refused = {"http.cookies", "cgi", "pickle", "marshal", "shelve", "dill"}
    for path in FILES:
        for node in ast.walk(tree_of(path)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert refused.isdisjoint(names), path
            assert not isinstance(node, ast.Assert), f"{path}:{node.lineno}"
