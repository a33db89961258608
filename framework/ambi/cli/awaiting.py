"""`await` at the top level: what awaits goes to an event loop in another thread, all else stays in this one.

    x = await f()               x = wait(lambda: f())
    async with a() as x: ...    async def statement(): global x; async with a() as x: ...
                                wait(lambda: statement())

So a line may call what blocks, as a client for tests does, and a line below it may await; only within one statement of
the second kind, all of it is on the loop.
"""

from __future__ import annotations

import ast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

WAIT = "__ambi_wait__"
"""The global that waits for what a function without arguments gives."""
_STATEMENT = "__ambi_statement__"
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


class Awaiting(ast.NodeTransformer):
    """Rewrites the tree of a program, or of one line of a console."""

    def visit_Module(self, node: Any) -> Any:
        """Rewrite each statement as it needs."""
        node.body = [new for statement in node.body for new in self._rewritten(statement)]
        return ast.fix_missing_locations(node)

    visit_Interactive = visit_Module  # noqa: N815

    def _rewritten(self, statement: ast.stmt) -> list[ast.stmt]:
        own = list(_own_nodes(statement))
        if any(_needs_function(node) for node in own):
            return _as_function(statement, own)
        return [self.visit(statement)]

    def visit_Await(self, node: ast.Await) -> ast.AST:
        """Wait for what the expression gives; it is evaluated on the loop, as `asyncio.gather` and its like ask."""
        return ast.copy_location(_wait_for(node.value), node)

    def _leave(self, node: Any) -> Any:
        return node  # a scope of its own: an `await` in it is that of a function

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = visit_ClassDef = _leave  # noqa: N815


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Give a node and all below it that belong to the same scope."""
    yield node
    if not isinstance(node, _SCOPES):
        for child in ast.iter_child_nodes(node):
            yield from _own_nodes(child)


def _needs_function(node: ast.AST) -> bool:
    """Tell whether something stands in an `async def` alone."""
    if isinstance(node, ast.Await):
        return any(isinstance(inner, ast.Await) for inner in _own_nodes(node.value))
    return isinstance(node, (ast.AsyncFor, ast.AsyncWith)) or (
        isinstance(node, ast.comprehension) and node.is_async > 0
    )


def _wait_for(value: ast.expr) -> ast.Call:
    nothing = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
    return ast.Call(ast.Name(WAIT, ast.Load()), [ast.Lambda(nothing, value)], [])


def _as_function(statement: ast.stmt, own: list[ast.AST]) -> list[ast.stmt]:
    """Give a function around a statement, whose names stay those of the module, and a call of it."""
    names = sorted({name for node in own for name in _bound_by(node)})
    inner = ast.Return(statement.value) if isinstance(statement, ast.Expr) else statement
    body: list[ast.stmt] = [ast.Global(names), inner] if names else [inner]
    function: Any = ast.parse(f"async def {_STATEMENT}(): ...").body[0]
    function.body = [ast.copy_location(one, statement) for one in body]
    call = ast.Expr(_wait_for(ast.Call(ast.Name(_STATEMENT, ast.Load()), [], [])))
    return [ast.copy_location(function, statement), ast.copy_location(call, statement)]


def _bound_by(node: ast.AST) -> Iterator[str]:
    """Give the names that a node binds in its scope."""
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, ast.alias):
        yield (node.asname or node.name).partition(".")[0]
    elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
        yield node.name
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest
