"""What an extension is given: the application, as features see it, which know no more of `App` than this.

An extension is a function `setup(app, **options)`. All that it does to an application it does by what is public here
and in `Router`: layers, routes, error handlers, template functions, lifespans, and what each request's state begins
with. Every feature is written so; see docs/how-to/extensions.md.
"""

from __future__ import annotations

from .origins import CrossSiteCheck
from .routing import Router, as_layers
from .state import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TypeVar

    from .forwarded import Proxies
    from .middleware import Layer
    from .request import Request

    F = TypeVar("F", bound=Callable[..., Any])


class Extensible(Router):
    """The router at the top, and what may be set up on it besides routes.

    Attributes:
        debug: never in production.
        state: what the state of each request begins with, by name: what lifespans yielded, and what is put here.
        csrf_tokens: makes and checks the tokens of forms; None without `csrf(secret=...)`.
        cross_site: refuses unsafe requests of other sites' pages; None with `App(csrf=False)`.
        proxies: those that are believed; None for none.
        template_functions: name -> function of the request, which templates call by that name without arguments.
    """

    def __init__(self, *, middleware: Iterable[Any], debug: bool, csrf: bool) -> None:
        super().__init__(middleware=middleware, csrf=csrf)
        self.debug = debug
        self.state: Any = State()
        self.csrf_tokens: Any = None
        self.cross_site: CrossSiteCheck | None = CrossSiteCheck() if csrf else None
        self.proxies: Proxies | None = None
        self.template_functions: dict[str, Callable[[Request], Any]] = {}
        self._outer_ranks: list[int] = []

    def surround(self, function: Callable[..., Any] | Layer, *, rank: int) -> None:
        """Add a layer around all those of `middleware`, whenever it is called: for what may answer by itself.

        Args:
            function: as for `middleware`, or a `Layer`.
            rank: its place among its like, the lowest outermost: `https` has 10, `security` 20, `cors` 30.

        Raises:
            ConfigurationError: the function is none of the forms.
        """
        index = sum(other <= rank for other in self._outer_ranks)
        layers = as_layers((function,))
        self._outer_ranks.insert(index, rank)
        self.layers = (*self.layers[:index], *layers, *self.layers[index:])
        self._changed()

    if TYPE_CHECKING:

        def lifespan(self, function: F) -> F:
            """Add a lifespan: `App` does."""
            ...
