r"""Reading a `.env` file: a variable a line, as most tools write and read them.

    # a comment
    export NAME=value            # a comment, behind white space
    NAME='as it is'              \' and \\ stand for ' and \
    NAME="one\ntwo"              escapes: \n \r \t \a \b \f \v \" \' \\
    NAME="a value
    of two lines"

Facts
- There is no standard. What python-dotenv, Docker Compose and the shell agree in is read as they do; a line that they
  would pass over is an error here, as a value that is silently not there is found late.
- `#` begins a comment only behind white space: passwords and colours have it. `NAME= # comment` is empty, as in a
  shell.
- Nothing is put in for `$NAME` or `${NAME}`: a password may hold a `$`.
- No line is shown in an error: it may be the second one of a key.

The parser is one forward pass.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_FILE_BYTES = 1 << 20

_ESCAPES = {
    "n": "\n", "r": "\r", "t": "\t", "a": "\a", "b": "\b", "f": "\f", "v": "\v", '"': '"', "'": "'", "\\": "\\"
}  # fmt: skip
_BLANK = " \t\f\v\xa0"


class WrongLine(ValueError):
    """A line that cannot be read: its number, and what was expected."""

    def __init__(self, number: int, expected: str) -> None:
        super().__init__(number, expected)
        self.number = number
        self.expected = expected


def parse_env_file(text: str) -> dict[str, str]:
    """Give the variables by name; the last one of a repeated name.

    Raises:
        WrongLine: the first line that cannot be read.
    """
    return dict(_Parser(text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")).variables())


class _Parser:
    """The text, and how far it is read."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1

    def variables(self) -> Iterator[tuple[str, str]]:
        """Give name and value of each."""
        while self._at < len(self._text):
            self._skip_blank()
            if self._peek() not in ("", "\n", "#"):
                yield self._name(), self._value()
            self._end_line()

    def _name(self) -> str:
        name = self._word()
        if name == "export" and self._skip_blank():
            name = self._word()
        self._skip_blank()
        if self._peek() != "=":
            raise WrongLine(self._line, "NAME=value was expected")
        if not name.isidentifier() or not name.isascii():
            raise WrongLine(self._line, "NAME=value, whose name has letters, digits and _ alone, was expected")
        self._at += 1
        return name

    def _word(self) -> str:
        start = self._at
        while self._peek() not in ("", "=", "\n", *_BLANK):
            self._at += 1
        return self._text[start : self._at]

    def _value(self) -> str:
        has_blank = self._skip_blank()
        char = self._peek()
        if char == "#" and has_blank:
            return ""
        if char in ("'", '"') and char:
            return self._quoted(char)
        end = self._text.find("\n", self._at)
        line = self._text[self._at : len(self._text) if end < 0 else end]
        self._at += len(line)
        for place, sign in enumerate(line):
            if sign == "#" and place and line[place - 1] in _BLANK:
                return line[:place].rstrip(_BLANK)
        return line.rstrip(_BLANK)

    def _quoted(self, quote: str) -> str:
        """Read to the closing quote, over lines."""
        began = self._line
        parts: list[str] = []
        self._at += 1
        while (char := self._peek()) != quote:
            if not char:
                raise WrongLine(began, f"the closing {quote} of the value that begins here was expected")
            if char == "\\":
                self._at += 1
                parts.append(self._escape(quote))
            else:
                parts.append(char)
            self._line += self._peek() == "\n"
            self._at += 1
        self._at += 1
        self._skip_blank()
        if self._peek() not in ("", "\n", "#"):
            raise WrongLine(self._line, f"the end of the line or a comment was expected behind the closing {quote}")
        return "".join(parts)

    def _escape(self, quote: str) -> str:
        """Give what an escape stands for; one that is none stays as it is."""
        char = self._peek()
        known = char in _ESCAPES if quote == '"' else char in ("'", "\\")
        if known and char:
            return _ESCAPES[char]
        return "\\" + char

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _skip_blank(self) -> bool:
        start = self._at
        while self._text[self._at : self._at + 1] in tuple(_BLANK):
            self._at += 1
        return self._at > start

    def _end_line(self) -> None:
        """Go behind the end of the line; what is left of it is a comment."""
        end = self._text.find("\n", self._at)
        self._at = len(self._text) if end < 0 else end + 1
        self._line += 1
