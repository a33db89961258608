"""What nobody sees: values with the name of a secret, what looks like one, and both wherever else they occur.

Facts
- A secret is told by its name: of a variable, a key, a field, a parameter. That is a guess, on the safe side.
- The same value stands in other places: in the message of the exception, in the repr of an object, in an argument with
  a harmless name. So values that were masked by name are remembered, and taken out of all text in the end.
- Of short values and everyday words that would make nonsense of the page; those are masked by name alone.
- Of a secret that is longer than any text here its beginning is remembered; where that occurs, the rest goes too.
- Every search is one forward pass: what is searched may come from a client.
"""

from __future__ import annotations

import json
import re
from abc import ABCMeta
from base64 import b64decode
from functools import lru_cache
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import cast
from urllib.parse import quote, quote_plus

from ...core.log import SECRET_PARAMS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

MASK = "••••••"
_HARMLESS = frozenset(("None", "True", "False", "''", '""', "b''", "[]", "{}", "()", MASK))
_STRONG = (
    "password", "passwd", "passphrase", "passwort", "secret", "token", "credential", "authorization", "authentication",
    "apikey", "privatekey", "accesskey", "signingkey", "encryptionkey", "connectionstring",
)  # fmt: skip
"""What the name of a secret has in it, whatever is before and behind it."""
_WEAK = ("cookie", "session", "signature", "csrf", "xsrf")
_STRONG_WORDS = frozenset(("pwd", "pass", "dsn", "jwt", "bearer", "otp", "totp", "mfa", "cvv", "cvc"))
_WEAK_WORDS = frozenset(("auth", "key", "keys", "pin", "sid", "salt", "hmac", "code", "ssn", "iban")) | SECRET_PARAMS
_WHOLE = frozenset(("code", "pin"))
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_TO_END_OF_LINE = frozenset(("cookie", "setcookie", "authorization", "proxyauthorization"))

_NAMED = re.compile(
    r"""(?<![\w-])(?:b(?=\\?['"]))?(\\?['"])?([A-Za-z_][\w-]{0,99})(?(1)\1)"""  # a name, perhaps quoted
    r"""(\]?[ ]{0,2}[=:]=?[ ]{0,2}|,[ ]{1,2}(?=b?['"]))"""
)
_IN_SOURCE = re.compile(
    r"""(?<![\w-])([A-Za-z_][\w-]{0,99})['"]?\]?[ ]{0,2}"""
    r"""(?::[ ]{0,2}[\w.\[\]| ]{0,60}=|[=:]=?)[ ]{0,2}(?=[a-zA-Z]{0,2}['"])"""  # perhaps annotated
)
_URL = re.compile(r"""(://[^\s/?#'"@:]{0,256}:)([^\s'"<>]{1,512})@""")
_BEARER = re.compile(r"""(?i)\b(bearer|basic)[ ]{1,2}([A-Za-z0-9._~+/=-]{6,})""")
_JWT = re.compile(r"(?<![\w-])(?=[\w-]+\.[\w-]{6})([\w-]*?\b)eyJ[\w-]{6,}\.[\w-]+(?:\.[\w-]*)?")  # one try a word
_PEM = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]{0,10000}")
_MAX_KNOWN = 10_000
_OF_CODE: tuple[type, ...] = (FunctionType, BuiltinFunctionType, MethodType, ModuleType, type, ABCMeta)
_SHORTEST_PART = 4
"""So much of a secret may stay at the end of a text that was cut, and no more."""
_CLOSERS = {"(": ")", "[": "]", "{": "}"}


def is_secret(name: object) -> bool:
    """Tell whether a name is that of a secret."""
    text = name.decode("latin-1") if isinstance(name, bytes) else name
    return isinstance(text, str) and len(text) <= 200 and _strength(str(text)) > 0


@lru_cache(2048)
def _strength(name: str) -> int:
    """Give 2 for a name that is a secret's, 1 for one that may be something else, 0 for any other."""
    words = [word.lower() for word in _WORD.findall(name)]
    squashed = "".join(words)
    if any(part in squashed for part in _STRONG) or not _STRONG_WORDS.isdisjoint(words):
        return 2
    if any(part in squashed for part in _WEAK) or squashed.endswith(("key", "keys")):
        return 1
    return int(squashed in _WHOLE or not (_WEAK_WORDS - _WHOLE).isdisjoint(words))


def _squashed(name: str) -> str:
    return "".join(_WORD.findall(name)).lower()


def is_harmless(value: object) -> bool:
    """Tell whether a value says nothing of a secret, whatever its name: None, a function, something empty."""
    return (
        value is None
        or type(value) is bool
        or (type(value) in (str, bytes, list, dict, tuple, set) and not value)
        or type(value) in _OF_CODE
    )


class Masking:
    """The secrets of one report."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._beginnings: set[str] = set()
        self._ordered: list[str] | None = None

    def learn(self, name: object, value: Any, depth: int = 0) -> None:
        """Remember the texts in a value whose name is that of a secret."""
        kind = cast("Any", type(value))
        if kind is dict and depth < 4:
            for key, item in list(value.items())[:50]:
                self.learn(name if not is_secret(key) else key, item, depth + 1)
        elif kind in (list, tuple, set, frozenset) and depth < 4:
            for item in list(value)[:50]:
                self.learn(name, item, depth + 1)
        elif kind is bytes or kind is bytearray:
            self.learn_text(name, bytes(value[: _MAX_KNOWN + 1]).decode("latin-1"))
        elif issubclass(kind, str):  # `isinstance` would ask the value
            self.learn_text(name, str.__str__(value)[: _MAX_KNOWN + 1])

    def learn_text(self, name: object, text: str) -> None:
        """Remember a text, if it is none that may stand anywhere."""
        strength = _strength(name.decode("latin-1") if isinstance(name, bytes) else str(name)[:200])
        is_word = text.isalpha() and text.islower() and len(text) < 10
        if len(text) >= (6 if strength == 2 else 16) and not is_word and MASK not in text:
            self._ordered = None
            is_beginning = len(text) > _MAX_KNOWN
            text = text[:_MAX_KNOWN]
            encoded = quote(text, "", errors="replace"), quote_plus(text, errors="replace")
            forms = (text, *encoded, repr(text)[1:-1], json.dumps(text)[1:-1])
            self._known.update(forms)
            if is_beginning:
                self._beginnings.update(forms)
        for found in _URL.finditer(text):
            self.learn_text("password", found[2])

    def learn_credentials(self, field: str) -> None:
        """Remember what an Authorization field holds, and the password in one of the scheme Basic."""
        scheme, _, credentials = field.partition(" ")
        self.learn_text("authorization", field)
        self.learn_text("authorization", credentials)
        if scheme.lower() == "basic":
            try:
                self.learn_text("password", b64decode(credentials).decode("utf-8", "replace").partition(":")[2])
            except ValueError:  # no base64: it is masked as it stands
                return

    def learn_from(self, text: str) -> None:
        """Remember what a text says are secrets, as the repr of a dataclass does."""
        for name, value in _named_in(text):
            if value[:1] in ("'", '"', "b") and value[-1:] in ("'", '"'):
                self.learn_text(name, value.removeprefix("b")[1:-1])
        for found in _URL.finditer(text):
            self.learn_text("password", found[2])

    def clean(self, text: str, *, is_source: bool = False) -> str:
        """Give a text without secrets. In sources only literals are taken for such: `token = read()` tells none."""
        if self._ordered is None:
            self._ordered = sorted(self._known, key=len, reverse=True)
        for known in self._ordered:
            if known in text:
                whole = known not in self._beginnings
                text = text.replace(known, MASK) if whole else text[: text.index(known)] + MASK
        text = _BEARER.sub(_without_credentials, _URL.sub(_without_password, text))
        text = _PEM.sub(MASK, _JWT.sub(rf"\1{MASK}", text))
        return _clean_named(text, is_source=is_source)

    def end_of(self, text: str) -> str:
        """Give a text that was cut without what may be the beginning of a secret at its end."""
        for known in list(self._known):
            begins = known[:_SHORTEST_PART]
            at = text.find(begins, max(0, len(text) - len(known)))
            while at >= 0 and not known.startswith(text[at:]):
                at = text.find(begins, at + 1)
            if at >= 0:
                text = text[:at]
        return text


def _without_password(found: re.Match[str]) -> str:
    is_port = found[2].partition("/")[0].isdecimal()  # and the @ is one of the path
    return found[0] if is_port and "/" in found[2] else f"{found[1]}{MASK}@"


def _without_credentials(found: re.Match[str]) -> str:
    is_word = found[2].rstrip(".").isalpha() and (found[2].islower() or found[2].istitle())  # "basic authentication"
    return found[0] if is_word and found[1].lower() == "basic" else f"{found[1]} {MASK}"


def _clean_named(text: str, *, is_source: bool) -> str:
    """Mask what follows the name of a secret."""
    parts: list[str] = []
    done = 0
    for _, start, end in _spans(text, is_source=is_source):
        parts += (text[done:start], MASK)
        done = end
    return "".join([*parts, text[done:]]) if parts else text


def _named_in(text: str) -> list[tuple[str, str]]:
    return [(name, text[start:end]) for name, start, end in _spans(text, is_source=False)]


def _spans(text: str, *, is_source: bool) -> Iterator[tuple[str, int, int]]:
    """Find the values that follow the names of secrets, with these names."""
    position = 0
    pattern = _IN_SOURCE if is_source else _NAMED
    while (found := pattern.search(text, position)) is not None:
        position = found.end()
        name = found[1] if is_source else found[2]
        if is_secret(name) and (is_source or _counts(found, text)):
            end = _end_of_value(text, position, name)
            if end > position and text[position:end] not in _HARMLESS:
                yield name, position, end
            position = max(end, position)


def _counts(found: re.Match[str], text: str) -> bool:
    """Tell a name with its value from words: `KeyError: ...`, a pair from a list of names."""
    is_quoted, separator = bool(found[1]), found[3].strip()
    if separator == ",":
        return is_quoted and text[max(0, found.start() - 1) : found.start()] == "("
    if "=" in separator or is_quoted or _squashed(found[2]) in _TO_END_OF_LINE:
        return True
    return _strength(found[2]) == 2 and not found[2].endswith(("Error", "Exception"))


def _end_of_value(text: str, start: int, name: str) -> int:
    """Find the end of a value that begins here: of a literal, of something in brackets, or of a word."""
    if text[start : start + 2] in ("\\'", '\\"'):
        end = text.find(text[start : start + 2], start + 2)
        return len(text) if end < 0 else end + 2
    opening = start
    while opening < len(text) and (text[opening].isalnum() or text[opening] in "_."):
        opening += 1
    if text[opening : opening + 1] in ("'", '"') and opening - start <= 2:
        return _end_of_literal(text, opening)
    if text[opening : opening + 1] in _CLOSERS and text[opening : opening + 1]:
        return _end_of_brackets(text, opening)
    ends = "\n'\"" if _squashed(name) in _TO_END_OF_LINE else " \t\n,;&)]}>'\""
    end = start
    while end < len(text) and text[end] not in ends:
        end += 1
    return end


def _end_of_literal(text: str, start: int) -> int:
    mark = text[start]
    if text.startswith(mark * 3, start):
        end = text.find(mark * 3, start + 3)
        return len(text) if end < 0 else end + 3
    position = start + 1
    while position < len(text) and text[position] not in (mark, "\n"):
        position += 1 + (text[position] == "\\")
    return min(position + 1, len(text))


def _end_of_brackets(text: str, start: int) -> int:
    """Find where what opens here is closed, past quoted text; the end of the text where it is not."""
    open_ones: list[str] = []
    position = start
    while position < len(text):
        character = text[position]
        if character in "'\"":
            position = _end_of_literal(text, position)
            continue
        if character in _CLOSERS:
            open_ones.append(_CLOSERS[character])
        elif open_ones and character == open_ones[-1]:
            open_ones.pop()
            if not open_ones:
                return position + 1
        position += 1
    return len(text)
