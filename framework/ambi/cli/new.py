"""`ambi new shop`: a small project to begin with, whose tests, servers and container work as they are.

Its files stand in project/, each with `.template` behind its name, so that no tool takes them for this project's own.
`package` in a name is that of the project, `dot-` at its beginning a dot; `$name` and `${upper}` in the text are the
name and the name in capitals (`string.Template`).
"""

from __future__ import annotations

import contextlib
import keyword
import re
import shlex
import sys
from importlib import metadata
from importlib.machinery import PathFinder
from pathlib import Path
from string import Template

from .loading import WrongUseError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Mapping

TEMPLATES = Path(__file__).parent / "project"
_SUFFIX = ".template"
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_NEEDED = ("ambi", "anyio", "gunicorn", "multipart", "mypy", "pip", "pytest", "typing_extensions", "uvicorn")
"""What the project installs, and how."""
_EPILOG = """\
exit status: 0 it was written; 2 it was not, and nothing was

The name is that of a package, as shop or my_shop. Nothing that is there already is written over. Next to the package
stand tests for both gateways, settings for gunicorn, a Dockerfile and a unit for systemd; README.md says how to use it.
"""


def add_arguments(parser: ArgumentParser) -> None:
    """Say what the command takes."""
    from argparse import RawDescriptionHelpFormatter

    parser.formatter_class = RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument("name", metavar="NAME", help="of the project and its package: lower-case letters, digits and _")
    parser.add_argument("--dir", metavar="DIR", help="where to write it; the folder NAME by default")


def run(options: Namespace) -> int:
    """Write the project and say what is next; the exit status."""
    try:
        check_name(options.name)
        folder = Path(options.dir if options.dir is not None else options.name)
        written = render(options.name)
        _check_folder(folder, written, is_named=options.dir is not None)
        write_all(folder, written)
    except WrongUseError as exc:
        sys.stderr.write(f"ambi new: {exc}\n")
        return 2
    except OSError as exc:
        sys.stderr.write(f"ambi new: nothing was written: {exc}\n")
        return 2
    sys.stdout.write(f"{options.name}: {len(written)} files in {folder.resolve()}\n\nnext:\n")
    for line in _next_steps(folder):
        sys.stdout.write(f"    {line}\n")
    sys.stdout.write("\nREADME.md there says how to test and to serve it\n")
    return 0


def check_name(name: str) -> None:
    """Refuse a name that a package cannot have, or that would hide another one.

    Raises:
        WrongUseError: with a name that would do, where one is near.
    """
    if not _NAME.fullmatch(name):
        near = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_0123456789")
        how = f"; {near} would do" if _NAME.fullmatch(near) and _why_not(near) is None else ""
        raise WrongUseError(f"{name!r} is no name for a package: lower-case letters, digits and single _ between{how}")
    why = _why_not(name)
    if why is not None:
        raise WrongUseError(f"{name!r} {why}; another name was expected, as my_{name}")


def _why_not(name: str) -> str | None:
    """Say why a package cannot be called so; None where it can."""
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        return "is a keyword of Python"
    if name in sys.stdlib_module_names:
        return "is a module of the standard library, which the project would hide"
    if name in {path.name for path in TEMPLATES.iterdir() if path.is_dir()} - {"package"}:
        return "is the name of a folder that the project has besides its package"
    if name in _NEEDED or _is_installed(name):
        return "is an installed package, which the project would hide"
    return None


def _is_installed(name: str) -> bool:
    """Tell whether a package of this name is installed here; what only lies in the current directory is not."""
    here = str(Path.cwd())
    path = [entry for entry in sys.path if entry not in ("", here)]
    spec = PathFinder.find_spec(name, path)
    if spec is not None and spec.origin is not None:  # not a mere folder of that name
        return True
    with contextlib.suppress(metadata.PackageNotFoundError):
        return metadata.distribution(name) is not None
    return False


def render(name: str) -> dict[str, str]:
    """Give the files of a project: path, with slashes, -> text."""
    values = {"name": name, "upper": name.upper()}
    return {
        _path_of(template.relative_to(TEMPLATES), name): Template(template.read_text(encoding="utf-8")).substitute(
            values
        )
        for template in sorted(TEMPLATES.rglob(f"*{_SUFFIX}"))
    }


def _path_of(template: Path, name: str) -> str:
    parts = [re.sub(r"^package(?=$|\.service)", name, part) for part in template.parts]
    last = parts[-1].removesuffix(_SUFFIX)
    parts[-1] = f".{last[4:]}" if last.startswith("dot-") else last
    return "/".join(parts)


def _check_folder(folder: Path, files: Mapping[str, str], *, is_named: bool) -> None:
    """Refuse to write over anything, and without being told so into a folder in which there is something.

    Raises:
        WrongUseError: with what is there.
    """
    if folder.exists() and not folder.is_dir():
        raise WrongUseError(f"{folder} is there, and is no folder; nothing was written")
    if not folder.is_dir():
        return
    tops = sorted({path.partition("/")[0] for path in files})
    taken = [top for top in tops if (folder / top).exists() or (folder / top).is_symlink()]
    if taken:
        raise WrongUseError(f"{folder} holds {', '.join(taken)} already; nothing was written")
    if not is_named and any(folder.iterdir()):
        raise WrongUseError(f"the folder {folder} is not empty; --dir {folder} writes into it all the same")


def write_all(folder: Path, files: Mapping[str, str]) -> None:
    """Write files below a folder, all of them or none: what was made is taken away again when one fails.

    Raises:
        OSError: one could not be written, or is there.
    """
    made: list[Path] = []
    try:
        for path, text in files.items():
            file = folder / path
            _make_folder(file.parent, made)
            with file.open("x", encoding="utf-8", newline="\n") as out:
                made.append(file)
                out.write(text)
    except BaseException:  # an interrupt, too
        for one in reversed(made):
            one.rmdir() if one.is_dir() else one.unlink()
        raise


def _make_folder(folder: Path, made: list[Path]) -> None:
    """Make a folder and those above it, and note each that was not there."""
    if not folder.is_dir():
        _make_folder(folder.parent, made)
        folder.mkdir()
        made.append(folder)


def _next_steps(folder: Path) -> list[str]:
    """Give the commands that serve the project."""
    enter = [] if folder.resolve() == Path.cwd() else [f"cd {shlex.quote(str(folder))}"]
    return [*enter, "pip install --upgrade pip && pip install -e . --group dev", "ambi run"]
