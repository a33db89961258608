"""What `load_settings` gives: an object of the class that it was given, and secrets that say what they hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, assert_type

from ambi.features.log_format import LogFormat, configure, log_config
from ambi.features.settings import Secret, load_settings


@dataclass(frozen=True)
class Settings:
    database_url: Secret[str]
    port: int = 8000


settings = load_settings(Settings, prefix="SHOP_", environ={"SHOP_DATABASE_URL": "sqlite:///shop.db"})
assert_type(settings, Settings)
assert_type(settings.database_url, Secret[str])
assert_type(settings.database_url.reveal(), str)
assert_type(Secret(b"x"), Secret[bytes])


def connect(url: str) -> None:
    """Take text, which a secret is not."""


def hold(secret: Secret[object]) -> None:
    """Take any secret."""


hold(settings.database_url)

# --- what is wrong, and is told ---


def misuse() -> None:
    """Use settings wrongly."""
    connect(settings.database_url)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    settings.prot  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]  # noqa: B018


def logging_of(name: Literal["text", "json"]) -> dict[str, Any]:
    """Configure logging, which tests do not."""
    form: LogFormat = name
    configure(form, level="DEBUG")
    configure("xml")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    return log_config(form, server_access=True)
