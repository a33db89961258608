"""What the environment says. Without anything the guestbook keeps all it has in a folder below the current one.

    GUESTBOOK_FOLDER     where everything is kept that is not named here; ./guestbook-data
    GUESTBOOK_DATABASE   the SQLite file
    GUESTBOOK_UPLOADS    the folder of pictures
    GUESTBOOK_SECRET     signs sessions and forms; of several, with commas between, the first signs and all are good
    GUESTBOOK_HOSTS      names of the site, with commas between
    GUESTBOOK_PAGE       how many posts are on a page; 5
    GUESTBOOK_PROXIES    how many proxies stand in front; with one or more, the site is served over https alone

A secret that is not given is made, and kept in that folder for the other workers and for the next start.
"""

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """Where things are kept, and what only this installation knows."""

    database: Path
    sessions: Path
    uploads: Path
    secrets: tuple[str, ...]
    hosts: tuple[str, ...] = ()
    proxies: int = 0
    posts_on_a_page: int = 5
    attempts: str = "10/minute; 60/hour"
    """How often one address may try to log in or sign up."""

    @classmethod
    def in_folder(cls, folder: Path, environment: Mapping[str, str] | None = None) -> "Settings":
        """Make settings that keep everything in a folder, but for what the environment names; folders are made."""
        said = environment or {}
        uploads = Path(said.get("GUESTBOOK_UPLOADS", folder / "uploads"))
        for needed in (folder, uploads):
            needed.mkdir(parents=True, exist_ok=True)
        return cls(
            database=Path(said.get("GUESTBOOK_DATABASE", folder / "guestbook.db")),
            sessions=folder / "sessions.db",
            uploads=uploads,
            secrets=_words(said.get("GUESTBOOK_SECRET", "")) or (secret_of(folder),),
            hosts=_words(said.get("GUESTBOOK_HOSTS", "")),
            proxies=int(said.get("GUESTBOOK_PROXIES", "0")),
            posts_on_a_page=int(said.get("GUESTBOOK_PAGE", "5")),
        )

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read the environment."""
        return cls.in_folder(Path(os.environ.get("GUESTBOOK_FOLDER", "guestbook-data")), os.environ)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def secret_of(folder: Path) -> str:
    """Give the secret of a folder, made when it is first asked for: all workers read the same, and nobody knows it."""
    path = folder / "secret"
    if not path.exists():
        made = folder / f"secret.{secrets.token_hex(8)}"
        made.touch(0o600)
        made.write_text(secrets.token_urlsafe(32))
        with suppress(FileExistsError):  # another worker was first; a link appears whole or not at all
            os.link(made, path)
        made.unlink()
    return path.read_text()
