"""Loading: from what stands on the command line to the application.

    shop:app              the attribute `app` of the module `shop`
    shop                  the same, or `application`
    shop:sites.main       an attribute of an attribute
    shop:create           a factory: a function that can be called without arguments
    shop:create("test")   a factory with arguments, as literals
    shop.py:app           a file; `sites/shop.py` is `sites.shop` if `sites` is a package

The current directory comes first on the import path, as with servers; with a file, the directory of its top package.

Where the command line names nothing, `[tool.ambi] app = "shop:app"` in a pyproject.toml does, of the current directory
or of the nearest one above it, up to that of the repository or the home directory, unless the file is another user's:
that directory is then imported from. Else the one file that is there and looks like it.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import os
import re
import sys
from pathlib import Path
from typing import NamedTuple

from ..app import App, is_app
from ..core.errors import near_to
from .mends import instead_of, mend_of, modules_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterable, Iterator
    from types import ModuleType, TracebackType
    from typing import Any

Frame = tuple[str, int, str]
"""Of a traceback: file, line, and the name of the function."""

_DEFAULTS = ("app", "application")
_USUAL_MODULES = ("app", "main", "wsgi", "asgi")
_PACKAGE = str(Path(__file__).parents[1])
_LIBRARIES = str(Path(ast.__file__).parent)
_ATTRIBUTE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*(\(.*\))?", re.DOTALL)


class WrongUseError(Exception):
    """Say that what was asked for is not there. The command's fault, not the application's."""


class FailedImportError(Exception):
    """Say that the user's code raised while it was imported, or a factory while it was called.

    Attributes:
        error: what it raised.
        frames: where: the frames of the user's code alone, outermost first.
        mend: what to do; "" where the error says enough.
    """

    def __init__(self, spec: str, error: BaseException) -> None:
        super().__init__(f"{spec} could not be loaded: {type(error).__name__}: {error}")
        self.error = error
        self.frames = user_frames(error)
        self.mend = mend_of(error, self.frames[-1][0] if self.frames else "")


class Named(NamedTuple):
    """What an application is called.

    Attributes:
        spec: as above.
        root: the directory to import from, and that of a file.
    """

    spec: str
    root: Path


def add_app_argument(parser: ArgumentParser) -> None:
    """Say how a command is told which application it is for; `named` reads it."""
    parser.add_argument(
        "app", nargs="?",
        help="module:attribute, as shop:app, shop.py:app or 'shop:create()'; shop is shop:app. Default: what"
        " [tool.ambi] in pyproject.toml names, else the app of app.py, main.py, wsgi.py or asgi.py",
    )  # fmt: skip


def named(spec: str | None) -> Named:
    """Give what a command line names, or the default where it names nothing. Raises: WrongUseError."""
    return default_spec() if spec is None else Named(spec, Path.cwd())


def default_spec() -> Named:
    """Give the application of this directory, which nobody named.

    Raises:
        WrongUseError: none is there, more than one is, or pyproject.toml cannot be read.
    """
    here = Path.cwd()
    for folder in _trusted_from(here):
        spec = _configured(folder / "pyproject.toml")
        if spec is not None:
            return Named(spec, folder)
    own = re.sub(r"\W", "_", here.name)
    names = [*_USUAL_MODULES, *([own] if own.isidentifier() and own not in _USUAL_MODULES else [])]
    found = [spec for name in names for spec in _candidates(here, name)]
    if len(found) == 1:
        return Named(found[0], here)
    what = f"{here} has several: {', '.join(found)}" if found else (
        f"{here} has no `app` in {', '.join(f'{name}.py' for name in names)}, and no pyproject.toml names one"
    )  # fmt: skip
    project = None if found else _project_below(here)
    if project is not None:
        raise WrongUseError(f"no application was named, and {what}; {project.name} is a project: cd {project.name}")
    example = [*found, *_others_in(here), "shop:app"][0]
    raise WrongUseError(
        f"no application was named, and {what}; name one, as {example}, or write it into pyproject.toml:"
        f' [tool.ambi] app = "{example}"'
    )


def _trusted_from(here: Path) -> Iterator[Path]:
    """Give a directory and those above it, up to that of a repository, or the user's home.

    And none in which the file is somebody else's: what it names is run. In /tmp everybody may write one.
    """
    yield here
    if _is_border(here):
        return
    users = _users(here)
    for folder in here.parents:
        try:
            owner = (folder / "pyproject.toml").lstat().st_uid
        except OSError:
            owner = None
        if owner is not None and users and owner not in users:
            return
        yield folder
        if _is_border(folder):
            return


def _is_border(folder: Path) -> bool:
    return (folder / ".git").exists() or folder == Path(os.path.expanduser("~"))  # noqa: PTH111  # it may be unknown


def _users(here: Path) -> set[int]:
    """Give whose files are run: this user's, and those of who owns the directory; empty where files have no owners."""
    return {os.getuid(), here.stat().st_uid} if hasattr(os, "getuid") else set()


def _project_below(folder: Path) -> Path | None:
    """Give the directory in this one whose pyproject.toml names an application, where there is one."""
    for path in sorted(folder.glob("*/pyproject.toml")):
        with contextlib.suppress(WrongUseError):  # it is not the one that was asked for
            if _configured(path) is not None:
                return path.parent
    return None


def _others_in(folder: Path) -> Iterator[str]:
    """Give the specs of the modules and packages of a directory, but for its tests."""
    for name in sorted(modules_in(folder)):
        if name.isidentifier() and not name.startswith("test"):
            yield from _candidates(folder, name)


def _configured(path: Path) -> str | None:
    """Give what a pyproject.toml names; None where there is no such file or table. Raises: WrongUseError."""
    if not path.is_file():
        return None
    import tomllib

    try:
        tool = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {})
    except (OSError, ValueError) as exc:
        raise WrongUseError(f"{path} cannot be read: {exc}") from None
    if "ambi" not in tool:
        return None
    spec = tool["ambi"].get("app") if isinstance(tool["ambi"], dict) else None
    if not isinstance(spec, str) or not spec:
        raise WrongUseError(f'{path}: [tool.ambi] names no application; write app = "shop:app" below it')
    return spec


def _candidates(folder: Path, name: str) -> Iterator[str]:
    """Give the specs of a module or package that binds one of the default names, as its source tells."""
    for path in (folder / f"{name}.py", folder / name / "__init__.py"):
        if not path.is_file():
            continue
        try:
            bound = _bound_names(ast.parse(path.read_bytes()).body)
        except (SyntaxError, ValueError):  # it is what is worked on: loading it says what is wrong with it
            bound = set(_DEFAULTS[:1])
        yield from [f"{name}:{attribute}" for attribute in _DEFAULTS if attribute in bound][:1]


def _bound_names(body: Iterable[ast.AST]) -> set[str]:
    """Give the names that statements of a module bind, as far as an application may be bound so."""
    names: set[str] = set()
    for statement in body:
        if isinstance(statement, ast.Assign):
            names.update(target.id for target in statement.targets if isinstance(target, ast.Name))
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            names.add(statement.target.id)
        elif isinstance(statement, ast.ImportFrom):
            names.update(alias.asname or alias.name for alias in statement.names)
        elif isinstance(statement, (ast.If, ast.Try, ast.With)):
            names |= _bound_names(ast.iter_child_nodes(statement))
    return names


def load_app(spec: str, root: Path | None = None) -> App:
    """Import what a command line names, and give the application.

    Args:
        spec: as above.
        root: the directory to import from, and that of a file; the current one by default.

    Raises:
        WrongUseError: there is no such module or attribute, or it is no application.
        FailedImportError: the user's code raised.
    """
    return load_served(spec, root)[1]


def load_served(spec: str, root: Path | None = None) -> tuple[Any, App]:
    """As `load_app`; give what a server is to call, which may be a wrapper, and the application in it."""
    module_name, attribute = split_spec(spec)
    module = _import(module_name, root or Path.cwd())
    named = _look_up(module, attribute)
    found = _call_factory(spec, named, attribute)
    if is_app(found):
        return found, found
    if found is None and named is not None:
        raise WrongUseError(f"the factory {spec} returned None; a `return` of the App that it makes was expected")
    from ..gunicorn import find_app  # loads the bridge, and hardly anybody wraps

    wrapped = find_app(found)
    if wrapped is None:
        raise WrongUseError(f"{spec} is no App but {_shown(found)}{_mend(spec, found) or _apps_of(module)}")
    return found, wrapped


def split_spec(spec: str) -> tuple[str, str]:
    """Split a spec into module (or file) and attribute, which is "" where none is named."""
    for colon in (match.start() for match in re.finditer(":", spec)):
        if _ATTRIBUTE.fullmatch(spec, colon + 1) and not (colon == 1 and spec[2:3] in "\\/"):
            return spec[:colon], spec[colon + 1 :]
    if spec.endswith(":"):
        raise WrongUseError(f"{spec!r} names nothing behind its colon; module:attribute was expected, as shop:app")
    return spec, ""


def spelled_out(spec: str, root: Path) -> str:
    """Give a spec as servers take it, module:attribute, as far as the source tells; else as it is.

    Args:
        spec: as above.
        root: the directory to import from, and that of a file.
    """
    module, attribute = split_spec(spec)
    if is_file(module):
        folder, module = _module_of(module, root)
        if folder != root.resolve():
            return spec
    *packages, name = module.split(".")
    found = f"{name}:{attribute}" if attribute else next(_candidates(root.joinpath(*packages), name), f"{name}:app")
    return ".".join([*packages, found])


def roots_of(spec: str, root: Path) -> list[Path]:
    """Give the directories that the code of an application is in, as far as its spec tells. Raises: WrongUseError."""
    name, _ = split_spec(spec)
    return [root, _module_of(name, root)[0]] if is_file(name) else [root]


def is_file(name: str) -> bool:
    """Tell whether a spec names a file, and not a module, in front of its colon."""
    return name.endswith(".py") or "/" in name or "\\" in name


def _import(name: str, root: Path) -> ModuleType:
    """Import a module by name or file."""
    if is_file(name):
        root, name = _module_of(name, root)
    if sys.path[:1] != [str(root)]:
        sys.path.insert(0, str(root))
    if not all(part.isidentifier() for part in name.split(".")):
        raise WrongUseError(f"{name!r} is no name of a module; module:attribute was expected, as shop:app")
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as exc:
        if exc.name is not None and f"{name}.".startswith(f"{exc.name}."):
            where = f"in {root} or elsewhere on the import path"
            raise WrongUseError(f"there is no module {exc.name!r} {where}{instead_of(exc.name, root)}") from None
        raise FailedImportError(name, exc) from exc
    except (Exception, SystemExit) as exc:
        raise FailedImportError(name, exc) from exc
    _check_own(module, name, root)
    if getattr(module, "__file__", None) is None and hasattr(module, "__path__"):
        folder = next(iter(module.__path__))
        raise WrongUseError(f"{folder} is no package, as it has no __init__.py{instead_of(name, root)}")
    return module


def _check_own(module: ModuleType, name: str, root: Path) -> None:
    """Refuse a module that is not the user's file of that name: Python had another one already, as for `ambi.py`."""
    place = root.joinpath(*name.split("."))
    own = next((file for file in (place / "__init__.py", place.with_suffix(".py")) if file.is_file()), None)
    imported = getattr(module, "__file__", None)
    if own is not None and (imported is None or not Path(imported).samefile(own)):
        other = "it is one of Python's" if imported is None else f"it is {imported}"
        raise WrongUseError(f"{own} cannot be imported, as {name!r} is another module: {other}; rename yours")


def _module_of(file: str, root: Path) -> tuple[Path, str]:
    """Give the directory to import a file from, and the name of its module."""
    path = root / file
    if path.is_dir():
        path /= "__init__.py"
    if not path.is_file():
        raise WrongUseError(f"there is no file {file!r} in {root}")
    path = path.resolve()
    names = [] if path.name == "__init__.py" else [path.stem]
    root = path.parent
    while (root / "__init__.py").is_file():
        names.append(root.name)
        root = root.parent
    return root, ".".join(reversed(names))


def _look_up(module: ModuleType, attribute: str) -> Any:
    names = attribute.partition("(")[0].split(".")
    if not attribute:
        names = [next((name for name in _DEFAULTS if hasattr(module, name)), "")]
        if not names[0]:
            how = _apps_of(module) or f"; name what it is called, as {module.__name__}:name"
            raise WrongUseError(f"{module.__name__} has neither `app` nor `application`{how}")
    found: Any = module
    for name in names:
        if not hasattr(found, name):
            owner = module.__name__ if found is module else type(found).__name__
            raise WrongUseError(
                f"{owner} has no attribute {name!r}{near_to(name, _values_of(found)) or _apps_of(module)}"
            )
        found = getattr(found, name)
    return found


def _call_factory(spec: str, found: Any, attribute: str) -> Any:
    """Call what is written with parentheses, or is a function that wants no arguments."""
    args, kwargs = _arguments(spec, attribute)
    is_class = isinstance(found, type)
    if "(" not in attribute and (not hasattr(found, "__code__") or is_class or _wants_arguments(found)):
        return found
    try:
        return found(*args, **kwargs)
    except (Exception, SystemExit) as exc:
        raise FailedImportError(spec, exc) from exc


def _arguments(spec: str, attribute: str) -> tuple[list[Any], dict[str, Any]]:
    """Read the arguments of a factory."""
    if "(" not in attribute:
        return [], {}
    try:
        call = ast.parse(attribute, mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, (ast.Name, ast.Attribute)):
            raise ValueError("not one call of a name")
        kwargs = {word.arg: ast.literal_eval(word.value) for word in call.keywords if word.arg is not None}
        return [ast.literal_eval(value) for value in call.args], kwargs
    except (SyntaxError, ValueError):
        raise WrongUseError(f"the arguments in {spec!r} must be literals, as create('test', debug=True)") from None


def _wants_arguments(function: Any) -> bool:
    from inspect import Parameter, signature

    return any(
        parameter.default is Parameter.empty and parameter.kind not in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
        for parameter in signature(function).parameters.values()
    )


# --- what is said of what is not there ---


def _values_of(found: object) -> list[str]:
    """Give the names that hold no class: `App`, imported, is not what `app` was meant to be."""
    return [name for name in dir(found) if not isinstance(getattr(found, name, None), type)]


def _apps_of(module: ModuleType) -> str:
    names = [name for name, value in vars(module).items() if isinstance(value, App)]
    return f"; {module.__name__} has {', '.join(names)}" if names else ""


def _shown(value: object) -> str:
    if value is None:
        return "None"
    text = repr(value)
    return f"{type(value).__name__}: {text if len(text) <= 60 else text[:57] + '...'}"


def _mend(spec: str, found: Any) -> str:
    """Say what may be meant by what is no App, for the end of a message; "" where nothing can be guessed."""
    if hasattr(found, "cr_code"):
        found.close()  # nobody will await it
        return "; a factory is a `def`"
    if hasattr(found, "__code__") and _wants_arguments(found):
        return f"; a factory that takes arguments is given literals: '{spec}(...)'"
    return ""


def user_frames(error: BaseException) -> list[Frame]:
    """Give where an error came from in the user's own code: neither libraries' frames nor the import machinery's."""
    frames: list[Frame] = []
    at: TracebackType | None = error.__traceback__
    while at is not None:
        code = at.tb_frame.f_code
        if not code.co_filename.startswith((_PACKAGE, "<frozen ", importlib.__file__)):
            frames.append((code.co_filename, at.tb_lineno, code.co_name))
        at = at.tb_next
    if isinstance(error, SyntaxError) and error.filename:
        frames.append((error.filename, error.lineno or 1, ""))
    own = [frame for frame in frames if not frame[0].startswith(_LIBRARIES) and "site-packages" not in frame[0]]
    return own or frames
