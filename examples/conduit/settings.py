"""What the environment says. Without anything all is kept in a folder below the current one.

    CONDUIT_FOLDER     where everything is kept that is not named here; ./conduit-data
    CONDUIT_DATABASE   a URL: postgresql://user:password@host/name, or sqlite:///file
    CONDUIT_SECRET     signs tokens; at least 32 characters

A secret that is not given is made, and kept in that folder for the other workers and for the next start.
"""

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url

SECRET_CHARACTERS = 32
"""At least: a key for HS256 is as long as what it makes (RFC 7518 3.2)."""


@dataclass(frozen=True)
class Settings:
    """Where things are kept, and what only this installation knows."""

    database: URL
    secret: str

    @classmethod
    def in_folder(cls, folder: Path, environment: Mapping[str, str] | None = None) -> "Settings":
        """Make settings that keep everything in a folder, but for what the environment names; it is made."""
        said = environment or {}
        folder.mkdir(parents=True, exist_ok=True)
        secret = said.get("CONDUIT_SECRET") or secret_of(folder)
        if len(secret) < SECRET_CHARACTERS:
            raise SystemExit(f"CONDUIT_SECRET has {len(secret)} characters; it needs {SECRET_CHARACTERS} or more")
        return cls(make_url(said.get("CONDUIT_DATABASE") or f"sqlite:///{folder / 'conduit.db'}"), secret)

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read the environment."""
        return cls.in_folder(Path(os.environ.get("CONDUIT_FOLDER", "conduit-data")), os.environ)


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
