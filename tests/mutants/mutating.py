"""The faults that are made, one at a time, in the syntax tree of a module.

Left as they are: docstrings, annotations, `__slots__`, what is for type checkers alone, protocols, and the words of error
messages (their numbers are not: a status is one of them). What any test would see, as a name that is None from where it is
assigned, is not tried either: it would only make the share of those that live look small.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}  # fmt: skip
_METHODS = {
    "lower": "upper", "upper": "lower", "find": "rfind", "rfind": "find", "partition": "rpartition",
    "rpartition": "partition", "startswith": "endswith", "endswith": "startswith", "lstrip": "rstrip",
    "rstrip": "lstrip", "removeprefix": "removesuffix", "removesuffix": "removeprefix", "issuperset": "issubset",
    "isdisjoint": "issubset",
}  # fmt: skip
_STRIPS = ("strip", "lstrip", "rstrip")
_SETS = ("frozenset", "set")


_Change = Callable[[Any], ast.AST]


@dataclass(frozen=True)
class Mutant:
    """One fault.

    Attributes:
        where: the qualified name of the function or class that it is in, or the name of the constant.
        what: the change as code, `before  =>  after`; with `#2` behind it where the same stands there twice.
        first, last: the lines of the statement that it changes.
        function: the outermost function around it, whose code can be exchanged; "" where the module must be run anew.
        source, number: of which module it is, and which of its faults.
    """

    where: str
    what: str
    first: int
    last: int
    function: str
    source: str
    number: int

    @property
    def tree(self) -> ast.Module:
        """The module with the fault."""
        tree = ast.parse(self.source)
        path, place, change = list(_changes(tree, [], _Place(tree, "", None)))[self.number]
        _change(path[-1], place, change)
        return tree


@dataclass(frozen=True)
class _Place:
    """Where a node hangs: its parent, the field, and the index if that is a list."""

    parent: ast.AST
    field: str
    index: int | None

    def put(self, node: ast.AST) -> None:
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


def mutants_of(source: str) -> Iterator[Mutant]:
    """Give every mutant of a module."""
    tree = ast.parse(source)
    seen: dict[tuple[str, str], int] = {}
    for number, (path, place, change) in enumerate(list(_changes(tree, [], _Place(tree, "", None)))):
        node = path[-1]
        function, where = _names(path)
        statement = next(each for each in reversed(path) if isinstance(each, ast.stmt))
        shown = _shown(path)
        before = _text(shown)
        mutated = _change(node, place, change)
        after = "(nothing)" if isinstance(mutated, ast.Pass) else _text(mutated if shown is node else shown)
        place.put(node)
        what = f"{_cut(before)}  =>  {_cut(after)}"
        times = seen[where, what] = seen.get((where, what), 0) + 1
        what += f" #{times}" if times > 1 else ""
        yield Mutant(where, what, statement.lineno, _last_line(statement), function, source, number)


def _change(node: ast.AST, place: _Place, change: _Change) -> ast.AST:
    mutated = ast.fix_missing_locations(ast.copy_location(change(node), node))
    place.put(mutated)
    return mutated


def _text(node: ast.AST) -> str:
    if isinstance(node, (ast.If, ast.While)):
        return f"{type(node).__name__.lower()} {ast.unparse(node.test)}:"
    return ast.unparse(node)


def _cut(code: str) -> str:
    line = " ".join(code.split())
    return line if len(line) <= 110 else f"{line[:70]} ... {line[-35:]}"


def _shown(path: list[ast.AST]) -> ast.AST:
    """Choose what is shown of a change: the expression around it, as an operand alone says little."""
    around = path[-2] if len(path) > 1 else path[-1]
    if isinstance(path[-1], ast.stmt):
        return path[-1]
    if isinstance(around, (ast.expr, ast.keyword, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return)):
        return around
    return path[-1]


def _names(path: list[ast.AST]) -> tuple[str, str]:
    """Give the name of the outermost function around a node whose body it is in, and that of the innermost scope."""
    names: list[str] = []
    function = ""
    for node, inner in itertools.pairwise(path):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.append(node.name)
            if not isinstance(node, ast.ClassDef) and not function and inner in node.body:
                function = ".".join(names)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and not names:
            names.append(ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target))
    return function, ".".join(names)


def _last_line(statement: ast.stmt) -> int:
    body = getattr(statement, "body", None)
    if body and not isinstance(statement, ast.ClassDef):
        return max(statement.lineno, body[0].lineno - 1)
    return statement.end_lineno or statement.lineno


def _changes(node: ast.AST, path: list[ast.AST], place: _Place) -> Iterator[tuple[list[ast.AST], _Place, _Change]]:
    path = [*path, node]
    if _is_left_alone(node, path):
        return
    for change in _faults(node, path):
        yield path, place, change
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "type_comment"):
            continue
        if isinstance(value, ast.AST):
            yield from _changes(value, path, _Place(node, field, None))
        elif isinstance(value, list):
            for index, each in enumerate(value):
                if isinstance(each, ast.AST):
                    yield from _changes(each, path, _Place(node, field, index))


def _is_left_alone(node: ast.AST, path: list[ast.AST]) -> bool:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True  # a docstring
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return True
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("__slots__", "TYPE_CHECKING"):
        return True
    if isinstance(node, ast.ClassDef) and any(ast.unparse(base).startswith("Protocol") for base in node.bases):
        return True
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "cast":
        return True
    in_message = any(isinstance(each, ast.Raise) for each in path) or any(_is_error(each) for each in path)
    return in_message and (isinstance(node, ast.JoinedStr) or _is_text(node))


def _is_error(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Error")


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _faults(node: ast.AST, path: list[ast.AST]) -> Iterator[_Change]:
    around = path[-2] if len(path) > 1 else None
    if isinstance(node, ast.Compare):
        yield from (_comparison(index, _COMPARISONS[type(op)]) for index, op in enumerate(node.ops))
    elif isinstance(node, ast.BoolOp):
        other = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
        yield lambda n: ast.BoolOp(other, n.values)
        yield from (_without(index) for index in range(len(node.values)))
    elif isinstance(node, ast.UnaryOp):
        yield lambda n: n.operand
    elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        yield lambda n: ast.BinOp(n.left, _OPERATORS[type(n.op)](), n.right)
    elif isinstance(node, ast.AugAssign):
        yield lambda n: ast.Assign([n.target], n.value)
        if type(node.op) in _OPERATORS:
            yield lambda n: ast.AugAssign(n.target, _OPERATORS[type(n.op)](), n.value)
    elif isinstance(node, ast.IfExp) and not isinstance(node.test, (ast.BoolOp, ast.Compare, ast.UnaryOp)):
        yield lambda n: ast.IfExp(ast.UnaryOp(ast.Not(), n.test), n.body, n.orelse)
    elif isinstance(node, (ast.If, ast.While)) and not isinstance(node.test, (ast.BoolOp, ast.Compare, ast.UnaryOp)):
        yield lambda n: type(n)(ast.UnaryOp(ast.Not(), n.test), n.body, n.orelse)
    elif isinstance(node, ast.Call):
        yield from _call_faults(node)
    elif isinstance(node, ast.Constant):
        yield from _constant_faults(node, around)
    else:
        yield from _statement_faults(node)


def _comparison(index: int, operator: type[ast.cmpop]) -> _Change:
    return lambda n: ast.Compare(n.left, [*n.ops[:index], operator(), *n.ops[index + 1 :]], n.comparators)


def _without(index: int) -> _Change:
    def change(node: ast.BoolOp) -> ast.AST:
        left = [*node.values[:index], *node.values[index + 1 :]]
        return left[0] if len(left) == 1 else ast.BoolOp(node.op, left)

    return change


def _call_faults(node: ast.Call) -> Iterator[_Change]:
    if isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS:
        yield lambda n: ast.Call(ast.Attribute(n.func.value, _METHODS[n.func.attr], ast.Load()), n.args, n.keywords)
    if isinstance(node.func, ast.Attribute) and node.func.attr in ("strip", "lower"):
        yield lambda n: n.func.value
    yield from (_without_keyword(index) for index, each in enumerate(node.keywords) if each.arg is not None)


def _without_keyword(index: int) -> _Change:
    return lambda n: ast.Call(n.func, n.args, [*n.keywords[:index], *n.keywords[index + 1 :]])


def _constant_faults(node: ast.Constant, around: ast.AST | None) -> Iterator[_Change]:
    value = node.value
    if isinstance(value, bool):
        yield lambda n: ast.Constant(not n.value)
    elif isinstance(value, (int, float)):
        yield lambda n: ast.Constant(n.value + 1)
        if value > 1:
            yield lambda n: ast.Constant(n.value - 1)
    elif isinstance(value, (str, bytes)) and value:
        if _is_characters(around, value):  # one that is not among them any more
            yield lambda n: ast.Constant(n.value[1:])
            if len(value) > 1:
                yield lambda n: ast.Constant(n.value[:-1])
        else:
            yield lambda n: ast.Constant("XX" + n.value if isinstance(n.value, str) else b"XX" + n.value)
    elif value == "":
        yield lambda n: ast.Constant("XX")


def _is_characters(around: ast.AST | None, value: str | bytes) -> bool:
    """Tell whether a text is a set of characters, of which each counts."""
    if isinstance(around, ast.Call):
        name = around.func.attr if isinstance(around.func, ast.Attribute) else ast.unparse(around.func)
        return name in _STRIPS + _SETS
    return (len(value) > 1 and isinstance(around, (ast.Assign, ast.BinOp))) or (
        isinstance(around, ast.Compare) and len(value) > 2
    )


def _statement_faults(node: ast.AST) -> Iterator[_Change]:
    if isinstance(node, ast.Raise) or (isinstance(node, ast.Expr) and isinstance(node.value, (ast.Call, ast.Await))):
        yield lambda n: ast.Pass()
    elif isinstance(node, ast.Return) and node.value is not None:
        if not (isinstance(node.value, ast.Constant) and node.value.value is None):
            yield lambda n: ast.Return(ast.Constant(None))
    elif isinstance(node, ast.Break):
        yield lambda n: ast.Continue()
    elif isinstance(node, ast.Continue):
        yield lambda n: ast.Break()
