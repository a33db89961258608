"""The faults are made where they should be, and leave alone what they should."""

import ast

from tests.mutants.__main__ import line_of, read_survivors
from tests.mutants.catalogue import MODULES
from tests.mutants.mutating import mutants_of
from tests.mutants.running import PACKAGE, ROOT

SOURCE = '''
"""A docstring is no code."""
LIMIT = 10

class Reader:
    __slots__ = ("a",)
    size: int = 4

    def read(self, text: str, strict: bool = True) -> str:
        """Nor is this."""
        if len(text) > LIMIT and strict:
            raise ValueError(f"{text!r} is more than {LIMIT}")
        return text.strip(" ")
'''


def test_each_fault_is_made_once() -> None:
    assert [line_of(mutant) for mutant in mutants_of(SOURCE)] == [
        "LIMIT: LIMIT = 10  =>  LIMIT = 11",
        "LIMIT: LIMIT = 10  =>  LIMIT = 9",
        "Reader: size: int = 4  =>  size: int = 5",
        "Reader: size: int = 4  =>  size: int = 3",
        "Reader.read: True  =>  False",
        "Reader.read: len(text) > LIMIT and strict  =>  len(text) > LIMIT or strict",
        "Reader.read: len(text) > LIMIT and strict  =>  strict",
        "Reader.read: len(text) > LIMIT and strict  =>  len(text) > LIMIT",
        "Reader.read: len(text) > LIMIT and strict  =>  len(text) >= LIMIT and strict",
        "Reader.read: raise ValueError(f'{text!r} is more than {LIMIT}')  =>  (nothing)",
        "Reader.read: return text.strip(' ')  =>  return None",
        "Reader.read: return text.strip(' ')  =>  return text",
        "Reader.read: text.strip(' ')  =>  text.strip('')",
    ]


def test_a_fault_is_in_the_tree_and_only_there() -> None:
    trees = [ast.unparse(mutant.tree) for mutant in mutants_of(SOURCE)]
    assert len(set(trees)) == len(trees)
    assert ast.unparse(ast.parse(SOURCE)) not in trees


def test_where_a_fault_is_says_what_has_to_be_exchanged() -> None:
    found = {mutant.function for mutant in mutants_of(SOURCE)}
    assert found == {"", "Reader.read"}
    assert [m.function for m in mutants_of(SOURCE) if line_of(m) == "Reader.read: True  =>  False"] == [""]


def test_what_is_named_in_the_catalogue_is_there() -> None:
    for module, part in MODULES.items():
        assert part.only <= {mutant.where for mutant in mutants_of((PACKAGE / module).read_text(encoding="utf-8"))}
        assert [test for test in part.tests if not (ROOT / "tests" / test).is_file()] == []


def test_survivors_are_read_from_the_fenced_blocks() -> None:
    text = "# T\n## `a.py`\nwhy\n```text\nf: x  =>  y\n\nf: y  =>  z\n```\n- no\n## `b.py`\n```text\ng: 1  =>  2\n```\n"
    assert read_survivors(text) == {"a.py": {"f: x  =>  y", "f: y  =>  z"}, "b.py": {"g: 1  =>  2"}}
