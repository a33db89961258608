"""Where the variables are: the environment, a `.env` file, and files that a variable names.

    NAME           in the environment
    NAME_FILE      in the environment: the value is what that file holds, as Docker and Kubernetes give secrets
    NAME           in the .env file
    NAME_FILE      in the .env file

The first of these that there is counts; both of a pair are an error. Nothing is written to the environment.
"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from .env_file import MAX_FILE_BYTES, WrongLine, parse_env_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Iterator, Mapping

_LIKE = 0.75
"""How alike two names are that may be one: PROT and PORT are, HOST and PORT are not."""


class Variable(NamedTuple):
    """A variable that is set: its text, and whether that came out of a file of its own."""

    text: str
    is_of_file: bool


class Variables:
    """All there are.

    Attributes:
        problems: what is wrong with them, a sentence each.
        source: in words, where they were looked for.
    """

    def __init__(self, environ: Mapping[str, str], env_file: str | os.PathLike[str] | None) -> None:
        self.problems: list[str] = []
        self._sources: list[Mapping[str, str]] = [environ]
        self.source = "the environment"
        if env_file is not None:
            path = Path(env_file).absolute()
            self._sources.append(self._read_env_file(path))
            self.source += f" and {path}" if path.exists() else f" ({path} does not exist)"

    def _read_env_file(self, path: Path) -> Mapping[str, str]:
        try:
            return parse_env_file(_read(path))
        except FileNotFoundError:  # in production there is none
            return {}
        except WrongLine as exc:
            self.problems.append(f"{path}:{exc.number}: {exc.expected}")
        except (OSError, ValueError) as exc:
            self.problems.append(f"{path} cannot be read: {_said(exc)}")
        return {}

    def get(self, name: str, *, may_be_file: bool) -> Variable | None:
        """Give a variable; None where it is not set.

        Raises:
            ValueError: it cannot be had; the message says why.
        """
        for source in self._sources:
            text, path = source.get(name), source.get(f"{name}_FILE") if may_be_file else None
            if text is not None and path is not None:
                raise ValueError(f"{name} and {name}_FILE are both set: one of them was expected")
            if text is not None:
                return Variable(text, is_of_file=False)
            if path is not None:
                return Variable(_read_value(f"{name}_FILE", path), is_of_file=True)
        return None

    def any_below(self, prefix: str) -> bool:
        """Tell whether a variable is set whose name begins so."""
        return any(name.startswith(prefix) for source in self._sources for name in source)

    def in_another_case(self, name: str) -> str | None:
        """Give the name of a variable that differs in nothing but case."""
        return next((one for source in self._sources for one in source if one.upper() == name), None)

    def misspelt(self, prefix: str, unset: Collection[str], known: Collection[str]) -> Iterator[tuple[str, str]]:
        """Give each variable that is not known, and the one that it seems to be, which is not set.

        Without a prefix the environment has too much that is not for this application; then only the file is asked.
        """
        wanted = {name[len(prefix) :]: name for name in unset}
        for source in self._sources if prefix else self._sources[1:]:
            for name in source:
                if name.startswith(prefix) and name not in known:
                    for match in get_close_matches(name[len(prefix) :], wanted, 1, _LIKE):
                        yield name, wanted[match]


def _read_value(name: str, path: str) -> str:
    """Give what a file holds, without the line break at its end. Raises: ValueError."""
    try:
        text = _read(Path(path))
    except (OSError, ValueError) as exc:
        raise ValueError(f"{name} names {path!r}, which cannot be read: {_said(exc)}") from None
    return text.removesuffix("\n").removesuffix("\r")


def _read(path: Path) -> str:
    """Give a small file's text. Raises: OSError, ValueError."""
    with path.open("rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise ValueError(f"it has more than {MAX_FILE_BYTES} bytes")
    text = data.decode()
    if "\0" in text:
        raise ValueError("it holds a null character, so it is no text")
    return text


def _said(error: OSError | ValueError) -> str:
    """Give what an error says, without the path and without bytes of the file."""
    if isinstance(error, UnicodeError):
        return "it is no UTF-8"
    return (isinstance(error, OSError) and error.strerror) or str(error)
