"""What is read from forms: values, and what is wrong with them, by field.

Whoever sends a form may leave out fields, repeat them, or send a file for a text; browsers send none of that. Such a
form is a 400, by `request.form.field`; what people get wrong is told them, beside the field.
"""

import re
import unicodedata
from dataclasses import dataclass, field

from ambi import Form, HTTPError, UploadFile

from .images import fault_of

NAME_CHARS, PASSWORD_CHARS, TEXT_CHARS, ALT_CHARS = 30, 10, 2000, 200
_NOT_TEXT = re.compile("[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Controls, lone surrogates and what XML has no place for."""


def clean(text: str) -> str:
    """Give a text without control characters, with the line ends of Unix, and nothing around it."""
    return _NOT_TEXT.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def clean_line(text: str) -> str:
    """Give a text as one line, in which spaces stand alone."""
    return " ".join(clean(text).split())


def key_of(name: str) -> str:
    """Give what is the same for names that look alike: `Ann`, `ann`, and `Ａｎｎ` in full width."""
    return unicodedata.normalize("NFKC", name).casefold()


@dataclass
class SignUp:
    """The form of those who want an account."""

    name: str = ""
    password: str = ""
    errors: dict[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def read(cls, form: Form) -> "SignUp":
        found = cls(clean_line(form.field("name")), form.field("password"))
        if not 2 <= len(found.name) <= NAME_CHARS:
            found.errors["name"] = f"A name has 2 to {NAME_CHARS} characters."
        if len(found.password) < PASSWORD_CHARS or len(found.password.encode()) > 4096:
            found.errors["password"] = f"A password has at least {PASSWORD_CHARS} characters."
        elif form.field("again") != found.password:
            found.errors["again"] = "This is another password than the one above."
        return found


@dataclass
class Login:
    """The form of those who have one. What of it is wrong is not told."""

    name: str = ""
    password: str = ""
    errors: dict[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def read(cls, form: Form) -> "Login":
        return cls(clean_line(form.field("name")), form.field("password"))


@dataclass
class Entry:
    """The form of a post, new or to be changed.

    Attributes:
        image: None where no file was chosen.
        without_image: the picture that is there is to go.
    """

    text: str = ""
    alt: str = ""
    image: UploadFile | None = None
    without_image: bool = False
    errors: dict[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def read(cls, form: Form) -> "Entry":
        found = cls(clean(form.field("text")), clean_line(form.field("alt")), _file_of(form), "without_image" in form)
        if not found.text:
            found.errors["text"] = "Write something."
        elif len(found.text) > TEXT_CHARS:
            found.errors["text"] = f"These are {len(found.text):,} characters; {TEXT_CHARS:,} fit."
        if len(found.alt) > ALT_CHARS:
            found.errors["alt"] = f"Say it in at most {ALT_CHARS} characters."
        if found.image is not None and (fault := fault_of(found.image)):
            found.errors["image"] = fault
        return found


def ticket_of(form: Form) -> str:
    """Give what tells a form that is sent twice: from the page itself, random."""
    ticket = form.field("ticket")
    if not re.fullmatch("[0-9a-f]{32}", ticket):
        raise HTTPError(400, "The form has no ticket; load the page again.")
    return ticket


def _file_of(form: Form) -> UploadFile | None:
    """Give the file; None where none was chosen, for which browsers send one without a name and without a byte."""
    file = form.file("image")
    return file if file.filename or file.size else None
