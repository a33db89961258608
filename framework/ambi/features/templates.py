"""Templates of Jinja2: from a name and values to a response.

Facts
- Jinja2 escapes nothing by itself, and frameworks that choose by the suffix leave `.j2`, `.svg` and names without one
  open to cross-site scripting. Here every template escapes, unless its suffix was named as plain text.
- Every template is compiled when the application is put together. So a mistake in one is found then, no request waits
  for a disk, and a name that comes from a request cannot lead out of the folder: nothing is looked up there any more.
- Rendering computes and does not wait, so one method serves handlers of either colour. Only templates that themselves
  await need `render_async`. Jinja2 awaits with no help of asyncio, so trio will do.

See: https://jinja.palletsprojects.com, and CWE-79.
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TypedDict, TypeVar

from ..core.arguments import check_texts
from ..core.errors import ConfigurationError
from ..core.media_types import UNKNOWN, media_type_of
from ..core.response import Response, Stream

try:
    import jinja2
    from jinja2.loaders import split_template_path
except ImportError as exc:  # pragma: no cover  # tests have it
    raise ImportError("templates need Jinja2: pip install 'ambi[templates]'") from exc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
    from typing import Any

    from typing_extensions import Unpack

    from ..core.extending import Extensible
    from ..core.request import Request

    TemplateSource = str | PathLike[str] | Sequence[str | PathLike[str]] | jinja2.BaseLoader
    Processor = Callable[[Request], Mapping[str, Any]]

_SUFFIXES = (".j2", ".jinja", ".jinja2")

P = TypeVar("P", bound="Callable[[Request], Mapping[str, Any]]")


class TemplateOptions(TypedDict, total=False):
    """The options of `Templates`, which says what they mean."""

    unescaped: Iterable[str]
    filters: Mapping[str, Callable[..., Any]]
    tests: Mapping[str, Callable[..., Any]]
    globals: Mapping[str, Any]
    enable_async: bool
    auto_reload: bool
    chunk_chars: int
    environment: Mapping[str, Any]


def setup(app: Extensible, *, source: TemplateSource, **options: Unpack[TemplateOptions]) -> Templates:
    """Make the templates of an application. Arguments and errors as for `App.templates`."""
    options.setdefault("auto_reload", app.debug)
    return Templates(source, **options)


class Templates:
    """The templates of a folder or a package, ready to be rendered.

    A template knows `request`, `url_for(name, ...)`, what features and the application put in `app.template_functions`
    (such as `csrf_token()` or `csp_nonce()`), what context processors give, and the values it is rendered with, of
    which later ones hide earlier ones. A name that nothing gave is an error, in every mode: ask with `is defined`, or
    give it a `default`.

    Args:
        source: a folder, several (the first that has a name gives it), "package:folder" of an installed package, or a
            loader of Jinja2. A relative folder is one of the working directory.
        unescaped: suffixes of templates that are plain text, as (".txt", ".md"). Every other one escapes what is put
            into it, whatever its name.
        filters, tests, globals: name -> what templates may use, besides those of Jinja2.
        enable_async: have `render_async` and `stream_async`, for templates that await or iterate asynchronously. The
            templates are compiled once more for that.
        auto_reload: look at the file at each use; for development. By default each is compiled once, at once.
        chunk_chars: of how many characters at least the parts of a streamed page are, but for the last; 0 sends every
            piece as it comes.
        environment: further options of `jinja2.Environment`, as {"trim_blocks": True}.

    Attributes:
        environment: Jinja2's own object.

    Raises:
        ConfigurationError: the folder or package is not there, or a template has a mistake; with its file and line.

    Example:
        >>> templates = Templates(jinja2.DictLoader({"hello.html": "Hello, {{ name }}!"}))
        >>> templates.render("hello.html", name="<b>").body
        b'Hello, &lt;b&gt;!'
    """

    def __init__(self, source: TemplateSource, **options: Unpack[TemplateOptions]) -> None:
        unknown = options.keys() - TemplateOptions.__annotations__.keys()
        if unknown:
            known = ", ".join(TemplateOptions.__annotations__)
            raise ConfigurationError(
                f"templates have no option {min(unknown)!r}; they have {known};"
                " options of jinja2.Environment go to environment={...}"
            )
        self._chunk_chars = options.get("chunk_chars", 4096)
        self._processors: list[Processor] = []
        self.environment = _environment(source, options)
        self._loads_async: jinja2.Environment | None = None
        if options.get("enable_async", False):
            self._loads_async = self.environment.overlay(enable_async=True)
        if not self.environment.auto_reload:
            for environment in filter(None, (self.environment, self._loads_async)):
                _compile_all(environment)

    def context(self, function: P) -> P:
        """Register a context processor: a `def` of the request that gives names for every template rendered with one.

        It runs where the template is rendered, before it; it must not wait.

        Raises:
            ConfigurationError: it is an `async def`, or a generator.

        Example:
            @templates.context
            def who(request: Request) -> dict[str, object]:
                return {"user": request.state.get("user")}
        """
        from ..core.binding import is_async, is_async_generator, is_generator

        if is_async(function) or is_async_generator(function) or is_generator(function):
            raise ConfigurationError.at(
                function,
                "a context processor is a plain `def` that returns a mapping; let a middleware await, and leave"
                " the result in `request.state`",
            )
        self._processors.append(function)
        return function

    # --- rendering ---

    def render(self, name: str, request: Request | None = None, /, **context: Any) -> Response:
        """Render a template to a response, whose type is that of the name's suffix; text where that says nothing.

        For another status return `templates.render(...), 404`. Under `async def` handlers this runs on the event
        loop, as everything else in them that computes.

        Args:
            name: within the source, with forward slashes: "users/list.html".
            request: for `url_for` and the like; None for a text that belongs to no request, as a mail.
            context: values for the template.

        Raises:
            jinja2.TemplateNotFound: there is no such template.
            jinja2.UndefinedError: it uses a name that it was not given.
        """
        text = self.environment.get_template(name).render(self._context_for(request, context))
        return _respond(text, name)

    async def render_async(self, name: str, request: Request | None = None, /, **context: Any) -> Response:
        """Do what `render` does with a template that awaits; what is awaitable in it is awaited by itself.

        Raises:
            RuntimeError: these templates were made without `enable_async=True`.
        """
        template = self._async_environment.get_template(name)
        return _respond(await template.render_async(self._context_for(request, context)), name)

    def stream(self, name: str, request: Request | None = None, /, **context: Any) -> Stream:
        """Render a template while it is sent, for a page that is long, or whose values come one by one.

        What goes wrong after the first part cuts the connection, as in every stream. The values are used later than
        the handler returns, so a database session that ends with it is gone by then. Where the application has CSRF
        tokens, the page gets the cookie of one whether the template shows it or not: later none can be set.
        """
        pieces = self.environment.get_template(name).generate(self._context_of_stream(request, context))
        return Stream(_joined(pieces, self._chunk_chars), _type_of(name))

    def stream_async(self, name: str, request: Request | None = None, /, **context: Any) -> Stream:
        """Do what `stream` does with a template that awaits.

        Raises:
            RuntimeError: these templates were made without `enable_async=True`.
        """
        pieces = self._async_environment.get_template(name).generate_async(self._context_of_stream(request, context))
        return Stream(_joined_async(pieces, self._chunk_chars), _type_of(name))

    @property
    def _async_environment(self) -> jinja2.Environment:
        if self._loads_async is None:
            raise RuntimeError("templates that await are compiled for it: say Templates(..., enable_async=True)")
        return self._loads_async

    def _context_of_stream(self, request: Request | None, values: dict[str, Any]) -> Mapping[str, Any]:
        """Collect it for a template that asks when the response is on its way: too late for what sets a cookie."""
        if request is not None and request.app.csrf_tokens is not None and not request.has_begun:
            request.csrf_tokens.token_for(request)
        return self._context_for(request, values)

    def _context_for(self, request: Request | None, values: dict[str, Any]) -> Mapping[str, Any]:
        """Collect what a template knows."""
        if request is None:
            return values
        known: dict[str, Any] = {"request": request, "url_for": request.url_for}
        for name, function in request.template_functions.items():
            known[name] = _Called(function, request)
        for processor in self._processors:
            known |= processor(request)
        return known | values

    def __repr__(self) -> str:
        return f"<Templates of {self.environment.loader!r}>"


class _Called:
    """A function of the request, as templates call it: without arguments."""

    __slots__ = ("_function", "_request")

    def __init__(self, function: Callable[[Request], Any], request: Request) -> None:
        self._function = function
        self._request = request

    def __call__(self) -> Any:
        return self._function(self._request)


# --- loading ---


class _Compiled(jinja2.BaseLoader):
    """The templates that were compiled beforehand, and no others."""

    def __init__(self, templates: Mapping[str, jinja2.Template]) -> None:
        self._templates = templates

    def load(
        self, environment: jinja2.Environment, name: str, globals: MutableMapping[str, Any] | None = None
    ) -> jinja2.Template:
        """Give a template by its name, in which empty and "." segments mean nothing, as in the name of a file."""
        found = self._templates.get(name) or self._templates.get("/".join(split_template_path(name)))
        if found is None:
            raise jinja2.TemplateNotFound(name)
        return found

    def list_templates(self) -> list[str]:
        """Give the names."""
        return sorted(self._templates)


def _environment(source: TemplateSource, options: TemplateOptions) -> jinja2.Environment:
    further: dict[str, Any] = {"undefined": jinja2.StrictUndefined}
    further |= options.get("environment", {})
    ours = further.keys() & {"autoescape", "auto_reload", "enable_async", "loader"}
    if ours:
        raise ConfigurationError(
            f"environment={{{min(ours)!r}: ...}} is decided by Templates: it takes the source, `unescaped`,"
            " `auto_reload` and `enable_async`"
        )
    plain = check_texts("unescaped", options.get("unescaped", ()))
    if not all(suffix.startswith(".") and len(suffix) > 1 for suffix in plain):
        raise ConfigurationError(f"unescaped are suffixes that begin with a dot, as '.txt', not {plain!r}")
    environment = jinja2.Environment(
        loader=_loader(source),
        autoescape=lambda name: name is None or not _stem(name).endswith(plain),  # noqa: S701  # on, but for these
        auto_reload=options.get("auto_reload", False),
        **further,
    )
    environment.filters.update(options.get("filters", {}))
    environment.tests.update(options.get("tests", {}))
    environment.globals.update(options.get("globals", {}))
    return environment


def _loader(source: TemplateSource) -> jinja2.BaseLoader:
    if isinstance(source, jinja2.BaseLoader):
        return source
    if isinstance(source, str) and ":" in source and not Path(source).is_dir():
        package, _, inside = source.partition(":")
        try:
            return jinja2.PackageLoader(package, inside or "templates")
        except (ImportError, ValueError) as exc:
            raise ConfigurationError(f"the templates {source!r} are not there: {exc}") from exc
    folders = [Path(folder) for folder in ([source] if isinstance(source, (str, PathLike)) else source)]
    for folder in folders:
        if not folder.is_dir():
            raise ConfigurationError(
                f"the folder of templates {str(folder)!r} does not exist (looked for {str(folder.absolute())!r});"
                " name it from where your module is: Path(__file__).parent / 'templates'"
            )
    return jinja2.FileSystemLoader([folder.absolute() for folder in folders])


def _compile_all(environment: jinja2.Environment) -> None:
    """Compile every template of a loader, and put those in its place; one that cannot tell which it has stays."""
    try:
        names = environment.list_templates()
    except TypeError:
        return
    compiled: dict[str, jinja2.Template] = {}
    for name in names:
        if not any(part.startswith(".") for part in name.split("/")):  # what editors and systems leave in folders
            try:
                compiled[name] = environment.get_template(name)
            except UnicodeDecodeError:  # a picture beside the templates is none
                continue
            except jinja2.TemplateSyntaxError as exc:
                raise ConfigurationError(_mistake(exc, name)) from exc
    environment.loader = _Compiled(compiled)
    environment.cache = None  # it would keep each name that a request has found for a template: "./page", "././page"


def _mistake(error: jinja2.TemplateSyntaxError, name: str) -> str:
    hint = "; give filters and tests of your own to filters={...} and tests={...}" if "No filter" in str(error) else ""
    return f"the template {name!r} cannot be compiled: {error.message}{hint} ({error.filename or name}:{error.lineno})"


# --- responding ---


def _stem(name: str) -> str:
    """Give a name without the suffix that only says it is a template: "page.html.j2" is a "page.html"."""
    for suffix in _SUFFIXES:
        if name.endswith(suffix):
            return name[: -len(suffix)]
    return name


def _type_of(name: str) -> str:
    found = media_type_of(_stem(name).rpartition("/")[2])
    return "text/plain; charset=utf-8" if found == UNKNOWN else found


def _respond(text: str, name: str) -> Response:
    return Response(text, content_type=_type_of(name))


class _Parts:
    """Pieces of a few characters, joined to parts that are worth sending."""

    def __init__(self, least: int) -> None:
        self._least = least
        self._pieces: list[str] = []
        self._size = 0

    def add(self, piece: str) -> str:
        """Take a piece; give a part when there is one, else ""."""
        self._pieces.append(piece)
        self._size += len(piece)
        return self.rest() if self._size >= self._least else ""

    def rest(self) -> str:
        """Give what there is."""
        part = "".join(self._pieces)
        self._pieces, self._size = [], 0
        return part


def _joined(pieces: Iterator[str], least: int) -> Iterator[str]:
    parts = _Parts(least)
    for piece in pieces:
        if part := parts.add(piece):
            yield part
    if part := parts.rest():
        yield part


async def _joined_async(pieces: AsyncIterator[str], least: int) -> AsyncIterator[str]:
    parts = _Parts(least)
    async for piece in pieces:
        if part := parts.add(piece):
            yield part
    if part := parts.rest():
        yield part
