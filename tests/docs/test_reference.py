"""Every public name is in the reference, with a docstring that says what it takes."""

from __future__ import annotations

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import ambi
import ambi.testing
from ambi import features
from tests.docs.markdown import PAGES, ROOT, python_blocks
from tests.docs.site import SITE, inventory, need_site

FOR_LIBRARIES = {"ambi.core.contract.Demand", "ambi.core.middleware.Provider"}
"""What an example shows that goes deeper than an application has to; it may change."""
SENT_ON = re.compile(r"\bas (for|of|in|`)|says what|what `|those of `")
SAID_BY_THEIR_NAMES = frozenset(
    ["self", "cls", "args", "kwargs", "options", "request", "server", "value", "name", "url", "method", "message"]
)


def exported() -> set[str]:
    """Give the names that a module says are public."""
    names = {f"ambi.{name}" for name in [*ambi.__all__, "State"]}
    names |= {f"ambi.testing.{name}" for name in ambi.testing.__all__}
    for file in Path(features.__file__).parent.glob("*/__init__.py"):
        module = import_module(f"ambi.features.{file.parent.name}")
        names |= {f"{module.__name__}.{name}" for name in getattr(module, "__all__", ())}
    # What features do in the application's stead is told of its methods.
    return {name for name in names if name.rpartition(".")[2] not in {"setup", "show_failure", "show_miss"}}


def imported() -> set[str]:
    """Give the names that pages and examples import of the package."""
    texts = [block.text for page in PAGES for block in python_blocks(page.read_text(encoding="utf-8"))]
    texts += [file.read_text(encoding="utf-8") for file in (ROOT / "examples").rglob("*.py")]
    names = set[str]()
    for text in texts:
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "ambi":
                names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if not inspect.ismodule(thing(name))} - FOR_LIBRARIES


def thing(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    found = import_module(module)
    return getattr(found, attribute, None) or import_module(name)


def undocumented(names: set[str], entries: dict[str, str]) -> list[str]:
    """Give those that have no entry, under that name or another that is the same thing."""
    documented = {id(thing(name)) for name in entries if name.count(".") and is_there(name)}
    return sorted(name for name in names if name not in entries and id(thing(name)) not in documented)


def is_there(name: str) -> bool:
    try:
        thing(name)
    except ImportError:  # a method
        return False
    return True


@pytest.fixture(scope="module")
def entries() -> dict[str, str]:
    need_site()
    return inventory()


def test_every_public_name_is_in_the_reference(entries: dict[str, str]):
    assert undocumented(exported() | imported(), entries) == []


def test_every_public_method_of_the_application_is_in_the_reference(entries: dict[str, str]):
    page = (ROOT / "docs" / "reference" / "app.md").read_text(encoding="utf-8")
    [without] = re.findall(r"^ambi\.App: without (.*)$", page, re.MULTILINE)
    hidden = set(without.split(", "))  # the framework's own
    methods = {name for name, _ in inspect.getmembers(ambi.App, callable) if not name.startswith("_")} - hidden
    assert sorted(name for name in methods if f"ambi.App.{name}" not in entries) == []


def test_a_name_that_is_not_in_the_reference_is_seen(entries: dict[str, str]):
    assert undocumented({"ambi.App", "ambi.core.plan.Plan"}, entries) == ["ambi.core.plan.Plan"]


def functions(entries: dict[str, str]) -> dict[str, Any]:
    """Give what can be called of the reference; of a class, its constructor, if that is shown."""
    found = dict[str, Any]()
    for name, page in entries.items():
        if is_there(name):
            each = thing(name)
        else:
            owner, _, attribute = name.rpartition(".")
            each = getattr(thing(owner), attribute, None) if is_there(owner) else None
        shown = inspect.isclass(each) and has_constructor(name, page)
        if inspect.isfunction(each) or (shown and inspect.isfunction(each.__init__)):
            found[name] = each
    return found


def has_constructor(name: str, page: str) -> bool:
    """Tell whether the page shows parentheses behind a class's name."""
    text = (SITE / page).read_text(encoding="utf-8")
    begin = text.find(f'id="{name}"')
    return begin >= 0 and 'class="sig-paren"' in text[begin : text.index("</dt>", begin)]


def unsaid(function: Any) -> list[str]:
    """Give the arguments of which a docstring says nothing, if there are several and it does not send readers on."""
    docstring = inspect.getdoc(function) or ""
    if inspect.isclass(function) and "__init__" not in vars(function):
        return []  # told of the class that has it
    signature = inspect.signature(function.__init__ if inspect.isclass(function) else function)
    taken = [name for name in signature.parameters if name not in SAID_BY_THEIR_NAMES]
    if len(taken) < 2 or SENT_ON.search(docstring):
        return []
    return [name for name in taken if not re.search(rf"\b{name}\b", docstring)]


def test_a_docstring_says_what_the_arguments_are(entries: dict[str, str]):
    missing = {name: unsaid(each) for name, each in functions(entries).items()}
    assert {name: arguments for name, arguments in missing.items() if arguments} == {}


def test_an_argument_of_which_nothing_is_said_is_seen():
    def send(host: str, port: int) -> None:
        """Send to a host."""

    assert unsaid(send) == ["port"]
